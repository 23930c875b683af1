"""The speak page's requests: what a model of sound can be asked for, recordings drawn while one listens, what it hears.

A second of sound costs a good part of a second of a core, so it is generated in slices of background work, after a
wait in the fair queue, and a `Drawing` can be looked at, stopped and gone on with at any time.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import torch
from pydantic import Field

from genmodels import catalog, synthesis
from genmodels.catalog import CheckpointInfo
from genmodels.config import Frozen
from genmodels.data import DataConfig
from genmodels.errors import GenmodelsError
from genmodels.runfolder import RunFolder
from genmodels.service import fair_queue, sessions
from genmodels.service.fair_queue import Ticket
from genmodels.service.inference import plain, run
from genmodels.service.sessions import Session
from genmodels.service.sound import Sound
from genmodels.service.speak import compilation
from genmodels.service.speak.options import voice

MAX_SECONDS, MAX_STEPS = 8.0, 6
MAX_GUIDANCE = 5.0
"""The published voice is heard rightly no more often at 3 than at 2: beyond this there is nothing to find."""
EVERY = 400
"""Samples drawn at once: 45 ms of a core for the published network as it is guided, 50 ms of sound at 8 kHz."""
_KEPT = 64  # finished drawings of all visitors, found again only by the same wish after the same recording
_AUDIBLE = 0.003
_BROKEN = "the recording could not be drawn: the server has met a fault and noted it in its log; try again"
_log = logging.getLogger(__name__)


class Asked(Frozen):
    """Whom to ask for what, and which of the many recordings that fit: that of `seed`."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    step: int | None = Field(None, ge=0, description="saved step; empty takes the newest")
    label: str | None = Field(None, max_length=100, description="what is to be said; empty leaves it to the seed")
    speaker: str | None = Field(None, max_length=100, description="who is to say it; empty leaves it to the seed")
    seed: int = Field(0, description="any integer; the same seed gives the same sound")
    temperature: float = Field(1.0, ge=0.1, le=2, description="below 1 what is likely becomes likelier")
    top_k: int | None = Field(None, ge=1, le=256, description="draw among this many likeliest levels only")
    seconds: float = Field(1.0, ge=0.05, le=MAX_SECONDS, description="length of what is drawn")
    guidance: float | None = Field(
        None,
        ge=0,
        le=MAX_GUIDANCE,
        description="how strongly label and speaker are heeded; empty takes the model's own",
    )
    tempo: float = Field(1.0, ge=0.5, le=2, description="how fast a word is said, 1 as in the data")


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """The checkpoints and runs that can speak, published ones first."""
    return tuple(filter(speaks, catalog.list_checkpoints()))


def speaks(info: CheckpointInfo) -> bool:
    """Whether a checkpoint draws sound, and can go on where a recording ends."""
    return info.modality == "audio" and "completion" in info.capabilities


def data_of(name: str) -> DataConfig:
    """The set a model learned from, with its folder where it is one's own."""
    return RunFolder(catalog.find(plain(name))).spec().data


def first_wish(name: str) -> Asked:
    """What a card plays: one word of one voice, at most two seconds."""
    found = voice(name)
    label = found.labels[min(7, len(found.labels) - 1)] if found.labels else None
    speaker = found.speakers[0] if found.speakers else None
    return Asked(model=name, label=label, speaker=speaker, seed=1, seconds=min(2.0, max(0.05, found.usual_seconds)))


# --------------------------------------------------------------------- drawing


