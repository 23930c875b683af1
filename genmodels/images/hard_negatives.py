"""Translated training images as hard negatives: they keep the class of their content (`data.extra`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from genmodels import data
from genmodels.capabilities import Direction, SupportsTranslation
from genmodels.data.loader import to_float, to_uint8
from genmodels.data.spec import DataConfig
from genmodels.errors import CapabilityError, ConfigError
from genmodels.images import preview
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.system import leftovers

_BATCH = 8


def write(folder: Path, translators: Sequence[str], direction: Direction, limit: int) -> int:
    """Write at most `limit` translations of each translator to `folder`/CLASS, and return how many there are.

    The images are training images of the translator's own data, CLASS is their class before the translation. The
    translators take different images as far as there are enough. Raises ConfigError, CapabilityError and DataError.
    """
    if os.path.lexists(folder) or not folder.absolute().parent.is_dir():
        raise ConfigError(f"{str(folder)!r} exists, or the folder for it does not; choose a new name in a folder")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    count, loaded = 0, {name: _translator(name) for name in translators}
    try:
        for number, (name, (model, config)) in enumerate(loaded.items()):
            spec, arrays = data.get_spec(config), data.load(config)
            label = 0 if direction == "a_to_b" else 1
            rows = np.flatnonzero(arrays.labels == label)
            rows = np.roll(rows, -number * limit)[:limit]
            target = temporary / spec.classes[label]
            target.mkdir(parents=True, exist_ok=True)
            for part in np.array_split(rows, -(-len(rows) // _BATCH)):
                with torch.inference_mode():
                    x = to_float(torch.from_numpy(arrays.images[part])).to(model.device)  # type: ignore[attr-defined]
                    y = to_uint8(model.translate(x, direction).cpu())
                for row, image in zip(part, y.permute(0, 2, 3, 1).numpy(), strict=True):
                    picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
                    (target / f"{name}-{row:05d}.png").write_bytes(preview.png(picture))
                    count += 1
        os.replace(temporary, folder)
    except OSError as error:
        raise ConfigError(f"{str(folder)!r} cannot be written: {error}") from error
    finally:
        leftovers.discard(temporary)
    return count


def _translator(name: str) -> tuple[SupportsTranslation, DataConfig]:
    """The model and its data; raises CapabilityError if it does not translate."""
    model = catalog.load(name)
    if not isinstance(model, SupportsTranslation):
        raise CapabilityError(f"{name} does not translate images; name a CycleGAN")
    return model, RunFolder(catalog.find(name)).spec().data
