"""What a pixel sees, by gradient: plain masked convolutions with their blind spot, gated stacks without, a checkpoint.

The networks beside the checkpoint are fresh: which pixels reach a value is decided by the masks, not by training. Only
how strongly they do is learned.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from PIL import Image
from pydantic import Field, field_validator
from torch import Tensor, nn

from genmodels import checkpoint, registry
from genmodels.config import Frozen
from genmodels.errors import ConfigError
from genmodels.images import preview
from genmodels.model import Model
from genmodels.service.fair_queue import background
from genmodels.service.inference import ModelKey, model_of, run
from genmodels.service.paint import Facts, as_painter, facts

MAX_LAYERS, MAX_KERNEL = 12, 9
_CHANNELS, _MODELS_KEPT = 12, 2
_MAX_SIDE = 96
BLIND, LATER, UNSEEN = (214, 51, 132), (72, 78, 82), (0, 0, 0)
STRONG = (255, 244, 163)
_RAMP = ((12, 44, 60), (17, 120, 130), (94, 200, 140), STRONG)  # from faint to strong, even in lightness


class Looking(Frozen):
    """Which value is asked, in pictures as a checkpoint's, and how the two fresh networks are built."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    step: int | None = Field(None, ge=0, description="saved step; empty takes the newest")
    row: int = Field(14, ge=0, lt=_MAX_SIDE, description="row of the pixel, from the top")
    column: int = Field(14, ge=0, lt=_MAX_SIDE, description="column of the pixel, from the left")
    kernel_size: int = Field(3, ge=3, le=MAX_KERNEL, description="side of the kernels, an odd number")
    layers: int = Field(6, ge=2, le=MAX_LAYERS, description="masked convolutions, one after the other")

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"an even kernel has no middle pixel: choose {value - 1} or {value + 1}")
        return value


@dataclass(frozen=True)
class Seen:
    """How many earlier pixels there are, how many of them move the value, and how many lie in the blind spot.

    The blind spot: pixels as near as others that are seen, yet unseen; the others are out of reach.
    """

    earlier: int
    seen: int
    blind: int


@dataclass(frozen=True)
class Fields:
    """Three maps side by side in one PNG, a pixel a pixel: the plain stack, the gated one, the checkpoint."""

    png: bytes
    plain: Seen
    gated: Seen
    own: Seen


def fields(asked: Looking) -> Fields:
    """The gradient of one pixel's logits with respect to every pixel, for three networks.

    Raises ConfigError for a pixel outside the picture or a picture too large, UnknownNameError and CapabilityError.
    """
    known = facts(asked.model)
    if max(known.height, known.width) > _MAX_SIDE:
        raise ConfigError(f"pictures of {known.height} x {known.width} are too large here; at most {_MAX_SIDE} a side")
    for name, value, most in (("row", asked.row, known.height), ("column", asked.column, known.width)):
        if value >= most:
            raise ConfigError(f"{name} = {value} is not allowed: choose 0 to {most - 1}")
    each = asked.layers - 1
    plain = {"layers": each, "channels": _CHANNELS}
    gated = {"dilations": (1,) * each, "channels": _CHANNELS}
    with background():
        slopes = [
            run(_slope(asked, lambda: _fresh("pixelcnn", known, asked, plain)), divided=True),
            run(_slope(asked, lambda: _fresh("gated_pixelcnn", known, asked, gated)), divided=True),
            run(_slope(asked, lambda: _loaded(asked)), divided=True),
        ]
    painted, counts = zip(*(_painted(slope, asked.row, asked.column) for slope in slopes), strict=True)
    array = torch.cat(painted, 1).numpy()
    return Fields(preview.png(Image.fromarray(array), compress_level=1), *counts)


# ------------------------------------------------------------------------------ on the inference thread


def _slope(asked: Looking, build: Callable[[], Model]) -> Callable[[], Tensor]:
    def task() -> Tensor:
        # Weights made in inference mode, as those of the kept models, take no part in gradients.
        with torch.inference_mode(False):
            painter = as_painter(build(), asked.model)
            total: Tensor | None = None
            for colour in range(painter.config.colours):
                slope = painter.receptive_field(asked.row, asked.column, colour).detach().cpu()
                total = slope if total is None else total + slope
            assert total is not None
            return total.sum(0)

    return task


def _fresh(family: str, known: Facts, asked: Looking, settings: Mapping[str, object]) -> Model:
    """A small network whose weights keep the gradient's size from layer to layer, the same ones each time."""
    shape = (1, known.height, known.width)
    config = {**settings, "image_shape": shape, "num_classes": 0, "levels": 4, "kernel_size": asked.kernel_size}
    model = registry.get(family).build(**config)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            fan = parameter[0].numel()
            nn.init.normal_(parameter, std=(2 / fan) ** 0.5, generator=generator)
        else:
            nn.init.uniform_(parameter, -0.1, 0.1, generator=generator)
    return model.requires_grad_(False).eval()


_models: OrderedDict[ModelKey, Model] = OrderedDict()


def _loaded(asked: Looking) -> Model:
    """The checkpoint with weights that take part in gradients; kept, as a drag asks for another pixel each moment."""
    _, key = model_of(asked.model, asked.step)
    if key not in _models:
        _models[key] = checkpoint.load_model(*key[:2])
        while len(_models) > _MODELS_KEPT:
            _models.popitem(last=False)
    return _models[key]


# ------------------------------------------------------------------------------ as pictures


def _painted(slope: Tensor, row: int, column: int) -> tuple[Tensor, Seen]:
    """uint8 (H, W, 3), and what was counted."""
    height, width = slope.shape
    order = torch.arange(height * width).view(height, width)
    earlier = order < row * width + column
    seen = earlier & (slope > 0)
    blind = earlier & ~seen & _reach(seen)
    picture = torch.tensor(UNSEEN).expand(height, width, 3).clone()
    if bool(seen.any()):
        # Gradients fall by powers of ten with the distance: the fourth root shows near and far.
        share = torch.where(seen, slope / slope[seen].max(), 0).pow(0.25)
        picture[seen] = ramp(share)[seen]
    picture[~earlier], picture[blind] = torch.tensor(LATER), torch.tensor(BLIND)
    picture[row, column] = 255
    return picture.to(torch.uint8), Seen(int(earlier.sum()), int(seen.sum()), int(blind.sum()))


def _reach(seen: Tensor) -> Tensor:
    """The rectangle around everything that is seen."""
    rows, columns = seen.any(1).nonzero().flatten(), seen.any(0).nonzero().flatten()
    box = torch.zeros_like(seen)
    if len(rows):
        box[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1] = True
    return box


def ramp(share: Tensor) -> Tensor:
    """Numbers in [0, 1] (H, W) -> colours (H, W, 3), int64."""
    stops = torch.tensor(_RAMP, dtype=torch.float32)
    place = share.clamp(0, 1) * (len(stops) - 1)
    low = place.floor().long().clamp(max=len(stops) - 2)
    return torch.lerp(stops[low], stops[low + 1], (place - low)[..., None]).round().long()
