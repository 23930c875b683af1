"""Requests of the speak page: which models can speak, and recordings that are generated while they are watched.

One second of sound takes a good part of a second of a core. It is generated in slices of background work, after a wait
in the fair queue. A `Generation` can be read, stopped and continued at any time.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterator

import numpy as np
import torch
from pydantic import Field

from genmodels import synthesis
from genmodels.data import DataConfig
from genmodels.errors import GenmodelsError
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.sampling.options import SamplingOptions
from genmodels.service import fair_queue, sessions
from genmodels.service.cache import LRU
from genmodels.service.fair_queue import Ticket
from genmodels.service.inference import key_of, plain, run
from genmodels.service.requests import ModelRequest
from genmodels.service.sessions import Session
from genmodels.service.speak import compilation
from genmodels.service.speak.facts import audio_facts
from genmodels.service.speak.sound import Sound

MAX_SECONDS, MAX_STEPS = 8.0, 6
MAX_GUIDANCE = 5.0
"""Guidance above 2 no longer improves the recognition accuracy of the published voice."""
SLICE_SAMPLES = 400
"""Samples per slice: 45 ms of a core with guidance for the published network, 50 ms of sound at 8 kHz."""
_AUDIBLE = 0.003
_BROKEN = "the recording could not be generated: the server has met a fault and noted it in its log; try again"
_log = logging.getLogger(__name__)


class SpeakRequest(ModelRequest):
    """A model, a class, a speaker, and sampling options."""

    label: str | None = Field(None, max_length=100, description="class; empty: the seed samples one")
    speaker: str | None = Field(None, max_length=100, description="speaker; empty: the seed samples one")
    seed: int = Field(0, description="any integer; the same seed gives the same sound")
    temperature: float = Field(1.0, ge=0.1, le=2, description="below 1 likely levels become likelier")
    top_k: int | None = Field(None, ge=1, le=256, description="sample from the k likeliest levels; empty: all of them")
    seconds: float = Field(1.0, ge=0.05, le=MAX_SECONDS, description="duration of the generated sound")
    guidance: float | None = Field(
        None, ge=0, le=MAX_GUIDANCE, description="classifier-free guidance scale; empty takes the model's own"
    )
    tempo: float = Field(1.0, ge=0.5, le=2, description="speaking rate relative to the data")

    @property
    def options(self) -> SamplingOptions:
        return SamplingOptions(self.temperature, self.top_k, self.guidance, self.tempo)


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs that can speak, published ones first."""
    return tuple(filter(can_speak, catalog.list_checkpoints()))


def can_speak(info: CheckpointInfo) -> bool:
    """Whether a checkpoint generates sound and can continue a recording."""
    return info.modality == "audio" and "completion" in info.capabilities


def data_of(name: str) -> DataConfig:
    """The data that a model was trained on, with its folder if it is a user's own."""
    return RunFolder(catalog.find(plain(name))).spec().data


def default_request(name: str) -> SpeakRequest:
    """The request of a card in the gallery: one word of one speaker, at most two seconds."""
    facts = audio_facts(name)
    label = facts.labels[min(7, len(facts.labels) - 1)] if facts.labels else None
    speaker = facts.speakers[0] if facts.speakers else None
    seconds = min(2.0, max(0.05, facts.mean_seconds))
    return SpeakRequest(model=name, label=label, speaker=speaker, seed=1, seconds=seconds)


# --------------------------------------------------------------------- generating


