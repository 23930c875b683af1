"""Decodes untrusted images in the sandbox, a few at a time: what a server uses instead of `image_files`.

The processes are those of `image_processes.py`. Each image may have SERVED_PIXELS pixels.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from genmodels.data.formats import image_files
from genmodels.data.sandbox.image_processes import LIMITS, Child, Limits
from genmodels.errors import DataError

SERVED_PIXELS = 25_000_000  # most phones take 12 million, some 24
AT_ONCE = 2
"""Images decoded at the same time; each may take the limits' memory and a core."""
MAX_WAIT = 20.0
_REQUESTS = 200  # that one child answers for an upload


class BusyError(DataError):
    """Other files are being decoded; this one was not read."""


class _Places:
    """A fair semaphore: at most `count` at a time, waiting requests in order of arrival."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def place(self, wait: float) -> Iterator[None]:
        if not self._enter(wait):
            raise BusyError("too many pictures are being read now; try again in a few seconds")
        try:
            yield
        finally:
            self._leave()

    def _enter(self, wait: float) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            granted = threading.Event()
            self._waiting.append(granted)
        if granted.wait(wait):
            return True
        with self._lock:
            if granted.is_set():  # between the timeout and the lock
                return True
            self._waiting.remove(granted)
        return False

    def _leave(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


_places = _Places(AT_ONCE)


def _after_fork() -> None:
    global _places
    _places = _Places(AT_ONCE)  # those of the parent may be taken


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def decode_whole(raw: bytes) -> np.ndarray:
    """`image_files.decode_whole` in the sandbox; raises DataError with the reason."""
    return _decode_served("whole", raw)


def decode_fitted(raw: bytes, longest: int) -> np.ndarray:
    """`image_files.decode_fitted` in the sandbox; raises DataError with the reason."""
    return _decode_served("fitted", raw, longest=int(longest))


def decode_onto(raw: bytes, size: int, channels: int, backgrounds: Sequence[int]) -> np.ndarray:
    """`image_files.decode_onto` in the sandbox; raises DataError with the reason."""
    backgrounds = [int(background) for background in backgrounds]
    return _decode_served("onto", raw, size=int(size), channels=int(channels), backgrounds=backgrounds)


def _decode_served(task: str, raw: bytes, **arguments: Any) -> np.ndarray:
    if len(raw) > image_files.MAX_FILE_BYTES:
        raise DataError(image_files.TOO_LARGE)
    return decode(task, raw, most=SERVED_PIXELS, **arguments)


def decode(
    task: str, raw: bytes, *, limits: Limits = LIMITS, wait: float | None = None, **arguments: Any
) -> np.ndarray:
    """Decode one untrusted file in a child process of its own.

    Raises DataError with the reason, and BusyError if it waited for other requests for more than `wait` seconds.
    """
    with _places.place(MAX_WAIT if wait is None else wait), Child(limits) as child:
        return child.decode(task, raw, **arguments)


class Decoders:
    """Decodes many images of one upload, each within the limits, from any number of threads.

    It reuses its processes: for a small image, a fork would cost more than decoding.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._idle: list[Child] = []

    def decode_onto(self, raw: bytes, size: int, channels: int, backgrounds: Sequence[int]) -> np.ndarray:
        """What `image_files.decode_onto` returns; raises DataError with the reason."""
        try:
            child = self._idle.pop()
        except IndexError:
            child = Child(self._limits, _REQUESTS)
        try:
            return child.decode("onto", raw, size=size, channels=channels, backgrounds=list(backgrounds))
        finally:
            if child.left:
                self._idle.append(child)
            else:
                child.close()
