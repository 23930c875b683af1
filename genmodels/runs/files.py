"""Reads and writes files of run folders. They are untrusted: sizes are limited, and only regular files are read.

A named pipe would block its reader, a link could expose any file of the server, a long or deeply nested JSON file could
exhaust its memory. Each raises a CheckpointError that names the file. Does not import torch.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from genmodels.errors import CheckpointError
from genmodels.system import leftovers

JSON_BYTES = 8 * 2**20
"""Limit for config, status and metrics, which have some kilobytes. Parsing 8 MB takes 0.1 s."""
PNG_BYTES, PNG_PIXELS = 32 * 2**20, 32 * 2**20
LINES_BYTES = 256 * 2**20
"""Limit for a file of JSON lines that is read at once: over a million points."""
_BAD_LINES = 1_000
"""A full disk truncates one line per write; a file with more lines that are not JSON is not one of ours."""
_MAX_DEPTH = 100
_LFS = b"version https://git-lfs"


def open_regular(path: Path, root: Path | None = None) -> BinaryIO:
    """A file opened for reading. Links must not lead out of `root`, by default the file's folder.

    Raises CheckpointError if it is not a regular file, is a Git LFS pointer or cannot be read, and FileNotFoundError
    if it does not exist.
    """
    try:
        if not path.resolve().is_relative_to((root or path.parent).resolve()):
            raise CheckpointError(f"{path} is a link to a file outside of its folder; copy the file itself there")
        # Without O_NONBLOCK, opening a named pipe waits for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:  # RuntimeError: circular links
        raise CheckpointError(f"{path} cannot be read: {error}. Restore it from a copy, or delete the run") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CheckpointError(f"{path} cannot be read: it is not a regular file. Restore it from a copy")
    file = os.fdopen(descriptor, "rb")
    try:
        is_pointer = file.peek(len(_LFS)).startswith(_LFS)
    except OSError as error:
        file.close()
        raise CheckpointError(f"{path} cannot be read: {error}. Restore it from a copy, or delete the run") from error
    if is_pointer:
        file.close()
        raise CheckpointError(
            f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` in the repository it comes from"
        )
    return file


def read_bytes(path: Path, limit: int, root: Path | None = None) -> bytes:
    """The file's content. Raises as `open_regular`, and CheckpointError for more than `limit` bytes."""
    with open_regular(path, root) as file:
        try:
            raw = file.read(limit + 1)
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error}. Restore it from a copy") from error
    if len(raw) > limit:
        raise CheckpointError(f"{path} cannot be read: it is larger than the {limit:,} bytes that such a file may have")
    return raw


def read_tail(path: Path, limit: int) -> str:
    """The text of the last `limit` bytes; empty if the file does not exist. Raises as `open_regular`."""
    try:
        with open_regular(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - limit))
            return file.read(limit).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def read_png(path: Path, root: Path | None = None) -> bytes:
    """The bytes of a PNG image small enough for a page. Raises as `read_bytes`, and CheckpointError for other files."""
    raw = read_bytes(path, PNG_BYTES, root)
    # Signature, then the first chunk: length, IHDR, width, height
    if raw[:8] != b"\x89PNG\r\n\x1a\n" or raw[12:16] != b"IHDR" or len(raw) < 24:
        raise CheckpointError(f"{path} cannot be read: it is not a PNG image. Restore it from a copy, or delete it")
    width, height = struct.unpack(">II", raw[16:24])
    if not 0 < width * height <= PNG_PIXELS:
        raise CheckpointError(
            f"{path} cannot be shown: it has {width:,} x {height:,} pixels, more than {PNG_PIXELS:,} in all. Delete it"
        )
    return raw


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically: a reader sees the old file or the new one."""
    _replace(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def overwrite_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, or in place if the disk is full.

    On a full disk no new file can be written, but the old one can be overwritten. A reader may see an incomplete file
    for a moment; otherwise it would never see why a training ended.
    """
    try:
        write_json(path, value)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not path.exists():
            raise
        with path.open("r+b") as file:
            file.write(json.dumps(value, sort_keys=True).encode())
            file.truncate()


def write_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file of JSON lines atomically."""
    _replace(path, "".join(json.dumps(value) + "\n" for value in values))


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        leftovers.discard(temporary)
        raise


def read_json(path: Path, limit: int = JSON_BYTES) -> Any:
    """The value in a JSON file. Raises CheckpointError with cause and next step if it is missing or damaged."""
    try:
        raw = read_bytes(path, limit)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing: {path.parent} is not a run folder, or it is damaged") from None
    try:
        value = json.loads(raw.decode("utf-8"))
    except RecursionError:
        raise CheckpointError(f"{path} cannot be read: its values are nested too deeply. It is damaged") from None
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be read: {error}. Restore it from a copy, or delete the run") from error
    if not _is_shallow(value):
        raise CheckpointError(f"{path} cannot be read: its values are nested over {_MAX_DEPTH} deep. It is damaged")
    return value


def _is_shallow(value: Any) -> bool:
    """Whether recursive functions can walk the value without exceeding the recursion limit."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        level = [item for item in inner if isinstance(item, dict | list)]
        if not level:
            return True
    return False


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append one JSON line in a single write, so that lines of two processes do not mix."""
    line = (json.dumps(value) + "\n").encode()
    with path.open("ab", buffering=0) as file:
        if file.write(line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def read_lines(
    path: Path, offset: int = 0, limit: int = -1, most: int = LINES_BYTES
) -> tuple[list[dict[str, Any]], int]:
    """The complete JSON lines from byte `offset` on, and the offset after them; an incomplete last line is left unread.

    The cost depends on the new lines only: 0.1 ms for the last 50 of 20,000 points. Reads at most `limit` bytes unless
    it is negative; a missing file has no lines. Raises CheckpointError if it is not a regular file, if more than `most`
    bytes would be read, and if over a thousand lines are not JSON.
    """
    raw, end = read_raw_lines(path, offset, limit, most)
    return parse_lines(raw, path), end


def read_raw_lines(path: Path, offset: int = 0, limit: int = -1, most: int = LINES_BYTES) -> tuple[bytes, int]:
    """The bytes of the complete lines from byte `offset` on, and the offset after them. Limits as `read_lines`."""
    try:
        with open_regular(path) as file:
            if limit < 0 and os.fstat(file.fileno()).st_size - offset > most:
                raise CheckpointError(f"{path} cannot be read: it is larger than {most:,} bytes. It is damaged")
            file.seek(offset)
            raw = file.read(limit)
    except FileNotFoundError:
        return b"", offset
    end = raw.rfind(b"\n") + 1
    return raw[:end], offset + end


def parse_lines(raw: bytes, path: Path) -> list[dict[str, Any]]:
    """The objects in JSON lines read from `path`. Raises CheckpointError if over a thousand lines are not JSON."""
    lines, bad = [], 0
    for line in raw.splitlines():
        if not line:
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            bad += 1  # a line truncated by a full disk: the curve lacks a point, the run continues
            if bad > _BAD_LINES:
                raise CheckpointError(
                    f"{path} cannot be read: more than {_BAD_LINES:,} of its lines are not JSON. It is damaged; "
                    "restore it from a copy, or delete it"
                ) from error
            continue
        if isinstance(value, dict):
            lines.append(value)
    return lines


def is_own_folder(path: Path) -> bool:
    """Whether it is a folder, and not a link that leads out of its parent folder."""
    return path.is_dir() and (not path.is_symlink() or path.resolve().is_relative_to(path.parent.resolve()))
