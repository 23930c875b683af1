"""All published digit models in one table: published metrics, size, and the time per sample on this server."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from genmodels.evaluation import reference_classifier
from genmodels.images import preview
from genmodels.model import Model
from genmodels.runs import checkpoint
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.service import compare
from genmodels.service.cache import LRU
from genmodels.service.compare import METRICS, Value
from genmodels.service.fair_queue import background
from genmodels.service.inference import ModelKey, model_of, run

TIMED = 16
"""Images of the batch that is timed."""
COLUMNS = ("frechet", "agreement", "kl", "bits_per_dim", "elbo", "parameters", "seconds")
_METRICS = tuple(next(metric for metric in METRICS if metric.name == name) for name in COLUMNS)

_parameters: LRU[ModelKey, int] = LRU(256)
_times: LRU[ModelKey, float] = LRU(256)


@dataclass(frozen=True)
class FamilyRow:
    """A published digit model: the values of COLUMNS by name, and its time per sample if it has been measured here."""

    info: CheckpointInfo
    values: dict[str, Value]
    sample_seconds: float | None


def rows() -> tuple[FamilyRow, ...]:
    """All published models that generate digits, by FID, those without one last. Loads no weights."""
    table = []
    for info in compare.checkpoints():
        if info.published and reference_classifier.applies_to(RunFolder(info.path).spec().data_spec):
            count, step = _parameter_count(info), info.steps[-1]
            values = {metric.name: compare.value_of(metric, info, step, count) for metric in _METRICS}
            table.append(FamilyRow(info, values, _times.get(_key(info))))
    return tuple(sorted(table, key=lambda row: (row.values["frechet"].value is None, row.values["frechet"].value or 0)))


def measure_time(name: str) -> float:
    """Seconds per image: processor time of one thread for a batch of TIMED samples, divided by their number; cached.

    One image is generated before that. Waiting and other programs do not count, so a busy server measures the same.
    Raises UnknownNameError and CheckpointError.
    """

    def task() -> float:
        model, key = model_of(name, None)
        return _times.get_or_compute(key, lambda: _timed(model))

    with background():
        return run(task, divided=True)


def _timed(model: Model) -> float:
    preview.samples_of_seeds(model, range(1))
    start = time.thread_time()
    preview.samples_of_seeds(model, range(TIMED))
    return (time.thread_time() - start) / TIMED


def _parameter_count(info: CheckpointInfo) -> int:
    """The number of weights needed to generate; from the config alone."""

    def count() -> int:
        with torch.device("meta"):
            model = checkpoint.build(RunFolder(info.path).spec().model_dump())
        return sum(
            parameter.numel()
            for name, parameter in model.named_parameters()
            if name.split(".")[0] not in model.training_only
        )

    return _parameters.get_or_compute(_key(info), count)


def _key(info: CheckpointInfo) -> ModelKey:
    return RunFolder(info.path).step_key(info.steps[-1])
