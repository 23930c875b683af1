"""Image files, folders, zips and HDF5 files for tests."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from genmodels.data import DataConfig
from genmodels.data.own import packing

ROOT = Path(__file__).parents[2]
RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(colour: tuple[int, ...] = RED, size: tuple[int, int] = (20, 12), mode: str = "RGB") -> Image.Image:
    """An image of one colour."""
    return Image.new(mode, size, colour)


def claimed_png(width: int, height: int) -> bytes:
    """A PNG with a valid header of this size, but hardly any pixel data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part)) for kind, part in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def photos(root: Path, per_class: int = 6) -> Path:
    """A folder with the classes cats (red) and dogs (blue), in mixed sizes and formats."""
    for index, (name, colour) in enumerate((("cats", RED), ("dogs", BLUE))):
        folder = root / "photos" / name
        folder.mkdir(parents=True)
        for number in range(per_class):
            kind, suffix = (("PNG", "png"), ("JPEG", "JPG"), ("WEBP", "webp"))[number % 3]
            image = plain(colour, (10 + 7 * number, 30 - index))
            (folder / f"{number}.{suffix}").write_bytes(encoded(image, kind))
    return root / "photos"


def write_files(root: Path, files: dict[str, bytes]) -> Path:
    """Write files by their names below `root`; returns `root`."""
    for name, raw in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return root


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    """Write a zip of these files; returns `path`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def own(path: Path, name: str = "hdf5", **settings: Any) -> DataConfig:
    """The configuration of a user's data at `path`."""
    return DataConfig.parse({"name": name, "path": str(path), **settings})


def packed_photos(tmp_path: Path, **options: Any) -> Path:
    """The packed file of `photos`."""
    return packing.pack(packing.open_source(photos(tmp_path)), tmp_path / "photos.h5", size=8, **options).path


def book(path: Path, count: int = 12) -> Path:
    """An HDF5 file in the layout of the GAN book's faces."""
    with h5py.File(path, "w") as file:
        group = file.create_group("img_align_celeba")
        for number in range(count):
            face = np.full((218, 178, 3), number * 20, np.uint8)
            face[:20] = 255  # above the centre square
            group.create_dataset(f"{number}.jpg", data=face)
    return path
