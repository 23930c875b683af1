"""Writes the images of `pages/assets` that published models generate: `python -m pages.parts.gallery [NAME ...]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from PIL import Image

from genmodels.service import showcase
from pages.components import assets
from pages.parts.gallery import latent_map

_QUALITY = 80


def main(names: list[str]) -> None:
    """Write the files whose names start with one of `names`; all without names."""
    images: dict[str, Callable[[], Image.Image]] = {
        latent_map.FILE: partial(showcase.code_map, latent_map.MODEL, latent_map.AXIS),
        "entry_latent.webp": showcase.latent,
        "entry_photograph.webp": partial(showcase.photograph, assets.asset("pagoda.jpg").read()),
        "entry_digit.webp": showcase.digit,
        "entry_training.webp": showcase.training,
    }
    for name, make in images.items():
        if names and not name.startswith(tuple(names)):
            continue
        path = assets.FOLDER / name
        make().save(path, "WEBP", quality=_QUALITY, method=6)
        sys.stdout.write(f"{name}: {path.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
