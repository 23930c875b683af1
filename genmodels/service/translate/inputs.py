"""What the translate page is given: files as they came, and test pictures of the data a model was trained on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from PIL import Image

from genmodels import catalog, data
from genmodels.data import DataConfig
from genmodels.errors import DataError
from genmodels.images import preview
from genmodels.runfolder import RunFolder
from genmodels.service.inference import plain
from genmodels.service.real_pictures import test_pictures


@dataclass(frozen=True)
class Upload:
    """A file as it came: its name is only ever shown and used to name what is made of it."""

    name: str
    raw: bytes


def file_name(upload: Upload, kind: str) -> str:
    """What to call a translation: `pony.jpg` becomes `pony-zebra.png`."""
    stem, kind = (re.sub(r"[^\w-]+", "_", part).strip("_")[:60] for part in (PurePath(upload.name).stem, kind))
    return f"{stem or 'picture'}-{kind or 'translated'}.png"


def test_count(name: str, kind: int) -> int:
    """How many test pictures of a kind (0 or 1) there are of the data a model was trained on.

    Raises DataError where the data is not on this machine, UnknownNameError.
    """
    return len(_of_kind(_config(name), kind))


def test_picture(name: str, kind: int, index: int) -> Upload:
    """A test picture of a kind as a PNG; raises DataError where there is none of this number, or no data."""
    config = _config(name)
    rows = _of_kind(config, kind)
    if not 0 <= index < len(rows):
        raise DataError(f"test picture {index} does not exist; choose 0 to {len(rows) - 1:,}")
    pixels = test_pictures(config).images[rows[index]].transpose(1, 2, 0)
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    return Upload(f"test-{index}.png", preview.png(image, compress_level=1))


def _config(name: str) -> DataConfig:
    return RunFolder(catalog.find(plain(name))).spec().data


def _of_kind(config: DataConfig, kind: int) -> np.ndarray:
    problem = data.missing(config)
    if problem is not None:
        raise DataError(problem)
    return np.flatnonzero(test_pictures(config).labels == kind)
