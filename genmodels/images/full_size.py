"""Images of any size around a network: transparency, downsampling, and the result at the size of the original.

Images are uint8 (H, W, 3).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from genmodels.errors import DataError

_STRIP = 256  # rows


def split_alpha(image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours (H, W, 3), on white where transparent, and opacity (H, W, 1), None without transparency.

    Raises DataError if `image` is not uint8 (H, W, 3 or 4).
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or not image.size:
        raise DataError(
            f"an image is uint8 of (height, width, 3 or 4), not {image.dtype} of {image.shape}; "
            "genmodels.data.formats.image_files.decode_whole makes one of a file"
        )
    if image.shape[2] == 3:
        return image, None
    colours = np.empty((*image.shape[:2], 3), np.uint8)
    for top in range(0, len(image), _STRIP):  # the whole image at once would need four times its memory
        strip = Image.fromarray(image[top : top + _STRIP])
        white = Image.new("RGBA", strip.size, (255, 255, 255, 255))
        colours[top : top + _STRIP] = np.asarray(Image.alpha_composite(white, strip).convert("RGB"))
    return colours, image[:, :, 3:].copy()


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 (H, W, 3) resampled to (height, width, 3)."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def to_full_size(
    translated: np.ndarray, working: np.ndarray, original: np.ndarray | None, size: tuple[int, int]
) -> np.ndarray:
    """The translation of `working`, a downsampled image, at the size (width, height) of the original; all uint8.

    With `original`, for models that preserve the background: only the change is upsampled and added to it, so that its
    detail stays. Without it, the translation is upsampled.
    """
    width, height = size
    if original is None or translated.shape == original.shape:
        return resized(translated, width, height)
    result = np.empty_like(original)
    for channel in range(3):  # one at a time: in float32 a large image is a third of a gigabyte
        change = Image.fromarray(translated[:, :, channel].astype(np.float32) - working[:, :, channel])
        full = np.array(change.resize((width, height), Image.Resampling.BICUBIC))
        full += original[:, :, channel]
        np.round(full, out=full)
        result[:, :, channel] = np.clip(full, 0, 255, out=full)
    return result
