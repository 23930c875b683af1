"""A small convolutional classifier, in the shape of LeCun et al. 1998 (doi 10.1109/5.726791) with today's parts.

Each block is a convolution, batch normalisation, ReLU and, where asked for, a 2x2 maximum; then dropout, one hidden
layer of `features` and a linear layer to the classes. Training minimises the cross entropy of the true class,

    loss = -log softmax(logits)[label],

on pictures shifted by up to `shift` pixels. The hidden features are what the studio measures generators with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, live


class CNNClassifierConfig(ModelConfig):
    """Blocks of 3x3 convolutions; pictures need sides of at least 2 to the power of the number of pools."""

    requires: ClassVar[tuple[str, ...]] = ("image", "label")

    channels: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(
        (32, 32, 64, 64), min_length=1, max_length=12, description="output channels of each 3x3 convolution"
    )
    pool_after: tuple[Annotated[int, Field(ge=1, le=12)], ...] = Field(
        (2, 4), description="convolutions (from 1) after which the picture is halved by a 2x2 maximum"
    )
    features: int = Field(128, ge=1, le=4096, description="width of the hidden layer, the judge's features")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of values dropped before the last layers")
    shift: int = Field(2, ge=0, le=8, description="pixels a training picture is moved by at random, each way")
    lr: float = live(2e-3, gt=0, le=1, description="highest learning rate of Adam; it falls to zero along a cosine")

    @property
    def pools(self) -> int:
        """How often the picture is halved."""
        return len(set(self.pool_after) & set(range(1, len(self.channels) + 1)))

    @model_validator(mode="after")
    def _pictures_survive_the_pools(self) -> Self:
        if self.image_shape is not None and min(self.image_shape[1:]) < 2**self.pools:
            height, width = self.image_shape[1:]
            raise ValueError(
                f"pool_after halves pictures {self.pools} times, but the data's are only {height}x{width}: pool less"
            )
        return self


import math

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
        channels, height, width = config.image_shape or (0, 0, 0)
        if not config.num_classes:
            raise ConfigError("model.num_classes is 0: a classifier needs data with classes, for example --data digits")
        pools = config.pools
        layers: list[nn.Module] = []
        for index, outputs in enumerate(config.channels, start=1):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            if index in config.pool_after:
                layers.append(nn.MaxPool2d(2))
            channels = outputs
        flat = channels * (height >> pools) * (width >> pools)
        self.body = nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(config.dropout), nn.Linear(flat, config.features), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.features, config.num_classes))

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        """Up over the first tenth, then along a cosine to zero."""
        warm = max(1, max_steps // 10)
        if step < warm:
            return {"model": (step + 1) / warm}
        return {"model": cosine(step - warm, max_steps - warm)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        logits = self.classify(self._shifted(batch["image"])).float()

        # minimise -log softmax(logits)[label], the mean over the batch
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
                f"Starts at ln {classes} = {math.log(classes):.2f}, pure guessing; 0 is certainty.",
                0.0,
            ),
            "accuracy/batch": Curve("accuracy", "Share of a training batch named rightly.", 1.0),
        }

    # --------------------------------------------------------------- inference

    def classify(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x))
        return logits

    def features(self, x: Tensor) -> Tensor:
        """The hidden layer (B, features) of images (B, C, H, W): what distances between sets of pictures use."""
        hidden: Tensor = self.body(x)
        return hidden
