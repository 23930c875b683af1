"""Convolutional generators and networks of flows in bfloat16 and channels-last memory format, if that is faster.

On one thread of a processor with bfloat16 instructions, 64 digits take 20 to 35 ms in float32 and half of that in
bfloat16. A pixel changes by 0.001 on average on [-1, 1], a seventh of a grey level. Evaluation always uses float32.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from genmodels.capabilities import SupportsFlow, SupportsSampling
from genmodels.kernels.precision import Precision, faster_dtype
from genmodels.model import Model

# Pixels of a timed batch: 64 digits, the most that a page shows at once, or three faces of 128 x 128. Timing 64 such
# faces took six seconds of a visitor's first request.
_TIMED_PIXELS = 64 * 28 * 28


class Float32GroupNorm(nn.Module):
    """Group normalisation computed in float32, with an output of the input's type.

    On the CPU, that of bfloat16 maps in channels-last format is slower: one evaluation of `mnist_flow` for 64 digits
    takes 58 ms on one thread instead of 45.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            normed: Tensor = self.norm(x.float()).to(x.dtype)
        return normed


class Bfloat16Network(nn.Module):
    """A network computed in bfloat16 with float32 output."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        super().__init__()
        # A copy: if float32 is faster, the original network must be unchanged.
        self.network = copy.deepcopy(network).to(memory_format=torch.channels_last)
        for part in [*self.network.modules()]:
            for name, child in part.named_children():
                if isinstance(child, nn.GroupNorm):
                    setattr(part, name, Float32GroupNorm(child))
        self._device_type = device.type

    def forward(self, *inputs: Tensor) -> Tensor:
        with torch.autocast(self._device_type, dtype=torch.bfloat16):
            images: Tensor = self.network(*inputs)
        return images.float()


def with_faster_generator(model: Model, precision: Precision | None = None) -> Model:
    """The model, for inference only, with its generator or flow network in the faster precision if it has convolutions.

    The faster one is measured once per process for each kind of model, unless `precision` is given.
    """
    name = "network" if isinstance(model, SupportsFlow) else "generator"
    generator = getattr(model, name, None)
    if not isinstance(model, SupportsSampling) or not isinstance(generator, nn.Module):
        return model
    if not any(isinstance(part, nn.Conv2d | nn.ConvTranspose2d) for part in generator.modules()):
        return model
    networks = {"fp32": generator, "bf16": Bfloat16Network(generator, model.device)}
    setattr(model, name, networks[precision or _faster(model, networks, name)])
    return model


def _faster(model: Model, networks: dict[str, nn.Module], name: str) -> Precision:
    _, height, width = model.config.shape
    count = max(1, _TIMED_PIXELS // (height * width))

    @torch.inference_mode()
    def sample(precision: Precision) -> None:
        assert isinstance(model, SupportsSampling)
        setattr(model, name, networks[precision])
        if isinstance(model, SupportsFlow):  # one evaluation is enough: a sample takes dozens
            next(
                model.flow(torch.zeros(count, *model.config.shape, device=model.device), steps=1, solver="euler")
            ).cpu()
            return
        model.sample(count, generator=torch.Generator(model.device).manual_seed(0)).cpu()

    return faster_dtype((model.name, model.config.model_dump_json(), str(model.device)), sample)
