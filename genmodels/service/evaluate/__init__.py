"""Requests of the evaluate page: published metrics, and those that were measured on this machine.

`train_jobs/measuring.py` measures a step in the background.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from genmodels import data, evaluation
from genmodels.evaluation import digit_metrics, reference_classifier
from genmodels.publishing.expected import Expectation, expectation_of
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.files import read_json
from genmodels.runs.folder import MEASURED, RunFolder
from genmodels.service.dataset_images import modified
from genmodels.service.evaluate import stored_metrics
from genmodels.service.inference import plain

SAMPLES = 1_000
"""Generated samples of a measurement on this machine; a card has up to ten times as many."""
MAX_STEPS = 8
NEWEST_RUNS = 5


@dataclass(frozen=True)
class Measured:
    """Metrics of a step by name, and the number of samples they were measured with (None: as published).

    `added` are metrics that the card does not have and that were measured here with fewer samples. `published` is the
    number of samples of the card's metrics.
    """

    step: int
    metrics: Mapping[str, float]
    samples: int | None
    added: frozenset[str] = frozenset()
    published: int = evaluation.SAMPLES

    def measured_here(self, name: str) -> bool:
        """Whether a metric was measured on this machine, with fewer samples than the card's."""
        return self.samples is not None or name in self.added


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """All checkpoints, and runs with a saved step, published ones first."""
    return catalog.list_checkpoints()


def metrics_of(info: CheckpointInfo, step: int) -> Measured | None:
    """The metrics of a step: those of the card, completed by those measured here; None if there are neither.

    A card has few metrics of earlier steps. A metric that was measured here is used only if the card has none.
    """
    here, card = local_metrics(info, step), _card(info)
    published = dict(info.metrics) if step == info.steps[-1] else _rows(card).get(step, {})
    if not published:
        return here
    local = here.metrics if here is not None else {}
    added = {name: value for name, value in local.items() if name.removesuffix("_spread") not in published}
    samples = int(card.get("samples", evaluation.SAMPLES))
    return Measured(step, {**added, **published}, None, frozenset(added), samples)


def is_incomplete(info: CheckpointInfo, measured: Measured) -> bool:
    """Whether more metrics of a step can be measured than its card has, because the step or the card is older."""
    if measured.step != info.steps[-1]:
        return measured.step in info.steps and not {*filter(_is_of_samples, info.metrics)} <= {*measured.metrics}
    spec = RunFolder(info.path).spec().data_spec
    classifiable = (
        "sampling" in info.capabilities
        and reference_classifier.applies_to(spec)
        and spec.test_size >= digit_metrics.FEWEST
    )
    return classifiable and "judge/frechet" not in measured.metrics


def _is_of_samples(name: str) -> bool:
    """Whether it is neither a metric of the discriminator, which earlier steps do not have, nor an error bar."""
    return not name.startswith(("score/", "discriminator/")) and not name.endswith("_spread")


def _card(info: CheckpointInfo) -> dict[str, Any]:
    path = info.path / MEASURED
    return dict(read_json(path)) if path.is_file() else {}


def _rows(card: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    """The metrics of a card over the training, by step."""
    return {
        int(row["step"]): {name: float(value) for name, value in row.items() if name not in ("step", "seconds")}
        for row in card.get("over_training", [])
    }


def local_metrics(info: CheckpointInfo, step: int) -> Measured | None:
    """The metrics of exactly these weights that were measured on this machine, with fewer samples."""
    entry = stored_metrics.entry(info.path, step)
    if not isinstance(entry.get("figures"), dict):
        return None
    metrics = {str(name): float(value) for name, value in entry["figures"].items() if stored_metrics.is_number(value)}
    return Measured(step, metrics, int(entry.get("samples", SAMPLES)))


def over_training(info: CheckpointInfo) -> tuple[Measured, ...]:
    """The known metrics of all steps, ascending: those of the card and those measured here."""
    rows = [metrics_of(info, step) for step in sorted({*info.steps, *_rows(_card(info))})]
    return tuple(row for row in rows if row is not None)


def newest_measured(infos: Sequence[CheckpointInfo]) -> str | None:
    """The name of the newest run whose last step was measured, of the NEWEST_RUNS newest ones; None if none was."""
    runs = [info for info in infos if not info.published]
    runs.sort(key=lambda info: RunFolder(info.path).step_key(info.steps[-1])[2], reverse=True)
    for info in runs[:NEWEST_RUNS]:
        if local_metrics(info, info.steps[-1]) is not None:
            return info.name
    return None


def stored_curves(info: CheckpointInfo) -> dict[str, list[tuple[int, float]]]:
    """The thinned curves of a published training by metric, (step, value); empty for a run."""
    curves = _card(info).get("curves", {})
    return {str(name): [(int(step), float(value)) for step, value in points] for name, points in curves.items()}


def steps_to_measure(info: CheckpointInfo) -> tuple[int, ...]:
    """At most eight saved steps without metrics: the first, the last, and others spread evenly between them."""
    without = [step for step in info.steps if step not in {row.step for row in over_training(info)}]
    if len(without) <= MAX_STEPS:
        return tuple(without)
    return tuple(without[round(index * (len(without) - 1) / (MAX_STEPS - 1))] for index in range(MAX_STEPS))


def expected(info: CheckpointInfo, step: int) -> dict[str, tuple[float | None, float | None]]:
    """The recipe's expected range of each metric, its lower and its upper limit; only for the last step."""
    return dict(_expectation(info, step).bounds)


def differences(info: CheckpointInfo, step: int) -> tuple[str, ...]:
    """How the settings differ from those of the recipe with the expected metrics; empty if they do not."""
    return _expectation(info, step).differences


def _expectation(info: CheckpointInfo, step: int) -> Expectation:
    """Metrics are expected of the last step only."""
    return expectation_of(RunFolder(info.path).spec(), step) if step == info.steps[-1] else Expectation()


def class_fractions(name: str) -> tuple[float, ...]:
    """The fraction of each class in the training data; empty if the data is not on this machine."""
    spec = RunFolder(catalog.find(plain(name))).spec()
    if data.missing(spec.data) is not None:
        return ()
    counts = _class_counts(spec.data, modified(spec.data))
    return tuple(count / sum(counts) for count in counts)


@lru_cache(maxsize=16)
def _class_counts(config: data.DataConfig, written: int) -> tuple[int, ...]:
    return data.class_counts(config)
