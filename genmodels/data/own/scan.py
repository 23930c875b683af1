"""Walks a user's folder: which files are used, and which are not and why.

Links to files are followed anywhere, links to folders only inside the folder itself: a link to another folder may lead
to the whole disk or form a loop, so it is left out and counted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from genmodels.data.left_out import LeftOut, is_system_file
from genmodels.errors import DataError

_OUTSIDE = "links to folders outside; copy these folders here, or name the folder itself"
_LOOP = "links that form a loop; remove them"
_NESTED = "links inside a linked folder; replace them by their targets"
_BROKEN = "links to missing files; remove them, or restore the files"
_SPECIAL = "pipes, sockets or devices instead of files; remove them"


@dataclass(frozen=True)
class FolderListing:
    """Paths of the used files inside the folder, sorted; `linked` of them are links to files outside it."""

    names: list[str]
    left_out: LeftOut
    linked: int


@dataclass(frozen=True)
class _Folder:
    path: str
    name: str  # inside the root, ending in "/", or empty
    ancestors: frozenset[tuple[int, int]]  # device and inode of the folder and its ancestors
    linked: bool
    hidden: bool


def list_files(root: Path, suffixes: Sequence[str], most: int, what: str) -> FolderListing:
    """The files below `root` with one of these suffixes; raises DataError if there are more than `most`."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder")
    names: list[str] = []
    left_out = LeftOut()
    linked = 0
    real = os.path.realpath(root)
    try:
        waiting = [_Folder(str(root), "", frozenset((_identity(root),)), False, False)]
        while waiting:
            folder = waiting.pop()
            for entry in _entries(folder, left_out):
                name = folder.name + entry.name
                kind = _kind(entry)
                if kind == "folder":
                    subfolder = _subfolder(folder, entry, real)
                    if isinstance(subfolder, _Folder):
                        waiting.append(subfolder)
                    elif folder.hidden or is_system_file(entry.name):
                        left_out.ignored += 1
                    else:
                        left_out.add(name, subfolder)
                elif folder.hidden or is_system_file(entry.name):
                    left_out.ignored += 1
                elif kind != "file":
                    left_out.add(name, kind)
                elif left_out.add_unless_used(entry.name if not folder.name else name, suffixes):
                    names.append(name)
                    linked += entry.is_symlink() and not _is_inside(os.path.realpath(entry.path), real)
                    if len(names) > most:
                        raise DataError(f"{root} holds more than {most:,} {what}, the limit; take a subfolder")
    except OSError as error:
        raise DataError(f"{root} cannot be read: {error}") from error
    return FolderListing(sorted(PurePosixPath(name).as_posix() for name in names), left_out, linked)


def _entries(folder: _Folder, left_out: LeftOut) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder.path) as entries:
            return list(entries)
    except PermissionError:
        if not folder.hidden:  # such as .Trash of another user
            raise
        left_out.ignored += 1
        return []


def _kind(entry: os.DirEntry[str]) -> str:
    """`folder`, `file`, or why it is neither."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # too many levels of links
        return _LOOP
    return _BROKEN if entry.is_symlink() else _SPECIAL


def _subfolder(folder: _Folder, entry: os.DirEntry[str], real: str) -> _Folder | str:
    """The folder of this entry, or the reason why its link is not followed."""
    link = entry.is_symlink()
    if link and folder.linked:
        return _NESTED
    if link and not _is_inside(os.path.realpath(entry.path), real):
        return _OUTSIDE
    identity = _identity(entry.path)
    if link and identity in folder.ancestors:
        return _LOOP
    hidden = folder.hidden or is_system_file(entry.name)
    return _Folder(
        entry.path, f"{folder.name}{entry.name}/", folder.ancestors | {identity}, folder.linked or link, hidden
    )


def _identity(path: str | Path) -> tuple[int, int]:
    stat = os.stat(path)  # noqa: PTH116 - a Path for each of half a million folders costs seconds
    return stat.st_dev, stat.st_ino


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
