"""A thread-safe cache that drops the least recently used entries."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LRU(Generic[K, V]):
    """At most `maxsize` entries, and at most `maxbytes` in total by `size_of`; the newest entry always stays.

    The lock is held only while entries are looked up or stored, never while a value is computed: a slow value does not
    delay other keys, and a computation may wait for the inference thread. Threads that miss the same key at the same
    time each compute it and all get the value that was stored first.
    """

    def __init__(
        self, maxsize: int | None = None, *, maxbytes: int | None = None, size_of: Callable[[V], int] | None = None
    ) -> None:
        if (maxbytes is None) != (size_of is None):
            raise ValueError("maxbytes and size_of belong together")
        self._maxsize, self._maxbytes, self._size_of = maxsize, maxbytes, size_of
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value of a key, which becomes the most recently used one; None if there is none."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def store(self, key: K, value: V) -> V:
        """Store a value unless the key has one already; returns the value that is stored."""
        size = 0 if self._size_of is None else self._size_of(value)
        with self._lock:
            if key not in self._entries:
                self._entries[key] = (value, size)
                self._bytes += size
            self._entries.move_to_end(key)
            stored = self._entries[key][0]
            while len(self._entries) > 1 and self._too_large():
                _, (_, dropped) = self._entries.popitem(last=False)
                self._bytes -= dropped
        return stored

    def get_or_compute(self, key: K, compute: Callable[[], V]) -> V:
        """The value of a key, computed and stored if there is none; nothing is stored if `compute` raises."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key][0]
        return self.store(key, compute())

    def clear(self) -> None:
        """Drop all entries."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _too_large(self) -> bool:
        return (self._maxsize is not None and len(self._entries) > self._maxsize) or (
            self._maxbytes is not None and self._bytes > self._maxbytes
        )
