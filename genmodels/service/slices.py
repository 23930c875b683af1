"""Slices of background computations: one computes at a time, and a long one gives way to the others between operations.

A request such as a sheet of images is one call of a network and can take a second. Splitting its batch could change
pixels, so the call is left whole, and its thread pauses inside it: a `TorchFunctionMode` sees each operation that the
thread starts, and once the slice is over lets the next waiting computation go first. No value changes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor
from torch.overrides import TorchFunctionMode

from genmodels.service.fair_queue import CancelledError

SLICE = 0.05
"""Seconds that a background computation runs before the next one has its turn; its current operation ends first."""

T = TypeVar("T")


class Turns:
    """A lock that is given to waiting threads in the order in which they came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    def __enter__(self) -> None:
        place = object()
        with self._changed:
            self._line.append(place)
            while self._line[0] is not place:
                self._changed.wait()

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._line.popleft()
            self._changed.notify_all()

    def give_way(self) -> None:
        """Let those who wait go first; only for the thread that has the turn."""
        with self._changed:
            if len(self._line) < 2:
                return
        self.__exit__()
        self.__enter__()


turns = Turns()
"""The background computations of this server."""


def whole(task: Callable[[], T]) -> T:
    """The result of a task that is one slice."""
    with turns:
        return task()


def divided(task: Callable[[], T], unwanted: threading.Event) -> T:
    """The result of a task whose thread gives way every SLICE seconds; raises CancelledError once it is unwanted."""
    with turns, _Pauses(unwanted):
        return task()


class _Pauses(TorchFunctionMode):
    def __init__(self, unwanted: threading.Event) -> None:
        super().__init__()
        self._unwanted = unwanted
        self._until = time.perf_counter() + SLICE

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self._pause()
        for tensor in args:
            if isinstance(tensor, Tensor) and tensor.grad_fn is not None:
                # The backward pass calls no function that this mode sees.
                tensor.register_hook(self._pause)  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))

    def _pause(self, _: Tensor | None = None) -> None:
        if time.perf_counter() < self._until:
            return
        if self._unwanted.is_set():
            raise CancelledError("this was cancelled before it was finished")
        turns.give_way()
        self._until = time.perf_counter() + SLICE
