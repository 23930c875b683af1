"""Convolutional generators drawn with as fast as this machine can: in bfloat16 and channels-last where that wins.

Sixty-four digits take a convolutional generator 20 to 35 ms in float32 on one thread of a processor that multiplies
bfloat16 natively, half of that in bfloat16. A pixel moves by 0.001 on average on the scale of -1 to 1, a seventh of a
grey level. Measuring (`genmodels.evaluation`) stays in float32.
"""

from __future__ import annotations

import copy
import time
from typing import Literal

import torch
from torch import Tensor, nn

from genmodels.capabilities import SupportsSampling
from genmodels.model import Model

Format = Literal["fp32", "bf16"]

# Pixels a timed drawing has about: 64 digits, as many as a page shows at once, or three faces of 128 x 128, because
# sixty-four of those took six seconds, and somebody waits.
_TIMED_PIXELS = 64 * 28 * 28
_MARGIN = 0.9  # of float32's time that bfloat16 must stay below: within a tenth is noise, and float32 is exact
_timed: dict[tuple[str, str, str, int], Format] = {}


class InHalf(nn.Module):
    """A network computed in bfloat16 whose pictures come out in float32."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        super().__init__()
        # A copy: where float32 turns out to be faster, the network shall be as it was.
        self.network = copy.deepcopy(network).to(memory_format=torch.channels_last)
        self._kind = device.type

    def forward(self, *inputs: Tensor) -> Tensor:
        with torch.autocast(self._kind, dtype=torch.bfloat16):
            pictures: Tensor = self.network(*inputs)
        return pictures.float()


def quickened(model: Model, chosen: Format | None = None) -> Model:
    """The model, for inference only, its `generator` in the faster format where it has one with convolutions.

    The format is timed once a process for each kind of model, or `chosen`.
    """
    generator = getattr(model, "generator", None)
    if not isinstance(model, SupportsSampling) or not isinstance(generator, nn.Module):
        return model
    if not any(isinstance(part, nn.Conv2d | nn.ConvTranspose2d) for part in generator.modules()):
        return model
    halved = InHalf(generator, model.device)
    if (chosen or _faster(model, generator, halved)) == "bf16":
        model.generator = halved
    return model


def _faster(model: Model, generator: nn.Module, halved: InHalf) -> Format:
    key = (model.name, model.config.model_dump_json(), str(model.device), torch.get_num_threads())
    if key not in _timed:
        try:
            seconds = {}
            for name, network in (("fp32", generator), ("bf16", halved)):
                model.generator = network
                seconds[name] = _seconds(model)
        finally:
            model.generator = generator
        _timed[key] = "bf16" if seconds["bf16"] < _MARGIN * seconds["fp32"] else "fp32"
    return _timed[key]


@torch.inference_mode()
def _seconds(model: Model) -> float:
    assert isinstance(model, SupportsSampling)
    _, height, width = model.config.image_shape or (1, 28, 28)
    count = max(1, _TIMED_PIXELS // (height * width))
    times = []
    for _ in range(3):  # the first fills caches
        began = time.perf_counter()
        model.sample(count, generator=torch.Generator(model.device).manual_seed(0)).cpu()
        times.append(time.perf_counter() - began)
    return min(times[1:])
