"""Finds images in .npz, CSV or idx files: in one such file, in a folder, or in a zip of them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from genmodels.data.formats import csv_images, idx, image_files, npz
from genmodels.data.formats.image_files import Decoder
from genmodels.data.formats.zip_files import ZIP_ERRORS, Limits
from genmodels.data.left_out import LeftOut, is_system_file, printable, reason_for_type
from genmodels.data.own.array_source import ArraySource, Part, of_arrays, to_bytes
from genmodels.data.own.layouts import split_of
from genmodels.data.own.scan import list_files
from genmodels.data.own.sources import Folder, Source, Zip
from genmodels.data.spec import MAX_ARRAY_BYTES
from genmodels.errors import DataError

SUFFIXES = (".npz", ".csv", ".gz", "")
"""Suffixes of files that may hold images; "" for idx files, which have none."""
_IDX = re.compile(r"(?P<stem>.*?)[-_.]?(?P<what>images|labels)[-_.]idx[13][-_.]ubyte(\.gz)?", re.IGNORECASE)
_COPY = "copies of another file of the same split"

Files = Mapping[str, Callable[[], BinaryIO]]


def is_array_file(name: str) -> bool:
    """Whether a file name is .npz, .csv, .csv.gz, or an idx file as named by MNIST's authors or on Kaggle."""
    last = PurePosixPath(name).name.lower()
    return not is_system_file(name) and (last.endswith((".npz", ".csv", ".csv.gz")) or _IDX.fullmatch(last) is not None)


def open_any(path: Path, limits: Limits, title: str | None = None, decode: Decoder = image_files.decode_onto) -> Source:
    """A folder or zip of images, else the images in its .npz, CSV or idx files, or in one such file.

    `decode` decodes the image files of a zip.
    """
    if path.is_dir():
        folder = Folder(path, limits)
        return folder if folder.names else _in_folder(path, limits) or folder
    name = title or printable(path.name)
    if is_array_file(path.name) and path.suffix.lower() != ".npz":
        return _source(name, {path.name: partial(_binary, path)}, limits, LeftOut())
    images = Zip(path, limits, title, decode)
    if images.names:
        return images
    arrays = Zip(path, limits, title, suffixes=(*SUFFIXES, ".npy", ".idx3-ubyte", ".idx1-ubyte"))
    if any(entry.endswith(".npy") for entry in arrays.names):
        return _source(name, {f"{title or path.stem}.npz": partial(_binary, path)}, limits, LeftOut())
    files = {entry: partial(arrays.open, entry) for entry in arrays.names}
    return _from_files(arrays.title, files, limits, arrays.left_out) or images


def _binary(path: Path) -> BinaryIO:
    return path.open("rb")


def _in_folder(path: Path, limits: Limits) -> ArraySource | None:
    listing = list_files(path, (*SUFFIXES, ".idx3-ubyte", ".idx1-ubyte"), limits.entries, "files")
    files = {name: partial(_binary, path / name) for name in listing.names}
    return _from_files(printable(path.name), files, limits, listing.left_out)


def _from_files(title: str, files: Files, limits: Limits, left_out: LeftOut) -> ArraySource | None:
    """The source of those files that hold arrays; None if none does."""
    arrays = {name: opened for name, opened in files.items() if is_array_file(name)}
    for name in files:
        if name not in arrays:
            left_out.add(name, reason_for_type(name))
    return _source(title, arrays, limits, left_out) if arrays else None


def _source(title: str, files: Files, limits: Limits, left_out: LeftOut) -> ArraySource:
    parts: list[Part] = []
    classes: tuple[str, ...] = ()
    most = min(limits.total_bytes, MAX_ARRAY_BYTES)
    unread: dict[str, DataError] = {}
    for name, opened in sorted(files.items()):
        if _idx_match(name):
            continue
        of_file = LeftOut()
        try:
            file_parts, names = _one_file(name, opened, limits, most, of_file)
        except DataError as error:
            unread[name] = error
            continue
        parts, classes = parts + file_parts, names or classes
        left_out.update(of_file)
    parts += _idx_parts({name: opened for name, opened in files.items() if _idx_match(name)}, most, left_out)
    if not parts and unread:
        raise next(iter(unread.values()))
    for name, problem in unread.items():  # such as a table of sample answers next to the images
        why = str(problem).removeprefix(f"{printable(name)} ")
        left_out.add(name, f"files that cannot be used ({why})")
    total = sum(part.images.nbytes for part in parts)
    if total > most or sum(len(part.images) for part in parts) > csv_images.MAX_ROWS:
        raise DataError(f"{title} holds more than {csv_images.MAX_ROWS:,} images or {most / 1e6:,.0f} MB; take a part")
    if not parts:
        raise DataError(f"{title} holds labels without images; put the file of the images next to it")
    return ArraySource(title, parts, left_out, classes)


def _one_file(
    name: str, opened: Callable[[], BinaryIO], limits: Limits, most: int, left_out: LeftOut
) -> tuple[list[Part], tuple[str, ...]]:
    """The images of a .npz or CSV file, and the names of the classes if it has them; raises DataError."""
    last, title = PurePosixPath(name).name.lower(), printable(name)
    try:
        with opened() as file:
            if last.endswith(".npz"):
                return of_arrays(title, npz.arrays(file, title, limits, left_out), left_out)
            text = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if last.endswith(".gz") else file
            images, labels = csv_images.read(text, title, left_out, most)
    except ZIP_ERRORS as error:
        raise DataError(f"{title} cannot be read: {error}. Is it whole?") from error
    mark = split_of(last.split(".")[0])
    return [Part(title, to_bytes(images, title), labels, bool(mark and mark[0]))], ()


def _idx_match(name: str) -> re.Match[str] | None:
    return _IDX.fullmatch(PurePosixPath(name).name)


def _idx_parts(files: Files, most: int, left_out: LeftOut) -> list[Part]:
    """Images with the labels of the same name: `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`."""
    chosen: dict[tuple[str, str], str] = {}
    for name in sorted(files):
        match = _idx_match(name)
        assert match is not None, "files were chosen by this pattern"
        key = match["stem"].lower(), match["what"].lower()
        if key in chosen:
            left_out.add(name, _COPY)
        else:
            chosen[key] = name
    parts = []
    for (stem, what), name in chosen.items():
        if what == "labels":
            if (stem, "images") not in chosen:
                left_out.add(name, "labels without images")
            continue
        images = idx.read(files[name], printable(name), 3, most)
        label_file = chosen.get((stem, "labels"))
        labels = (
            None if label_file is None else idx.read(files[label_file], printable(label_file), 1, most).astype("int64")
        )
        if labels is not None and len(labels) != len(images):
            raise DataError(
                f"{printable(name)} has {len(images):,} images, {printable(str(label_file))} {len(labels):,} labels"
            )
        mark = split_of(stem)
        parts.append(
            Part(printable(name), to_bytes(images, printable(name)), labels, "t10k" in stem or bool(mark and mark[0]))
        )
    return parts
