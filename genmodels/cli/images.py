"""`python -m genmodels translate` and `stylize`: photographs in, PNGs out. They import torch when they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genmodels import catalog
from genmodels.cli.measure import Name
from genmodels.errors import ConfigError

if TYPE_CHECKING:
    from genmodels.capabilities import Direction
    from genmodels.images.tiled import Way

Given = Annotated[Path, typer.Argument(help="A PNG, JPEG, WEBP, BMP, GIF, TIFF or AVIF of any size.")]
Out = Annotated[Path, typer.Argument(help="The PNG to write, of the same size.")]
MaxSide = Annotated[
    int | None, typer.Option(min=1, help="Reduce larger pictures to this side, and enlarge the result.")
]
Step = Annotated[int | None, typer.Option(min=0, help="A saved step; the newest if not given.")]


def translate(
    name: Name,
    picture: Given,
    out: Out,
    direction: Annotated[str, typer.Option(help="ab, from the first kind to the second, or ba.")] = "ab",
    max_side: MaxSide = None,
    step: Step = None,
) -> None:
    """Translate a photograph with a model such as a CycleGAN; the result has its size."""
    directions: dict[str, Direction] = {"ab": "a_to_b", "ba": "b_to_a"}
    if direction not in directions:
        raise ConfigError(f"--direction {direction!r} is not allowed: ab, from the first kind to the second, or ba")
    _make(name, picture, out, directions[direction], max_side, step)


def stylize(name: Name, picture: Given, out: Out, max_side: MaxSide = None, step: Step = None) -> None:
    """Paint a photograph with a network that has learned one style; the result has its size."""
    _make(name, picture, out, "stylize", max_side, step)


def _make(name: str, picture: Path, out: Path, way: Way, max_side: int | None, step: int | None) -> None:
    from PIL import Image

    from genmodels.data import given, pictures
    from genmodels.images import preview, tiled

    if out.suffix.lower() != ".png":
        raise ConfigError(f"{str(out)!r} does not end in .png, the one format written here")
    pixels = given.decoded(picture, pictures.MAX_FILE_BYTES, pictures.decode_whole)

    def report(done: int, total: int) -> None:
        if total > 1:
            typer.echo(f"\r{done} of {total} tiles", nl=done == total, err=True)

    model, (height, width) = catalog.load(name, step), pixels.shape[:2]
    made = tiled.translate_image(model, pixels, way, max_side=max_side, on_progress=report)
    worked = tiled.worked_size(model, width, height, max_side=max_side)
    if worked != (width, height):
        typer.echo(f"worked at {worked[0]} x {worked[1]} pixels and enlarged", err=True)
    try:
        out.write_bytes(preview.png(Image.fromarray(made)))
    except OSError as error:
        raise ConfigError(f"{str(out)!r} cannot be written: {error}") from error
    typer.echo(out)
