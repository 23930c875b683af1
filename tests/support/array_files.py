"""Helpers for tests of .npz, CSV and idx files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from genmodels.data.own import hdf5, packing
from genmodels.data.own.packing import Report


def npz(**arrays: Any) -> bytes:
    """The bytes of a .npz file."""
    raw = io.BytesIO()
    np.savez_compressed(raw, **arrays)
    return raw.getvalue()


def pack(path: Path, **options: Any) -> Report:
    """Pack the file or folder as 28 x 28 grey images."""
    out = path.parent / f"{path.name}.out.h5"
    return packing.pack(packing.open_source(path), out, **{"size": 28, "grey": True, "overwrite": True} | options)


def images_of(report: Report) -> np.ndarray:
    """The packed images, uint8 (N, C, H, W)."""
    return np.asarray(hdf5.read_header(report.path).view())
