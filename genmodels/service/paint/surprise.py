"""How much each pixel of a real picture surprises a model: its exact likelihood, pixel by pixel, in nats."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from genmodels.capabilities import SupportsPixelSampling
from genmodels.errors import ConfigError
from genmodels.images import preview
from genmodels.model import Model
from genmodels.service.fair_queue import background
from genmodels.service.inference import condition_of, run
from genmodels.service.paint import Asking, Painting, facts, most_pictures, on_levels, painter_of
from genmodels.service.paint.given import Given
from genmodels.service.paint.receptive_field import ramp

MAX_CLASSES = 20
"""The likeliest class is looked for among so many at most: each costs a forward pass."""


@dataclass(frozen=True)
class Surprise:
    """A picture as a painting of which every row was given, and what it costs.

    `png` is the picture and the map of nats a pixel beside it, a pixel a pixel; the brightest pixel has `most` nats.
    `by_class` are the nats when the model is told each class, empty without classes; `told` is the class of the map,
    `label` the picture's own where it is known. `guessing` is what it would cost if all levels were equally likely.
    """

    painting: Painting
    png: bytes
    nats: float
    bits: float
    most: float
    guessing: float
    by_class: tuple[float, ...]
    told: int | None
    label: int | None

    @property
    def likeliest(self) -> int | None:
        """The class that makes the picture least surprising."""
        return min(range(len(self.by_class)), key=self.by_class.__getitem__) if self.by_class else None


def surprise(asking: Asking, given: Given) -> Surprise:
    """What `given` costs; of `asking` model, step and label are heeded: without a label the likeliest class is told.

    Raises UnknownNameError, CapabilityError, and ConfigError for an unknown class or too large a picture.
    """
    known = facts(asking.model)
    if not most_pictures(known):
        raise ConfigError(f"pictures of {known.height} x {known.width} are too large here; use log_prob() in Python")
    plain = Asking(model=asking.model, step=asking.step, count=1, label=asking.label)

    def task() -> Surprise:
        model = painter_of(plain)
        assert isinstance(model, Model)
        x = on_levels(model, given.pixels)
        classes = model.config.conditions.get("label", 0)
        if asking.label is not None and asking.label >= classes:
            condition_of(model, [asking.label])  # raises with the classes there are
        by_class: tuple[float, ...] = ()
        told = asking.label
        if 0 < classes <= MAX_CLASSES:
            by_class = tuple(float(_nats(model, x, label).sum()) for label in range(classes))
        if classes and told is None:
            told = min(range(len(by_class)), key=by_class.__getitem__) if by_class else 0
        nats = _nats(model, x, told)
        # Probabilities are rounded: where the model is as good as certain, a value may cost -0.0000001.
        share = nats.clamp_min(0) / nats.max().clamp_min(1e-6)
        grey = x[0].add(1).mul(127.5).round().to(torch.uint8).permute(1, 2, 0).expand(-1, -1, 3)
        sheet = torch.cat([grey, (ramp(share) * (share > 0.002)[..., None]).to(torch.uint8)], 1)
        total, values = float(nats.sum()), x[0].numel()
        return Surprise(
            Painting(plain, x, known.height, None if told is None else (told,), known.height),
            preview.png(Image.fromarray(sheet.numpy()), compress_level=1),
            total,
            total / values / math.log(2),
            float(nats.max()),
            values * math.log(known.levels),
            by_class,
            told,
            given.label,
        )

    with background():
        return run(task, divided=True)


def _nats(model: SupportsPixelSampling, x: Tensor, label: int | None) -> Tensor:
    """-log p of each pixel (H, W) of a picture on the model's levels, given those before it; colours added up."""
    assert isinstance(model, Model)
    told = None if label is None else condition_of(model, [label])
    index = x.add(1).mul(0.5 * (model.config.levels - 1)).round().long()
    logits = model.logits(x.to(model.device), condition=told).cpu()
    return -logits.log_softmax(4).gather(4, index[..., None])[0, ..., 0].sum(0)
