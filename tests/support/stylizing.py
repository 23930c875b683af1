"""Untrained fast style networks and style images."""

from __future__ import annotations

from pathlib import Path

from tests.support.runs import save_run
from tests.support.translation import photo

SMALL = ("model.width=4", "model.residual_blocks=1", "model.kernel=3")


def offer(data: Path, *names: str) -> None:
    """Images with these names in the data folder's `style_images`."""
    folder = data / "style_images"
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        photo(60 + 4 * number, 48).rotate(90 * number).save(folder / f"{name}.png")


def save_networks(root: Path, *names: str) -> None:
    """Untrained fast networks, whose style image the data folder has or had."""
    photos = root / "photos"
    photos.mkdir(exist_ok=True)
    for number in range(4):
        photo(40, 40).rotate(90 * number).save(photos / f"{number}.png")
    offer(root / "data", "the_scream")
    for name in names:
        save_run(
            root / "runs", name, "fast_style_starry_night", *SMALL, f"data.path={photos}", "data.size=32",
            "data.style=the_scream", "data.style_size=32",
        )  # fmt: skip
