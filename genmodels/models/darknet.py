"""Darknet: the residual classifier of YOLOv3, Redmon and Farhadi, arXiv 1804.02767.

A first convolution; then groups, each of a 3x3 convolution that doubles the channels (with stride 2, except in the
second group) and of residual blocks

    x + conv3x3(conv1x1(x)),    conv1x1 halves the channels; each conv has batch normalisation and LeakyReLU(0.1)

then global average pooling and one linear layer. Training minimises

    -log softmax(logits)[label]

with one cycle of learning rate and momentum (Smith and Topin, arXiv 1708.07120). Training images are shifted and
optionally mirrored, enlarged, colour-jittered and partly masked (cutout: DeVries and Taylor, arXiv 1708.04552). With
hard_negatives a fraction of them is disguised, by painted stripes, noise or blur, and keeps its label.

    variable    paper                 meaning
    channels    32                    filters of the first convolution (table 1)
    groups      (1, 2, 8, 8, 4)       residual blocks per group of Darknet-53
    body, head  Darknet-53, Avgpool and Connected
    lr          max_lr (Smith)        learning rate in the middle of the cycle
    lr_start    max_lr / base_lr
    momentum    (Smith)               falls while the learning rate rises

Images are (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, live

MAX_WIDTH = 4096  # four times Darknet-53's: one 3x3 convolution to 4,096 channels has 75 million weights


class DarknetConfig(ModelConfig):
    """Width and depth, the learning-rate cycle, and augmentation."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image", "label")

    channels: int = Field(32, ge=2, le=512, description="channels of the first convolution; each group doubles them")
    groups: tuple[Annotated[int, Field(ge=0, le=32)], ...] = Field(
        (1, 2, 4, 6, 3), min_length=1, max_length=8, description="residual blocks per group"
    )
    lr: float = live(1.3, gt=0, le=10, description="highest learning rate of SGD, in the middle of the cycle")
    lr_start: float = Field(20.0, gt=1, le=1000, description="the cycle starts and ends at lr divided by this")
    tail: float = Field(
        0.2, ge=0, lt=1, description="fraction of the steps after the cycle, in which the learning rate falls to 0"
    )
    momentum: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.95, 0.85), description="momentum at the ends and in the middle of the cycle"
    )
    weight_decay: float = Field(1e-4, ge=0, le=1, description="weight decay (L2)")
    flip: bool = Field(True, description="mirror half of the training images; not for digits and letters")
    shift: int = Field(
        4, ge=0, le=16, description="training images are shifted by up to this many pixels, with reflected borders"
    )
    zoom: float = Field(
        1.0, ge=1, le=2, description="training images are enlarged by up to this factor, one per batch, and cropped"
    )
    cutout: int = Field(
        0, ge=0, le=64, description="cutout: side in pixels of a masked square in each training image; 0: none"
    )
    colour: float = Field(
        0.0, ge=0, le=1, description="strength of colour jitter: brightness, saturation and contrast; 0: none"
    )
    hard_negatives: float = Field(
        0.0,
        ge=0,
        le=1,
        description="fraction of the training images that are disguised and keep their class: painted stripes (half of "
        "them), noise, blur, JPEG blocks, grey or low contrast; 0: none",
    )

    @model_validator(mode="after")
    def _width_is_bounded(self) -> Self:
        widest = self.channels * 2 ** len(self.groups)
        if widest > MAX_WIDTH:
            raise ValueError(
                f"channels = {self.channels} doubled by each of the {len(self.groups)} groups = {list(self.groups)} "
                f"become {widest:,} channels; at most {MAX_WIDTH:,} are allowed: choose fewer channels or fewer groups"
            )
        return self

    @model_validator(mode="after")
    def _image_is_large_enough(self) -> Self:
        halvings = max(0, len(self.groups) - 1)
        if self.image_shape is not None and min(self.image_shape[1:]) < 2**halvings:
            height, width = self.image_shape[1:]
            raise ValueError(
                f"{len(self.groups)} groups halve an image {halvings} times, but the data's are only "
                f"{height}x{width}: choose fewer groups"
            )
        if self.image_shape is not None and self.shift >= min(self.image_shape[1:]):
            raise ValueError(f"shift = {self.shift} is as large as the images: choose a smaller one")
        if self.image_shape is not None and self.cutout >= min(self.image_shape[1:]):
            raise ValueError(f"cutout = {self.cutout} is as large as the images: choose a smaller one")
        return self

    @property
    def fewest_normalised(self) -> int | None:
        halvings = len(self.groups) - (len(self.groups) > 1)  # every group but the second has a stride of 2
        height, width = self.shape[1:]
        return -(-height // (1 << halvings)) * -(-width // (1 << halvings))


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.errors import ConfigError
from genmodels.layers import augment, hard_negatives
from genmodels.model import Batch, Curve, Metrics, Model, update
from genmodels.registry import register


def conv(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, LeakyReLU: (B, before, H, W) -> (B, after, H / stride, W / stride)."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(after, momentum=0.01),
        nn.LeakyReLU(0.1, inplace=True),
    )


class Residual(nn.Module):
    """x + conv3x3(conv1x1(x)). Shape: (B, channels, H, W), kept."""

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
        layers: list[nn.Module] = [conv(config.shape[0], width, 3)]  # (B, channels, H, W)
        for index, blocks in enumerate(config.groups):
            layers.append(conv(width, 2 * width, 3, stride=1 if index == 1 else 2))
            width *= 2
            layers += [Residual(width) for _ in range(blocks)]  # (B, channels * 2^(index + 1), h, w)
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())  # (B, width)
        self.head = nn.Linear(width, config.num_classes)  # (B, num_classes)

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
        logits = self.classify(self._augment(batch["image"])).float()  # (B, K)

        # minimise -log softmax(logits)[label], mean over the batch
        loss = F.cross_entropy(logits, batch["label"])
        update(optimizer, loss)
        accuracy = (logits.detach().argmax(1) == batch["label"]).float().mean()
        return {"loss/total": loss.detach(), "accuracy/batch": accuracy}

    def validation_metrics(self, batch: Batch, step: int) -> Metrics:
        logits, label = self.classify(batch["image"]).float(), batch["label"]
        accuracy = (logits.argmax(1) == label).float().mean()
        return {"loss/total": F.cross_entropy(logits, label), "accuracy/batch": accuracy}

    def _cycle_momentum(self, optimizer: Optimizer) -> None:
        """Set the momentum from the learning rate that the trainer has just set: high where the rate is low."""
        high, low = self.config.momentum
        for group in optimizer.param_groups:
            height = (group["lr"] / self.config.lr - 1 / self.config.lr_start) / (1 - 1 / self.config.lr_start)
            group["momentum"] = high - (high - low) * min(1.0, max(0.0, height))

    def _augment(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) with colour jitter, zoom, mirroring, shift, disguises and cutout, as the config says."""
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
        if self.config.hard_negatives:
            x = hard_negatives.disguise(x, self.config.hard_negatives)
        if self.config.cutout:
            x = augment.cutout(x, size=self.config.cutout)
        return x

    # --------------------------------------------------------------- inference

    def classify(self, x: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W) in [-1, 1]."""
        logits: Tensor = self.head(self.body(x))
        return logits

    def features(self, x: Tensor) -> Tensor:
        """Globally averaged features (B, D) of images (B, C, H, W) in [-1, 1]."""
        features: Tensor = self.body(x)
        return features

    # ----------------------------------------------------------------- metrics

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("cross entropy (nats)", "ln K is a uniform guess; 0: certain and right.", 0.0),
            "accuracy/batch": Curve("accuracy", "Fraction of the augmented training batch classified correctly.", 1.0),
        }


def one_cycle(progress: float, start: float, tail: float) -> float:
    """Learning-rate factor at `progress` (0 to 1) of the training (Smith and Topin, arXiv 1708.07120).

    Linear from 1 / `start` up to 1 at the middle of the cycle and back; then, in the last fraction `tail`, linear to 0.
    """
    cycle = 1 - tail
    if progress < cycle:
        height = 1 - abs(2 * progress / cycle - 1)
        return (1 + height * (start - 1)) / start
    return (1 - progress) / max(tail, 1e-9) / start
