"""Speech synthesis with a model of audio: names of classes and speakers, lengths in seconds, WAV bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genmodels.capabilities import SupportsCompletion
from genmodels.errors import CapabilityError, ConfigError
from genmodels.recipes import Spec
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.sampling.options import DEFAULT_OPTIONS, SamplingOptions
from genmodels.seeding import generator_of
from genmodels.signal import audio

_EVERY = 400
"""Samples between two yields: 20 to 50 ms of a core."""


@dataclass(frozen=True)
class SpeechRequest:
    """What to synthesise."""

    condition: Mapping[str, str] = field(default_factory=dict)
    """A name or number for `label` and `speaker`; missing ones are sampled."""
    seed: int = 0
    seconds: float | None = None
    """Length without what is continued; None for the data's usual length."""
    options: SamplingOptions = DEFAULT_OPTIONS


@dataclass(frozen=True)
class Recording:
    """Audio float32 (T,) in [-1, 1]."""

    samples: Tensor
    sample_rate: int

    @property
    def wav(self) -> bytes:
        return audio.wav(self.samples, self.sample_rate)

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class TimedRecording(Recording):
    """A recording and the speed of its synthesis, without loading, compiling and processing what is continued.

    A recording shorter than `_EVERY` samples, a twentieth of a second, includes them.
    """

    samples_per_second: float


def sample_rate(name: str) -> int:
    """Samples per second of the model called `name`; raises CapabilityError for a model of images."""
    return _rate(name, _spec(name))


def synthesise(
    name: str, request: SpeechRequest, *, step: int | None = None, after: Tensor | None = None
) -> TimedRecording:
    """A recording, or the continuation of `after` (T,).

    Raises UnknownNameError, CapabilityError or ConfigError.
    """
    known = 0 if after is None else len(after)
    recordings = synthesise_iter(name, request, step=step, after=after)
    start = time.perf_counter()
    last = next(recordings)
    first_done = time.perf_counter()
    for last in recordings:  # noqa: B007 - the last one is the whole
        pass
    count = len(last.samples) - known
    # The first yield includes loading and compiling; it is only counted if it is the only one.
    count, start = (count - _EVERY, first_done) if count > _EVERY else (count, start)
    return TimedRecording(last.samples, last.sample_rate, count / max(1e-9, time.perf_counter() - start))


def synthesise_iter(
    name: str, request: SpeechRequest, *, step: int | None = None, after: Tensor | None = None, every: int = _EVERY
) -> Iterator[Recording]:
    """The whole recording after each `every` samples, missing samples silent; it may be abandoned at any time."""
    spec = _spec(name)
    rate = _rate(name, spec)
    usual = (spec.data_spec.clip_samples or rate) / min(1.0, request.options.tempo)  # slow speech takes longer
    count = round(usual) if request.seconds is None else max(1, round(request.seconds * rate))
    model = catalog.load(name, step)
    if not isinstance(model, SupportsCompletion):
        raise CapabilityError(
            f"{name} cannot generate recordings; `python -m genmodels models` lists what each family can do"
        )
    names = {"label": spec.data_spec.classes, "speaker": spec.data_spec.speakers}
    condition = {
        key: torch.tensor([_number(key, value, names[key], model.conditions.get(key, 0), name)])
        for key, value in request.condition.items()
    }
    start = torch.zeros(0) if after is None else after
    x = torch.cat([start, torch.zeros(count)])[None]
    known = torch.arange(x.shape[1]) < len(start)
    generator = generator_of(request.seed)
    for canvas in model.complete(
        x, known, condition=condition, generator=generator, every=every, options=request.options
    ):
        yield Recording(canvas[0].cpu(), rate)


def _spec(name: str) -> Spec:
    return RunFolder(catalog.find(name)).spec()


def _rate(name: str, spec: Spec) -> int:
    if spec.data_spec.sample_rate is None:
        raise CapabilityError(f"{name} was trained on pictures, so it cannot speak; choose a model of recordings")
    return spec.data_spec.sample_rate


def _number(key: str, value: str, names: tuple[str, ...], count: int, model: str) -> int:
    """The number of a class or speaker, from its name or the number itself."""
    if not count:
        raise CapabilityError(f"{model} is not conditioned on a {key}: leave it out")
    if value in names:
        return names.index(value)
    if value.isascii() and value.isdigit() and len(value) < 6 and int(value) < count:
        return int(value)
    raise ConfigError(f"{key} = {value!r} is not allowed: {model} knows {', '.join(names) or f'0 to {count - 1}'}")
