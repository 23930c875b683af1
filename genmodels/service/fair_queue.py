"""Background work: a fair queue across sessions, a limit per session, and cancellation.

Work that takes longer than about 50 ms (GIFs, speech, a confusion matrix) holds a place in the queue while it runs. At
most ACTIVE places run at once, and their slices take turns on the background thread of `inference`; the others wait in
line. A session's first request goes before another session's second one. Interactive requests never wait here.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

from genmodels.errors import GenmodelsError
from genmodels.service import sessions
from genmodels.service.sessions import Session

ACTIVE, PER_SESSION, MAX_PLACES = 4, 8, 128
GRACE = 5.0
"""Seconds that work goes on after its visitor has left: a lost connection is often back by then."""
POLL = 0.2
"""Seconds between two looks at whether a waiting request is still wanted."""


class CancelledError(GenmodelsError):
    """The work was given up: its visitor has left, or stopped it."""


class Ticket:
    """A session's background work; a context manager that waits for its turn and ends with the block."""

    def __init__(self, session: Session, queue: FairQueue | None = None) -> None:
        self.session = session
        self._queue = queue
        self._cancelled = threading.Event()
        self._left_at: float | None = None
        self._looked_at = 0.0

    @property
    def position(self) -> int:
        """1 for the next in line, 0 while it runs."""
        return 0 if self._queue is None else self._queue.position(self)

    def cancel(self) -> None:
        """Give the work up at its next slice, or at once if it waits in line."""
        self._cancelled.set()
        if self._queue is not None:
            self._queue.wake()

    def check(self) -> None:
        """Raise CancelledError if it was cancelled or its visitor left GRACE seconds ago; called between slices."""
        if self._cancelled.is_set():
            raise CancelledError("this was cancelled before it was finished")
        now = time.monotonic()
        if now - self._looked_at < POLL:
            return
        self._looked_at = now
        if self.session.connected():
            self._left_at = None
        elif self._left_at is None:
            self._left_at = now
        elif now - self._left_at >= GRACE:
            self._cancelled.set()
            raise CancelledError("this was given up because the page that asked for it was closed; ask for it again")
        if self._queue is not None:
            self.session.waiting(self.position)

    def __enter__(self) -> Ticket:
        if self._queue is not None:
            try:
                self._queue.wait(self)
            except BaseException:
                self._queue.leave(self)
                raise
        self._token = _held.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _held.reset(self._token)
        if self._queue is not None:
            self._queue.leave(self)


_held: ContextVar[Ticket | None] = ContextVar("ticket", default=None)


class FairQueue:
    """At most `active` tickets run; the others wait, sessions in turn."""

    def __init__(self, active: int = ACTIVE, per_session: int = PER_SESSION, places: int = MAX_PLACES) -> None:
        self.active, self.per_session, self.places = active, per_session, places
        self._changed = threading.Condition()
        self._running: list[Ticket] = []
        self._waiting: list[Ticket] = []  # by arrival
        self._admitted = itertools.count(1)
        self._served: dict[str, int] = {}  # when a session that is here was last served, by admission

    def join(self, session: Session) -> Ticket:
        """A place at the end of the session's line; raises GenmodelsError if the session or the server has too many."""
        with self._changed:
            taken = [*self._running, *self._waiting]
            own = sum(ticket.session.name == session.name for ticket in taken)
            if session.limited and own >= self.per_session:
                raise GenmodelsError(
                    f"you already have {own} requests in line, and {self.per_session} are allowed per visitor; "
                    "wait until one of them is done, or stop one, and try again"
                )
            if len(taken) >= self.places:
                raise GenmodelsError(
                    f"{len(taken)} requests of all visitors are already in line; try again in a few minutes"
                )
            ticket = Ticket(session, self)
            self._waiting.append(ticket)
            self._admit()
        return ticket

    def position(self, ticket: Ticket) -> int:
        """1 for the next in line; 0 for a ticket that runs or has ended."""
        with self._changed:
            order = self._order()
            return order.index(ticket) + 1 if ticket in order else 0

    def wait(self, ticket: Ticket) -> None:
        """Return when it is the ticket's turn; raises CancelledError, and what `session.waiting` raises."""
        while True:
            ticket.check()
            with self._changed:
                if ticket in self._running or (ticket not in self._waiting):
                    return
                self._changed.wait(POLL)

    def leave(self, ticket: Ticket) -> None:
        """Give up the place."""
        with self._changed:
            for tickets in (self._running, self._waiting):
                if ticket in tickets:
                    tickets.remove(ticket)
            here = {ticket.session.name for ticket in (*self._running, *self._waiting)}
            self._served = {name: when for name, when in self._served.items() if name in here}
            self._admit()

    def wake(self) -> None:
        """Let waiting threads look again."""
        with self._changed:
            self._changed.notify_all()

    def of(self, session: Session) -> list[int]:
        """Positions of a session's tickets: 0 for each that runs, then those in line."""
        with self._changed:
            running = [0 for ticket in self._running if ticket.session.name == session.name]
            order = enumerate(self._order(), 1)
            return running + [place for place, ticket in order if ticket.session.name == session.name]

    def _order(self) -> list[Ticket]:
        """Waiting tickets, the next one first: a session's n-th ticket goes after all sessions' (n - 1)-th ones.

        Of equals, the session that has waited longer since it was last served goes first, then who came first.
        """
        own: dict[str, int] = {}
        for ticket in self._running:
            own[ticket.session.name] = own.get(ticket.session.name, 0) + 1
        ranks = []
        for arrival, ticket in enumerate(self._waiting):
            rank = own.get(ticket.session.name, 0)
            own[ticket.session.name] = rank + 1
            ranks.append((rank, self._served.get(ticket.session.name, 0), arrival, ticket))
        return [ticket for *_, ticket in sorted(ranks, key=lambda entry: entry[:3])]

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self.active:
            ticket = self._order()[0]
            self._waiting.remove(ticket)
            self._running.append(ticket)
            self._served[ticket.session.name] = next(self._admitted)
        self._changed.notify_all()


queue = FairQueue()
"""The server's one queue."""


def held() -> Ticket | None:
    """The ticket under which the calling thread works; None for interactive requests."""
    return _held.get()


@contextmanager
def queued() -> Iterator[Ticket]:
    """Work of more than about a second: it waits for its turn. Inside other background work it is a part of that."""
    outer = held()
    if outer is not None:
        yield outer
        return
    with queue.join(sessions.current()) as ticket:
        yield ticket


@contextmanager
def background() -> Iterator[Ticket]:
    """Work of up to about a second: behind interactive requests, its slices in turn with others', not in line."""
    outer = held()
    if outer is not None:
        yield outer
        return
    with Ticket(sessions.current()) as ticket:
        yield ticket


@contextmanager
def outside() -> Iterator[None]:
    """For a callback inside background work: what it asks for is interactive again."""
    token = _held.set(None)
    try:
        yield
    finally:
        _held.reset(token)
