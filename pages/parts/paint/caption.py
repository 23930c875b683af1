"""The text below a sampled image."""

from __future__ import annotations

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.inference import PredictedClass
from pages.components import judge_note
from pages.components.i18n import t


def image_caption(info: CheckpointInfo, seed: int, label: int | None, prediction: PredictedClass | None) -> str:
    """The image's seed, and, if known, its class and what the reference classifier reads."""
    parts = [t("paint.seed_of", seed=seed)]
    if label is not None:
        parts.append(t("paint.of_class", label=info.condition_names[label]))
    if prediction is not None:
        parts.append(judge_note.reading("paint.reads", prediction, narrow=True))
    return " · ".join(parts)
