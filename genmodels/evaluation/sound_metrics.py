"""Metrics of audio models: likelihood of test recordings, and class agreement of spoken digits."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genmodels import data
from genmodels.capabilities import SupportsClassification, SupportsSampling
from genmodels.data.spec import DataSpec, Recordings
from genmodels.errors import CheckpointError
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.runs import catalog
from genmodels.seeding import generator_of
from genmodels.signal import audio

CLASSIFIER = "fsdd_judge"
SPOKEN = 20
"""Generated recordings per digit, balanced over the speakers."""
_BATCH = 30


def measure(model: Model, spec: Spec, *, seed: int = 0, spoken: int = SPOKEN) -> dict[str, float]:
    """Every metric of an audio model. Raises DataError if the test data is missing.

    likelihood/bits_per_sample   exact, mean over the samples of the test recordings, conditioned on class and speaker
                                 and, with temporal conditioning, on each recording's length
    labels/agreement             class agreement of `spoken` generated recordings per digit
    labels/agreement_real        accuracy of the reference classifier on the test recordings
    """
    test = data.load_audio(spec.data, "test")
    metrics = {"likelihood/bits_per_sample": bits_per_sample(model, test)}
    if applies_to(spec.data_spec) and published() and isinstance(model, SupportsSampling):
        if model.conditions.get("label") == 10:
            labels = torch.arange(10).repeat_interleave(spoken)
            generated = _generate(model, labels, seed)
            metrics["labels/agreement"] = float((predictions(generated) == labels).float().mean())
        clips = [torch.from_numpy(test.clip(index)) for index in range(len(test))]
        metrics["labels/agreement_real"] = float((predictions(clips) == torch.from_numpy(test.labels)).float().mean())
    return metrics


def bits_per_sample(model: Model, recordings: Recordings) -> float:
    """Mean -log2 p per sample over all samples of all recordings."""
    nats = 0.0
    order = recordings.lengths.argsort()  # recordings of similar length together: little padding
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        clips = [torch.from_numpy(recordings.clip(row)) for row in rows]
        x = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True).to(model.device)
        length = torch.from_numpy(recordings.lengths[rows]).to(model.device)
        conditions = {"label": recordings.labels[rows], "speaker": recordings.speakers[rows]}
        condition = {key: torch.from_numpy(conditions[key]) for key in model.conditions}
        nats -= float(model.log_prob(x, condition=condition, length=length).double().sum())  # type: ignore[operator]
    return nats / int(recordings.lengths.sum()) / math.log(2)


def applies_to(spec: DataSpec) -> bool:
    """Whether the data is spoken digits in the classifier's format."""
    return spec.sample_rate == 8_000 and spec.classes == tuple("0123456789")


def published() -> bool:
    """Whether the reference classifier for spoken digits is published."""
    return any(info.name == CLASSIFIER for info in catalog.list_checkpoints())


def predictions(clips: list[Tensor], sample_rate: int = 8_000) -> Tensor:
    """Predicted digits (N,) of recordings, (T,) each, after trimming silence as in the data set."""
    classifier = catalog.load(CLASSIFIER)
    if not isinstance(classifier, SupportsClassification):
        raise CheckpointError(
            f"checkpoint {CLASSIFIER!r} is a {type(classifier).__name__}, not a classifier; publish it again"
        )
    spectrograms = [audio.spectrogram(audio.trim(clip.cpu(), sample_rate)[None], sample_rate) for clip in clips]
    with torch.inference_mode():
        return classifier.classify(torch.cat(spectrograms)).argmax(1)


def _generate(model: SupportsSampling, labels: Tensor, seed: int) -> list[Tensor]:
    """A recording of each label, balanced over the speakers."""
    assert isinstance(model, Model)
    generator = generator_of(seed, model.device)
    speakers = torch.arange(len(labels)) % max(1, model.conditions.get("speaker", 1))
    recordings = []
    for start in range(0, len(labels), 64):
        rows = slice(start, start + 64)
        conditions = {"label": labels[rows], "speaker": speakers[rows]}
        condition = {key: conditions[key] for key in model.conditions}
        recordings += list(model.sample(len(labels[rows]), condition=condition, generator=generator).cpu())
    return recordings
