"""Asking a model of sound for a recording: names of classes and speakers, lengths in seconds, WAV bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from genmodels import catalog
from genmodels.capabilities import SupportsCompletion
from genmodels.data import given, intake, recording
from genmodels.errors import CapabilityError, ConfigError
from genmodels.recipes import Spec
from genmodels.runfolder import RunFolder
from genmodels.seeding import generator_of
from genmodels.signal import audio

_EVERY = 400
"""Samples drawn between two looks: 20 to 50 ms of a core."""


@dataclass(frozen=True)
class Wish:
    """What is to be said: names or numbers by `label` and `speaker` (None drawn), seconds behind what is continued."""

    asked: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    seconds: float | None = None
    temperature: float = 1.0
    top_k: int | None = None
    guidance: float | None = None
    """How strongly it heeds what it is told; None takes the model's own."""
    tempo: float = 1.0
    """How fast a word is said, 1 as in the data, by a model that is told how far the word has come."""


@dataclass(frozen=True)
class Said:
    """A recording, float32 (T,) in [-1, 1], as WAV bytes."""

    samples: Tensor
    sample_rate: int

    @property
    def wav(self) -> bytes:
        return audio.wav(self.samples, self.sample_rate)

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Timed(Said):
    """The same, and how fast it was drawn: loading, hearing what was given and compiling do not count.

    They do in a recording shorter than one slice, a twentieth of a second, which cannot be told from them.
    """

    samples_per_second: float


def read(path: Path, name: str) -> Tensor:
    """A recording in a file, float32 (T,) at the rate of the model called `name`; raises DataError."""
    rate = _rate(name, _spec(name))
    samples = given.decoded(path, recording.MAX_FILE_BYTES, lambda raw: intake.decode_recording(raw, rate))
    return torch.from_numpy(samples)


def say(name: str, wish: Wish, *, step: int | None = None, after: Tensor | None = None) -> Timed:
    """Draw a recording, or what follows `after` (T,); raises UnknownNameError, CapabilityError or ConfigError."""
    given = 0 if after is None else len(after)
    slices = say_iter(name, wish, step=step, after=after)
    began = time.perf_counter()
    said = next(slices)
    loaded = time.perf_counter()
    for said in slices:  # noqa: B007 - the last one is the whole
        pass
    drawn = len(said.samples) - given
    # The first slice has loaded and compiled; where there is no other one, it is all that can be measured.
    count, since = (drawn - _EVERY, loaded) if drawn > _EVERY else (drawn, began)
    return Timed(said.samples, said.sample_rate, count / max(1e-9, time.perf_counter() - since))


def say_iter(
    name: str, wish: Wish, *, step: int | None = None, after: Tensor | None = None, every: int = _EVERY
) -> Iterator[Said]:
    """All of it again after each `every` samples, silent where nothing is drawn yet; stop by not asking on."""
    spec = _spec(name)
    rate = _rate(name, spec)
    usual = spec.data_spec.clip_samples or rate
    slow = min(1.0, max(wish.tempo, 0.1))  # what is said more slowly takes longer
    count = round(usual / slow) if wish.seconds is None else max(1, round(wish.seconds * rate))
    model = catalog.load(name, step)
    if not isinstance(model, SupportsCompletion):
        raise CapabilityError(f"{name} draws no recordings; `python -m genmodels models` tells what each family can do")
    names = {"label": spec.data_spec.classes, "speaker": spec.data_spec.speakers}
    condition = {
        key: torch.tensor([_number(key, value, names[key], model.conditions.get(key, 0), name)])
        for key, value in wish.asked.items()
    }
    given = torch.zeros(0) if after is None else after
    x = torch.cat([given, torch.zeros(count)])[None]
    known = torch.arange(x.shape[1]) < len(given)
    generator = generator_of(wish.seed)
    knobs = {"temperature": wish.temperature, "top_k": wish.top_k, "guidance": wish.guidance, "tempo": wish.tempo}
    for heard in model.complete(x, known, condition=condition, generator=generator, every=every, **knobs):  # type: ignore[call-arg]
        yield Said(heard[0].cpu(), rate)


def _spec(name: str) -> Spec:
    return RunFolder(catalog.find(name)).spec()


def _rate(name: str, spec: Spec) -> int:
    if spec.data_spec.sample_rate is None:
        raise CapabilityError(f"{name} was trained on pictures, so it cannot speak; choose a model of recordings")
    return spec.data_spec.sample_rate


def _number(key: str, value: str, names: tuple[str, ...], count: int, model: str) -> int:
    """A class or speaker as a number: its name, or the number itself."""
    if not count:
        raise CapabilityError(f"{model} cannot be asked for a {key}: leave it out")
    if value in names:
        return names.index(value)
    if value.isascii() and value.isdigit() and len(value) < 6 and int(value) < count:
        return int(value)
    raise ConfigError(f"{key} = {value!r} is not allowed: {model} knows {', '.join(names) or f'0 to {count - 1}'}")
