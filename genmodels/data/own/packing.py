"""Pack images of any source into one HDF5 file that opens at once and allows random reads without decoding.

The images are contiguous and uncompressed, so reading number 17,123 copies its bytes. The file is written under a
temporary name and renamed, so it is complete or absent.
"""

from __future__ import annotations

import glob
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from genmodels.data.formats.background import Background
from genmodels.data.formats.zip_files import LOCAL, Limits
from genmodels.data.left_out import LeftOut, printable
from genmodels.data.own import array_files, from_source, hdf5
from genmodels.data.own.layouts import untrained
from genmodels.data.own.sources import Source, group_images, read_all
from genmodels.data.spec import check_memory, split_rows
from genmodels.errors import ConfigError, DataError
from genmodels.system import leftovers

SUFFIXES = (".h5", ".hdf5", ".h5py")
_BLOCK_BYTES = 64 * 2**20
_MAX_ATTRIBUTE = 60_000  # HDF5 stores attributes in an object's header of at most 64 kB


@dataclass(frozen=True)
class Report:
    """Result of packing. Each file is packed, or in `skipped` (with the reason why it could not be decoded), or in
    `left_out` (by reason: files of other types, without a class, ...), or beyond the limit.

    `kinds` counts the packed files by suffix; `notes` are further lines for the user.
    """

    path: Path
    count: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    skipped: tuple[str, ...]
    bytes: int
    seconds: float
    left_out: LeftOut = field(default_factory=LeftOut)
    notes: tuple[str, ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)


def open_source(path: Path, limits: Limits = LOCAL) -> Source:
    """A folder, a zip, an HDF5 file in the book's layout, or a .npz, CSV or idx file; raises DataError."""
    if not path.exists():
        raise DataError(f"{path} does not exist; name a folder of pictures or a zip")
    is_hdf5 = path.is_file() and path.suffix.lower() in SUFFIXES
    return hdf5.Book(path) if is_hdf5 else array_files.open_any(path, limits)


