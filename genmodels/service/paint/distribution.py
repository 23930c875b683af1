"""The distribution over levels from which a value of a painting was sampled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genmodels.errors import ConfigError
from genmodels.sampling.pixels import adjusted_logits
from genmodels.service.fair_queue import background
from genmodels.service.inference import run
from genmodels.service.paint import Painting, condition_for, device_of, sampler_of


@dataclass(frozen=True)
class PixelDistribution:
    """The probability of each level of one value, after temperature and top-k, and as the model gives it (`model`).

    `level` is the sampled level, None if it is not sampled yet. `bits` is its information content under the model's
    distribution, `entropy` that distribution's entropy in bits.
    """

    probabilities: tuple[float, ...]
    model: tuple[float, ...]
    level: int | None
    bits: float | None
    entropy: float


def distribution_of(painting: Painting, image: int, row: int, column: int, colour: int = 0) -> PixelDistribution:
    """The distribution of one value given those before it; one forward pass serves all values of an image.

    Raises ConfigError if there is no such value or it comes after the next one to be sampled. Of the next pixel only
    the first colour is available, because the other colours depend on it.
    """
    _, channels, height, width = painting.canvas.shape
    position = {"picture": (image, len(painting.canvas)), "row": (row, height), "column": (column, width)}
    for name, (value, most) in {**position, "colour": (colour, channels)}.items():
        if not 0 <= value < most:
            raise ConfigError(f"{name} = {value} is not allowed: choose 0 to {most - 1}")
    if row > painting.rows or (row == painting.rows and (column or colour)):
        raise ConfigError(
            f"row = {row}, column = {column}, colour = {colour} is not painted yet: the next to be painted is "
            f"row = {painting.rows}, column = 0, colour = 0"
        )
    request = painting.request

    def task() -> PixelDistribution:
        model = sampler_of(request)

        def all_logits() -> Tensor:
            labels = None if painting.labels is None else painting.labels[image : image + 1]
            canvas = painting.canvas[image : image + 1].to(device_of(model))
            return model.logits(canvas, condition=condition_for(model, labels)).cpu()

        logits = painting._logits.get_or_compute((image, painting.rows), all_logits)[:, colour, row, column]
        own = logits.softmax(1)[0]
        probabilities = adjusted_logits(logits, request.options).softmax(1)[0]
        level = None
        if row < painting.rows:
            level = level_of(painting.canvas[image, colour, row, column], model.config.levels)
        bits = None if level is None else float(-logits.log_softmax(1)[0, level] / math.log(2))
        entropy = float(-torch.xlogy(own, own).sum() / math.log(2))
        return PixelDistribution(tuple(probabilities.tolist()), tuple(own.tolist()), level, bits, max(0.0, entropy))

    with background():
        return run(task, divided=True)


def level_of(value: Tensor, levels: int) -> int:
    """The index of the level of a value in [-1, 1]."""
    return int((value + 1).mul(0.5 * (levels - 1)).round())