class Generation:
    """One recording that is being generated. `samples` is what exists so far, after the `prefix` that it continues."""

    def __init__(self, request: SpeakRequest, prefix: Sound | None = None) -> None:
        facts = audio_facts(request.model)
        self.request, self.facts, self.rate = request, facts, facts.rate
        self.prefix = prefix.samples if prefix is not None else np.empty(0, np.float32)
        self.total = len(self.prefix) + max(1, round(request.seconds * self.rate))
        self.samples = self.prefix
        self.problem = ""
        self.speed = 0.0
        """Samples per second, without the time for loading and compiling."""
        self._stop, self._thread = threading.Event(), None  # type: tuple[threading.Event, threading.Thread | None]
        self._ticket: Ticket | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def position(self) -> int:
        """The position in line, 1 for the next; 0 if it does not wait."""
        return self._ticket.position if self._ticket is not None else 0

    @property
    def finished(self) -> bool:
        return len(self.samples) == self.total

    @property
    def fraction(self) -> float:
        """The generated fraction, 0 to 1."""
        return (len(self.samples) - len(self.prefix)) / (self.total - len(self.prefix))

    @property
    def sound(self) -> Sound:
        return Sound(self.samples, self.rate)

    @property
    def is_silent(self) -> bool:
        """Whether less than 5 % of the generated samples are audible, for example a click before silence."""
        generated = np.abs(self.samples[len(self.prefix) :])
        return len(generated) > 0 and float((generated > max(_AUDIBLE, 0.1 * float(generated.max()))).mean()) < 0.05

    def start(self) -> None:
        """Generate what is missing, in the background; raises GenmodelsError if too many requests are in line."""
        if self.finished or self.running:
            return
        session = sessions.current()
        self._ticket = fair_queue.queue.join(session)
        self._stop.clear()
        self.problem = ""
        self._thread = threading.Thread(target=self._generate, args=(session, self._ticket), name="speak", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current slice; `start` continues with the same samples as without the stop."""
        self._stop.set()
        if self.position and self._ticket is not None:
            self._ticket.cancel()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _generate(self, session: Session, ticket: Ticket) -> None:
        try:
            with sessions.acting_for(session), ticket:
                compilation.prepare()
                for samples, speed in _slices(self.request, self.samples, self.total):
                    self.samples, self.speed = samples, speed
                    if self._stop.is_set():
                        return
            _finished.store(_key(self), (self.samples, self.speed))
        except GenmodelsError as error:
            self.problem = "" if self._stop.is_set() else str(error)
        except Exception:  # noqa: BLE001 - uncaught in this thread, the page would show neither sound nor reason
            _log.exception("generating %s failed", self.request)
            self.problem = _BROKEN


def generate(request: SpeakRequest, prefix: Sound | None = None) -> Generation:
    """A recording that is being generated, or finished if the same request was served before.

    It continues `prefix`, which has the model's sample rate. Raises UnknownNameError, CapabilityError, and
    GenmodelsError if too many requests are in line; later failures are the generation's `problem`.
    """
    generation = Generation(request, prefix)
    entry = _finished.get(_key(generation))
    if entry is not None:
        generation.samples, generation.speed = entry
    else:
        generation.start()
    return generation


def recorded(request: SpeakRequest) -> bytes:
    """The WAV of a request, when it is generated. Raises what `generate` raises, and GenmodelsError if it fails."""
    generation = generate(request)
    generation.wait()
    if generation.problem:
        raise GenmodelsError(generation.problem)
    return generation.sound.wav


def generate_steps(request: SpeakRequest, steps: tuple[int, ...]) -> list[Generation]:
    """The same request at several saved steps, at most MAX_STEPS, whose slices take turns."""
    if not 1 <= len(steps) <= MAX_STEPS:
        raise GenmodelsError(f"{len(steps)} steps were requested; choose 1 to {MAX_STEPS}")
    generations: list[Generation] = []
    try:
        for step in steps:
            generations.append(generate(request.replace(step=step)))
    except GenmodelsError:  # all or none: an incomplete comparison is of no use
        for generation in generations:
            generation.stop()
        raise
    return generations


_finished: LRU[tuple[object, ...], tuple[np.ndarray, float]] = LRU(64)
"""Samples and speed by step, request and prefix, for all visitors."""


def _key(generation: Generation) -> tuple[object, ...]:
    key = key_of(generation.request.model, generation.request.step)
    return *key, generation.request, hashlib.sha256(generation.prefix.tobytes()).digest()


def _slices(request: SpeakRequest, known: np.ndarray, total: int) -> Iterator[tuple[np.ndarray, float]]:
    """After each slice, all samples so far and the speed in samples per second."""
    rate = audio_facts(request.model).rate
    names = {"label": request.label, "speaker": request.speaker}
    condition = {key: name for key, name in names.items() if name is not None}
    speech = synthesis.SpeechRequest(condition, request.seed, (total - len(known)) / rate, request.options)
    after = torch.from_numpy(known) if len(known) else None
    recordings = synthesis.synthesise_iter(
        plain(request.model), speech, step=request.step, after=after, every=SLICE_SAMPLES
    )
    start, seconds = len(known), 0.0
    end = start
    while end < total:
        began = time.perf_counter()
        recording = run(lambda: next(recordings))
        first, end = end == start, min(end + SLICE_SAMPLES, total)
        # The first slice loads the weights, reads the prefix and may compile, so it is not timed.
        if not first or end == total:
            seconds += time.perf_counter() - began
        timed = end - start - (0 if first or start + SLICE_SAMPLES >= total else SLICE_SAMPLES)
        yield recording.samples[:end].numpy(), timed / seconds if seconds else 0.0


# --------------------------------------------------------------------- over the training


def comparison_steps(info: CheckpointInfo) -> tuple[int, ...]:
    """At most MAX_STEPS saved steps: the first, the last, and others spread evenly between them."""
    count = min(MAX_STEPS, len(info.steps))
    if count < 2:
        return info.steps
    return tuple(info.steps[round(index * (len(info.steps) - 1) / (count - 1))] for index in range(count))
