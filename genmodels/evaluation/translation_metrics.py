"""Metrics of translations: cycle error, and the fraction that a classifier assigns to the target domain.

The classifier is a published checkpoint `*_judge`, trained on real images of the same data set. Its accuracy on real
images limits the significance of its predictions.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels import data
from genmodels.capabilities import Direction, SupportsClassification, SupportsTranslation
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays, DataSpec
from genmodels.model import Model
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder

SUFFIX = "_judge"
_BATCH = 8
_BACKGROUND = 0.1
"""Object masks below this are background."""
_DIRECTIONS: tuple[Direction, Direction] = ("a_to_b", "b_to_a")


def measure(model: SupportsTranslation, arrays: Arrays, spec: DataSpec) -> dict[str, float]:
    """Metrics of test images `arrays` of both domains; fractions are 0 to 1.

    cycle/a b error           mean absolute difference, at most 2, of images and their cycles; error is the mean of both
    domains/a_as_b b_as_a     fraction of translations that the classifier assigns to the target domain
    domains/judge_a judge_b   its accuracy on the real test images of each domain, at the same size
    domains/judge             the mean of both
    """
    info = classifier_of(spec)
    classifier = catalog.load(info.name) if info is not None else None
    metrics: dict[str, float] = {}
    for label, forward, backward in ((0, *_DIRECTIONS), (1, *_DIRECTIONS[::-1])):
        name, other = "ab"[label], "ab"[1 - label]
        errors, of_translations, of_images = [], [], []
        for part in torch.split(torch.from_numpy(arrays.images[arrays.labels == label]), _BATCH):
            x = to_float(part).to(model.device)  # type: ignore[attr-defined]
            y = model.translate(x, forward)
            errors.append((model.translate(y, backward) - x).abs().flatten(1).mean(1).cpu())
            if classifier is not None:
                of_translations.append(probability_of_b(classifier, y.cpu()))
                of_images.append(probability_of_b(classifier, x.cpu()))
        metrics[f"cycle/{name}"] = float(torch.cat(errors).mean())
        if classifier is not None:
            metrics[f"domains/{name}_as_{other}"] = _fraction(torch.cat(of_translations), of_b=label == 0)
            metrics[f"domains/judge_{name}"] = _fraction(torch.cat(of_images), of_b=label == 1)
    metrics["cycle/error"] = (metrics["cycle/a"] + metrics["cycle/b"]) / 2
    if classifier is not None:
        metrics["domains/judge"] = (metrics["domains/judge_a"] + metrics["domains/judge_b"]) / 2
    return metrics


def outside(model: SupportsTranslation, arrays: Arrays, masks: np.ndarray) -> dict[str, float]:
    """Change outside the objects of test images: the background, which a translation should leave as it is.

    `masks` uint8 (N, 1, H, W) are their object masks. outside/a b: mean absolute difference, at most 2, of images and
    translations where the mask is below 0.1; outside/error is the mean of both.
    """
    metrics: dict[str, float] = {}
    for label, direction in enumerate(_DIRECTIONS):
        rows, change, count = np.flatnonzero(arrays.labels == label), 0.0, 0
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            x = to_float(torch.from_numpy(arrays.images[part])).to(model.device)  # type: ignore[attr-defined]
            background = torch.from_numpy(masks[part] < _BACKGROUND * 255).to(x.device)  # (B, 1, H, W)
            change += float(((model.translate(x, direction) - x).abs().mean(1, keepdim=True) * background).sum())
            count += int(background.sum())
        metrics[f"outside/{'ab'[label]}"] = change / max(1, count)
    metrics["outside/error"] = (metrics["outside/a"] + metrics["outside/b"]) / 2
    return metrics


def classifier_of(spec: DataSpec) -> CheckpointInfo | None:
    """The published classifier of a data set's two domains; None without one, and for a user's own folders."""
    if spec.name not in data.names() or not spec.pairs:
        return None
    for info in catalog.list_checkpoints():
        is_classifier = info.name.endswith(SUFFIX) and "classification" in info.capabilities
        if info.published and is_classifier and RunFolder(info.path).spec().data_spec.name == spec.name:
            return info
    return None


def probability_of_b(classifier: Model, x: Tensor) -> Tensor:
    """The classifier's probability of domain B, (B,), for images (B, C, H, W) in [-1, 1] of any size."""
    channels, height, width = classifier.config.shape
    if x.shape[1] != channels:
        x = x.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if x.shape[2:] != (height, width):
        x = F.interpolate(x.float(), (height, width), mode="bicubic", antialias=True).clamp(-1, 1)
    return cast(SupportsClassification, classifier).classify(x).float().softmax(1)[:, 1]


def _fraction(probability: Tensor, *, of_b: bool) -> float:
    return float((probability > 0.5).float().mean()) if of_b else float((probability <= 0.5).float().mean())
