"""What a training will cost, before it is started: parameters counted without memory, seconds from real steps."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from genmodels import capabilities, checkpoint
from genmodels.model import Batch, Curve, Model
from genmodels.public import public_mode
from genmodels.recipes import Spec
from genmodels.training.tune import in_one_line

BUDGET_S = 0.25
"""Seconds after which a batch is timed no more: estimates run in the thread that also serves images."""
KEPT_S = 300.0
"""Seconds for which an estimate is kept: the machine may have been busy with something else."""
_TIMED = 3  # rounds of steps of which the fastest counts
_ROUND = 10  # the longest round: of more critic steps than this, the generator's step is a small part
_GROWTH = 4  # of the batch that is timed, towards the real one
MAX_PARAMETERS = 20_000_000
"""Above it no step is timed: with gradients and Adam's two moments a parameter costs 16 bytes of the web server."""
MAX_PRODUCT = 10**10
"""Of parameters and batch size: about the multiplications of one forward pass, here a second of two cores."""
MAX_ACTIVATIONS = 2**28
"""Numbers that all layers put out for one batch, a gigabyte: convolutions have few parameters and many of these."""
MAX_STEP_S = 0.5
"""No step that may take longer is timed: it is extrapolated from the largest batch whose step is shorter."""
_RANDOM = {"image", "label", "image_a", "image_b"}  # what can be made up
_PROBE = 2  # examples that the activations are counted with, and timing begins with


@dataclass(frozen=True)
class Estimate:
    """Seconds that a training takes on one thread of this CPU; None if unknown, because a trial step failed or not."""

    seconds: float | None
    failure: str | None = None


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
    """The seconds of `of`."""
    return of(spec).seconds


def of(spec: Spec) -> Estimate:
    """About how long the training will take on this machine's CPU.

    Never timed on a public server, nor above the ceilings: a visitor must not choose how much memory the server takes.

    Real steps in plain float32 on random data: what the tuner wins later (bf16, threads, compile) is not in it, nor
    is what previews and checkpoints cost. A trial step that fails gives no seconds but a reason: it has random data,
    so the training may work.
    """
    count = parameter_count(spec)
    if public_mode() or count > MAX_PARAMETERS or count * spec.train.batch_size > MAX_PRODUCT:
        return Estimate(None)
    # The inference thread forbids gradients; here they are needed for a moment.
    with torch.inference_mode(False), torch.enable_grad():
        per_step = _seconds_of_step(
            spec.model,
            json.dumps(spec.config, sort_keys=True),
            spec.train.batch_size,
            max(1, spec.data_spec.num_classes),
            spec.data_spec.provides,
        )
    if per_step.seconds is None:
        return per_step
    return Estimate(per_step.seconds * (spec.train.max_steps or 0))


class _Expiring:
    """Results of a function by its arguments, each for KEPT_S seconds."""

    def __init__(self, function: Callable[..., Estimate]) -> None:
        self._function = function
        self._results: OrderedDict[tuple[Any, ...], tuple[float, Estimate]] = OrderedDict()

    def __call__(self, *arguments: Any) -> Estimate:
        until, result = self._results.get(arguments, (0.0, None))
        if result is None or time.monotonic() > until:
            result = self._function(*arguments)
            self._results[arguments] = (time.monotonic() + KEPT_S, result)
            self._results.move_to_end(arguments)
            while len(self._results) > 256:
                self._results.popitem(last=False)
        return result

    def cache_clear(self) -> None:
        self._results.clear()


@_Expiring
def _seconds_of_step(name: str, config: str, batch_size: int, classes: int, provides: tuple[str, ...]) -> Estimate:
    try:
        model = checkpoint.build({"model": name, "config": json.loads(config)}).train()
        return Estimate(_time_step(model, batch_size, classes, provides))
    except Exception as error:  # noqa: BLE001 - whatever fails here has not failed in a training
        return Estimate(None, in_one_line(error))


def _time_step(model: Model, batch_size: int, classes: int, provides: tuple[str, ...]) -> float | None:
    """Seconds of a step, timed on batches that grow from a tiny one to the real one while their steps are short."""
    tiny = _random_batch(model, _PROBE, classes, provides)
    if tiny is None:
        return None
    optimizers = model.configure_optimizers()
    for optimizer in optimizers.values():  # weights that do not move cannot diverge; the arithmetic is the same
        for group in optimizer.param_groups:
            group["lr"] = 0.0
    if _activations(model, optimizers, tiny) * batch_size > MAX_ACTIVATIONS:
        return None
    size = min(_PROBE, batch_size)
    while True:
        rows = torch.arange(size) % _PROBE
        seconds = _fastest(model, optimizers, {key: tensor[rows] for key, tensor in tiny.items()})
        larger = min(_GROWTH * size, batch_size)
        # A batch takes at most as many times longer as it is larger.
        if larger == size or seconds * larger / size > MAX_STEP_S:
            return seconds * batch_size / size
        size = larger


def _fastest(model: Model, optimizers: dict[str, torch.optim.Optimizer], batch: Batch) -> float:
    """Mean seconds of a step in the fastest of some rounds, each of which has one step of a GAN's generator."""
    critic_steps = int(getattr(model.config, "n_critic", 1))
    length = critic_steps if critic_steps <= _ROUND else 1
    # With one thread its CPU time leaves out what other processes take; with more, it would leave out the others' work.
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    step = model.usual_step
    model.training_step(batch, optimizers, step)  # the first step with a batch of this size makes its buffers
    rounds: list[float] = []
    begin = time.perf_counter()
    elapsed = 0.0
    while not rounds or elapsed < BUDGET_S or (len(rounds) < _TIMED and elapsed < 2 * BUDGET_S):
        before = clock()
        for _ in range(length):
            step += 1
            model.training_step(batch, optimizers, step)
        rounds.append((clock() - before) / length)
        elapsed = time.perf_counter() - begin
    return min(rounds)


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
    if shape is None or not set(model.batch_keys) <= _RANDOM or not set(model.batch_keys) <= set(provides):
        return None
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(size, *shape, generator=generator).mul_(2).sub_(1)
    label = torch.randint(classes, (size,), generator=generator)
    return {"image": image, "label": label, "image_a": image, "image_b": -image}
