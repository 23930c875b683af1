"""How good is a model of sound? What a held-out sample costs, and whether a digit it speaks is heard as that digit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genmodels import catalog, data
from genmodels.capabilities import SupportsClassification, SupportsSampling
from genmodels.data.spec import DataSpec, Recordings
from genmodels.errors import CheckpointError
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.seeding import generator_of
from genmodels.signal import audio

JUDGE = "fsdd_judge"
SPOKEN = 20
"""Recordings drawn of each digit, evenly among the speakers."""
_BATCH = 30


def measure(model: Model, spec: Spec, *, seed: int = 0, spoken: int = SPOKEN) -> dict[str, float]:
    """Every figure of a model of sound. Raises DataError where the test data is missing.

    likelihood/bits_per_sample   exact, of the test recordings' samples, each as probable; told class and speaker and,
                                 where the model is told how far a word has come, each recording's length
    labels/agreement             of `spoken` recordings of each digit, the share that the judge hears as asked
    labels/agreement_real        the same share of the test recordings: what the judge itself is worth
    """
    test = data.load_audio(spec.data, "test")
    found = {"likelihood/bits_per_sample": bits_per_sample(model, test)}
    if applies_to(spec.data_spec) and published() and isinstance(model, SupportsSampling):
        if model.conditions.get("label") == 10:
            asked = torch.arange(10).repeat_interleave(spoken)
            found["labels/agreement"] = float((heard(_spoken(model, asked, seed)) == asked).float().mean())
        clips = [torch.from_numpy(test.clip(index)) for index in range(len(test))]
        found["labels/agreement_real"] = float((heard(clips) == torch.from_numpy(test.labels)).float().mean())
    return found


def bits_per_sample(model: Model, recordings: Recordings) -> float:
    """-log2 p of a sample, the mean over all samples of all recordings."""
    nats = 0.0
    order = recordings.lengths.argsort()  # recordings of like length together: little padding
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        clips = [torch.from_numpy(recordings.clip(row)) for row in rows]
        x = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True).to(model.device)
        length = torch.from_numpy(recordings.lengths[rows]).to(model.device)
        told = {"label": recordings.labels[rows], "speaker": recordings.speakers[rows]}
        condition = {key: torch.from_numpy(told[key]) for key in model.conditions}
        nats -= float(model.log_prob(x, condition=condition, length=length).double().sum())  # type: ignore[operator]
    return nats / int(recordings.lengths.sum()) / math.log(2)


def applies_to(spec: DataSpec) -> bool:
    """Whether recordings of this data are digits in the judge's format."""
    return spec.sample_rate == 8_000 and spec.classes == tuple("0123456789")


def published() -> bool:
    """Whether there is a judge of spoken digits to ask."""
    return any(info.name == JUDGE for info in catalog.list_checkpoints())


def heard(clips: list[Tensor], sample_rate: int = 8_000) -> Tensor:
    """The digits (N,) that the judge hears in recordings (T,) each, silence at their ends cut off as in the set."""
    judge = catalog.load(JUDGE)
    if not isinstance(judge, SupportsClassification):
        raise CheckpointError(f"checkpoint {JUDGE!r} is a {type(judge).__name__}, not a classifier; publish it again")
    pictures = [audio.spectrogram(audio.trim(clip.cpu(), sample_rate)[None], sample_rate) for clip in clips]
    with torch.inference_mode():
        return judge.classify(torch.cat(pictures)).argmax(1)


def _spoken(model: SupportsSampling, asked: Tensor, seed: int) -> list[Tensor]:
    assert isinstance(model, Model)
    generator = generator_of(seed, model.device)
    speakers = torch.arange(len(asked)) % max(1, model.conditions.get("speaker", 1))
    drawn = []
    for start in range(0, len(asked), 64):
        rows = slice(start, start + 64)
        told = {"label": asked[rows], "speaker": speakers[rows]}
        condition = {key: told[key] for key in model.conditions}
        drawn += list(model.sample(len(asked[rows]), condition=condition, generator=generator).cpu())
    return drawn
