"""The background of transparent images: black ink on transparency is invisible on black."""

from __future__ import annotations

import threading

import numpy as np

from genmodels.data.formats import image_files
from genmodels.data.formats.image_files import Decoder
from genmodels.data.spec import BACKGROUNDS
from genmodels.errors import ConfigError

_FLAT = 8  # grey levels from the darkest to the brightest value


def level_of(value: int | str) -> int:
    """The grey level of "black", "white", "grey" or a number from 0 to 255; raises ConfigError."""
    text = str(value).strip().lower()
    if text in BACKGROUNDS:
        return BACKGROUNDS[text]
    if text.isascii() and text.isdigit() and int(text[:4]) <= 255:
        return int(text)
    raise ConfigError(f"background = {value!r} is not allowed: black, white, grey, or a grey level from 0 to 255")


class Background:
    """A grey level from 0 to 255; counts the images with transparent pixels that were composited onto it."""

    def __init__(self, level: int = 0) -> None:
        self.level = level
        self.transparent = self.flat = 0
        self._lock = threading.Lock()

    def decode(
        self,
        raw: bytes,
        size: int,
        channels: int,
        decode_onto: Decoder = image_files.decode_onto,
    ) -> np.ndarray:
        """`image_files.decode` by `decode_onto`, and count the image if it is transparent; raises DataError."""
        other = 255 if self.level < 128 else 0
        pixels: np.ndarray
        pixels, on_other = decode_onto(raw, size, channels, (self.level, other))
        if not np.array_equal(pixels, on_other):
            with self._lock:
                self.transparent += 1
                self.flat += int(pixels.max()) - int(pixels.min()) < _FLAT
        return pixels

    def flattened(self, pixels: np.ndarray) -> np.ndarray:
        """Decoded pixels uint8 (H, W, 3 or 4) as (H, W, 3), composited onto the grey level and counted."""
        if pixels.shape[2] == 3:
            return pixels
        with self._lock:
            self.transparent += 1
        alpha = pixels[..., 3:].astype(np.float32) / 255
        flat: np.ndarray = (pixels[..., :3] * alpha + self.level * (1 - alpha)).round().astype(np.uint8)
        return flat

    def notes(self) -> tuple[str, ...]:
        """A line if images had transparency, and whether this background hides their content."""
        if not self.transparent:
            return ()
        name = next((name for name, level in BACKGROUNDS.items() if level == self.level), f"grey level {self.level}")
        one = self.transparent == 1
        text = f"{self.transparent:,} {'image has' if one else 'images have'} transparency; laid on {name}"
        if self.flat:
            which = "which shows" if one else f"{self.flat:,} of them show"
            text += f", {which} nothing on it: choose another background"
        return (text,)
