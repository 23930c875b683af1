"""Every kernel against its plain reference: single operations, then whole training steps of models that use it.

Both run in turn in one process, on one thread, in CPU seconds. A kernel that does not make a whole step 1.2 times as
fast on two kinds of processor is a candidate of the tuner: `convolution`, `dropout` and `penalised_critic`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import options
from benchmarks.options import Length
from genmodels import kernels, recipes, registry
from genmodels.config import Runtime
from genmodels.kernels.candidates import CANDIDATES
from genmodels.layers.instance_norm import InstanceNorm
from genmodels.runs import checkpoint
from genmodels.training import tune

ROUNDS = 9


@dataclass(frozen=True)
class Case:
    """What is timed: the same work with the plain version and with the kernel."""

    kernel: str
    title: str
    plain: Callable[[], object]
    fast: Callable[[], object]


def compare(case: Case, rounds: int) -> str:
    """A row: milliseconds with the plain version and with the kernel, and their ratio, after one round for warm-up."""
    times: dict[bool, list[float]] = {False: [], True: []}
    for number in range(rounds + 1):
        for enabled, run in ((False, case.plain), (True, case.fast)):
            kernels.ENABLED = enabled  # for kernels that need not be chosen
            start = time.process_time()
            run()
            if number:
                times[enabled].append(time.process_time() - start)
    plain, fast = (statistics.median(times[enabled]) for enabled in (False, True))
    return f"| {case.kernel} | {case.title} | {1e3 * plain:,.1f} | {1e3 * fast:,.1f} | {plain / fast:.2f}x |"


# ------------------------------------------------------------------------------ operations


def operation(kernel: str, title: str, layer: nn.Module, x: Tensor) -> Case:
    """Forward and backward pass of a layer at `x`."""
    x.requires_grad_()

    def timed(layer: nn.Module) -> Callable[[], None]:
        def run() -> None:
            x.grad = None
            with torch.autocast("cpu", torch.bfloat16, enabled=x.dtype == torch.bfloat16):
                y = layer(x)
            y.backward(torch.ones_like(y))

        return run

    return Case(kernel, title, timed(layer), timed(with_kernel(layer, kernel)))


def with_kernel(model: Any, kernel: str) -> Any:
    """A copy of a model that uses a candidate of the tuner, or that uses a kernel whenever kernels are on."""
    copy = deepcopy(model)
    if kernel in CANDIDATES:
        CANDIDATES[kernel].use(copy)
    return copy


def operations(length: Length) -> list[Case]:
    batch = length.batch
    layer = nn.Conv2d(256, 512, 4, 2, 1).bfloat16()
    maps = torch.randn(batch // 8, 64, 128, 128).bfloat16().contiguous(memory_format=torch.channels_last)
    small_maps = torch.randn(batch, 256, 8, 8).bfloat16().contiguous(memory_format=torch.channels_last)
    return [
        operation("instance_norm", f"{tuple(maps.shape)}, bf16", InstanceNorm(), maps),
        operation("convolution", f"{tuple(small_maps.shape)} to 512, bf16", layer, small_maps),
        operation("dropout", f"({batch}, 1024)", nn.Dropout(0.3), torch.randn(batch, 1024)),
    ]


# ------------------------------------------------------------------------------ training steps


def step(
    kernel: str, title: str, model: Any, batch: dict[str, Tensor], *, bf16: bool = False, channels_last: bool = False
) -> Case:
    """One training step; of WGAN-GP, the critic's steps and the generator's."""
    model = model.train()
    tune.prepare(model, Runtime(threads=1, channels_last=channels_last))

    def timed(model: Any) -> Callable[[], None]:
        optimizers, steps = model.configure_optimizers(), getattr(model.config, "n_critic", 1)

        def run() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                for number in range(steps):
                    model.training_step(batch, optimizers, number)

        return run

    return Case(kernel, f"{title}{', bf16' * bf16}", timed(model), timed(with_kernel(model, kernel)))


def recipe_model(name: str, data_name: str) -> Any:
    return checkpoint.build(recipes.resolve(recipes.get(name), overrides={"data": {"name": data_name}}).model_dump())


def images(batch: int, *shape: int) -> Tensor:
    return torch.rand(batch, *shape).mul(2).sub(1)


def steps(length: Length) -> list[Case]:
    size, side = length.batch, 32 if length.short else 128
    digits = {"image": images(size, 1, 28, 28), "label": torch.randint(10, (size,))}
    pair = {"image_a": images(1, 3, side, side), "image_b": images(1, 3, side, side)}
    photos = {"image": images(size, 3, 64, 64)}
    cyclegan = registry.get("cyclegan").build(image_shape=(3, side, side), residual_blocks=6)
    dcgan = registry.get("dcgan").build(image_shape=(3, 64, 64))
    wide, wgan_gp = recipe_model("mnist_gan_wide", "digits"), recipe_model("mnist_wgan_gp", "digits")
    return [
        step("instance_norm", f"step of CycleGAN, {side} x {side}", cyclegan, pair, bf16=True, channels_last=True),
        step("convolution", "step of DCGAN, 64 x 64", dcgan, photos, bf16=True, channels_last=True),
        step("dropout", "step of mnist_gan_wide", wide, digits),
        step("penalised_critic", "steps of mnist_wgan_gp", wgan_gp, digits),
        step("penalised_critic", "steps of mnist_wgan_gp", wgan_gp, digits, bf16=True),
    ]


def main() -> None:
    length = options.length(__doc__)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    print("| kernel | forward and backward | plain, ms | kernel, ms | gain |\n|---|---|---|---|---|")
    for case in operations(length):
        print(compare(case, length.of(ROUNDS)), flush=True)
    for case in steps(length):
        print(compare(case, length.rounds), flush=True)


if __name__ == "__main__":
    main()
