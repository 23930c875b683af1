"""Multilayer perceptron: Rumelhart, Hinton and Williams 1986, doi 10.1038/323533a0.

Classifies images with fully connected layers, one output per class. With y the one-hot label and p the outputs after
the output activation, training minimises one of

    mse:            mean over classes of (p - y)^2
    bce:            mean over classes of -y log p - (1 - y) log(1 - p),     p = sigmoid(logits)
    cross_entropy:  -log softmax(logits)[label]

    variable  paper  meaning
    logits    x_j    inputs of the output units
    p         y_j    outputs of the output units
    target    d_j    one-hot label
    mse       E      total error; the paper has half the sum instead of the mean

Images are (B, C, H, W) in [-1, 1]; the network's inputs are in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, live


class MLPClassifierConfig(ModelConfig):
    """Layers, activations, loss and optimizer."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image", "label")

    hidden_sizes: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = Field(
        (200,), min_length=1, max_length=8, description="widths of the hidden layers"
    )
    activation: Literal["sigmoid", "leaky_relu", "relu"] = Field(
        "sigmoid", description="activation of the hidden layers"
    )
    output: Literal["sigmoid", "leaky_relu", "none"] = Field(
        "sigmoid", description="output activation applied before the loss; none for cross_entropy"
    )
    leaky_slope: float = Field(0.02, gt=0, lt=1, description="slope of LeakyReLU below zero")
    layer_norm: bool = Field(False, description="layer normalisation after each hidden layer")
    loss: Literal["mse", "bce", "cross_entropy"] = Field("mse", description="loss function")
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="optimizer")
    lr: float = live(0.01, gt=0, le=10, description="learning rate")

    @model_validator(mode="after")
    def _loss_fits_the_output(self) -> Self:
        fitting = {"mse": ("sigmoid", "leaky_relu"), "bce": ("sigmoid",), "cross_entropy": ("none",)}[self.loss]
        if self.output not in fitting:
            raise ValueError(
                f"loss = {self.loss!r} needs output = {' or '.join(map(repr, fitting))}, not {self.output!r}"
            )
        return self


# Everything above the next line is read without torch (genmodels/registry.py).
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.errors import ConfigError
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
from genmodels.networks.mlp import mlp
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
        activations: dict[str, Callable[[], nn.Module]] = {
            "sigmoid": nn.Sigmoid,
            "relu": nn.ReLU,
            "leaky_relu": partial(nn.LeakyReLU, config.leaky_slope),
        }
        self.network = mlp(  # (B, C * H * W) -> (B, num_classes)
            [math.prod(config.shape), *config.hidden_sizes, config.num_classes],
            activations[config.activation],
            layer_norm=config.layer_norm,
        )

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer(self.config.optimizer, self, self.config.lr)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        logits, label = self.classify(batch["image"]).float(), batch["label"]  # (B, K) and (B,)

        # minimise, mean over the batch,
        #   cross_entropy:  -log softmax(logits)[label]
        #   bce:            mean over classes of -y log p - (1 - y) log(1 - p)
        #   mse:            mean over classes of (p - y)^2
        loss = self._loss(logits, label)
        update(optimizers["model"], loss)
        return {"loss/total": loss.detach(), "accuracy/batch": (logits.detach().argmax(1) == label).float().mean()}

    def validation_metrics(self, batch: Batch, step: int) -> Metrics:
        logits, label = self.classify(batch["image"]).float(), batch["label"]
        return {"loss/total": self._loss(logits, label), "accuracy/batch": (logits.argmax(1) == label).float().mean()}

    def _loss(self, logits: Tensor, label: Tensor) -> Tensor:
        if self.config.loss == "cross_entropy":
            return F.cross_entropy(logits, label)
        target = F.one_hot(label, logits.shape[1]).float()  # y: (B, K)
        if self.config.loss == "bce":
            return F.binary_cross_entropy_with_logits(logits, target)
        return F.mse_loss(self._output_activation(logits), target)

    def _output_activation(self, logits: Tensor) -> Tensor:
        """p (B, K): sigmoid or LeakyReLU of the logits."""
        if self.config.output == "leaky_relu":
            return F.leaky_relu(logits, self.config.leaky_slope)
        return torch.sigmoid(logits)

    # --------------------------------------------------------------- inference

    def classify(self, x: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W) in [-1, 1]; every output activation keeps their order."""
        logits: Tensor = self.network(x.add(1).mul(0.5).flatten(1))
        return logits

    def probabilities(self, x: Tensor) -> Tensor:
        """The output for each class, (B, K) in [0, 1], of images (B, C, H, W) in [-1, 1].

        With cross entropy it is a softmax, which sums to 1. With mse or bce each output is independent, so the sum may
        differ from 1; a LeakyReLU is clipped to [0, 1].
        """
        logits = self.classify(x).float()
        if self.config.loss == "cross_entropy":
            return logits.softmax(1)
        return self._output_activation(logits).clamp(0, 1)

    # ----------------------------------------------------------------- metrics

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("loss", "Distance of the outputs from the one-hot label; 0: they are equal.", 0.0),
            "accuracy/batch": Curve("accuracy", "Fraction of the training batch classified correctly.", 1.0),
        }
