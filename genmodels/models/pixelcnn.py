"""PixelCNN: van den Oord, Kalchbrenner and Kavukcuoglu, Pixel Recurrent Neural Networks, arXiv 1601.06759.

An autoregressive model of images. The probability of an image is the product over its values in raster order, red
before green before blue in each pixel,

    p(x) = prod_i p(x_i | x_1 ... x_(i-1)),

each factor a softmax over the levels of a value. Masked convolutions let the logits of a value depend on earlier values
only, so training predicts all of them in one pass. Objective: the exact cross entropy, the mean over values in nats,

    loss(x) = -1/N sum_i log p(x_i | x_1 ... x_(i-1)),      bits per dimension = loss / ln 2,      nats = N loss.

Notation:

    levels                      256        levels of a value
    index                       x_i        level of each value, 0 to levels - 1; N values per image
    mask A, mask B                         a pixel's own colour excluded (first layer) or included (later layers)
    h                           h          class as one-hot weights, added as a bias in each layer

Sampling generates one value after the other. The masks have a blind spot: to the right of what a k x k kernel sees
above, a wedge of earlier pixels never reaches the value, however many layers follow (see gated_pixelcnn).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from genmodels.config import ModelConfig
from genmodels.networks.pixel_settings import PixelSettings, odd_kernel


class PixelCNNConfig(PixelSettings):
    """One convolution with mask A, `layers` with mask B, each with batch normalisation, and a 1x1 to the levels."""

    channels: int = Field(64, ge=1, le=512, description="channels of every layer, divided among a pixel's colours")
    layers: int = Field(7, ge=1, le=32, description="convolutions with mask B after the first, which has mask A")
    kernel_size: int = Field(7, ge=3, le=15, description="kernel size of the convolutions, an odd number")

    _odd = field_validator("kernel_size")(odd_kernel)

    @model_validator(mode="after")
    def _channels_fit(self) -> Self:
        self.check_channels("channels", self.channels)
        return self

    @property
    def fewest_normalised(self) -> int | None:
        return math.prod((self.image_shape or (1, 1, 1))[1:])


# Everything above is read without torch: submitting a job and listing models do not import it.
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.layers.masked import MaskedConv2d
from genmodels.model import Batch, Curve, Metrics, cosine, make_optimizer, update
from genmodels.registry import register
from genmodels.sampling.completion import CompletionModel
from genmodels.sampling.masked_pixels import MaskedPixelSampler
from genmodels.sampling.options import DEFAULT_OPTIONS, SamplingOptions, check_sampling_options
from genmodels.sampling.pixels import UNKNOWN, PixelSampler, Randomness, sample_pixels

_CHUNK = 64  # images whose likelihood is computed at once: 51 MB of logits at 28 x 28 and 256 levels
_SAMPLED = 128  # images sampled at once: the caches of one take 2 MB for the recipes' networks


# --------------------------------------------------------------------------------------------- network


class PixelNetwork(nn.Module):
    """Interface of the networks: all logits at once for training, a PixelSampler for sampling."""

    def forward(self, x: Tensor, h: Tensor | None) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] and class weights (B, K) or None -> logits (B, C * levels, H, W)."""
        raise NotImplementedError

    def sampler(self, batch: int, h: Tensor | None) -> PixelSampler:
        raise NotImplementedError


class MaskedLayer(nn.Module):
    """Masked convolution, batch normalisation, the bias of the class, ReLU."""

    def __init__(self, convolution: MaskedConv2d, classes: int) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = nn.BatchNorm2d(convolution.out_channels)
        self.label = nn.Linear(classes, convolution.out_channels, bias=False) if classes else None

    def forward(self, x: Tensor, h: Tensor | None) -> Tensor:
        x = self.norm(self.convolution(x))  # (B, channels, H, W)
        return F.relu(x if self.label is None else x + self.label(h)[:, :, None, None])

    def folded(self, h: Tensor | None) -> tuple[Tensor, Tensor]:
        """Kernel and bias (B or 1, outputs, 1, 1), with the running statistics of the norm and the class folded in."""
        running_mean, running_var = self.norm.running_mean, self.norm.running_var
        assert running_mean is not None
        assert running_var is not None
        scale = self.norm.weight * (running_var + self.norm.eps).rsqrt()
        bias = (self.norm.bias - running_mean * scale)[None]
        bias = bias if self.label is None else bias + self.label(h)
        return self.convolution.causal_weight() * scale[:, None, None, None], bias[:, :, None, None]