def pack(
    source: Source,
    out: Path,
    *,
    size: int = from_source.DEFAULT_SIZE,
    grey: bool = False,
    background: int = 0,
    limit: int | None = None,
    title: str = "",
    licence: str = from_source.UNKNOWN_LICENCE,
    origin: str = "",
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Write the source's images to `out`; unreadable ones are left out and named in the report.

    Transparent pixels are composited onto the grey level `background`. `limit` keeps the first images of a fixed
    shuffle. `on_progress(done, total)` is called after each image. Raises ConfigError if `out` cannot be used, and
    DataError if no image is usable or they need too much memory.
    """
    began = time.perf_counter()
    _check_out(out, overwrite)
    groups = group_images(source)
    chosen = np.sort(np.random.default_rng(0).permutation(len(groups.names))[:limit])
    shape = (1 if grey else 3, size, size)
    check_memory(len(chosen), shape, source.title)
    used: list[int] = []
    skipped: list[str] = []
    fill, undecoded = Background(background), LeftOut()
    # Only a dataset of fixed size is contiguous, and the number of readable images is known at the end: spool.
    with _replacing(out) as temporary, tempfile.TemporaryFile(dir=out.parent) as spool:
        names = [groups.names[row] for row in chosen]
        for done, (name, image) in enumerate(read_all(source, names, size, shape[0], fill), 1):
            if isinstance(image, DataError):
                skipped.append(f"{printable(name)}: {image}")
                undecoded.add(name, str(image))
            else:
                spool.write(image.tobytes())
                used.append(int(chosen[done - 1]))
            if on_progress is not None:
                on_progress(done, len(names))
        if not used:
            raise DataError(f"none of the {len(names):,} pictures in {source.title} can be used: {skipped[0]}")
        spool.seek(0)
        labels, test = groups.labels[used], None if groups.test is None else groups.test[used]
        trained = split_rows(len(used), "train", None, test, labels) if len(used) > 1 else np.arange(len(used))
        beyond = len(groups.names) - len(names)
        unpacked = (f"{beyond:,} images beyond the limit of {limit:,} are not in it",) if beyond else ()
        notes = (*fill.notes(), *unpacked, *groups.notes, *untrained(groups.classes, labels, labels[trained]))
        attributes = _attributes(
            title or source.title,
            origin or f"packed from {source.title}",
            groups.classes,
            licence,
            (*notes, *undecoded.lines(), *groups.left_out.lines()),
        )
        _write(temporary, spool, shape, labels, test, attributes)
    return Report(
        path=out,
        count=len(used),
        shape=shape,
        classes=groups.classes,
        skipped=tuple(skipped),
        bytes=out.stat().st_size,
        seconds=time.perf_counter() - began,
        left_out=groups.left_out,
        notes=notes,
        kinds=Counter(_suffix(groups.names[row]) for row in used),
    )


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """The temporary name of a file that becomes `out` at the end. Raises DataError if it cannot be written.

    What killed processes left under such names is removed.
    """
    leftovers.sweep(out.parent, f".{glob.escape(out.name)}.*.tmp")
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, out)
    except OSError as error:
        raise DataError(f"{out} could not be written: {error}. Free some space, or choose another folder") from error
    finally:
        leftovers.discard(temporary)


def _suffix(name: str) -> str:
    """Suffix of the file that an image came from: `photo.JPG`, or `mnist.csv/17`."""
    path = PurePosixPath(name)
    return (path.suffix or path.parent.suffix).lower()


def _check_out(out: Path, overwrite: bool) -> None:
    if out.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"the file to write, {str(out)!r}, does not end in {', '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise ConfigError(f"the folder {str(out.parent)!r} does not exist; create it first")
    if out.exists() and not overwrite:
        raise ConfigError(f"{str(out)!r} exists already; choose another name, or add --force to replace it")


def repack(path: Path, out: Path, *, title: str, licence: str = "", limits: Limits = LOCAL) -> Report:
    """Copy the images of a packed file, or one of that layout, to a new contiguous file.

    Size, channels, labels and test marks stay. Raises DataError, and ConfigError if `out` cannot be used.
    """
    began = time.perf_counter()
    _check_out(out, overwrite=False)
    packed = hdf5.read_header(path)
    needed = packed.count * int(np.prod(packed.shape))
    if packed.count > limits.entries or needed > limits.total_bytes:
        raise DataError(
            f"{title} holds {packed.count:,} pictures, {needed / 1e6:,.0f} MB; the limit is {limits.entries:,} "
            f"pictures and {limits.total_bytes / 1e6:,.0f} MB. Pack fewer, or smaller ones"
        )
    origin = f"copied from {packed.source}"
    attributes = _attributes(title, origin, packed.classes, licence or packed.licence, packed.notes)
    with _replacing(out) as temporary, tempfile.TemporaryFile(dir=out.parent) as spool:
        spool.write(packed.rows(np.arange(packed.count)).data)
        spool.seek(0)
        _write(temporary, spool, packed.shape, packed.labels, packed.test, attributes)
    return Report(
        path=out,
        count=packed.count,
        shape=packed.shape,
        classes=packed.classes,
        skipped=(),
        bytes=out.stat().st_size,
        seconds=time.perf_counter() - began,
    )


def _attributes(
    title: str, origin: str, classes: tuple[str, ...], licence: str, notes: Sequence[str]
) -> dict[str, str | int]:
    lines = [line[: hdf5.MAX_NOTE] for line in notes[: hdf5.MAX_NOTES]]
    while len(json.dumps(lines)) > _MAX_ATTRIBUTE:
        lines.pop()
    names = json.dumps(classes)
    if len(names) > _MAX_ATTRIBUTE:
        raise DataError(f"the names of the {len(classes):,} classes need {len(names):,} bytes; give shorter names")
    return {
        "format": "genmodels pictures",
        "version": hdf5.VERSION,
        "title": title[:500],
        "source": origin[:500],
        "licence": (licence.strip() or from_source.UNKNOWN_LICENCE)[:2_000],
        "classes": names,
        "notes": json.dumps(lines),
    }


def _write(
    path: Path,
    spool: IO[bytes],
    shape: tuple[int, int, int],
    labels: np.ndarray,
    test: np.ndarray | None,
    attributes: dict[str, str | int],
) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (len(labels), *shape), np.uint8)
        image_bytes = int(np.prod(shape))
        step = max(1, _BLOCK_BYTES // image_bytes)
        for start in range(0, len(labels), step):
            block = np.frombuffer(spool.read(step * image_bytes), np.uint8)
            images[start : start + step] = block.reshape(-1, *shape)
        file.create_dataset("labels", data=labels)
        if test is not None:
            file.create_dataset("test", data=test.astype(np.uint8))
        for name, value in attributes.items():
            # Fixed length: hdf5.py does not read strings of variable length, see there.
            file.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) else value
