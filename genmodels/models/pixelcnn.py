"""PixelCNN: van den Oord, Kalchbrenner and Kavukcuoglu, Pixel Recurrent Neural Networks, arXiv 1601.06759.

A picture's probability is a product over its values in reading order, red before green before blue in each pixel, and
each factor is a softmax over the value's levels. Masked convolutions let a value's logits see earlier values only, so
training predicts all of them at once and minimises the exact cross entropy, in nats a value:

    loss(x) = -1/N sum_i log p(x_i | x_1 ... x_(i-1)),       bits a dimension = loss / ln 2,     nats = N * loss

Drawing goes one value at a time, each fed back. The masks have a blind spot: at the right edge of what a k x k kernel
sees above, a wedge of earlier pixels never reaches the value, however many layers follow (see gated_pixelcnn).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from genmodels.config import ModelConfig
from genmodels.networks.pixel_settings import PixelSettings


class PixelCNNConfig(PixelSettings):
    """One convolution with mask A, then `layers` with mask B, each with batch normalisation; 1x1 to the levels."""

    channels: int = Field(64, ge=1, le=512, description="channels of every layer, divided among a pixel's colours")
    layers: int = Field(7, ge=1, le=32, description="convolutions with mask B after the first, which has mask A")
    kernel_size: int = Field(7, ge=3, le=15, description="side of the kernels, an odd number")

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"an even kernel has no middle pixel: choose {value - 1} or {value + 1}")
        return value

    @model_validator(mode="after")
    def _channels_fit(self) -> Self:
        self.check_channels("channels", self.channels)
        return self

    @property
    def fewest_normalised(self) -> int | None:
        return math.prod((self.image_shape or (1, 1, 1))[1:])


import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.kernels.cross_entropy import cross_entropy
from genmodels.layers.masked import MaskedConv2d
from genmodels.sampling.masked_pixels import MaskedPainter
from genmodels.sampling.pixels import UNPAINTED, Painter, check_knobs, paint
from genmodels.model import Batch, Curve, Metrics, Model, cosine, make_optimizer, update
from genmodels.registry import register

Randomness = torch.Generator | Sequence[torch.Generator] | None
"""One generator for all pictures, or one each: then a picture does not depend on those drawn beside it."""

_CHUNK = 64  # pictures whose likelihood is computed at once: 256 levels a value are 51 MB of logits at 28 x 28
_DRAWN = 128  # pictures drawn at once: the caches of one are 2 MB for the recipes' networks


class PixelNetwork(nn.Module):
    """What a family's network is asked for: logits at once for training, a Painter for drawing."""

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1], classes as weights (B, K) or None -> logits (B, C * levels, H, W)."""
        raise NotImplementedError

    def painter(self, batch: int, label: Tensor | None) -> Painter:
        raise NotImplementedError


class MaskedLayer(nn.Module):
    """Masked convolution, batch normalisation, the class's bias, ReLU."""

    def __init__(self, convolution: MaskedConv2d, classes: int) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = nn.BatchNorm2d(convolution.out_channels)
        self.label = nn.Linear(classes, convolution.out_channels, bias=False) if classes else None

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        x = self.norm(self.convolution(x))
        return F.relu(x if self.label is None else x + self.label(label)[:, :, None, None])

    def folded(self, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """(weight, bias (B or 1, after, 1, 1)) with the normalisation's running statistics and the class folded in."""
        running_mean, running_var = self.norm.running_mean, self.norm.running_var
        assert running_mean is not None
        assert running_var is not None
        scale = self.norm.weight * (running_var + self.norm.eps).rsqrt()
        bias = (self.norm.bias - running_mean * scale)[None]
        bias = bias if self.label is None else bias + self.label(label)
        return self.convolution.causal_weight() * scale[:, None, None, None], bias[:, :, None, None]


class MaskedNetwork(PixelNetwork):
    """The plain masked convolutions, one after the other."""

    def __init__(self, config: PixelCNNConfig) -> None:
        super().__init__()
        self.config, colours, channels = config, config.colours, config.channels
        classes = (config.num_classes or 0) if config.conditional else 0
        before = [colours, *[channels] * config.layers]
        convolutions = [
            MaskedConv2d(width, channels, config.kernel_size, "B" if index else "A", colours=colours, bias=False)
            for index, width in enumerate(before)
        ]
        self.layers = nn.ModuleList(MaskedLayer(convolution, classes) for convolution in convolutions)
        self.head = MaskedConv2d(channels, colours * config.levels, 1, "B", colours=colours)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        for layer in self.layers:
            x = layer(x, label)
        logits: Tensor = self.head(x)
        return logits

    def painter(self, batch: int, label: Tensor | None) -> Painter:
        folded = [layer.folded(label) for layer in self.layers]  # type: ignore[operator]
        _, height, width = self.config.image_shape or (0, 0, 0)
        return MaskedPainter(folded, self.head, batch, height, width)


@register("pixelcnn")
class PixelCNN(Model):
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

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return {"model": cosine(step, max_steps, self.config.lr_end)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        index = self._index(batch["image"], None, drawn=self.config.quantisation == "stochastic")
        label = self._weights(batch["label"], len(index)) if self.config.conditional else None

        # minimise -log p(x_i | earlier values), the mean over values and pictures
        loss = self._cross_entropy(index, label).mean()
        update(optimizers["model"], loss)
        loss = loss.detach()
        return {
            "loss/total": loss,
            "likelihood/bits_per_dim": loss / math.log(2),
            "likelihood/nats": loss * index[0].numel(),
        }

    def _cross_entropy(self, index: Tensor, label: Tensor | None) -> Tensor:
        """-log p of each value, nats (B, C, H, W), of levels (B, C, H, W)."""
        logits = self._by_value(self.network(self._values(index.device)[index], label))
        return cross_entropy(logits.flatten(0, -2), index.flatten()).view(index.shape)

    def _by_value(self, logits: Tensor) -> Tensor:
        """(B, C * levels, H, W) -> (B, C, H, W, levels): a view where channels are laid out last."""
        shape = (len(logits), self.config.colours, self.config.levels, *logits.shape[2:])
        return logits.view(shape).permute(0, 1, 3, 4, 2)

    def curves(self) -> dict[str, Curve]:
        levels = self.config.levels
        return {
            "loss/total": Curve(
                "cross entropy (nats)", f"Of one value; starts at ln {levels} = {math.log(levels):.2f}, pure guessing."
            ),
            "likelihood/bits_per_dim": Curve("bits a dimension", "What storing one value would cost, on average."),
            "likelihood/nats": Curve("-log p (nats)", "Of a whole training picture, exact."),
        }

    # ------------------------------------------------------- levels and classes

    def to_levels(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images in [-1, 1] as training sees them, on the model's levels; drawn ones with `generator`."""
        return self._values(x.device)[self._index(x, generator, drawn=self.config.quantisation == "stochastic")]

    def _index(self, x: Tensor, generator: torch.Generator | None = None, *, drawn: bool = False) -> Tensor:
        exact = x.float().add(1).mul(0.5 * (self.config.levels - 1))
        if drawn:
            # Uniform numbers from the CPU where a generator asks for the same ones on every device.
            noise = torch.rand(x.shape, generator=generator, device=x.device if generator is None else generator.device)
            exact = exact + noise.to(x.device) - 0.5
        return exact.nan_to_num().round().clamp(0, self.config.levels - 1).long()

    def _values(self, device: torch.device) -> Tensor:
        return torch.linspace(-1, 1, self.config.levels, device=device)

    def _weights(self, label: Tensor, count: int) -> Tensor:
        """Classes as weights (B, K): one-hot for a label, as they are for a blend."""
        label = label.to(self.device)
        weights = label if label.is_floating_point() else F.one_hot(label, self.config.num_classes or 0)
        return weights.float().expand(count, -1)

    def _told(self, condition: Condition, count: int) -> Tensor | None:
        """What a caller asks for as weights; None without classes. Raises CapabilityError or DataError."""
        if not self.config.conditional:
            return None
        if not condition or "label" not in condition:
            raise CapabilityError("this model was trained with classes: say which, condition={'label': ...}")
        label, classes = condition["label"], self.config.num_classes or 0
        if not label.is_floating_point() and bool(((label < 0) | (label >= classes)).any()):
            raise DataError(
                f"label = {label.tolist()} is not allowed: this model has {classes} classes, 0 to {classes - 1}"
            )
        return self._weights(label, count)

    # --------------------------------------------------------------- inference

    def logits(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """(B, C, H, W, levels): of each value, from the earlier values of images (B, C, H, W) in [-1, 1]."""
        label = self._told(condition, len(x))
        return self._by_value(self.network(self._values(x.device)[self._index(x)], label)).float()

    def receptive_field(self, row: int, column: int, colour: int = 0, *, pictures: int = 4) -> Tensor:
        """How strongly each value (C, H, W) of a picture moves one value's logits: |gradient|, the mean over noise.

        Exactly 0 where the masks let nothing through. Weights must have been made outside of inference mode.
        """
        shape = self.config.image_shape or (0, 0, 0)
        with torch.inference_mode(False), torch.enable_grad():
            noise = torch.rand(pictures, *shape, generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
            x = noise.to(self.device).requires_grad_(True)
            label = torch.zeros(pictures, self.config.num_classes or 0, device=self.device)
            logits = self._by_value(self.network(x, label if self.config.conditional else None))
            asked = logits[:, colour, row, column]
            # Weighted unevenly: what moves all levels alike would cancel where they are normalised.
            weights = torch.linspace(1, 2, asked.shape[1], device=self.device)
            (slope,) = torch.autograd.grad((asked * weights).sum(), x)
        return slope.abs().mean(0)

    def log_prob(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """Exact log likelihood (B,), nats, of images in [-1, 1] rounded to the nearest level.

        Of a conditional model without a condition: log of the mean over the classes, each as probable as the others.
        """
        parts = torch.split(self._index(x), _CHUNK)
        if not self.config.conditional:
            return torch.cat([-self._cross_entropy(part, None).flatten(1).sum(1) for part in parts])
        told = self._told(condition, len(x)) if condition is not None else None
        if told is not None:
            given = torch.split(told, _CHUNK)
            pairs = zip(parts, given, strict=True)
            return torch.cat([-self._cross_entropy(part, label).flatten(1).sum(1) for part, label in pairs])
        classes = self.config.num_classes or 1
        each = [self.log_prob(x, condition={"label": torch.full((len(x),), k)}) for k in range(classes)]
        return torch.stack(each).logsumexp(0) - math.log(classes)

    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: Randomness = None,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> Tensor:
        """Without a condition the classes are drawn evenly. Draw from a model in eval mode.

        The same pictures as `sample_iter` ends with, in portions: a thousand need no more memory than a hundred.
        """
        check_knobs(temperature, top_k, self.config.levels)
        shape = self.config.image_shape or (0, 0, 0)
        asked, uniform = self._random((n, *shape), generator)
        label = self._told(condition or {"label": asked}, n)
        nothing, known = torch.full((n, *shape), UNPAINTED), torch.zeros(shape[1:], dtype=torch.bool)
        parts = []
        for start in range(0, n, _DRAWN):
            rows = slice(start, start + _DRAWN)
            told = None if label is None else label[rows]
            *_, last = self._painted(nothing[rows], known, told, uniform[rows], shape[1], temperature, top_k)
            parts.append(last)
        return torch.cat(parts)

    def sample_each(self, generators: Sequence[torch.Generator], *, condition: Condition = None) -> Tensor:
        """A picture for each generator, (B, C, H, W): the same one whatever is drawn beside it."""
        return self.sample(len(generators), condition=condition, generator=generators)

    def sample_iter(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: Randomness = None,
        every: int = 1,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> Iterator[Tensor]:
        """The canvas after each `every` rows and at the end, what is unpainted 0 (grey)."""
        shape = self.config.image_shape or (0, 0, 0)
        nothing = torch.full((n, *shape), UNPAINTED, device=self.device)
        known = torch.zeros(shape[1:], dtype=torch.bool)
        return self.complete(
            nothing, known, condition=condition, generator=generator, every=every, temperature=temperature, top_k=top_k
        )

    def complete(
        self,
        x: Tensor,
        known_mask: Tensor,
        *,
        condition: Condition = None,
        generator: Randomness = None,
        every: int = 1,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> Iterator[Tensor]:
        """Paint what `known_mask`, bool (H, W) or (B, 1, H, W), leaves open in images (B, C, H, W); as `sample_iter`.

        Known pixels come back as they were given; the network sees them on their nearest level. Each value has a number
        of its own from `generator`: a sample that was stopped, completed with the same generator, is the same sample.
        Raises DataError where shapes do not fit, ConfigError for a temperature or top_k out of range.
        """
        check_knobs(temperature, top_k, self.config.levels)
        shape = self.config.image_shape or (0, 0, 0)
        fits = known_mask.shape in (shape[1:], (1, *shape[1:]), (1, 1, *shape[1:]), (len(x), 1, *shape[1:]))
        if x.shape[1:] != shape or not fits:
            raise DataError(
                f"images of shape {tuple(x.shape)} with a mask of {tuple(known_mask.shape)} cannot be completed; "
                f"give (N, {', '.join(map(str, shape))}) and a mask ({shape[1]}, {shape[2]})"
            )
        if every < 1:
            raise ConfigError(f"every = {every} is not allowed: show the canvas after each 1 or more rows")
        asked, uniform = self._random(x.shape, generator)
        label = self._told(condition or {"label": asked}, len(x))
        return self._painted(x, known_mask, label, uniform, every, temperature, top_k)

    def _random(self, shape: Sequence[int], generator: Randomness) -> tuple[Tensor, Tensor]:
        """A class (B,) for each picture of a conditional model, and a number in [0, 1) for each value."""
        if isinstance(generator, Sequence):
            if len(generator) != shape[0]:
                raise DataError(f"{len(generator)} generators for {shape[0]} pictures; give one for all, or one each")
            each = [self._random((1, *shape[1:]), one) for one in generator]
            return torch.cat([asked for asked, _ in each]), torch.cat([uniform for _, uniform in each])
        device = generator.device if generator is not None else self.device
        asked = torch.zeros(shape[0], dtype=torch.long)
        if self.config.conditional:
            asked = torch.randint(0, self.config.num_classes or 1, shape[:1], generator=generator, device=device)
        return asked, torch.rand(*shape, generator=generator, device=device).to(self.device)

    def _painted(
        self,
        x: Tensor,
        known_mask: Tensor,
        label: Tensor | None,
        uniform: Tensor,
        every: int,
        temperature: float,
        top_k: int | None,
    ) -> Iterator[Tensor]:
        x, known = x.to(self.device), known_mask.to(self.device).expand(len(x), 1, *x.shape[2:]).bool()
        values = self._values(self.device)
        canvas = torch.where(known, values[self._index(x)], UNPAINTED)
        with torch.inference_mode():
            painter = self.network.painter(len(x), label)
        rows = paint(painter, canvas, known[:, 0], uniform, values, temperature=temperature, top_k=top_k)
        count = 0
        for count, _ in enumerate(rows, start=1):
            if count % every == 0:
                yield torch.where(known, x, canvas)
        if count == 0 or count % every:
            yield torch.where(known, x, canvas)
