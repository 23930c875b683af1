"""Convolutional generators in bfloat16 and channels-last memory format, if that is faster on this machine.

On one thread of a processor with bfloat16 instructions, 64 digits take 20 to 35 ms in float32 and half of that in
bfloat16. A pixel changes by 0.001 on average on [-1, 1], a seventh of a grey level. Evaluation always uses float32.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from genmodels.capabilities import SupportsSampling
from genmodels.kernels.precision import Precision, faster_dtype
from genmodels.model import Model

# Pixels of a timed batch: 64 digits, the most that a page shows at once, or three faces of 128 x 128. Timing 64 such
# faces took six seconds of a visitor's first request.
_TIMED_PIXELS = 64 * 28 * 28


class Bfloat16Network(nn.Module):
    """A network computed in bfloat16 with float32 output."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        super().__init__()
        # A copy: if float32 is faster, the original network must be unchanged.
        self.network = copy.deepcopy(network).to(memory_format=torch.channels_last)
        self._device_type = device.type

    def forward(self, *inputs: Tensor) -> Tensor:
        with torch.autocast(self._device_type, dtype=torch.bfloat16):
            images: Tensor = self.network(*inputs)
        return images.float()


def with_faster_generator(model: Model, precision: Precision | None = None) -> Model:
    """The model, for inference only, with its `generator` in the faster precision if it has convolutions.

    The faster one is measured once per process for each kind of model, unless `precision` is given.
    """
    generator = getattr(model, "generator", None)
    if not isinstance(model, SupportsSampling) or not isinstance(generator, nn.Module):
        return model
    if not any(isinstance(part, nn.Conv2d | nn.ConvTranspose2d) for part in generator.modules()):
        return model
    networks = {"fp32": generator, "bf16": Bfloat16Network(generator, model.device)}
    model.generator = networks[precision or _faster(model, networks)]
    return model


def _faster(model: Model, networks: dict[str, nn.Module]) -> Precision:
    _, height, width = model.config.shape
    count = max(1, _TIMED_PIXELS // (height * width))

    @torch.inference_mode()
    def sample(precision: Precision) -> None:
        assert isinstance(model, SupportsSampling)
        model.generator = networks[precision]
        model.sample(count, generator=torch.Generator(model.device).manual_seed(0)).cpu()

    return faster_dtype((model.name, model.config.model_dump_json(), str(model.device)), sample)
