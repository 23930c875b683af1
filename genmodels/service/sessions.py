"""Who asks for something: one visitor's session, or the command line.

The pages install how a session is found (`identify`); this package does not know what serves it. A thread that works
for a session names it with `acting_for`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


def _always() -> bool:
    return True


def _ignore(position: int) -> None:
    return None


@dataclass(frozen=True)
class Session:
    """One visitor.

    `connected()` is false after the visitor has left. `waiting(position)` is called several times per second on the
    thread that waits for a result, with the position in line (0: it is being computed); it may raise to give up.
    """

    name: str
    connected: Callable[[], bool] = _always
    waiting: Callable[[int], None] = _ignore
    limited: bool = True
    """Whether the limit per session applies."""


LOCAL = Session("local", limited=False)
"""The command line, and threads that no session started."""

_acting: ContextVar[Session | None] = ContextVar("session", default=None)
_finders: list[Callable[[], Session | None]] = []


def identify(find: Callable[[], Session | None]) -> None:
    """Install how the session of the calling thread is found; the last one installed is used."""
    _finders[:] = [find]


def current() -> Session:
    """The session that the calling thread works for."""
    found = _acting.get()
    if found is None and _finders:
        found = _finders[0]()
    return found or LOCAL


@contextmanager
def acting_for(session: Session) -> Iterator[None]:
    """Let the calling thread work for a session inside the block."""
    token = _acting.set(session)
    try:
        yield
    finally:
        _acting.reset(token)
