"""Information content of each pixel of a real image: -log p in nats, from the model's exact likelihood."""

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
from genmodels.service.paint import Painting, PaintRequest, facts, max_images, on_levels, sampler_of
from genmodels.service.paint.inputs import KnownImage
from genmodels.service.paint.receptive_field import colour_ramp

MAX_CLASSES = 20
"""The likeliest class is searched only among so many; every class costs a forward pass."""


@dataclass(frozen=True)
class Surprise:
    """An image as a painting with all rows known, and its negative log-likelihood.

    `png` shows the image and its map of nats per pixel, not enlarged; the brightest pixel has `max_nats`. `by_class`
    are the nats under each class, empty without classes. `condition` is the class of the map, `label` the image's own
    class if known. `uniform_nats` is the value if all levels were equally likely.
    """

    painting: Painting
    png: bytes
    nats: float
    bits: float
    max_nats: float
    uniform_nats: float
    by_class: tuple[float, ...]
    condition: int | None
    label: int | None

    @property
    def likeliest(self) -> int | None:
        """The class under which the image is most likely."""
        return min(range(len(self.by_class)), key=self.by_class.__getitem__) if self.by_class else None


def surprise(request: PaintRequest, known_image: KnownImage) -> Surprise:
    """The information content of an image under the request's model, step and label; without a label, its likeliest.

    Raises UnknownNameError, CapabilityError, and ConfigError for an unknown class or an image that is too large.
    """
    known = facts(request.model)
    if not max_images(known):
        raise ConfigError(f"pictures of {known.height} x {known.width} are too large here; use log_prob() in Python")
    plain = PaintRequest(model=request.model, step=request.step, count=1, label=request.label)

    def task() -> Surprise:
        model = sampler_of(plain)
        assert isinstance(model, Model)
        x = on_levels(model, known_image.pixels)
        classes = model.config.conditions.get("label", 0)
        if request.label is not None and request.label >= classes:
            condition_of(model, [request.label])  # raises and names the allowed range
        by_class: tuple[float, ...] = ()
        condition = request.label
        if 0 < classes <= MAX_CLASSES:
            by_class = tuple(float(_nats(model, x, label).sum()) for label in range(classes))
        if classes and condition is None:
            condition = min(range(len(by_class)), key=by_class.__getitem__) if by_class else 0
        nats = _nats(model, x, condition)
        # Rounding: a value that is nearly certain may cost -0.0000001.
        strength = nats.clamp_min(0) / nats.max().clamp_min(1e-6)
        grey = x[0].add(1).mul(127.5).round().to(torch.uint8).permute(1, 2, 0).expand(-1, -1, 3)
        sheet = torch.cat([grey, (colour_ramp(strength) * (strength > 0.002)[..., None]).to(torch.uint8)], 1)
        total, values = float(nats.sum()), x[0].numel()
        return Surprise(
            Painting(plain, x, known.height, None if condition is None else (condition,), known.height),
            preview.png(Image.fromarray(sheet.numpy()), compress_level=1),
            total,
            total / values / math.log(2),
            float(nats.max()),
            values * math.log(known.levels),
            by_class,
            condition,
            known_image.label,
        )

    with background():
        return run(task, divided=True)


def _nats(model: SupportsPixelSampling, x: Tensor, label: int | None) -> Tensor:
    """-log p (H, W) of each pixel of a quantised image, given the pixels before it; summed over colours."""
    assert isinstance(model, Model)
    condition = None if label is None else condition_of(model, [label])
    index = x.add(1).mul(0.5 * (model.config.levels - 1)).round().long()
    logits = model.logits(x.to(model.device), condition=condition).cpu()
    return -logits.log_softmax(4).gather(4, index[..., None])[0, ..., 0].sum(0)
