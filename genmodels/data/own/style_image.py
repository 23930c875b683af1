"""The style image: a user's file, or the name of one in `style_images` of the data root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from genmodels.data.formats import image_files
from genmodels.data.root import data_root
from genmodels.data.spec import DataConfig
from genmodels.errors import DataError

FOLDER = "style_images"
DEFAULT_SIZE = 256


def names() -> tuple[str, ...]:
    """Names of the images in `style_images` of the data root, sorted, without suffixes."""
    return tuple(sorted(path.stem for path in _files()))


def locate(style: str) -> Path | None:
    """The file of a name or path, or None."""
    if os.sep in style:
        return Path(style) if Path(style).is_file() else None
    return next((path for path in _files() if style in (path.name, path.stem)), None)


def problem(style: str) -> str | None:
    """None if the file exists, else one sentence."""
    if locate(style):
        return None
    known = ", ".join(names())
    return f"data.style = {style!r} is no picture on this machine; give the path of a file, or one of " + (
        known or f"the names in {FOLDER} of the data folder, of which there are none yet"
    )


def read(config: DataConfig) -> np.ndarray:
    """The style image, uint8 (C, h, w), at most `style_size` on its longer side, C as of the content images.

    Raises DataError.
    """
    path = locate(config.style or "")
    if path is None:
        raise DataError(problem(config.style or "") or "")
    image = read_file(str(path), config.style_size or DEFAULT_SIZE)
    if config.channels != 1:
        return image
    grey = np.tensordot(np.array([0.299, 0.587, 0.114]), image, 1)
    return np.rint(grey).astype(np.uint8)[None]


def read_file(path: str, size: int) -> np.ndarray:
    """One file as uint8 (3, H, W), at most `size` on its longer side; raises DataError naming the file."""
    with named(path):
        return image_files.decode_fitted(image_files.read(path), size)


@contextmanager
def named(path: str) -> Iterator[None]:
    """Prefix a DataError with the file's name."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{Path(path).name}: {error}") from error


def _files() -> list[Path]:
    try:
        paths = sorted((data_root() / FOLDER).iterdir())
    except OSError:  # no such folder, so no names
        return []
    return [path for path in paths if path.suffix.lower() in image_files.SUFFIXES and not path.name.startswith(".")]
