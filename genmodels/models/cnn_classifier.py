"""A small convolutional classifier, in the shape of LeCun et al. 1998 (doi 10.1109/5.726791) with today's parts.

Each block is a convolution, batch normalisation, a bend and, where asked for, a 2x2 maximum; then dropout, one hidden
layer of `features` (or none) and a linear layer to the classes. Training minimises

    cross_entropy:  -log softmax(logits)[label]
    bce:            mean over classes of -y log p - (1 - y) log(1 - p),  p = sigmoid(logits), y one-hot

on pictures shifted by up to `shift` pixels. The hidden features are what the studio measures generators with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, live


class CNNClassifierConfig(ModelConfig):
    """Blocks of convolutions, the layers after them, and the training."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image", "label")

    channels: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(
        (32, 32, 64, 64), min_length=1, max_length=12, description="output channels of each convolution"
    )
    kernel_sizes: tuple[Annotated[int, Field(ge=1, le=11)], ...] | None = Field(
        None, max_length=12, description="side of each convolution's kernel; empty: 3 for all"
    )
    strides: tuple[Annotated[int, Field(ge=1, le=4)], ...] | None = Field(
        None, max_length=12, description="stride of each convolution; empty: 1 for all"
    )
    padded: bool = Field(True, description="keep the size at stride 1; if not, each convolution loses the border")
    activation: Literal["relu", "leaky_relu"] = Field("relu", description="LeakyReLU has a slope of 0.02 below zero")
    norm_last: bool = Field(False, description="batch normalisation after the bend, as the book has it, not before")
    pool_after: tuple[Annotated[int, Field(ge=1, le=12)], ...] = Field(
        (2, 4), description="convolutions (from 1) after which the picture is halved by a 2x2 maximum"
    )
    features: int = Field(
        128, ge=0, le=4096, description="width of the hidden layer, the judge's features; 0: straight to the classes"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="share of values dropped before the last layers")
    shift: int = Field(2, ge=0, le=8, description="pixels a training picture is moved by at random, each way")
    loss: Literal["cross_entropy", "bce"] = Field("cross_entropy", description="what is minimised")
    lr: float = live(2e-3, gt=0, le=1, description="highest learning rate of Adam")
    lr_falls: bool = Field(
        True, description="the rate warms up over a tenth of the steps and falls to zero; if not, it stays"
    )

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        for name in ("kernel_sizes", "strides"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.channels):
                raise ValueError(
                    f"{name} has {len(given)} entries for {len(self.channels)} channels: give one a convolution"
                )
        count = len(self.channels)
        if max(self.pool_after, default=0) > count:
            raise ValueError(
                f"pool_after = {list(self.pool_after)} names a convolution behind the last: channels has {count}. Name "
                f"convolutions 1 to {count} only, or give more channels; pool_after = [] pools nowhere"
            )
        if self.image_shape is not None:
            map_size(self)
        return self

    @property
    def fewest_normalised(self) -> int | None:
        return min(math.prod(size) for size, _ in map_sizes(self))


def map_size(config: CNNClassifierConfig) -> tuple[int, int]:
    """Height and width of the last feature map; raises ValueError where nothing is left of the pictures."""
    return map_sizes(config)[-1][1]


