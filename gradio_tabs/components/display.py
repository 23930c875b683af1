"""Images enlarged for the screen, and the bundled photographs that tabs open with."""

from __future__ import annotations

import io

from PIL import Image

from genmodels.system.paths import PROJECT
from gradio_tabs.components.files import Png

_ASSETS = PROJECT / "pages" / "assets"
SIDE = 560
"""Width in pixels that small images are enlarged to."""


def photograph(name: str) -> str:
    """The path of a bundled photograph; `pages/assets/README.md` lists their authors and licences."""
    return str(_ASSETS / name)


def enlarged(png: bytes, width: int = SIDE, *, smooth: bool | None = None) -> Png:
    """An image enlarged by an integer factor to at least `width`: grey ones with sharp pixels, colour ones smoothly.

    The browser scales it down to its column.
    """
    with Image.open(io.BytesIO(png)) as image:
        factor = -(-width // image.width)
        if factor < 2:
            return Png(png)
        smooth = image.mode != "L" if smooth is None else smooth
        method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        large = image.resize((image.width * factor, image.height * factor), method)
    buffer = io.BytesIO()
    large.save(buffer, "PNG", compress_level=1)
    return Png(buffer.getvalue())