class Drawing:
    """One recording in the making. `samples` is what can be heard so far, what was given to continue included."""

    def __init__(self, asked: Asked, given: Sound | None = None) -> None:
        found = voice(asked.model)
        self.asked, self.voice, self.rate = asked, found, found.rate
        self.given = given.samples if given is not None else np.empty(0, np.float32)
        self.total = len(self.given) + max(1, round(asked.seconds * self.rate))
        self.samples = self.given
        self.problem = ""
        self.speed = 0.0
        """Samples a second of the computation alone, without loading and compiling."""
        self._stop, self._thread = threading.Event(), None  # type: tuple[threading.Event, threading.Thread | None]
        self._ticket: Ticket | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def position(self) -> int:
        """Its place in line, 1 for the next; 0 if it does not wait."""
        return self._ticket.position if self._ticket is not None else 0

    @property
    def finished(self) -> bool:
        return len(self.samples) == self.total

    @property
    def share(self) -> float:
        """How much of what is to be drawn is there, 0 to 1."""
        return (len(self.samples) - len(self.given)) / (self.total - len(self.given))

    @property
    def sound(self) -> Sound:
        return Sound(self.samples, self.rate)

    @property
    def fell_silent(self) -> bool:
        """Whether next to nothing of what was drawn can be heard: a click perhaps, and then silence."""
        drawn = np.abs(self.samples[len(self.given) :])
        return len(drawn) > 0 and float((drawn > max(_AUDIBLE, 0.1 * float(drawn.max()))).mean()) < 0.05

    def start(self) -> None:
        """Generate what is missing, in the background; raises GenmodelsError if too many requests are in line."""
        if self.finished or self.running:
            return
        session = sessions.current()
        self._ticket = fair_queue.queue.join(session)
        self._stop.clear()
        self.problem = ""
        self._thread = threading.Thread(target=self._draw, args=(session, self._ticket), name="speak", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the slice that is being drawn; `start` goes on from there to the same recording."""
        self._stop.set()
        if self.position and self._ticket is not None:
            self._ticket.cancel()

    def wait(self, timeout: float | None = None) -> None:
        """Until it has ended, or for `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _draw(self, session: Session, ticket: Ticket) -> None:
        try:
            with sessions.acting_for(session), ticket:
                compilation.prepare()
                for samples, speed in _slices(self.asked, self.samples, self.total):
                    self.samples, self.speed = samples, speed
                    if self._stop.is_set():
                        return
            _keep(self)
        except GenmodelsError as error:
            self.problem = "" if self._stop.is_set() else str(error)
        except Exception:  # noqa: BLE001 - uncaught in this thread, the page would show neither sound nor reason
            _log.exception("drawing %s failed", self.asked)
            self.problem = _BROKEN


def draw(asked: Asked, given: Sound | None = None) -> Drawing:
    """A recording, being drawn: finished at once where the same was drawn before.

    `given`, at the model's rate, is what it continues. Raises UnknownNameError, CapabilityError, and GenmodelsError
    where too many are being drawn; what goes wrong later is the drawing's `problem`.
    """
    drawing = Drawing(asked, given)
    found = _kept.get(_key(drawing))
    if found is not None:
        drawing.samples, drawing.speed = found
    else:
        drawing.start()
    return drawing


def draw_steps(asked: Asked, steps: tuple[int, ...]) -> list[Drawing]:
    """The same wish at several saved steps, all being drawn: their slices take turns. At most MAX_STEPS."""
    if not 1 <= len(steps) <= MAX_STEPS:
        raise GenmodelsError(f"{len(steps)} steps were asked for; choose 1 to {MAX_STEPS}")
    drawings: list[Drawing] = []
    try:
        for step in steps:
            drawings.append(draw(asked.replace(step=step)))
    except GenmodelsError:  # all or none: a part of the comparison would be of no use
        for drawing in drawings:
            drawing.stop()
        raise
    return drawings


_kept: OrderedDict[tuple[object, ...], tuple[np.ndarray, float]] = OrderedDict()


def _key(drawing: Drawing) -> tuple[object, ...]:
    folder = RunFolder(catalog.find(plain(drawing.asked.model)))
    step = drawing.asked.step if drawing.asked.step is not None else max(folder.steps(), default=0)
    try:
        stamp = folder.step_path(step).stat().st_mtime_ns
    except OSError:
        stamp = 0  # drawing says what is missing
    return folder.path, step, stamp, drawing.asked, hashlib.sha256(drawing.given.tobytes()).digest()


def _keep(drawing: Drawing) -> None:
    _kept[_key(drawing)] = (drawing.samples, drawing.speed)
    while len(_kept) > _KEPT:
        _kept.popitem(last=False)


def _slices(asked: Asked, heard: np.ndarray, total: int) -> Iterator[tuple[np.ndarray, float]]:
    """All samples so far, again and again, and how many a second."""
    rate = voice(asked.model).rate
    names = {"label": asked.label, "speaker": asked.speaker}
    wish = synthesis.Wish(
        {key: name for key, name in names.items() if name is not None},
        asked.seed,
        (total - len(heard)) / rate,
        asked.temperature,
        asked.top_k,
        asked.guidance,
        asked.tempo,
    )
    after = torch.from_numpy(heard) if len(heard) else None
    drawn = synthesis.say_iter(plain(asked.model), wish, step=asked.step, after=after, every=EVERY)
    known, seconds = len(heard), 0.0
    until = known
    while until < total:
        began = time.perf_counter()
        said = run(lambda: next(drawn))
        first, until = until == known, min(until + EVERY, total)
        # The first slice loads the weights, hears what was given and may compile: no measure of drawing.
        if not first or until == total:
            seconds += time.perf_counter() - began
        counted = until - known - (0 if first or known + EVERY >= total else EVERY)
        yield said.samples[:until].numpy(), counted / seconds if seconds else 0.0


# --------------------------------------------------------------------- over the training


def steps_to_hear(info: CheckpointInfo) -> tuple[int, ...]:
    """At most MAX_STEPS saved steps, the first and the last among them, the others spread evenly."""
    count = min(MAX_STEPS, len(info.steps))
    if count < 2:
        return info.steps
    return tuple(info.steps[round(index * (len(info.steps) - 1) / (count - 1))] for index in range(count))
