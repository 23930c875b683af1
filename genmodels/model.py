"""The contract of every model: a network with its own training step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.config import NOT_FILLED, ModelConfig
from genmodels.errors import CapabilityError, ConfigError, DivergedError

__all__ = [
    "Batch",
    "Curve",
    "Metrics",
    "Model",
    "ModelConfig",
    "constant_then_linear",
    "cosine",
    "linear",
    "make_optimizer",
    "update",
]

Batch = Mapping[str, Tensor]
"""Keys `image label audio length speaker image_a image_b content style`.

Images are float32 (B, C, H, W) in [-1, 1]; audio is float32 (B, T) in [-1, 1], silent after each `length`, int64 (B,).
"""

Metrics = dict[str, Tensor]
"""Detached 0-d tensors, read only on logged steps: reading one synchronises CPU and GPU."""


@dataclass(frozen=True)
class Curve:
    """How to read a metric: its label, its meaning, and its ideal value if theory gives one."""

    label: str
    meaning: str
    ideal: float | None = None


class Model(nn.Module, ABC):
    """One paper. A subclass defines Config, networks and `training_step`; further methods are its capabilities."""

    name: ClassVar[str]  # set by @register
    Config: ClassVar[type[ModelConfig]]
    title: ClassVar[str]
    paper: ClassVar[str]
    modality: ClassVar[Literal["image", "audio"]] = "image"
    batch_keys: ClassVar[tuple[str, ...]]  # set by @register from the config, which is read without torch
    training_only: ClassVar[frozenset[str]] = frozenset()
    """Submodules that only training needs (discriminators, critics); None if the checkpoint lacks them."""
    pretrained: ClassVar[frozenset[str]] = frozenset()
    """Submodules that are neither trained nor saved (VGG features)."""
    frozen: ClassVar[frozenset[str]] = frozenset()
    """Submodules that are saved but not trained: the first stage of a model in two stages."""
    differentiated_twice: ClassVar[frozenset[str]] = frozenset()
    """Submodules whose derivative is part of a loss, which torch.compile does not support."""

    config: Any  # each subclass narrows the type to its Config

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if getattr(config, config.shape_field) is None:
            raise ConfigError(NOT_FILLED.format(config.shape_field))
        self.config = config

    @classmethod
    def build(cls, **settings: Any) -> Self:
        """Returns a new model from settings; raises ConfigError."""
        return cls(cls.Config.parse(settings, "model."))

    @abstractmethod
    def learning_rates(self) -> dict[str, float]:
        """Base learning rate by optimizer, read from the config at every step: it may change during training."""

    @abstractmethod
    def configure_optimizers(self) -> dict[str, Optimizer]:
        """Optimizers by name, with the names of `learning_rates`."""

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        """Learning-rate factor by optimizer, a pure function of the step; 1 for an optimizer that is missing."""
        return {}

    @property
    def usual_step(self) -> int:
        """First step that does the same work as all later ones; steps are timed from there on."""
        return 0

    def start(self, batch: Batch) -> None:
        """Called once before step 0 with its batch: initialises weights from data, for example a canvas."""

    @abstractmethod
    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        """Performs all parameter updates of one batch; returns its metrics."""

    def logged_metrics(self, batch: Batch, metrics: Metrics) -> Metrics:
        """Metrics of a logged step: those of its training step, and what is too slow to compute at every step."""
        return metrics

    def validation_metrics(self, batch: Batch, step: int) -> Metrics:
        """Metrics of held-out examples by the names that `training_step` gives them, without an update; {} if none.

        Called on a copy in eval mode, without gradients and with fixed random numbers.
        """
        return {}

    def curves(self) -> dict[str, Curve]:
        """How to read the metrics, by name; the Runs page plots and explains them."""
        return {}

    @property
    def conditions(self) -> dict[str, int]:
        """Number of values of each condition, for example {"label": 10}; empty for an unconditional model."""
        config: ModelConfig = self.config
        return config.conditions

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def required(self, part: str) -> Any:
        """Returns the submodule `part`; raises CapabilityError if the checkpoint was published without it."""
        module = getattr(self, part)
        if module is None:
            raise CapabilityError(f"this checkpoint was published without its {part}, so it cannot score")
        return module

    def trainable(self) -> dict[str, nn.Parameter]:
        """Parameters by name, without those of pretrained and frozen parts."""
        fixed = self.pretrained | self.frozen
        return {name: p for name, p in self.named_parameters() if name.split(".")[0] not in fixed}


def cosine(step: int, max_steps: int, end: float = 0.0) -> float:
    """Learning-rate factor from 1 at step 0 to `end` at the last step, along half a cosine (arXiv 1608.03983)."""
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, max_steps))))


def linear(step: int, max_steps: int, end: float = 0.0) -> float:
    """Learning-rate factor from 1 at step 0 to `end` at the last step, along a straight line."""
    return 1 - (1 - end) * min(1.0, step / max(1, max_steps))


def constant_then_linear(step: int, max_steps: int, decay_from: float) -> float:
    """Learning-rate factor: 1 up to the fraction `decay_from` of the training, then linear to 0 at the last step."""
    start = decay_from * max_steps
    return 1.0 if step <= start else max(0.0, (max_steps - step) / (max_steps - start))


def make_optimizer(kind: str, module: nn.Module, lr: float, betas: tuple[float, float] = (0.9, 0.999)) -> Optimizer:
    """Returns `adam`, `sgd` or `rmsprop` for a module's parameters; raises ConfigError for another kind.

    The fused versions take one pass over memory instead of ten, which is most of a step at batch size 1.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    if kind == "adam":
        return torch.optim.Adam(parameters, lr=lr, betas=betas, fused=True)
    if kind == "sgd":
        return torch.optim.SGD(parameters, lr=lr, fused=True)
    if kind == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr, foreach=True)
    raise ConfigError(f"optimizer = {kind!r} is unknown; choose adam, sgd or rmsprop")


def update(optimizer: Optimizer, loss: Tensor) -> None:
    """Updates weights, the only place that does: zero_grad, backward, all-reduce, step.

    Gradients are float32: autocast covers forward passes only. Raises DivergedError if the loss is not finite, before
    the weights change. On a GPU reading the loss would stall every step; there the trainer checks the logged loss.
    """
    if loss.device.type == "cpu" and not math.isfinite(loss.item()):
        raise DivergedError(
            f"the loss became {loss.item()}; the last checkpoint is intact. Lower the learning rate "
            "(--set model.lr=...), or train with --set train.precision=fp32"
        )
    with torch.autocast(loss.device.type, enabled=False):
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            world = torch.distributed.get_world_size()
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        torch.distributed.all_reduce(parameter.grad)
                        parameter.grad.div_(world)
        optimizer.step()
