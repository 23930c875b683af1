"""Multilayer perceptron: Rumelhart, Hinton and Williams 1986, doi 10.1038/323533a0.

Names pictures with a few fully connected layers, one output a class. With y the one-hot label and p the squashed
outputs, training minimises one of

    mse:            mean over classes of (p - y)^2
    bce:            mean over classes of -y log p - (1 - y) log(1 - p),     p = sigmoid
    cross_entropy:  -log softmax(logits)[label]

Inside, a pixel is in [0, 1]; pictures outside are [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, live


class MLPClassifierConfig(ModelConfig):
    """Layers, what squashes them, and the loss."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image", "label")

    hidden_sizes: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = Field(
        (200,), min_length=1, max_length=8, description="widths of the hidden layers"
    )
    activation: Literal["sigmoid", "leaky_relu", "relu"] = Field("sigmoid", description="between the layers")
    output: Literal["sigmoid", "leaky_relu", "none"] = Field(
        "sigmoid", description="what squashes the last layer before the loss; none for cross_entropy"
    )
    leaky_slope: float = Field(0.02, gt=0, lt=1, description="slope of LeakyReLU below zero")
    layer_norm: bool = Field(False, description="normalise hidden layers before the next one")
    loss: Literal["mse", "bce", "cross_entropy"] = Field("mse", description="what is minimised")
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="who changes the weights")
    lr: float = live(0.01, gt=0, le=10, description="learning rate")

    @model_validator(mode="after")
    def _loss_fits_the_output(self) -> Self:
        fitting = {"mse": ("sigmoid", "leaky_relu"), "bce": ("sigmoid",), "cross_entropy": ("none",)}[self.loss]
        if self.output not in fitting:
            raise ValueError(
                f"loss = {self.loss!r} needs output = {' or '.join(map(repr, fitting))}, not {self.output!r}"
            )
        return self


import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.errors import ConfigError
from genmodels.networks.mlp import mlp
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
from genmodels.registry import register


@register("mlp_classifier")
class MLPClassifier(Model):
    Config = MLPClassifierConfig
    title = "Perceptron classifier"
    paper = "Rumelhart et al. 1986, doi 10.1038/323533a0"
    config: MLPClassifierConfig

    def __init__(self, config: MLPClassifierConfig) -> None:
        super().__init__(config)
        if not config.num_classes:
            raise ConfigError("model.num_classes is 0: a classifier needs data with classes, for example --data digits")
        pixels = torch.Size(config.image_shape or ()).numel()
        activations: dict[str, Callable[[], nn.Module]] = {
            "sigmoid": nn.Sigmoid,
            "relu": nn.ReLU,
            "leaky_relu": partial(nn.LeakyReLU, config.leaky_slope),
        }
        self.network = mlp(
            [pixels, *config.hidden_sizes, config.num_classes],
            activations[config.activation],
            layer_norm=config.layer_norm,
        )

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer(self.config.optimizer, self, self.config.lr)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        logits, label = self.classify(batch["image"]).float(), batch["label"]

        # minimise the loss of the squashed outputs against the one-hot label, the mean over the batch
        loss = self._loss(logits, label)
        update(optimizers["model"], loss)
        return {"loss/total": loss.detach(), "accuracy/batch": (logits.detach().argmax(1) == label).float().mean()}

    def _loss(self, logits: Tensor, label: Tensor) -> Tensor:
        if self.config.loss == "cross_entropy":
            return F.cross_entropy(logits, label)
        target = F.one_hot(label, logits.shape[1]).float()
        if self.config.loss == "bce":
            return F.binary_cross_entropy_with_logits(logits, target)
        return F.mse_loss(self._squash(logits), target)

    def _squash(self, logits: Tensor) -> Tensor:
        if self.config.output == "leaky_relu":
            return F.leaky_relu(logits, self.config.leaky_slope)
        return torch.sigmoid(logits)

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("loss", "How far the outputs are from the one-hot label; 0 is certainty.", 0.0),
            "accuracy/batch": Curve("accuracy", "Share of the batch named rightly, on training pictures.", 1.0),
        }

    # --------------------------------------------------------------- inference

    def classify(self, x: Tensor) -> Tensor:
        """The last layer before squashing, (B, K): the largest is the class, whatever squashes it."""
        logits: Tensor = self.network(x.add(1).mul(0.5).flatten(1))
        return logits

    def probabilities(self, x: Tensor) -> Tensor:
        """What the network says of each class, (B, K) in [0, 1].

        With cross entropy a softmax, which sums to 1. With mse or bce each output was trained on its own, so they need
        not sum to 1, and a LeakyReLU, which may leave [0, 1], is cut off there.
        """
        logits = self.classify(x).float()
        return logits.softmax(1) if self.config.loss == "cross_entropy" else self._squash(logits).clamp(0, 1)
