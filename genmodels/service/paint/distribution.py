"""What one value of a painting was drawn from: its distribution over the levels, before and after the knobs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genmodels.errors import ConfigError
from genmodels.sampling.pixels import adjusted
from genmodels.service.fair_queue import background
from genmodels.service.inference import run
from genmodels.service.paint import Painting, device_of, painter_of, told_of


@dataclass(frozen=True)
class Drawn:
    """What one value was drawn from: each level's probability, and before temperature and top-k; the level it got.

    `level` is None where it has not been painted yet, `bits` the surprise of the level under the model's own
    distribution, `entropy` what that surprise is on average.
    """

    probabilities: tuple[float, ...]
    own: tuple[float, ...]
    level: int | None
    bits: float | None
    entropy: float


def drawn_from(painting: Painting, picture: int, row: int, column: int, colour: int = 0) -> Drawn:
    """The distribution of one value given those before it, of one forward pass that serves all values of a picture.

    Raises ConfigError for a value that is not there, or lies behind the next one to be painted: of a pixel's colours
    that is the first, as the others depend on it.
    """
    _, channels, height, width = painting.canvas.shape
    place = {"picture": (picture, len(painting.canvas)), "row": (row, height), "column": (column, width)}
    for name, (value, most) in {**place, "colour": (colour, channels)}.items():
        if not 0 <= value < most:
            raise ConfigError(f"{name} = {value} is not allowed: choose 0 to {most - 1}")
    if row > painting.rows or (row == painting.rows and (column or colour)):
        raise ConfigError(
            f"row = {row}, column = {column}, colour = {colour} is not painted yet: the next to be painted is "
            f"row = {painting.rows}, column = 0, colour = 0"
        )
    asking = painting.asking

    def task() -> Drawn:
        model = painter_of(asking)
        key = (picture, painting.rows)
        if key not in painting._logits:
            while len(painting._logits) >= 2:  # 256 levels of a picture of 28 x 28 are 0.8 MB
                painting._logits.pop(next(iter(painting._logits)))
            told = None if painting.labels is None else painting.labels[picture : picture + 1]
            painting._logits[key] = model.logits(
                painting.canvas[picture : picture + 1].to(device_of(model)), condition=told_of(model, told)
            ).cpu()
        logits = painting._logits[key][:, colour, row, column]
        own = logits.softmax(1)[0]
        changed = adjusted(logits, asking.temperature, asking.top_k).softmax(1)[0]
        level = None
        if row < painting.rows:
            level = level_of(painting.canvas[picture, colour, row, column], model.config.levels)
        bits = None if level is None else float(-logits.log_softmax(1)[0, level] / math.log(2))
        entropy = float(-torch.xlogy(own, own).sum() / math.log(2))
        return Drawn(tuple(changed.tolist()), tuple(own.tolist()), level, bits, max(0.0, entropy))

    with background():
        return run(task, divided=True)


def level_of(value: Tensor, levels: int) -> int:
    """Which level a value in [-1, 1] lies on."""
    return int((value + 1).mul(0.5 * (levels - 1)).round())
