"""Receptive field of one pixel, by gradient: plain masked convolutions with a blind spot, gated stacks, a checkpoint.

The first two networks are untrained: the masks decide which pixels influence a value; training only decides how much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from PIL import Image
from pydantic import Field, field_validator
from torch import Tensor, nn

from genmodels import registry
from genmodels.errors import ConfigError
from genmodels.images import preview
from genmodels.model import Model
from genmodels.runs import checkpoint
from genmodels.service.cache import LRU
from genmodels.service.fair_queue import background
from genmodels.service.inference import ModelKey, model_of, run
from genmodels.service.paint import Facts, as_sampler, facts
from genmodels.service.requests import ModelRequest

MAX_LAYERS, MAX_KERNEL = 12, 9
_CHANNELS = 12
_MAX_SIDE = 96
BLIND, LATER, UNSEEN = (214, 51, 132), (72, 78, 82), (0, 0, 0)
STRONG = (255, 244, 163)
_RAMP = ((12, 44, 60), (17, 120, 130), (94, 200, 140), STRONG)  # from weak to strong, with evenly rising lightness


class ReceptiveFieldRequest(ModelRequest):
    """A pixel of a checkpoint's images, and the settings of the two untrained networks."""

    row: int = Field(14, ge=0, lt=_MAX_SIDE, description="row of the pixel, from the top")
    column: int = Field(14, ge=0, lt=_MAX_SIDE, description="column of the pixel, from the left")
    kernel_size: int = Field(3, ge=3, le=MAX_KERNEL, description="side of the kernels, an odd number")
    layers: int = Field(6, ge=2, le=MAX_LAYERS, description="number of masked convolutions")

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"an even kernel has no middle pixel: choose {value - 1} or {value + 1}")
        return value


@dataclass(frozen=True)
class PixelCounts:
    """The number of earlier pixels, of those inside the receptive field, and of those in the blind spot.

    The blind spot: earlier pixels outside the receptive field but inside its bounding box.
    """

    earlier: int
    inside: int
    blind: int


@dataclass(frozen=True)
class ReceptiveFields:
    """Three maps side by side in one PNG, not enlarged: the plain stack, the gated stack, the checkpoint."""

    png: bytes
    plain: PixelCounts
    gated: PixelCounts
    own: PixelCounts


def receptive_fields(request: ReceptiveFieldRequest) -> ReceptiveFields:
    """The gradient of one pixel's logits with respect to every pixel, for three networks.

    Raises ConfigError if the pixel is outside the image or the image is too large, UnknownNameError, CapabilityError.
    """
    known = facts(request.model)
    if max(known.height, known.width) > _MAX_SIDE:
        raise ConfigError(
            f"pictures of {known.height} x {known.width} are too large here; at most {_MAX_SIDE} pixels per side"
        )
    for name, value, most in (("row", request.row, known.height), ("column", request.column, known.width)):
        if value >= most:
            raise ConfigError(f"{name} = {value} is not allowed: choose 0 to {most - 1}")
    layers = request.layers - 1
    plain = {"layers": layers, "channels": _CHANNELS}
    gated = {"dilations": (1,) * layers, "channels": _CHANNELS}
    with background():
        gradients = [
            run(_gradient(request, lambda: _untrained("pixelcnn", known, request, plain)), divided=True),
            run(_gradient(request, lambda: _untrained("gated_pixelcnn", known, request, gated)), divided=True),
            run(_gradient(request, lambda: _loaded(request)), divided=True),
        ]
    maps, counts = zip(*(_map(gradient, request.row, request.column) for gradient in gradients), strict=True)
    array = torch.cat(maps, 1).numpy()
    return ReceptiveFields(preview.png(Image.fromarray(array), compress_level=1), *counts)


# ------------------------------------------------------------------------------ on the inference thread


def _gradient(request: ReceptiveFieldRequest, build: Callable[[], Model]) -> Callable[[], Tensor]:
    def task() -> Tensor:
        # Weights created in inference mode, such as those of cached models, have no gradients.
        with torch.inference_mode(False):
            model = as_sampler(build(), request.model)
            total: Tensor | None = None
            for colour in range(model.config.colours):
                gradient = model.receptive_field(request.row, request.column, colour).detach().cpu()
                total = gradient if total is None else total + gradient
            assert total is not None
            return total.sum(0)

    return task


def _untrained(family: str, known: Facts, request: ReceptiveFieldRequest, settings: Mapping[str, object]) -> Model:
    """A small network with fixed weights that keep the gradient's size from layer to layer."""
    shape = (1, known.height, known.width)
    config = {**settings, "image_shape": shape, "num_classes": 0, "levels": 4, "kernel_size": request.kernel_size}
    model = registry.get(family).build(**config)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            fan_in = parameter[0].numel()
            nn.init.normal_(parameter, std=(2 / fan_in) ** 0.5, generator=generator)
        else:
            nn.init.uniform_(parameter, -0.1, 0.1, generator=generator)
    return model.requires_grad_(False).eval()


_models: LRU[ModelKey, Model] = LRU(2)


def _loaded(request: ReceptiveFieldRequest) -> Model:
    """The checkpoint with weights that have gradients; cached, because a drag requests many pixels."""
    _, key = model_of(request.model, request.step)
    return _models.get_or_compute(key, lambda: checkpoint.load_model(*key[:2]))


# ------------------------------------------------------------------------------ as images


def _map(gradient: Tensor, row: int, column: int) -> tuple[Tensor, PixelCounts]:
    """A map uint8 (H, W, 3), and its counts."""
    height, width = gradient.shape
    order = torch.arange(height * width).view(height, width)
    earlier = order < row * width + column
    inside = earlier & (gradient > 0)
    blind = earlier & ~inside & _bounding_box(inside)
    image = torch.tensor(UNSEEN).expand(height, width, 3).clone()
    if bool(inside.any()):
        # Gradients fall by powers of ten with the distance: the fourth root shows near and far pixels.
        strength = torch.where(inside, gradient / gradient[inside].max(), 0).pow(0.25)
        image[inside] = colour_ramp(strength)[inside]
    image[~earlier], image[blind] = torch.tensor(LATER), torch.tensor(BLIND)
    image[row, column] = 255
    return image.to(torch.uint8), PixelCounts(int(earlier.sum()), int(inside.sum()), int(blind.sum()))


def _bounding_box(mask: Tensor) -> Tensor:
    """The smallest rectangle that contains all true pixels, as a mask."""
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    box = torch.zeros_like(mask)
    if len(rows):
        box[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1] = True
    return box


def colour_ramp(values: Tensor) -> Tensor:
    """Values in [0, 1] (H, W) -> colours (H, W, 3), int64."""
    stops = torch.tensor(_RAMP, dtype=torch.float32)
    position = values.clamp(0, 1) * (len(stops) - 1)
    low = position.floor().long().clamp(max=len(stops) - 2)
    return torch.lerp(stops[low], stops[low + 1], (position - low)[..., None]).round().long()
