"""Decode one untrusted image file to a uint8 array of the size a model needs. Headers are not trusted.

A 20 kB PNG may decode to 13,000 x 13,000 pixels, so structure, format and size are checked before decoding. `most` is
the highest number of pixels that is decoded. A server decodes uploads with `sandbox/image_decoders.py`.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from genmodels.data.formats import image_headers, tiff
from genmodels.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".webp", ".bmp", ".gif", ".tif", ".tiff",
    ".avif",
)  # fmt: skip
Decoder = Callable[[bytes, int, int, Sequence[int]], np.ndarray]
"""As `decode_onto`."""
MAX_PIXELS = 64_000_000  # phone cameras reach 50 million
MAX_FILE_BYTES = 64 * 2**20
_MAX_SIDE = 65_535  # as in JPEG; a PNG of one column would need 25 million row decodes
TOO_LARGE = f"larger than {MAX_FILE_BYTES >> 20} MB; save it smaller"
MIN_SIDE = 16  # of an image that keeps its aspect ratio: VGG halves it four times
_ORIENTATION, _TRANSPOSED = 0x0112, (5, 6, 7, 8)
_STRIP = 1_280_000  # pixels
# What Pillow's decoders raise for damaged and hostile files; anything else is a bug of this program.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
    Warning,
)


def _pillow() -> ModuleType:
    """Pillow, imported on first use. Its settings and warnings belong to the caller and are not changed."""
    from PIL import Image

    return Image


def warm_up() -> None:
    """Load everything that decoding needs and silence warnings. For the sandbox's process only."""
    import warnings

    pillow = _pillow()
    pillow.init()
    warnings.simplefilter("ignore")


def decode(raw: bytes, size: int, channels: int, *, background: int = 0) -> np.ndarray:
    """Decode an image file to uint8 (channels, size, size); raises DataError with the reason.

    Centre-cropped to a square, resized, rotated to its EXIF orientation; transparency is composited onto the grey level
    `background` (0 to 255); of an animation, the first frame.
    """
    return np.asarray(decode_onto(raw, size, channels, (background,))[0])


def decode_onto(raw: bytes, size: int, channels: int, backgrounds: Sequence[int], most: int = MAX_PIXELS) -> np.ndarray:
    """`decode` onto each of several grey levels, decoding once: uint8 (N, channels, size, size); raises DataError."""
    with _open_image(raw, most) as image:
        orientation = _orientation(image)
        # A JPEG is decoded at 1/2, 1/4 or 1/8 if that leaves at least twice the size: 3x as fast.
        image.draft(None, (2 * size, 2 * size))
        square = _square(image, size, orientation)
        return np.stack([_composited(square, channels, background) for background in backgrounds])


def decode_whole(raw: bytes, most: int = MAX_PIXELS) -> np.ndarray:
    """Decode a whole image file to uint8 (H, W, 3), or (H, W, 4) if it is transparent; raises DataError.

    Rotated to its EXIF orientation; of an animation, the first frame.
    """
    with _open_image(raw, most) as stored:
        orientation = _orientation(stored)
        image = _plain_mode(stored)
        rotation = _rotation(orientation)
        image = image if rotation is None else image.transpose(rotation)
        if image is not stored:
            stored.close()  # frees a quarter of the memory
        transparent = image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)
        pixels = np.empty((image.height, image.width, 4 if transparent else 3), np.uint8)
        rows = max(1, _STRIP // image.width)
        for top in range(0, image.height, rows):  # np.asarray of the whole image would need two copies
            strip = image.crop((0, top, image.width, min(image.height, top + rows)))
            pixels[top : top + rows] = np.asarray(strip if transparent else strip.convert("RGB"))
        return pixels


def read(path: str | Path) -> bytes:
    """The bytes of an image file; raises DataError if it is too large or cannot be read."""
    try:
        if Path(path).stat().st_size > MAX_FILE_BYTES:
            raise DataError(TOO_LARGE)
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"it cannot be read: {error.strerror or error}") from error


def size_of(raw: bytes) -> tuple[int, int]:
    """Width and height of an image file in its EXIF orientation, from the header; raises DataError."""
    with _open_image(raw) as image:
        width, height = image.size
        return (height, width) if _orientation(image) in _TRANSPOSED else (width, height)


def fitted(width: int, height: int, longest: int) -> tuple[int, int]:
    """Width and height reduced to at most `longest`; raises DataError if a side falls below MIN_SIDE."""
    factor = min(1.0, longest / max(width, height))
    reduced = round(width * factor), round(height * factor)
    if min(reduced) < MIN_SIDE:
        raise DataError(
            f"{width} x {height} pixels, at most {longest} a side, become {reduced[0]} x {reduced[1]}; at least "
            f"{MIN_SIDE} are needed: take a larger or a less narrow picture, or a larger size"
        )
    return reduced


