"""Pairs of images side by side in one file, as in pix2pix: the left half is domain A, the right half domain B.

The halves train a CycleGAN, which does not use the pairing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genmodels.data.formats import image_files
from genmodels.data.formats.background import Background
from genmodels.data.own.layouts import Layout
from genmodels.data.own.sources import Folder, Zip, group_images
from genmodels.errors import DataError

_MIN_RATIO = 1.5  # width / height; two squares side by side have 2


class Halves:
    """The halves of each image of a source as separate images, `A/NAME` and `B/NAME`, with the source's splits."""

    def __init__(self, source: Folder | Zip) -> None:
        groups = group_images(source)
        self.title, self.left_out, self._source = source.title, groups.left_out, source
        self.names: Sequence[str] = [f"{half}/{name}" for half in "AB" for name in groups.names]
        test = None if groups.test is None else np.tile(groups.test, 2)
        self.groups = Layout(("A", "B"), np.repeat([0, 1], len(groups.names)), test, notes=groups.notes)

    def read(self, name: str, size: int, channels: int, background: Background | None = None) -> np.ndarray:
        half, _, inner = name.partition("/")
        pixels = image_files.decode_whole(self._source.raw(inner))
        height, width = pixels.shape[:2]
        if width < _MIN_RATIO * height:
            raise DataError(f"{width} x {height} pixels are not two images side by side; take it out of the folder")
        middle = width // 2
        part = pixels[:, :middle] if half == "A" else pixels[:, width - middle :]
        part = (background or Background()).flattened(part)
        return image_files.fit_array(np.ascontiguousarray(part), size, channels)
