"""What a training will cost, before it is started: parameters counted without memory, seconds from real steps."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from genmodels import capabilities, checkpoint
from genmodels.model import Batch, Curve, Model
from genmodels.public import public_mode
from genmodels.recipes import Spec

BUDGET_S = 0.25
"""CPU time that one estimate may take: it runs in the thread that also draws pictures for other visitors."""
_WARM_UP_STEPS = 2
MAX_PARAMETERS = 20_000_000
"""Above it no step is timed: with gradients and Adam's two moments a parameter costs 16 bytes of the web server."""
MAX_PRODUCT = 10**10
"""Of parameters and batch size: about the multiplications of one forward pass, here a second of two cores."""
MAX_ACTIVATIONS = 2**28
"""Numbers that all layers put out for one batch, a gigabyte: convolutions have few parameters and many of these."""
MAX_STEP_S = 1.0
"""A longer step is reckoned from one on a tiny batch: convolutions use each weight once a pixel, up to seconds each."""
_RANDOM = {"image", "label", "image_a", "image_b"}  # what can be made up
_PROBE = 2  # examples that the activations are counted with, and long steps reckoned from


@dataclass(frozen=True)
class Outline:
    """What can be said about a model from its config alone."""

    parameters: Mapping[str, int]
    curves: Mapping[str, Curve]
    capabilities: tuple[str, ...]
    latent_dim: int | None

    @property
    def parameter_count(self) -> int:
        return sum(self.parameters.values())


def outline(spec: Spec) -> Outline:
    """Parameters by network, how to read the curves, what the model can do; on the meta device, which holds no numbers.

    Raises ConfigError where the config builds no model.
    """
    return _outline(spec.model, json.dumps(spec.config, sort_keys=True))


@lru_cache(maxsize=256)
def _outline(name: str, config: str) -> Outline:
    with torch.device("meta"):
        model = checkpoint.build({"model": name, "config": json.loads(config)})
    counts: dict[str, int] = {}
    for key, parameter in model.trainable().items():
        network = key.split(".")[0]
        counts[network] = counts.get(network, 0) + parameter.numel()
    return Outline(counts, model.curves(), capabilities.of(model), getattr(model, "latent_dim", None))


def parameter_count(spec: Spec) -> int:
    """Numbers that training adjusts, in all networks together."""
    return outline(spec).parameter_count


def seconds_of(spec: Spec) -> float | None:
    """About how long the training will take on this machine's CPU; None where a step cannot or should not be timed.

    Never timed on a public server, nor above the ceilings: a visitor must not choose how much memory the server takes.

    Real steps in plain float32 on random data: what the tuner wins later (bf16, threads, compile) is not in it, nor
    is what previews and checkpoints cost. Two warm-up steps are not counted; one that is longer than the budget is,
    and one of over a second is reckoned from a step on two examples.
    """
    count = parameter_count(spec)
    if public_mode() or count > MAX_PARAMETERS or count * spec.train.batch_size > MAX_PRODUCT:
        return None
    # The inference thread forbids gradients; here they are needed for a moment.
    with torch.inference_mode(False), torch.enable_grad():
        per_step = _seconds_of_step(
            spec.model,
            json.dumps(spec.config, sort_keys=True),
            spec.train.batch_size,
            max(1, spec.data_spec.num_classes),
            spec.data_spec.provides,
        )
    return None if per_step is None else per_step * (spec.train.max_steps or 0)


@lru_cache(maxsize=256)
def _seconds_of_step(name: str, config: str, batch_size: int, classes: int, provides: tuple[str, ...]) -> float | None:
    model = checkpoint.build({"model": name, "config": json.loads(config)}).train()
    batch = _random_batch(model, _PROBE, classes, provides)
    if batch is None:
        return None
    optimizers = model.configure_optimizers()
    if _activations(model, optimizers, batch) * batch_size > MAX_ACTIVATIONS:
        return None
    begin = time.perf_counter()
    model.training_step(batch, optimizers, model.usual_step + 1)
    reckoned = (time.perf_counter() - begin) * batch_size / _PROBE
    if reckoned > MAX_STEP_S:
        return reckoned
    rows = torch.arange(batch_size) % _PROBE
    batch = {key: tensor[rows] for key, tensor in batch.items()}
    durations: list[float] = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < BUDGET_S:
        before = time.perf_counter()
        model.training_step(batch, optimizers, model.usual_step + len(durations))
        durations.append(time.perf_counter() - before)
    steady = sorted(durations[_WARM_UP_STEPS:] or durations[-1:])
    return steady[len(steady) // 2]


def _activations(model: Model, optimizers: dict[str, torch.optim.Optimizer], batch: Batch) -> float:
    """Numbers an example that the layers put out in one training step, found with a step on a tiny batch."""
    count = 0

    def add(_module: torch.nn.Module, _inputs: object, output: object) -> None:
        nonlocal count
        count += output.numel() if isinstance(output, torch.Tensor) else 0

    hooks = [module.register_forward_hook(add) for module in model.modules() if not list(module.children())]
    model.training_step(batch, optimizers, model.usual_step)
    for hook in hooks:
        hook.remove()
    return count / _PROBE


def _random_batch(model: Model, size: int, classes: int, provides: tuple[str, ...]) -> Batch | None:
    """Random examples of the right shape; None where the model needs something other than pictures and labels."""
    shape: Any = model.config.image_shape
    if shape is None or not set(model.requires) <= _RANDOM or not set(model.requires) <= set(provides):
        return None
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(size, *shape, generator=generator).mul_(2).sub_(1)
    label = torch.randint(classes, (size,), generator=generator)
    return {"image": image, "label": label, "image_a": image, "image_b": -image}