def decode_fitted(raw: bytes, longest: int, most: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file to uint8 (3, H, W), reduced to at most `longest` per side; raises DataError.

    Rotated to its EXIF orientation; transparency is composited onto white; of an animation, the first frame.
    """
    pillow = _pillow()
    with _open_image(raw, most) as image:
        width, height = fitted(image.width, image.height, longest)
        orientation = _orientation(image)  # of a PNG it is known only after decoding
        if orientation in _TRANSPOSED:
            width, height = height, width
        image.draft(None, (2 * longest, 2 * longest))
        image = _plain_mode(image)
        rotation = _rotation(orientation)
        if rotation is not None:
            image = image.transpose(rotation)
        if image.size != (width, height):
            image = image.resize((width, height), pillow.Resampling.LANCZOS, reducing_gap=3.0)
        if image.mode == "RGBA":
            image = pillow.alpha_composite(pillow.new("RGBA", image.size, (255, 255, 255, 255)), image)
        return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


DECODERS: Mapping[str, Callable[..., np.ndarray]] = {
    "whole": decode_whole,
    "fitted": decode_fitted,
    "onto": decode_onto,
}
"""The decoders that the sandbox's processes run, by their names in requests."""


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode uint8 (1 or 3, H, W) as PNG, which `decode_fitted` decodes to the same pixels."""
    buffer = io.BytesIO()
    array = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    _pillow().fromarray(np.ascontiguousarray(array)).save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def _open_image(raw: bytes, most: int = MAX_PIXELS) -> Iterator[Image]:
    """Open an image file after checking its header; errors inside the block become a DataError with the reason."""
    pillow = _pillow()
    if len(raw) > MAX_FILE_BYTES:
        raise DataError(TOO_LARGE)
    image_headers.check(raw)
    try:
        with pillow.open(io.BytesIO(raw), formats=FORMATS) as image:
            _check_pixels(image.width, image.height, most)
            if image.format == "TIFF":
                tiff.check(image, most)
            yield image
    except pillow.UnidentifiedImageError as error:
        raise DataError(f"not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture; save it as one of these") from error
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise DataError(_too_many_pixels(most)) from error
    except MemoryError as error:
        raise DataError("it needs more memory to decode than it may use; scale it down") from error
    except _DECODER_ERRORS as error:
        raise DataError(f"damaged: {error or type(error).__name__}; save it again") from error


def fit_array(pixels: np.ndarray, size: int, channels: int) -> np.ndarray:
    """`decode` for pixels that are decoded already, uint8 (H, W) or (H, W, 1 or 3)."""
    height, width = pixels.shape[:2]
    _check_pixels(width, height, MAX_PIXELS)
    image = _pillow().fromarray(pixels.squeeze(2) if pixels.shape[2:] == (1,) else pixels)
    return _composited(_square(image, size, 1), channels, 0)


def _check_pixels(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise DataError(f"{width} x {height} is {_too_many_pixels(most)}")
    if max(width, height) > _MAX_SIDE:
        raise DataError(f"{width:,} x {height:,} pixels; a side has at most {_MAX_SIDE:,}: scale it down or cut it")
    if not width * height:
        raise DataError("it has no pixels; save it again")


def _too_many_pixels(most: int) -> str:
    return f"more than {most:,} pixels; scale it down, for example to 2,000 x 2,000"


def _square(image: Image, size: int, orientation: int) -> Image:
    """The image as L, RGB or RGBA, `size` pixels per side, in its EXIF orientation."""
    image = _plain_mode(image)
    side = min(image.size)
    if image.width != image.height:
        left, top = (image.width - side) // 2, (image.height - side) // 2
        # Crop first: with resize's `box`, the filter would mix in pixels outside it.
        image = image.crop((left, top, left + side, top + side))
    if side != size:
        image = image.resize((size, size), _pillow().Resampling.LANCZOS, reducing_gap=3.0)
    rotation = _rotation(orientation)
    return image if rotation is None else image.transpose(rotation)


def _composited(image: Image, channels: int, background: int) -> np.ndarray:
    """The image as uint8 (channels, H, W), composited onto a grey level if transparent."""
    if image.mode == "RGBA":
        pillow = _pillow()
        image = pillow.alpha_composite(pillow.new("RGBA", image.size, (background, background, background, 255)), image)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return np.ascontiguousarray(pixels.reshape(image.height, image.width, channels).transpose(2, 0, 1))


def _orientation(image: Image) -> int:
    """The EXIF orientation; 1 for a TIFF, which Pillow rotates itself."""
    return 1 if image.format == "TIFF" else image.getexif().get(_ORIENTATION, 1)


def _rotation(orientation: int) -> Transpose | None:
    """The transposition that undoes this EXIF orientation."""
    pillow = _pillow()
    rotations: dict[int, Transpose] = {
        2: pillow.Transpose.FLIP_LEFT_RIGHT,
        3: pillow.Transpose.ROTATE_180,
        4: pillow.Transpose.FLIP_TOP_BOTTOM,
        5: pillow.Transpose.TRANSPOSE,
        6: pillow.Transpose.ROTATE_270,
        7: pillow.Transpose.TRANSVERSE,
        8: pillow.Transpose.ROTATE_90,
    }
    return rotations.get(orientation)


def _plain_mode(image: Image) -> Image:
    """The image as L, RGB or RGBA, the modes that can be resized without artefacts."""
    if image.mode.startswith("I"):  # 16 bits per pixel; convert() would clip everything above 255 to white
        wide = np.right_shift(np.asarray(image), 8)  # keeps 2 or 4 bytes per pixel instead of 8
        image = _pillow().fromarray(wide.clip(0, 255, out=wide).astype(np.uint8))
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")
