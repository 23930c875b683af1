"""Every kernel against its plain reference: single operations, then whole training steps of models that use it.

`GENMODELS_KERNELS=off` selects the plain versions. Here both run in turn in one process, on one thread, in CPU seconds.
A kernel should make a whole step at least 1.2 times as fast; convolutions as products are a candidate of the tuner.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import options
from benchmarks.options import Length
from genmodels import data, kernels, recipes, registry
from genmodels.config import Runtime
from genmodels.data.audio_loader import AudioLoader
from genmodels.kernels import convolution
from genmodels.kernels.cross_entropy import cross_entropy
from genmodels.kernels.dropout import Dropout
from genmodels.layers.instance_norm import InstanceNorm
from genmodels.runs import checkpoint
from genmodels.training import tune

ROUNDS, WAVENET_BATCH = 9, 4


@dataclass(frozen=True)
class Case:
    """What is timed: `run` with the kernel `module` on and off; `network` has the layers that may use products."""

    module: str
    title: str
    run: Callable[[], object]
    network: nn.Module | None = None


def seconds(case: Case, enabled: bool) -> float:
    kernels.ENABLED = enabled
    if case.network is not None:
        convolution.use_products(case.network)
    start = time.process_time()
    case.run()
    return time.process_time() - start


def compare(case: Case, rounds: int) -> str:
    """A row: milliseconds with the plain version and with the kernel, and their ratio, after one round for warm-up."""
    times: dict[bool, list[float]] = {False: [], True: []}
    for number in range(rounds + 1):
        for enabled in (False, True):
            value = seconds(case, enabled)
            if number:
                times[enabled].append(value)
    plain, fast = (statistics.median(times[enabled]) for enabled in (False, True))
    return f"| {case.module} | {case.title} | {1e3 * plain:,.1f} | {1e3 * fast:,.1f} | {plain / fast:.2f}x |"


# ------------------------------------------------------------------------------ operations


def operation(forward: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    """Forward and backward pass of `forward` at `x`."""
    x.requires_grad_()

    def run() -> None:
        x.grad = None
        y = forward(x)
        y.backward(torch.ones_like(y))  # type: ignore[no-untyped-call]

    return run


def operations(length: Length) -> list[Case]:
    batch = length.batch
    target = torch.randint(256, (196 * batch,))
    layer = convolution.Conv2d(256, 512, 4, 2, 1).bfloat16()
    maps = torch.randn(batch // 8, 64, 128, 128).bfloat16().contiguous(memory_format=torch.channels_last)
    small_maps = torch.randn(batch, 256, 8, 8).bfloat16().contiguous(memory_format=torch.channels_last)
    logits = torch.randn(len(target), 256).bfloat16()
    return [
        Case("dropout", f"({batch}, 1024)", operation(Dropout(0.3).train(), torch.randn(batch, 1024))),
        Case("cross_entropy", f"({len(target)}, 256), bf16", operation(lambda x: cross_entropy(x, target), logits)),
        Case("instance_norm", f"{tuple(maps.shape)}, bf16", operation(InstanceNorm(), maps)),
        Case("convolution", f"{tuple(small_maps.shape)} to 512, bf16", operation(layer, small_maps), layer),
    ]


# ------------------------------------------------------------------------------ training steps


def step_of(model: Any, batch: dict[str, Tensor], *, bf16: bool = False, channels_last: bool = False) -> Any:
    """One training step per call; of WGAN-GP, the critic's steps and the generator's."""
    tune.prepare(model.train(), Runtime.parse({"threads": 1, "channels_last": channels_last}))
    optimizers = model.configure_optimizers()
    steps = getattr(model.config, "n_critic", 1)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            for step in range(steps):
                model.training_step(batch, optimizers, step)

    return run


def recipe_model(name: str, data_name: str) -> Any:
    return checkpoint.build(recipes.resolve(recipes.get(name), overrides={"data": {"name": data_name}}).model_dump())


def images(batch: int, *shape: int) -> Tensor:
    return torch.rand(batch, *shape).mul(2).sub(1)


def steps(length: Length) -> list[Case]:
    size, side = length.batch, 32 if length.short else 128
    digits = {"image": images(size, 1, 28, 28), "label": torch.randint(10, (size,))}
    recordings = data.load_audio(data.DataConfig(name="tones"))
    audio = AudioLoader(recordings, WAVENET_BATCH, 0, torch.device("cpu")).batch(0)
    pair = {"image_a": images(1, 3, side, side), "image_b": images(1, 3, side, side)}
    cyclegan = registry.get("cyclegan").build(image_shape=(3, side, side), residual_blocks=6)
    dcgan = registry.get("dcgan").build(image_shape=(3, 64, 64))
    wide, pixelcnn, wgan_gp = (
        recipe_model(name, "digits") for name in ("mnist_gan_wide", "mnist_gated_pixelcnn", "mnist_wgan_gp")
    )
    wavenet = recipe_model("fsdd_wavenet", "tones")
    photos = {"image": images(size, 3, 64, 64)}
    return [
        Case("dropout", "step of mnist_gan_wide", step_of(wide, digits)),
        Case("cross_entropy", "step of mnist_gated_pixelcnn, bf16", step_of(pixelcnn, digits, bf16=True)),
        Case(
            "instance_norm",
            f"step of CycleGAN, {side} x {side}, bf16",
            step_of(cyclegan, pair, bf16=True, channels_last=True),
        ),
        Case(
            "convolution",
            "step of DCGAN, 64 x 64, bf16",
            step_of(dcgan, photos, bf16=True, channels_last=True),
            dcgan,
        ),
        Case("penalised_critic", "steps of mnist_wgan_gp", step_of(wgan_gp, digits)),
        Case("penalised_critic", "steps of mnist_wgan_gp, bf16", step_of(wgan_gp, digits, bf16=True)),
        Case("causal", "step of fsdd_wavenet", step_of(wavenet, audio)),
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
