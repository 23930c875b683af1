"""Files that pages show before any model is loaded; `README.md` lists their sources and licences."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


def path(name: str) -> Path:
    """The path of the file `name`."""
    return FOLDER / name


@cache
def data_url(name: str) -> str:
    """The WebP image `name` as a data URL."""
    return "data:image/webp;base64," + base64.b64encode(path(name).read_bytes()).decode("ascii")
