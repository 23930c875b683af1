"""Convolutional classifier in the style of LeNet: LeCun, Bottou, Bengio and Haffner 1998, doi 10.1109/5.726791.

Each block is a convolution, batch normalisation (Ioffe and Szegedy, arXiv 1502.03167), an activation and optional 2x2
max pooling; then dropout, one hidden layer of `features` units (or none) and a linear layer. Training minimises one of

    cross_entropy:  -log softmax(logits)[label]
    bce:            mean over classes of -y log p - (1 - y) log(1 - p),  p = sigmoid(logits), y one-hot

on images shifted by up to `shift` pixels. The hidden features measure generators (`genmodels.evaluation`).

    variable  paper             meaning
    body      C1, S2, ..., F6   convolutions, pooling, hidden layer
    head      output layer      RBF units in the paper
    logits    y_i               one per class
    loss      E                 the paper minimises a mean squared error

Images are (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, live


class CNNClassifierConfig(ModelConfig):
    """Convolution blocks, the layers after them, and the training."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image", "label")

    channels: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(
        (32, 32, 64, 64), min_length=1, max_length=12, description="output channels of each convolution"
    )
    kernel_sizes: tuple[Annotated[int, Field(ge=1, le=11)], ...] | None = Field(
        None, max_length=12, description="kernel size of each convolution; empty: 3 for all"
    )
    strides: tuple[Annotated[int, Field(ge=1, le=4)], ...] | None = Field(
        None, max_length=12, description="stride of each convolution; empty: 1 for all"
    )
    padded: bool = Field(True, description="zero padding that keeps the size at stride 1; otherwise no padding")
    activation: Literal["relu", "leaky_relu"] = Field("relu", description="leaky_relu has a slope of 0.02 below zero")
    norm_last: bool = Field(False, description="batch normalisation after the activation instead of before it")
    pool_after: tuple[Annotated[int, Field(ge=1, le=12)], ...] = Field(
        (2, 4), description="convolutions (from 1) followed by 2x2 max pooling"
    )
    features: int = Field(
        128,
        ge=0,
        le=4096,
        description="width of the hidden layer, whose features the reference classifier uses; 0: no hidden layer",
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="dropout rate before the last layers")
    shift: int = Field(2, ge=0, le=8, description="training images are shifted by up to this many pixels")
    loss: Literal["cross_entropy", "bce"] = Field("cross_entropy", description="loss function")
    lr: float = live(2e-3, gt=0, le=1, description="highest learning rate of Adam")
    lr_falls: bool = Field(
        True, description="warm-up over a tenth of the steps, then cosine decay to 0; otherwise constant"
    )

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        for name in ("kernel_sizes", "strides"):
            entries = getattr(self, name)
            if entries is not None and len(entries) != len(self.channels):
                raise ValueError(
                    f"{name} has {len(entries)} entries for {len(self.channels)} channels: give one per convolution"
                )
        count = len(self.channels)
        if max(self.pool_after, default=0) > count:
            raise ValueError(
                f"pool_after = {list(self.pool_after)} names a convolution after the last: channels has {count}. Name "
                f"convolutions 1 to {count} only, or add channels; pool_after = [] means no pooling"
            )
        if self.image_shape is not None:
            map_size(self)
        return self

    @property
    def fewest_normalised(self) -> int | None:
        return min(math.prod(size) for size, _ in map_sizes(self))


def map_size(config: CNNClassifierConfig) -> tuple[int, int]:
    """Height and width of the last feature map; raises ValueError as `map_sizes` does."""
    return map_sizes(config)[-1][1]


