"""`python -m genmodels masks`: object masks of an unpaired set. Imports torch when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genmodels.cli.images import check_png, write_png
from genmodels.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from genmodels.data.object_masks import Masks

_SHOWN = 6
"""Images of each domain in the overview."""


def masks(
    name: Annotated[str, typer.Argument(help="Data set of two domains, such as horse2zebra, or unpaired with --path.")],
    out: Annotated[Path, typer.Argument(help="The PNG to write: images, their parts, and their masks.")],
    size: Annotated[int | None, typer.Option(min=16, max=1024, help="Side of the images, as in the recipe.")] = None,
    path: Annotated[str | None, typer.Option(help="Folder or zip with your own images.")] = None,
    path_b: Annotated[str | None, typer.Option(help="Folder of domain B, if --path is only domain A.")] = None,
    limit: Annotated[int | None, typer.Option(min=2, help="Maximum number of images, as in the recipe.")] = None,
    parts: Annotated[
        str, typer.Option(help="Parts that are the objects, such as 2,3,6; default: those in the centre of images.")
    ] = "",
) -> None:
    """Compute the object masks that training uses, without labels, and show them. Choose other parts with --parts."""
    from PIL import Image

    from genmodels import data
    from genmodels.data import object_masks
    from genmodels.data.spec import DataConfig

    check_png(out)
    chosen = _indices(parts)
    settings = {"name": name, "size": size, "path": path, "path_b": path_b, "limit": limit}
    config = DataConfig.parse({key: value for key, value in settings.items() if value is not None})
    if "image_a" not in data.get_spec(config).provides:
        raise ConfigError(f"data set {name!r} has no two domains; choose one that has, for example horse2zebra")
    arrays = data.load(config)

    def report(done: int, total: int) -> None:
        typer.echo(f"\r{done:,} of {total:,} images", nl=done == total, err=True)

    found = object_masks.stored(arrays)
    if found is None or (chosen and chosen != found.chosen):
        found = object_masks.compute(arrays, chosen, report, parts=found.parts if found else None)
        typer.echo(f"stored: {object_masks.store(arrays, found)}")
    write_png(out, Image.fromarray(_overview(arrays.images, arrays.labels, found)))
    for index, ratio in enumerate(found.parts.centred):
        mark = "  object" if index in found.chosen else ""
        typer.echo(f"part {index}: {ratio:.2f} times as active in the centre as at the border{mark}")


def _indices(parts: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in parts.split(",")) if parts else ()
    except ValueError:
        raise ConfigError(f"--parts {parts!r} is not allowed: numbers separated by commas, such as 2,3,6") from None


def _overview(images: np.ndarray, labels: np.ndarray, masks: Masks) -> np.ndarray:
    """uint8 (H, W, 3): per row an image, its parts from 0 on, the mask, and the image inside the mask."""
    import numpy as np

    from genmodels.images import object_masks

    rows = np.concatenate([np.flatnonzero(labels == domain)[:_SHOWN] for domain in (0, 1)])
    shown = np.broadcast_to(images[rows], (len(rows), 3, *images.shape[2:]))
    heat = object_masks.heat(images[rows], masks.parts)
    mask = masks.values[rows]
    grey = [np.repeat(part[:, None], 3, axis=1) for part in (*heat.swapaxes(0, 1), mask[:, 0])]
    inside = (shown * (mask / 255) + 255 * (1 - mask / 255)).astype(np.uint8)
    columns = np.concatenate([shown, *grey, inside], axis=3)  # (rows, 3, H, columns * W)
    return np.ascontiguousarray(np.concatenate(columns, axis=1).transpose(1, 2, 0))
