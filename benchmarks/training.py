"""Training throughput against loops of tutorials and of the GAN book, alternating in one process."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks import ceiling, options, tutorials
from benchmarks.options import Length
from genmodels import data, recipes
from genmodels.config import Runtime
from genmodels.data.loader import MemoryLoader
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.runs import checkpoint
from genmodels.training import tune
from genmodels.training.trainer import Trainer

VAE_MEGAFLOP = 3.28  # matrix products of forward and backward pass, per image
GAN_MEGAFLOP = 2.85
# Each network has 1.49 million weights, 2 FLOP per weight and pass. Discriminator: forward and backward for a real and
# a fake image (without the input's gradient), then forward and backward to the input for a fake one. Generator: two
# forward passes and one backward pass.
WIDE_GAN_MEGAFLOP = 31.9


class Silent:
    """A Recorder that stores nothing, so that only the Trainer's loop is timed."""

    def requests(self) -> list[dict[str, Any]]:
        return []

    def report(self, step: int, steps_per_second: float, phase: str) -> None: ...

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def event(self, step: int, kind: str, **values: Any) -> None: ...

    def preview(self, step: int, model: Model) -> None: ...

    def save(self, step: int, model: Model, average: Any, resume: Any) -> None: ...


def our_rate(spec: Spec, loader: MemoryLoader, runtime: Runtime) -> float:
    """Images per second of the Trainer, after up to 30 steps for warm-up."""
    torch.set_flush_denormal(True)
    model = checkpoint.build(spec.model_dump())
    tune.prepare(model, runtime)
    steps = spec.train.max_steps or 0
    warm = Trainer(model, loader, spec.train.replace(max_steps=min(30, max(1, steps // 2))), runtime, Silent())
    warm.fit()
    trainer = Trainer(model, loader, spec.train, runtime, Silent())
    start = time.perf_counter()
    trainer.fit()
    return steps * spec.train.batch_size / (time.perf_counter() - start)


def plain_runtime() -> Runtime:
    return Runtime(threads=torch.get_num_threads(), why="plain float32")


def race(
    title: str, spec: Spec, loader: MemoryLoader, reference: Any, target: float, megaflop: float, length: Length
) -> None:
    """Time the reference loop and the Trainer in turn, `length.rounds` times; print rates, ratio and peak rate."""
    device = torch.device("cpu")
    long_run = spec.replace(train=spec.train.replace(max_steps=100 if length.short else 100_000).model_dump())
    runtime = tune._time_candidates(long_run, loader, device, print)
    torch.set_num_threads(runtime.threads)
    tune.apply(Runtime(threads=runtime.threads))
    rates = ceiling.print_ceiling(length.product)
    theirs, plain, ours = [], [], []
    for _ in range(length.rounds):
        tune.apply(Runtime(threads=runtime.threads))
        theirs.append(reference())
        plain.append(our_rate(spec, loader, plain_runtime()))
        tune.apply(runtime)
        ours.append(our_rate(spec, loader, runtime))
    ratio = statistics.median(ours) / statistics.median(theirs)
    gigaflops = statistics.median(ours) * megaflop / 1e3
    print(f"{title}: picked {runtime.precision}, {runtime.threads} threads, compile {runtime.compile}, {runtime.why}")
    for name, values in (("reference loop", theirs), ("ours, float32", plain), ("ours, picked", ours)):
        rounds = ", ".join(f"{value:,.0f}" for value in values)
        print(f"  {name:16} {statistics.median(values):12,.0f} images/s   ({rounds})")
    percent = 100 * gigaflops * 1e9 / rates["fp32" if runtime.precision == "fp32" else "bf16"]
    verdict = "reached" if ratio >= target else "missed"
    print(f"  ratio {ratio:.1f}x, target {target:g}x: {verdict}; {gigaflops:.0f} GFLOP/s, {percent:.0f} % of peak\n")


def main() -> None:
    length = options.length(__doc__)
    digits = options.digits()
    arrays = data.load(digits)
    train = {
        "max_steps": length.of(600),
        "preview_every": 10_000_000,
        "save_every": 10_000_000,
        "keep_steps": [],
        "max_epochs": None,
    }
    base = {"data": {"name": digits.name}, "train": train}
    vae = recipes.resolve(recipes.get("mnist_vae_20"), overrides=base)
    wide = recipes.resolve(
        recipes.get("mnist_gan_wide"),
        overrides={**base, "train": {**train, "batch_size": 64, "max_steps": length.of(200)}},
    )
    with tempfile.TemporaryDirectory() as folder:
        root = tutorials.unpacked(arrays, Path(folder))
        race(
            "mnist_vae_20, batch 128",
            vae,
            MemoryLoader(arrays, vae.train.batch_size, 0, torch.device("cpu")),
            lambda: tutorials.tutorial_vae_rate(root, length.of(300)),
            target=4,
            megaflop=VAE_MEGAFLOP,
            length=length,
        )
        race(
            "mnist_gan_wide, batch 64, against a tutorial loop at batch 64",
            wide,
            MemoryLoader(arrays, 64, 0, torch.device("cpu")),
            lambda: tutorials.tutorial_gan_rate(root, length.of(100), 64),
            target=2,
            megaflop=WIDE_GAN_MEGAFLOP,
            length=length,
        )
        race(
            "mnist_gan_wide, batch 64, against a tutorial loop at batch 1",
            wide,
            MemoryLoader(arrays, 64, 0, torch.device("cpu")),
            lambda: tutorials.tutorial_gan_rate(root, length.of(200), 1),
            target=50,
            megaflop=WIDE_GAN_MEGAFLOP,
            length=length,
        )
    one = wide.replace(train=wide.train.replace(batch_size=1, max_steps=length.of(200)).model_dump())
    one_at_a_time = MemoryLoader(arrays, 1, 0, torch.device("cpu"))
    race(
        "mnist_gan_wide, batch 64, against itself at batch 1",
        wide,
        MemoryLoader(arrays, 64, 0, torch.device("cpu")),
        lambda: our_rate(one, one_at_a_time, plain_runtime()),
        target=50,
        megaflop=WIDE_GAN_MEGAFLOP,
        length=length,
    )
    gan = recipes.resolve(recipes.get("mnist_gan"), overrides={**base, "train": {**train, "batch_size": 64}})
    loader = MemoryLoader(arrays, 64, 0, torch.device("cpu"))
    race(
        "mnist_gan's network, batch 64, against the book's batch 1",
        gan,
        loader,
        lambda: tutorials.book_gan_rate(arrays, length.of(600)),
        target=20,
        megaflop=GAN_MEGAFLOP,
        length=length,
    )


if __name__ == "__main__":
    main()
