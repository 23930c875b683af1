"""Files from the network: what watches a download counts its bytes, and can cancel it between two blocks."""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from genmodels.errors import DataError
from genmodels.system import leftovers

_BLOCK = 2**16
_TIMEOUT = 30.0
_watch: ContextVar[Callable[[int], None] | None] = ContextVar("watch", default=None)


class DownloadCancelledError(DataError):
    """A download that a user has cancelled."""


@contextmanager
def watched(watch: Callable[[int], None]) -> Iterator[None]:
    """Call `watch` with the number of bytes of each block that `save` receives inside; what it raises ends `save`."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def save(url: str, target: Path, *, md5: str = "", most: int | None = None) -> None:
    """Write what `url` sends to `target`, unless a file with the checksum `md5` is there. A partial file is removed.

    Raises OSError if the connection fails or the checksum differs, DataError if more than `most` bytes are sent.
    """
    if md5 and target.is_file() and _md5(target) == md5:
        return
    watch, partial = _watch.get(), target.with_name(f".{target.name}.part")  # renamed when it is complete
    try:
        # The addresses are constants of the data sets.
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response, partial.open("wb") as file:  # noqa: S310
            while block := response.read(_BLOCK):
                if most is not None and file.tell() + len(block) > most:
                    raise DataError(f"{url} sends more than {most >> 20} MB: it is another archive")
                file.write(block)
                if watch is not None:
                    watch(len(block))
        if md5 and _md5(partial) != md5:
            raise OSError(f"{url} sent a damaged file: its md5 sum is not {md5}")
        partial.replace(target)
    finally:
        leftovers.discard(partial)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
