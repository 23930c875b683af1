"""Hostile HDF5 files for tests."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np


def write_hostile_hdf5(path: Path, kind: str) -> None:
    """Write a hostile or damaged packed file of this kind."""
    secret = path.with_name("secret.txt")
    secret.write_bytes(b"the host's own file " * 100)
    real = np.zeros((4, 1, 4, 4), np.uint8)
    with h5py.File(path, "w") as file:
        if kind == "external storage":
            file.create_dataset("images", (4, 1, 4, 4), np.uint8, external=[(str(secret), 0, 64)])
        elif kind == "external link":
            file["images"] = h5py.ExternalLink(str(path.with_name("other.h5")), "/images")
        elif kind == "soft link":
            file["hidden"] = real
            file["images"] = h5py.SoftLink("/hidden")
        elif kind == "dangling link":
            file["images"] = h5py.SoftLink("/nowhere")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((4, 1, 4, 4), np.uint8)
            layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "images", (4, 1, 4, 4))
            file.create_virtual_dataset("images", layout)
        elif kind == "absurd shape":
            file.create_dataset("images", (13_000_000, 3, 64, 64), np.uint8)
        elif kind == "absurd chunks":
            file.create_dataset("images", (10**9, 3, 64, 64), np.uint8, chunks=(1, 3, 64, 64), compression="gzip")
        elif kind == "large chunk":
            file.create_dataset("images", (4, 1, 4, 4), np.uint8, chunks=(2**26, 1, 4, 4), maxshape=(None, 1, 4, 4))
        elif kind == "floats":
            file["images"] = real.astype(np.float64)
        elif kind == "axes":
            file["images"] = real[0]
        elif kind == "channels":
            file["images"] = np.zeros((4, 2, 4, 4), np.uint8)
        elif kind == "group":
            file.create_group("images")
        elif kind == "labels":
            file["images"], file["labels"] = real, np.array([0, 1, 2, 3])
            file.attrs["classes"] = np.bytes_(json.dumps(["a", "b"]))
        elif kind == "label count":
            file["images"], file["labels"] = real, np.zeros(3, int)
            file.attrs["classes"] = np.bytes_(json.dumps(["a", "b"]))
        elif kind == "classes":
            file["images"] = real
            file.attrs["classes"] = np.bytes_("[" * 50_000)
        elif kind == "version":
            file["images"] = real
            file.attrs["version"] = 99
        elif kind == "nothing":
            file["other"] = real
        elif kind == "book link":
            file["img_align_celeba"] = h5py.ExternalLink(str(path.with_name("other.h5")), "/x")
        elif kind == "text":
            file["images"] = np.array(["a", "b"], dtype="S")
