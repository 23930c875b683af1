"""Darknet: the residual classifier of YOLOv3, Redmon and Farhadi, arXiv 1804.02767.

A first convolution, then groups, each opened by a convolution that doubles the channels (and, but for the second group,
halves the picture) and followed by residual blocks

    x + conv3x3(conv1x1(x)),    the 1x1 halving the channels, each conv with batch normalisation and LeakyReLU 0.1

then the mean over the picture and one linear layer. Training minimises -log softmax(logits)[label], with one cycle of
learning rate and momentum (Smith & Topin, arXiv 1708.07120); pictures are flipped, shifted and, where asked for,
enlarged, recoloured and partly hidden (DeVries & Taylor, arXiv 1708.04552) at random.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, live


MAX_WIDTH = 4096  # four times the text's: one 3x3 convolution to so many has 75 million weights


class DarknetConfig(ModelConfig):
    """Width and depth, the cycle, and how pictures are varied."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image", "label")

    channels: int = Field(32, ge=2, le=512, description="channels of the first convolution; each group doubles them")
    groups: tuple[Annotated[int, Field(ge=0, le=32)], ...] = Field(
        (1, 2, 4, 6, 3), min_length=1, max_length=8, description="residual blocks in each group"
    )
    lr: float = live(1.3, gt=0, le=10, description="highest learning rate of SGD, at the middle of the cycle")
    lr_start: float = Field(20.0, gt=1, le=1000, description="the cycle starts and ends at the rate divided by this")
    tail: float = Field(
        0.2, ge=0, lt=1, description="share of the steps after the cycle, on which the rate falls to zero"
    )
    momentum: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.95, 0.85), description="momentum at the ends and at the middle of the cycle: it falls where the rate rises"
    )
    weight_decay: float = Field(1e-4, ge=0, le=1, description="pull of the weights towards 0")
    flip: bool = Field(True, description="mirror half of the pictures; not for digits and letters")
    shift: int = Field(4, ge=0, le=16, description="pixels a picture is moved by at random, its border reflected")
    zoom: float = Field(
        1.0, ge=1, le=2, description="pictures are enlarged by up to this, one factor a batch, and cut at random"
    )
    cutout: int = Field(
        0, ge=0, le=64, description="side in pixels of a square hidden anywhere in each picture; 0: nothing is hidden"
    )
    colour: float = Field(
        0.0, ge=0, le=1, description="how far brightness, saturation and contrast are varied at random; 1: to grey"
    )

    @model_validator(mode="after")
    def _width_is_bounded(self) -> Self:
        widest = self.channels * 2 ** len(self.groups)
        if widest > MAX_WIDTH:
            raise ValueError(
                f"channels = {self.channels} doubled by each of the {len(self.groups)} groups = {list(self.groups)} "
                f"become {widest:,} channels; at most {MAX_WIDTH:,} are allowed: take fewer channels, or fewer groups"
            )
        return self

    @model_validator(mode="after")
    def _pictures_survive_the_groups(self) -> Self:
        halvings = max(0, len(self.groups) - 1)
        if self.image_shape is not None and min(self.image_shape[1:]) < 2**halvings:
            height, width = self.image_shape[1:]
            raise ValueError(
                f"{len(self.groups)} groups halve a picture {halvings} times, but the data's are only "
                f"{height}x{width}: take fewer groups"
            )
        if self.image_shape is not None and self.shift >= min(self.image_shape[1:]):
            raise ValueError(f"shift = {self.shift} is as large as the pictures: take a smaller one")
        if self.image_shape is not None and self.cutout >= min(self.image_shape[1:]):
            raise ValueError(f"cutout = {self.cutout} is as large as the pictures: take a smaller one")
        return self

    @property
    def fewest_normalised(self) -> int | None:
        halvings = len(self.groups) - (len(self.groups) > 1)  # every group but the second has a stride of 2
        height, width = (self.image_shape or (1, 1, 1))[1:]
        return -(-height // (1 << halvings)) * -(-width // (1 << halvings))


import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.errors import ConfigError
from genmodels.layers import augment
from genmodels.model import Batch, Curve, Metrics, Model, update
from genmodels.registry import register


def conv(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(after, momentum=0.01),
        nn.LeakyReLU(0.1, inplace=True),
    )


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(channels, channels // 2, 1), conv(channels // 2, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


@register("darknet")
class Darknet(Model):
    Config = DarknetConfig
    title = "Darknet classifier"
    paper = "Redmon & Farhadi 2018, arXiv 1804.02767"
    config: DarknetConfig

    def __init__(self, config: DarknetConfig) -> None:
        super().__init__(config)
        if not config.num_classes:
            raise ConfigError(
                "model.num_classes is 0: a classifier needs data with classes, for example --data cifar10"
            )
        width = config.channels
        layers: list[nn.Module] = [conv((config.image_shape or (0,))[0], width, 3)]
        for index, blocks in enumerate(config.groups):
            layers.append(conv(width, 2 * width, 3, stride=1 if index == 1 else 2))
            width *= 2
            layers += [Residual(width) for _ in range(blocks)]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, config.num_classes)

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        optimizer = torch.optim.SGD(
            self.parameters(),
            lr=self.config.lr,
            momentum=self.config.momentum[0],
            weight_decay=self.config.weight_decay,
            fused=True,
        )
        return {"model": optimizer}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return {"model": one_cycle(step / max_steps, self.config.lr_start, self.config.tail)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        optimizer = optimizers["model"]
        self._cycle_momentum(optimizer)
        logits = self.classify(self._varied(batch["image"])).float()

        # minimise -log softmax(logits)[label], the mean over the batch
        loss = F.cross_entropy(logits, batch["label"])
        update(optimizer, loss)
        return {
            "loss/total": loss.detach(),
            "accuracy/batch": (logits.detach().argmax(1) == batch["label"]).float().mean(),
        }

    def _cycle_momentum(self, optimizer: Optimizer) -> None:
        """Momentum follows the rate that the Trainer has just set: high where the rate is low."""
        high, low = self.config.momentum
        for group in optimizer.param_groups:
            height = (group["lr"] / self.config.lr - 1 / self.config.lr_start) / (1 - 1 / self.config.lr_start)
            group["momentum"] = high - (high - low) * min(1.0, max(0.0, height))

    def _varied(self, x: Tensor) -> Tensor:
        """Each picture recoloured, enlarged, mirrored, moved by up to `shift` pixels each way, and partly hidden."""
        if self.config.colour:
            x = augment.colour(x, strength=self.config.colour)
        if self.config.zoom > 1:
            x = augment.zoomed(x, 1 + (self.config.zoom - 1) * float(torch.rand(())))
        if self.config.flip:
            x = augment.flip(x)
        if shift := self.config.shift:
            padded = F.pad(x, (shift, shift, shift, shift), mode="reflect")
            top, left = torch.randint(0, 2 * shift + 1, (2, len(x)), device=x.device)
            x = augment.crop(padded, top, left, (x.shape[2], x.shape[3]))
        if self.config.cutout:
            x = augment.cutout(x, size=self.config.cutout)
        return x

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("cross entropy (nats)", "0 is certainty; ln K is pure guessing among K classes.", 0.0),
            "accuracy/batch": Curve("accuracy", "Share of the batch named rightly, on varied training pictures.", 1.0),
        }

    # --------------------------------------------------------------- inference

    def classify(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x))
        return logits

    def features(self, x: Tensor) -> Tensor:
        """The mean over the picture (B, D) of images (B, C, H, W) in [-1, 1]."""
        hidden: Tensor = self.body(x)
        return hidden


def one_cycle(progress: float, start: float, tail: float) -> float:
    """Factor of the learning rate at `progress` 0 to 1 of the training.

    From 1/start evenly up to 1 at the middle of the cycle and down again; then, over the last `tail`, down to zero.
    """
    cycle = 1 - tail
    if progress < cycle:
        height = 1 - abs(2 * progress / cycle - 1)
        return (1 + height * (start - 1)) / start
    return (1 - progress) / max(tail, 1e-9) / start
