"""`python -m genmodels translate` and `stylize`: an image file in, a PNG out; `hard-negatives`: a folder of PNGs.

torch is imported when they run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genmodels.cli.measure import Name
from genmodels.errors import CapabilityError, ConfigError
from genmodels.runs import catalog

if TYPE_CHECKING:
    from PIL.Image import Image

    from genmodels.capabilities import Direction
    from genmodels.images.tiled import Way
    from genmodels.service.large_images import ImageFile

ImagePath = Annotated[Path, typer.Argument(help="A PNG, JPEG, WEBP, BMP, GIF, TIFF or AVIF of any size.")]
Out = Annotated[Path, typer.Argument(help="The PNG to write, of the same size.")]
MaxSide = Annotated[
    int | None, typer.Option(min=1, help="Downsample larger images to this side, and upsample the result.")
]
StyleSide = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Downsample larger images to this side, and upsample the result; by default the side of the training "
        "images. With the image's own side or more, the strokes keep their size in pixels.",
    ),
]
Direct = Annotated[str, typer.Option(help="ab: domain A to domain B; ba: domain B to domain A.")]
_COLUMNS = 8
"""Columns of `translations`: four images with their translations."""
Step = Annotated[int | None, typer.Option(min=0, help="A saved step; the newest by default.")]


def translate(
    name: Name,
    image: ImagePath,
    out: Out,
    direction: Direct = "ab",
    max_side: MaxSide = None,
    detail: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=16,
            help="As the Translate page: shorter side in the network, as a multiple of the "
            "training images'; 0 keeps the image's own.",
        ),
    ] = None,
    step: Step = None,
) -> None:
    """Translate an image to another domain with a model such as a CycleGAN; the size stays."""
    if detail is None:
        _translate(name, image, out, _direction(direction), max_side, step)
        return
    check_png(out)
    from genmodels.service import translate as service

    request = service.TranslationRequest.parse(
        {"model": name, "step": step, "direction": _direction(direction), "detail": detail}
    )
    write_bytes(out, service.png(request, _file(image)))


def translations(
    name: Name,
    out: Out,
    count: Annotated[int, typer.Option("-n", min=1, max=1000, help="Number of test images.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Another seed chooses other test images.")] = 0,
    direction: Direct = "ab",
    step: Step = None,
) -> None:
    """Write randomly chosen test images of a translation model, each with its translation at its right."""
    import numpy as np
    import torch

    from genmodels import data
    from genmodels.capabilities import SupportsTranslation
    from genmodels.data.loader import to_float
    from genmodels.images import preview
    from genmodels.runs.folder import RunFolder

    chosen = _direction(direction)
    check_png(out)
    model = catalog.load(name, step)
    if not isinstance(model, SupportsTranslation):
        raise CapabilityError(f"{name} does not translate images; `python -m genmodels models` lists families that do")
    arrays = data.load(RunFolder(catalog.find(name)).spec().data, "test")
    rows = np.flatnonzero(arrays.labels == (0 if chosen == "a_to_b" else 1))
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:count])
    images = to_float(torch.from_numpy(arrays.images[rows]))
    with torch.inference_mode():
        translated = torch.cat(
            [model.translate(part.to(model.device), chosen).cpu() for part in torch.split(images, 8)]
        )
    pairs = torch.stack([images, translated], 1).flatten(0, 1)
    write_png(out, preview.grid(pairs, min(_COLUMNS, len(pairs)), scale=1))


def stylize(
    name: Name,
    image: ImagePath,
    out: Out,
    max_side: StyleSide = None,
    longest: Annotated[
        int | None,
        typer.Option(min=0, help="As the Stylise page: longer side of the result; 0: that of the training images."),
    ] = None,
    step: Step = None,
) -> None:
    """Stylise an image with a fast style network; the size stays, unless --longest sets it."""
    if longest is None:
        _translate(name, image, out, "stylize", max_side, step)
        return
    check_png(out)
    from genmodels.service import stylize as service

    request = service.StylizeRequest.parse({"model": name, "step": step, "longest": longest or None})
    write_bytes(out, service.png(request, _file(image)))


def _file(image: Path) -> ImageFile:
    from genmodels.service.large_images import ImageFile

    try:
        return ImageFile(image.name, image.read_bytes())
    except OSError as error:
        raise ConfigError(f"{str(image)!r} cannot be read: {error}") from error


def hard_negatives(
    folder: Annotated[Path, typer.Argument(help="The folder to write; it must not exist.")],
    translators: Annotated[list[str], typer.Argument(help="Checkpoints or runs that translate the same two domains.")],
    direction: Direct = "ab",
    limit: Annotated[int, typer.Option(min=1, help="Number of translations of each translator.")] = 500,
) -> None:
    """Write translations of training images, each in a subfolder named after the class of its content.

    A classifier trained with them (--set data.extra=FOLDER) learns that a weak translation is not the target class.
    """
    from genmodels.images import hard_negatives

    count = hard_negatives.write(folder, translators, _direction(direction), limit)
    typer.echo(f"{folder}: {count:,} images")


def _direction(direction: str) -> Direction:
    directions: dict[str, Direction] = {"ab": "a_to_b", "ba": "b_to_a"}
    if direction not in directions:
        raise ConfigError(f"--direction {direction!r} is not allowed: ab, from domain A to domain B, or ba")
    return directions[direction]


def check_png(out: Path) -> None:
    """Raises ConfigError for a file to write that is no PNG."""
    if out.suffix.lower() != ".png":
        raise ConfigError(f"{str(out)!r} does not end in .png, the only output format")


def write_png(out: Path, image: Image) -> None:
    """Write the image and print the name of its file; raises ConfigError if it cannot be written."""
    from genmodels.images import preview

    write_bytes(out, preview.png(image))


def write_bytes(out: Path, content: bytes) -> None:
    """Write a file and print its name; raises ConfigError if it cannot be written."""
    try:
        out.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{str(out)!r} cannot be written: {error}") from error
    typer.echo(out)


def _translate(name: str, image: Path, out: Path, way: Way, max_side: int | None, step: int | None) -> None:
    from PIL.Image import fromarray

    from genmodels.cli import inputs
    from genmodels.data.formats import image_files
    from genmodels.images import tiled

    check_png(out)
    pixels = inputs.decode_file(image, image_files.MAX_FILE_BYTES, image_files.decode_whole)

    def report(done: int, total: int) -> None:
        if total > 1:
            typer.echo(f"\r{done} of {total} tiles", nl=done == total, err=True)

    model, (height, width) = catalog.load(name, step), pixels.shape[:2]
    result = tiled.translate_image(model, pixels, way, max_side=max_side, on_progress=report)
    working = tiled.working_size(model, width, height, max_side=tiled.side_limit(model, way, max_side))
    if working != (width, height):
        typer.echo(f"processed at {working[0]} x {working[1]} pixels and upsampled", err=True)
    write_png(out, fromarray(result))
