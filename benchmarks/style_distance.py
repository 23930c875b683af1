"""Style distance of a fast style network against an optimisation of the same photographs.

The style distance of a layer is the squared error of the Gram matrix relative to the style image's,
|G_l(x) - G_l(style)|^2 / |G_l(style)|^2, in float32; the content distance is that of relu4_2 to the photograph's. The
optimisation has the settings of the recipe `style_transfer`, starts at the photograph and takes 300 iterations with the
network's own style image. Photographs are reduced to the network's scale of training. All images are rounded to 8 bits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks import options
from benchmarks.style import photograph
from genmodels import recipes
from genmodels.data.loader import to_float, to_uint8
from genmodels.data.own import style_image
from genmodels.losses import relative_square
from genmodels.models.fast_style import FastStyle
from genmodels.models.style_transfer import PerceptualLoss, StyleTransfer
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder

LAYERS = ("relu3_1", "relu4_1")
_CONTENT = "relu4_2"
_AIM = 1.3
_ITERATIONS = 300
_SHORT_SIDE, _SHORT_ITERATIONS = 64, 2
_GAP = 4  # pixels between two images of the grid


def distances(vgg: PerceptualLoss, x: Tensor, photo: Tensor, style: Tensor) -> dict[str, float]:
    """Style distance of each of `LAYERS` and content distance of images (1, C, H, W) in [-1, 1], by layer."""
    grams, style_grams = vgg.style_targets(x, LAYERS), vgg.style_targets(style, LAYERS)
    maps, photo_maps = vgg.content_targets(x, [_CONTENT]), vgg.content_targets(photo, [_CONTENT])
    errors = {layer: float(relative_square(grams[layer], style_grams[layer])) for layer in LAYERS}
    return errors | {_CONTENT: float(relative_square(maps[_CONTENT], photo_maps[_CONTENT]))}


def rounded(x: Tensor, path: Path | None = None) -> Tensor:
    """Images (1, 3, H, W) in [-1, 1] rounded to 8 bits, and saved as a PNG at `path`."""
    pixels = to_uint8(x)[0].permute(1, 2, 0).contiguous().numpy()
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tensor(pixels.transpose(2, 0, 1))


def optimise(photo: Tensor, style: Tensor, iterations: int) -> Tensor:
    """The canvas (1, C, H, W) in [-1, 1] after `iterations` of the recipe `style_transfer`, in bfloat16."""
    settings = recipes.merge(recipes.get("style_transfer"))["model"]
    model = StyleTransfer.build(image_shape=tuple(photo.shape[1:]), **settings)
    canvas = photo
    with torch.autocast("cpu", torch.bfloat16):
        for canvas in model.stylize(photo, style, steps=iterations):  # noqa: B007
            pass
    return canvas


def grid(rows: list[list[Tensor]]) -> Image.Image:
    """Rows of images (1, 3, H, W) in [-1, 1] as columns, each cell as large as the largest image."""
    cells = [[Image.fromarray(to_uint8(x)[0].permute(1, 2, 0).numpy()) for x in row] for row in rows]
    width, height = (max(cell.size[axis] for row in cells for cell in row) + _GAP for axis in (0, 1))
    sheet = Image.new("RGB", (width * len(rows) - _GAP, height * len(rows[0]) - _GAP), "white")
    for column, row in enumerate(cells):
        for number, cell in enumerate(row):
            sheet.paste(cell, (column * width, number * height))
    return sheet


def tensor(pixels: np.ndarray) -> Tensor:
    """uint8 (C, H, W) -> (1, C, H, W) in [-1, 1]."""
    return to_float(torch.from_numpy(pixels.copy()))[None]


def main() -> None:
    parser = options.parser(__doc__)
    parser.add_argument("checkpoint", nargs="?", default="fast_style_starry_night", help="a fast style network")
    parser.add_argument("photographs", nargs="*", help="image files that it was not trained on; default: a test image")
    parser.add_argument("--style", help="the style image: a file, or a name in style_images of GENMODELS_DATA")
    parser.add_argument("--side", type=int, help="longer side of the photographs; default: the scale of training")
    parser.add_argument("--style-size", type=int, help="longer side of the style image; default: as in training")
    parser.add_argument("--keep", type=Path, help="folder of optimised images: those in it are not computed again")
    parser.add_argument("--grid", type=Path, help="JPEG to write: photographs, the network's results, optimised images")
    parser.add_argument("--quality", type=int, default=80, help="JPEG quality of the grid")
    arguments = parser.parse_args()
    network = catalog.load(arguments.checkpoint)
    if not isinstance(network, FastStyle):
        parser.error(f"{arguments.checkpoint} is not a fast style network")
    config = RunFolder(catalog.find(arguments.checkpoint)).spec().data
    side = _SHORT_SIDE if arguments.short else arguments.side or network.training_side
    size = side if arguments.short else arguments.style_size or config.style_size or style_image.DEFAULT_SIZE
    iterations = _SHORT_ITERATIONS if arguments.short else _ITERATIONS
    name = arguments.style or config.style or ""
    if style_image.locate(name):
        style = tensor(style_image.read(config.replace(style=name, style_size=size)))
    else:
        print(f"{style_image.problem(name)}; the figures below are those of a synthetic style image")
        style = tensor(photograph(size).transpose(2, 0, 1))
    photos = {Path(path).name: tensor(style_image.read_file(path, side)) for path in arguments.photographs}
    photos = photos or {"test image": tensor(photograph(side).transpose(2, 0, 1)).flip(3)}

    vgg, rows, ratios = PerceptualLoss(network.config), [], []
    print(f"{arguments.checkpoint} at {side} pixels, style image at {size}, {iterations} iterations")
    print("photograph | style distance relu3_1, relu4_1: network | optimisation | ratio | content distance of both")
    for title, photo in photos.items():
        with torch.inference_mode():
            fast = rounded(network.stylize_full_size(photo))
        path = arguments.keep and arguments.keep / f"{Path(title).stem}-{side}-{size}-{iterations}.png"
        if path and path.is_file():
            optimised = tensor(np.asarray(Image.open(path)).transpose(2, 0, 1))
        else:
            optimised = rounded(optimise(photo, style, iterations), path)
        ours, theirs = (distances(vgg, x, photo, style) for x in (fast, optimised))
        ratios.append([ours[layer] / theirs[layer] for layer in LAYERS])
        style_cells = [", ".join(f"{values[layer]:.4f}" for layer in LAYERS) for values in (ours, theirs)]
        ratio = ", ".join(f"{value:.2f}" for value in ratios[-1])
        content_cell = f"{ours[_CONTENT]:.2f}, {theirs[_CONTENT]:.2f}"
        print(title, *style_cells, ratio, content_cell, sep=" | ", flush=True)
        rows.append([photo, fast, optimised])
    mean, worst = np.mean(ratios, 0), np.max(ratios, 0)
    print(
        f"mean ratio: relu3_1 {mean[0]:.2f}, relu4_1 {mean[1]:.2f}; largest: {worst[0]:.2f}, {worst[1]:.2f} (aim: "
        f"at most {_AIM})"
    )
    if arguments.grid:
        grid(rows).save(arguments.grid, quality=arguments.quality, optimize=True)


if __name__ == "__main__":
    main()
