"""The session of a request: one visitor's, or that of the command line.

The interface installs a function that finds the session (`identify`); this package does not depend on the web server. A
thread that works for a session declares it with `acting_for`.
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
    """One visitor's session.

    `connected()` is false after the visitor has left. `waiting(position)` is called several times per second on the
    thread that waits for a result, with the position in line (0: it is being computed); it may raise to cancel.
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
    """Install the function that finds the calling thread's session; it replaces an earlier one."""
    _finders[:] = [find]


def current() -> Session:
    """The session that the calling thread works for."""
    session = _acting.get()
    if session is None and _finders:
        session = _finders[0]()
    return session or LOCAL


@contextmanager
def acting_for(session: Session) -> Iterator[None]:
    """Let the calling thread work for a session inside the block."""
    token = _acting.set(session)
    try:
        yield
    finally:
        _acting.reset(token)
