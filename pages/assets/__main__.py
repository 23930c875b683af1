"""Writes the images of this folder that published models generate: `python -m pages.assets [NAME ...]`."""

from __future__ import annotations

import sys
from functools import partial

from genmodels.service import showcase
from pages import assets
from pages.assets import latent_map

_QUALITY = 80


def main(names: list[str]) -> None:
    """Write the files whose names start with one of `names`; all without names."""
    images = {latent_map.FILE: partial(showcase.code_map, latent_map.MODEL, latent_map.AXIS)}
    images |= {f"entry_{name}.webp": scene for name, scene in showcase.SCENES.items()}
    for name, make in images.items():
        if names and not name.startswith(tuple(names)):
            continue
        make().save(assets.path(name), "WEBP", quality=_QUALITY, method=6)
        sys.stdout.write(f"{name}: {assets.path(name).stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
