"""Object masks of a training set of two domains, computed once and stored in the data root.

The file `masks/HASH.npz` belongs to the exact images: HASH is that of their bytes. It contains the masks, the parts of
the factorisation and which of them were chosen (`genmodels/images/object_masks.py`).
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from genmodels import data
from genmodels.data.root import data_root
from genmodels.data.spec import Arrays, DataConfig
from genmodels.errors import ConfigError
from genmodels.images import object_masks
from genmodels.system import leftovers

_VERSION = b"1"


@dataclass(frozen=True)
class Masks:
    """Masks uint8 (N, 1, H, W) of images in their order, the parts, and the indices of the chosen ones."""

    values: np.ndarray
    parts: object_masks.Parts
    chosen: tuple[int, ...]


def with_masks(arrays: Arrays, say: Callable[[str], None]) -> Arrays:
    """`arrays` of two domains with their masks: stored ones, or computed and stored now. `say` gets progress."""
    masks = stored(arrays)
    if masks is None:
        say(f"computing object masks of {len(arrays.images):,} images: about {_minutes(len(arrays.images))} minutes")
        masks = compute(arrays, report=_every_tenth(say))
        try:
            store(arrays, masks)
        except OSError as error:
            say(f"the masks could not be stored, so the next training computes them again: {error}")
    return replace(arrays, masks=masks.values)


def compute(
    arrays: Arrays,
    chosen: Sequence[int] = (),
    report: object_masks.Report | None = None,
    parts: object_masks.Parts | None = None,
) -> Masks:
    """Masks of `arrays`; `chosen` are parts from 0, none for the centred ones. Raises ConfigError for others."""
    parts = parts or object_masks.fit(arrays.images, arrays.labels)
    wrong = [index for index in chosen if not 0 <= index < len(parts.directions)]
    if wrong:
        raise ConfigError(
            f"part {wrong[0]} does not exist: choose from 0 to {len(parts.directions) - 1}, as numbered in the overview"
        )
    indices = tuple(chosen) or parts.objects
    return Masks(object_masks.masks(arrays.images, parts, indices, report), parts, indices)


def for_test(config: DataConfig, test: Arrays) -> np.ndarray:
    """Masks uint8 (N, 1, H, W) of test images, with the parts of the training images: stored ones, or fitted now."""
    train = data.load(config)
    masks = stored(train)
    parts = object_masks.fit(train.images, train.labels) if masks is None else masks.parts
    return object_masks.masks(test.images, parts, parts.objects if masks is None else masks.chosen)


def stored(arrays: Arrays) -> Masks | None:
    """The stored masks of exactly these images; None if there are none, or if their file is damaged."""
    path = _path(arrays)
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            parts = object_masks.Parts(torch.from_numpy(file["directions"]), tuple(file["centred"].tolist()))
            masks = Masks(file["masks"], parts, tuple(file["chosen"].tolist()))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    expected = (len(arrays.images), 1, *arrays.images.shape[2:])
    return masks if masks.values.shape == expected and masks.values.dtype == np.uint8 else None


def store(arrays: Arrays, masks: Masks) -> Path:
    """Write the masks to the data root and return their file; raises OSError."""
    path = _path(arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    leftovers.sweep(path.parent, ".tmp-*")
    temporary = path.with_name(f".tmp-{path.stem}-{os.getpid()}.npz")
    try:
        np.savez_compressed(
            temporary,
            masks=masks.values,
            directions=masks.parts.directions.numpy(),
            centred=np.array(masks.parts.centred),
            chosen=np.array(masks.chosen, np.int64),
        )
        os.replace(temporary, path)
    finally:
        leftovers.discard(temporary)
    return path


def _path(arrays: Arrays) -> Path:
    digest = hashlib.sha256(_VERSION)
    digest.update(str(arrays.images.shape).encode())
    digest.update(np.ascontiguousarray(arrays.images).data)
    digest.update(np.ascontiguousarray(arrays.labels).data)
    return data_root() / "masks" / f"{digest.hexdigest()[:24]}.npz"


def _minutes(count: int) -> int:
    return 1 + round(count * 0.25 / 60)


def _every_tenth(say: Callable[[str], None]) -> object_masks.Report:
    last = 0

    def report(done: int, total: int) -> None:
        nonlocal last
        if 10 * done // total > last:
            last = 10 * done // total
            say(f"object masks: {done:,} of {total:,} images")

    return report