class MaskedNetwork(PixelNetwork):
    """A stack of masked convolutions."""

    def __init__(self, config: PixelCNNConfig) -> None:
        super().__init__()
        self.config, colours, channels = config, config.colours, config.channels
        inputs = [colours, *[channels] * config.layers]
        convolutions = [
            MaskedConv2d(width, channels, config.kernel_size, "B" if index else "A", colours=colours, bias=False)
            for index, width in enumerate(inputs)
        ]
        classes = config.conditions.get("label", 0)
        self.layers = nn.ModuleList(MaskedLayer(convolution, classes) for convolution in convolutions)
        self.head = MaskedConv2d(channels, colours * config.levels, 1, "B", colours=colours)

    def forward(self, x: Tensor, h: Tensor | None) -> Tensor:
        for layer in self.layers:
            x = layer(x, h)  # (B, channels, H, W)
        logits: Tensor = self.head(x)  # (B, C * levels, H, W)
        return logits

    def sampler(self, batch: int, h: Tensor | None) -> PixelSampler:
        folded = [layer.folded(h) for layer in self.layers]  # type: ignore[operator]
        _, height, width = self.config.shape
        return MaskedPixelSampler(folded, self.head, batch, height, width)


# ----------------------------------------------------------------------------------------------- model


@register("pixelcnn")
class PixelCNN(CompletionModel):
    Config: ClassVar[type[ModelConfig]] = PixelCNNConfig
    title = "PixelCNN"
    paper = "van den Oord et al. 2016, arXiv 1601.06759"
    config: PixelSettings

    def __init__(self, config: PixelSettings) -> None:
        super().__init__(config)
        self.network = self._build(config)

    def _build(self, config: PixelSettings) -> PixelNetwork:
        assert isinstance(config, PixelCNNConfig)
        return MaskedNetwork(config)

    @property
    def choices(self) -> int:
        return self.config.levels

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return {"model": cosine(step, max_steps, self.config.lr_end)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        index = self._index(batch["image"], stochastic=self.config.quantisation == "stochastic")  # (B, C, H, W)
        h = self.class_weights(batch, len(index))  # (B, K)

        # loss = -1/N sum_i log p(x_i | x_1 ... x_(i-1)), the mean over values and images
        loss = self._cross_entropy(index, h).mean()
        update(optimizers["model"], loss)
        return self._metrics(loss.detach(), index)

    def _metrics(self, loss: Tensor, index: Tensor) -> Metrics:
        """The loss in three units, of levels (B, C, H, W)."""
        return {
            "loss/total": loss,
            "likelihood/bits_per_dim": loss / math.log(2),
            "likelihood/nats": loss * index[0].numel(),
        }

    def validation_metrics(self, batch: Batch, step: int) -> Metrics:
        index = self._index(batch["image"], stochastic=self.config.quantisation == "stochastic")
        return self._metrics(self._cross_entropy(index, self.class_weights(batch, len(index))).mean(), index)

    def _cross_entropy(self, index: Tensor, h: Tensor | None) -> Tensor:
        """-log p(x_i | earlier values) of each value, nats (B, C, H, W), of levels (B, C, H, W)."""
        logits = self._by_value(self.network(self._values(index.device)[index], h))  # (B, C, H, W, levels)
        return F.cross_entropy(logits.flatten(0, -2).float(), index.flatten(), reduction="none").view(index.shape)

    def _by_value(self, logits: Tensor) -> Tensor:
        """(B, C * levels, H, W) -> (B, C, H, W, levels): a view in the channels-last layout."""
        shape = (len(logits), self.config.colours, self.config.levels, *logits.shape[2:])
        return logits.view(shape).permute(0, 1, 3, 4, 2)

    def curves(self) -> dict[str, Curve]:
        levels = self.config.levels
        return {
            "loss/total": Curve(
                "cross entropy (nats)", f"Per value; starts at ln {levels} = {math.log(levels):.2f}, uniform guessing."
            ),
            "likelihood/bits_per_dim": Curve("bits per dimension", "The mean cost of coding one value."),
            "likelihood/nats": Curve("-log p (nats)", "Of a whole training image, exact."),
        }

    # ------------------------------------------------------ levels and classes

    def to_levels(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images in [-1, 1] quantised as in training; `generator` is for stochastic quantisation."""
        stochastic = self.config.quantisation == "stochastic"
        return self._values(x.device)[self._index(x, generator, stochastic=stochastic)]

    def _index(self, x: Tensor, generator: torch.Generator | None = None, *, stochastic: bool = False) -> Tensor:
        """The level int64 (B, C, H, W) of each value in [-1, 1]."""
        exact = x.float().add(1).mul(0.5 * (self.config.levels - 1))
        if stochastic:
            # A generator on the CPU gives the same numbers on every device.
            noise = torch.rand(x.shape, generator=generator, device=x.device if generator is None else generator.device)
            exact = exact + noise.to(x.device) - 0.5
        return exact.nan_to_num().round().clamp(0, self.config.levels - 1).long()

    def _values(self, device: torch.device) -> Tensor:
        """The value in [-1, 1] of each level, (levels,)."""
        return torch.linspace(-1, 1, self.config.levels, device=device)

    # -------------------------------------------------------------- likelihood

    def logits(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """(B, C, H, W, levels): of each value, from the earlier values of images (B, C, H, W) in [-1, 1]."""
        h = self.class_weights(condition, len(x))
        return self._by_value(self.network(self._values(x.device)[self._index(x)], h)).float()

    def receptive_field(self, row: int, column: int, colour: int = 0, *, pictures: int = 4) -> Tensor:
        """Mean absolute gradient (C, H, W) of one value's logits with respect to each input value, over noise images.

        Exactly 0 where the masks allow no path. Weights must have been created outside of inference mode.
        """
        shape = self.config.shape
        with torch.inference_mode(False), torch.enable_grad():
            noise = torch.rand(pictures, *shape, generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
            x = noise.to(self.device).requires_grad_(True)
            h = torch.zeros(pictures, self.config.classes, device=self.device) if self.config.conditional else None
            logits = self._by_value(self.network(x, h))[:, colour, row, column]
            # Uneven weights: a change common to all levels would cancel in the softmax.
            weights = torch.linspace(1, 2, logits.shape[1], device=self.device)
            (gradient,) = torch.autograd.grad((logits * weights).sum(), x)
        return gradient.abs().mean(0)

    def log_prob(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """Exact log likelihood (B,) in nats of images in [-1, 1], rounded to the nearest level.

        For a conditional model without a condition: log of the mean over the classes.
        """
        if self.config.conditional and condition is None:
            return self.over_classes(lambda label: self.log_prob(x, condition=label), len(x))
        parts, h = torch.split(self._index(x), _CHUNK), self.class_weights(condition, len(x))
        each_h = [None] * len(parts) if h is None else torch.split(h, _CHUNK)
        pairs = zip(parts, each_h, strict=True)
        return torch.cat([-self._cross_entropy(part, own).flatten(1).sum(1) for part, own in pairs])

    # ---------------------------------------------------------------- sampling

    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: Randomness = None,
        options: SamplingOptions = DEFAULT_OPTIONS,
    ) -> Tensor:
        check_sampling_options(options, self.config.levels)
        shape = self.config.shape
        h, uniform = self.random_inputs((n, *shape), condition, generator)
        canvas = torch.full((n, *shape), UNKNOWN, device=self.device)
        known = torch.zeros(n, 1, *shape[1:], dtype=torch.bool, device=self.device)
        parts = []
        for start in range(0, n, _SAMPLED):
            rows = slice(start, start + _SAMPLED)
            own = None if h is None else h[rows]
            *_, last = self._complete(canvas[rows], known[rows], own, uniform[rows], shape[1], options)
            parts.append(last)
        return torch.cat(parts)

    def _steps(
        self,
        x: Tensor,
        known: Tensor,
        condition: Condition,
        generator: Randomness,
        every: int,
        options: SamplingOptions,
    ) -> Iterator[Tensor]:
        h, uniform = self.random_inputs(x.shape, condition, generator)
        return self._complete(x, known, h, uniform, every, options)

    def _complete(
        self, x: Tensor, known: Tensor, h: Tensor | None, uniform: Tensor, every: int, options: SamplingOptions
    ) -> Iterator[Tensor]:
        """Known pixels are returned unchanged; the network gets them quantised."""
        values = self._values(self.device)
        canvas = torch.where(known, values[self._index(x)], UNKNOWN)
        with torch.inference_mode():
            sampler = self.network.sampler(len(x), h)
        count = 0
        for count, _ in enumerate(sample_pixels(sampler, canvas, known[:, 0], uniform, values, options), start=1):
            if count % every == 0:
                yield torch.where(known, x, canvas)
        if count == 0 or count % every:
            yield torch.where(known, x, canvas)