def map_sizes(config: CNNClassifierConfig) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(height, width) of each convolution's output, and after its pooling, if any; raises ValueError as `map_size`."""
    _, height, width = config.image_shape or (0, 0, 0)
    size, sizes = (height, width), []
    layers = zip(
        config.kernel_sizes or (3,) * len(config.channels), config.strides or (1,) * len(config.channels), strict=True
    )
    for index, (kernel, stride) in enumerate(layers, start=1):
        border = 2 * (kernel // 2) if config.padded else 0
        convolved = ((size[0] + border - kernel) // stride + 1, (size[1] + border - kernel) // stride + 1)
        size = (convolved[0] // 2, convolved[1] // 2) if index in config.pool_after else convolved
        sizes.append((convolved, size))
        if min(size) < 1:
            raise ValueError(
                f"after convolution {index} nothing is left of pictures of {height}x{width}: pool less (pool_after), "
                "or take smaller kernel_sizes and strides"
            )
    return sizes


import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.errors import ConfigError
from genmodels.model import Batch, Curve, Metrics, Model, cosine, make_optimizer, update
from genmodels.registry import register


@register("cnn_classifier")
class CNNClassifier(Model):
    Config = CNNClassifierConfig
    title = "Convolutional classifier"
    paper = "LeCun et al. 1998, doi 10.1109/5.726791"
    config: CNNClassifierConfig

    def __init__(self, config: CNNClassifierConfig) -> None:
        super().__init__(config)
        if not config.num_classes:
            raise ConfigError("model.num_classes is 0: a classifier needs data with classes, for example --data digits")
        before, count = (config.image_shape or (0,))[0], len(config.channels)
        layers: list[nn.Module] = []
        for index, (after, kernel, stride) in enumerate(
            zip(config.channels, config.kernel_sizes or (3,) * count, config.strides or (1,) * count, strict=True),
            start=1,
        ):
            padding = kernel // 2 if config.padded else 0
            norm, bend = nn.BatchNorm2d(after), nn.ReLU() if config.activation == "relu" else nn.LeakyReLU(0.02)
            # A bias before normalisation would be taken out again.
            layers.append(nn.Conv2d(before, after, kernel, stride, padding, bias=config.norm_last))
            layers += [bend, norm] if config.norm_last else [norm, bend]
            if index in config.pool_after:
                layers.append(nn.MaxPool2d(2))
            before = after
        width = before * math.prod(map_size(config))
        layers.append(nn.Flatten())
        if config.features:
            layers += [nn.Dropout(config.dropout), nn.Linear(width, config.features), nn.ReLU()]
            width = config.features
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(width, config.num_classes))

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        """Up over the first tenth, then along a cosine to zero; or 1 throughout."""
        if not self.config.lr_falls:
            return {"model": 1.0}
        warm = max(1, max_steps // 10)
        if step < warm:
            return {"model": (step + 1) / warm}
        return {"model": cosine(step - warm, max_steps - warm)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        logits = self.classify(self._shifted(batch["image"])).float()

        # minimise the loss of the true class, the mean over the batch
        if self.config.loss == "bce":
            target = F.one_hot(batch["label"], logits.shape[1]).float()
            loss = F.binary_cross_entropy_with_logits(logits, target)
        else:
            loss = F.cross_entropy(logits, batch["label"])
        update(optimizers["model"], loss)
        accuracy = (logits.detach().argmax(1) == batch["label"]).float().mean()
        return {"loss/total": loss.detach(), "accuracy/batch": accuracy}

    def _shifted(self, images: Tensor) -> Tensor:
        """One random crop of the padded batch: one shift a batch is enough variety and costs one copy."""
        by = self.config.shift
        if not by:
            return images
        top, left = torch.randint(0, 2 * by + 1, (2,)).tolist()
        padded = F.pad(images, (by, by, by, by), value=-1.0)
        return padded[:, :, top : top + images.shape[2], left : left + images.shape[3]]

    def curves(self) -> dict[str, Curve]:
        classes = self.config.num_classes or 1
        return {
            "loss/total": Curve(
                "cross entropy (nats)",
                f"Starts at ln {classes} = {math.log(classes):.2f}, pure guessing; 0 is certainty."
                if self.config.loss == "cross_entropy"
                else "Binary cross entropy of each class; 0 is certainty.",
                0.0,
            ),
            "accuracy/batch": Curve("accuracy", "Share of a training batch named rightly.", 1.0),
        }

    # --------------------------------------------------------------- inference

    def classify(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x))
        return logits

    def probabilities(self, x: Tensor) -> Tensor:
        """What the network says of each class, (B, K) in [0, 1].

        With cross entropy a softmax, which sums to 1; with bce each output was trained on its own: they need not.
        """
        logits = self.classify(x).float()
        return logits.softmax(1) if self.config.loss == "cross_entropy" else logits.sigmoid()

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, (B, D), of images (B, C, H, W): what distances between sets of pictures use."""
        hidden: Tensor = self.body(x)
        return hidden
