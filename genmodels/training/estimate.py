"""Estimates parameters and time of a training before it starts: parameters on the meta device, time from real steps."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from genmodels import capabilities
from genmodels.model import Batch, Curve, Model
from genmodels.public import public_mode
from genmodels.recipes import Spec
from genmodels.runs import checkpoint
from genmodels.training.tune import in_one_line

BUDGET_S = 0.25
"""Seconds for timing one batch size: estimates run in the thread that also serves images."""
KEPT_S = 300.0
"""Seconds for which an estimate is cached: the machine may have been busy."""
_TIMED = 3  # rounds of steps; the fastest counts
_ROUND = 10  # longest round; with more critic steps, the generator step hardly matters
_GROWTH = 4  # factor between two timed batch sizes
MAX_PARAMETERS = 20_000_000
"""Larger models are not timed: with its gradient and Adam's moments a parameter takes 16 bytes of the web server."""
MAX_PRODUCT = 10**10
"""Limit of parameters times batch size, about the multiplications of a forward pass: a second of two cores here."""
MAX_ACTIVATIONS = 2**28
"""Limit of activations of all layers per batch, a gigabyte: convolutions have few parameters and many activations."""
MAX_STEP_S = 0.5
"""Longer steps are not timed but extrapolated from the largest batch with a shorter step."""
_RANDOM = {"image", "label", "image_a", "image_b"}  # batch keys that can be synthesised
_PROBE = 2  # batch size for counting activations and for the first timing


@dataclass(frozen=True)
class Estimate:
    """Seconds of a training on one thread of this CPU, None if unknown; `failure`: why a trial step failed."""

    seconds: float | None
    failure: str | None = None


@dataclass(frozen=True)
class Outline:
    """Properties of a model that follow from its config."""

    parameters: Mapping[str, int]
    curves: Mapping[str, Curve]
    capabilities: tuple[str, ...]
    latent_dim: int | None

    @property
    def parameter_count(self) -> int:
        return sum(self.parameters.values())


def outline(spec: Spec) -> Outline:
    """Parameters per network, curves and capabilities of a model, built on the meta device.

    Raises ConfigError if the config is invalid.
    """
    return _outline(spec.family, json.dumps(spec.model, sort_keys=True))


@lru_cache(maxsize=256)
def _outline(name: str, config: str) -> Outline:
    with torch.device("meta"):
        model = checkpoint.build({"family": name, "model": json.loads(config)})
    counts: dict[str, int] = {}
    for key, parameter in model.trainable().items():
        network = key.split(".")[0]
        counts[network] = counts.get(network, 0) + parameter.numel()
    return Outline(counts, model.curves(), capabilities.of(model), getattr(model, "latent_dim", None))


def parameter_count(spec: Spec) -> int:
    """Number of trainable parameters of all networks."""
    return outline(spec).parameter_count


def estimate_seconds(spec: Spec) -> float | None:
    """The estimated seconds of `of`; None if unknown."""
    return of(spec).seconds


def of(spec: Spec) -> Estimate:
    """Estimated training time on this machine's CPU.

    Not timed on a public server or above the limits: a visitor must not control how much memory the server uses.

    It times real float32 steps on random data, without the tuner's gain (bf16, threads, compile) and without previews
    and checkpoints. If a trial step fails, the result has the reason instead: on real data the training may work.
    """
    count = parameter_count(spec)
    if public_mode() or count > MAX_PARAMETERS or count * spec.train.batch_size > MAX_PRODUCT:
        return Estimate(None)
    # The inference thread disables gradients.
    with torch.inference_mode(False), torch.enable_grad():
        per_step = _seconds_of_step(
            spec.family,
            json.dumps(spec.model, sort_keys=True),
            spec.train.batch_size,
            max(1, spec.data_spec.num_classes),
            spec.data_spec.provides,
        )
    if per_step.seconds is None:
        return per_step
    return Estimate(per_step.seconds * (spec.train.max_steps or 0))


class _Expiring:
    """Caches the results of a function for KEPT_S seconds each."""

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
        model = checkpoint.build({"family": name, "model": json.loads(config)}).train()
        return Estimate(_time_step(model, batch_size, classes, provides))
    except Exception as error:  # noqa: BLE001 - the training itself may still work
        return Estimate(None, in_one_line(error))


def _time_step(model: Model, batch_size: int, classes: int, provides: tuple[str, ...]) -> float | None:
    """Seconds per step, timed on batches that grow towards the real size while steps are short."""
    tiny = _random_batch(model, _PROBE, classes, provides)
    if tiny is None:
        return None
    optimizers = model.configure_optimizers()
    for optimizer in optimizers.values():  # unchanged weights cannot diverge; the arithmetic is the same
        for group in optimizer.param_groups:
            group["lr"] = 0.0
    if _activations(model, optimizers, tiny) * batch_size > MAX_ACTIVATIONS:
        return None
    size = min(_PROBE, batch_size)
    while True:
        rows = torch.arange(size) % _PROBE
        seconds = _fastest(model, optimizers, {key: tensor[rows] for key, tensor in tiny.items()})
        larger = min(_GROWTH * size, batch_size)
        # Time grows at most linearly with the batch size.
        if larger == size or seconds * larger / size > MAX_STEP_S:
            return seconds * batch_size / size
        size = larger


def _fastest(model: Model, optimizers: dict[str, torch.optim.Optimizer], batch: Batch) -> float:
    """Mean seconds per step of the fastest round. Each round has one generator step of a GAN."""
    critic_steps = int(getattr(model.config, "n_critic", 1))
    length = critic_steps if critic_steps <= _ROUND else 1
    # With one thread, CPU time excludes other processes; with more, it would exclude the other threads' work.
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    step = model.usual_step
    model.training_step(batch, optimizers, step)  # warm-up: allocates buffers of this batch size
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
    """Activations per example of all layers in a training step, counted on a tiny batch."""
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
    """A batch of random examples; None if the model needs other inputs than images and labels."""
    shape: Any = model.config.image_shape
    if shape is None or not set(model.batch_keys) <= _RANDOM or not set(model.batch_keys) <= set(provides):
        return None
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(size, *shape, generator=generator).mul_(2).sub_(1)
    label = torch.randint(classes, (size,), generator=generator)
    mask = (image[:, :1] + 1) / 2
    masks = {"mask_a": mask, "mask_b": mask} if model.config.needs_masks else {}
    return {"image": image, "label": label, "image_a": image, "image_b": -image, **masks}