def map_sizes(config: CNNClassifierConfig) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(height, width) of each convolution's output, and after its optional pooling.

    Raises ValueError if the images are too small for the layers.
    """
    _, height, width = config.shape
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
                f"after convolution {index} nothing is left of images of {height}x{width}: pool less (pool_after), "
                "or choose smaller kernel_sizes and strides"
            )
    return sizes


# Everything above the next line is read without torch (genmodels/registry.py).
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
        before, count = config.shape[0], len(config.channels)
        layers: list[nn.Module] = []
        for index, (after, kernel, stride) in enumerate(
            zip(config.channels, config.kernel_sizes or (3,) * count, config.strides or (1,) * count, strict=True),
            start=1,
        ):
            padding = kernel // 2 if config.padded else 0
            norm, activation = nn.BatchNorm2d(after), nn.ReLU() if config.activation == "relu" else nn.LeakyReLU(0.02)
            # No bias directly before normalisation, which would subtract it.
            layers.append(nn.Conv2d(before, after, kernel, stride, padding, bias=config.norm_last))
            layers += [activation, norm] if config.norm_last else [norm, activation]  # (B, channels[i], h, w)
            if index in config.pool_after:
                layers.append(nn.MaxPool2d(2))  # (B, channels[i], h/2, w/2)
            before = after
        width = before * math.prod(map_size(config))
        layers.append(nn.Flatten())  # (B, width)
        if config.features:
            layers += [nn.Dropout(config.dropout), nn.Linear(width, config.features), nn.ReLU()]  # (B, features)
            width = config.features
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(width, config.num_classes))  # (B, num_classes)

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        """Linear warm-up over the first tenth, then cosine decay to 0; constant without `lr_falls`."""
        if not self.config.lr_falls:
            return {"model": 1.0}
        warmup = max(1, max_steps // 10)
        if step < warmup:
            return {"model": (step + 1) / warmup}
        return {"model": cosine(step - warmup, max_steps - warmup)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        logits = self.classify(self._shift(batch["image"])).float()  # (B, K)
        label = batch["label"]

        # minimise, mean over the batch,
        #   bce:            mean over classes of -y log p - (1 - y) log(1 - p)
        #   cross_entropy:  -log softmax(logits)[label]
        loss = self._loss(logits, label)
        update(optimizers["model"], loss)
        return {"loss/total": loss.detach(), "accuracy/batch": (logits.detach().argmax(1) == label).float().mean()}

    def _loss(self, logits: Tensor, label: Tensor) -> Tensor:
        if self.config.loss == "bce":
            target = F.one_hot(label, logits.shape[1]).float()  # y: (B, K)
            return F.binary_cross_entropy_with_logits(logits, target)
        return F.cross_entropy(logits, label)

    def validation_metrics(self, batch: Batch, step: int) -> Metrics:
        logits, label = self.classify(batch["image"]).float(), batch["label"]
        return {"loss/total": self._loss(logits, label), "accuracy/batch": (logits.argmax(1) == label).float().mean()}

    def _shift(self, images: Tensor) -> Tensor:
        """The batch (B, C, H, W) shifted at random over black: one shift per batch is one copy, and varied enough."""
        by = self.config.shift
        if not by:
            return images
        top, left = torch.randint(0, 2 * by + 1, (2,)).tolist()
        padded = F.pad(images, (by, by, by, by), value=-1.0)
        return padded[:, :, top : top + images.shape[2], left : left + images.shape[3]]

    # --------------------------------------------------------------- inference

    def classify(self, x: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W) in [-1, 1]."""
        logits: Tensor = self.head(self.body(x))
        return logits

    def probabilities(self, x: Tensor) -> Tensor:
        """The output for each class, (B, K) in [0, 1], of images (B, C, H, W) in [-1, 1].

        With cross entropy it is a softmax, which sums to 1; with bce each output is independent.
        """
        logits = self.classify(x).float()
        return logits.softmax(1) if self.config.loss == "cross_entropy" else logits.sigmoid()

    def features(self, x: Tensor) -> Tensor:
        """The input (B, D) of the last layer, for images (B, C, H, W) in [-1, 1]; used for distances between sets."""
        features: Tensor = self.body(x)
        return features

    # ----------------------------------------------------------------- metrics

    def curves(self) -> dict[str, Curve]:
        classes = self.config.classes
        return {
            "loss/total": Curve(
                "cross entropy (nats)",
                f"ln {classes} = {math.log(classes):.2f} is a uniform guess; 0: certain and right."
                if self.config.loss == "cross_entropy"
                else "Binary cross entropy, mean over the classes; 0: certain and right.",
                0.0,
            ),
            "accuracy/batch": Curve("accuracy", "Fraction of the training batch classified correctly.", 1.0),
        }
