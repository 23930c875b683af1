"""Checks of a TIFF file's header before it is decoded: the format allows far more than images have.

The first page is decoded. A tile may claim more pixels than the image, and floating-point values have no known range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genmodels.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

_COMPRESSIONS = frozenset(
    ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "jpeg", "tiff_jpeg", "group3", "group4",
     "tiff_ccitt", "tiff_raw_16", "zstd", "lzma", "webp")
)  # fmt: skip
_TILE_WIDTH, _TILE_LENGTH, _MAX_TILE_SIDE = 322, 323, 16_384


def check(image: Image, most_pixels: int) -> None:
    """Raise DataError if the opened TIFF should not be decoded."""
    compression = image.info.get("compression", "raw")
    if compression not in _COMPRESSIONS:
        raise DataError(f"a TIFF compressed as {str(compression)[:40]!r} is not read here; save it as PNG")
    tags = image.tag_v2  # type: ignore[attr-defined]
    tile = [tags.get(tag, 0) for tag in (_TILE_WIDTH, _TILE_LENGTH)]
    if not all(isinstance(side, int) and side <= _MAX_TILE_SIDE for side in tile) or tile[0] * tile[1] > most_pixels:
        raise DataError(f"a TIFF in tiles of {tile[0]} x {tile[1]} pixels is not read here; save it as PNG")
    if image.mode == "F":
        raise DataError("a TIFF of floating-point numbers, whose range is not known; save it with 8 or 16 bits")
