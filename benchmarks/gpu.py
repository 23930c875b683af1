"""Ten minutes of a GPU: tests on CUDA, speed against the peak rate of bf16, then two trainings for the remaining time.

1. The training step and exact resume of every family on the device (tests/papers/test_cuda.py).
2. Images per second of `dcgan_64`, `mnist_wgan_gp`, CycleGAN at 256 pixels and Darknet, in several precisions and
   layouts, and the fraction of the measured bf16 peak that their convolutions and matrix products reach.
3. `cifar10_darknet` and `horse2zebra_cyclegan_resnet9` (256 pixels), if their data is in GENMODELS_DATA. They save
   every minute, stop when the time is over, and go on from there when the part is run again.

python -m benchmarks.gpu --minutes 10; rehearsal without a GPU: python -m benchmarks.gpu --device cpu --short
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import ceiling, options
from benchmarks.convolutions import megaflop_per_image
from genmodels import data, evaluation, recipes, registry
from genmodels.config import Runtime
from genmodels.data.loader import Loader, loader_for
from genmodels.data.spec import Arrays
from genmodels.errors import ConfigError
from genmodels.evaluation.metric_table import name_of, value_of
from genmodels.recipes import Spec
from genmodels.runs import catalog, checkpoint
from genmodels.runs.folder import RunFolder, runs_root
from genmodels.training import accelerators, runner, tune
from genmodels.training.trainer import resolve_device

PROJECT = Path(__file__).parents[1]
SPEEDS = ("dcgan_64", "mnist_wgan_gp", "horse2zebra_cyclegan_resnet9", "cifar10_darknet")
TRAININGS = ("cifar10_darknet", "horse2zebra_cyclegan_resnet9")
RUNTIMES = {
    "float32": Runtime(),
    "bf16": Runtime(precision="bf16"),
    "bf16, channels last": Runtime(precision="bf16", channels_last=True),
    "bf16, channels last, compiled": Runtime(precision="bf16", channels_last=True, compile=True),
}
_IMAGES = 512
_FRACTION_OF_TESTS, _FRACTION_OF_SPEEDS = 0.3, 0.3


@dataclass(frozen=True)
class Budget:
    """The time of the whole part: `deadline` by time.monotonic(), and `minutes` in all."""

    deadline: float
    minutes: float

    def left(self) -> float:
        """Seconds that remain, 0 if the time is over."""
        return max(0.0, self.deadline - time.monotonic())

    def part(self, fraction: float) -> float:
        """`fraction` of the whole time in seconds, at most what is left."""
        return min(self.left(), fraction * 60 * self.minutes)


def arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    parser.add_argument("--device", default="auto", help="auto: the first GPU; cpu for a rehearsal")
    parser.add_argument("--minutes", type=float, default=10.0, help="time for all parts together")
    parser.add_argument("--runs", type=Path, help="folder of the two trainings; the default is the folder of runs")
    parsed = parser.parse_args()
    if not 0 < parsed.minutes <= 24 * 60:
        parser.error(f"--minutes {parsed.minutes:g} is not allowed: above 0, at most 1440")
    return parsed


def run_tests(device: torch.device, budget: Budget) -> None:
    """Run the tests on CUDA in a process of their own; on another device only say that they are skipped."""
    if device.type != "cuda":
        print("tests on CUDA: skipped, this is a rehearsal on another device")
        return
    limit = budget.part(_FRACTION_OF_TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "tests/papers/test_cuda.py", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(command, cwd=PROJECT, timeout=limit, check=False)
        print(f"tests on CUDA: {'passed' if done.returncode == 0 else f'failed, exit code {done.returncode}'}")
    except subprocess.TimeoutExpired:
        print(f"tests on CUDA: stopped after {limit:.0f} s")


def spec_of(recipe: str, short: bool, **train: Any) -> Spec:
    """The recipe, or in the short form its smallest preset; the data need not be on this machine."""
    preset = "quick" if short else None
    return recipes.resolve(recipes.get(recipe), preset=preset, overrides={"train": train}, require_data=False)


def random_loader(spec: Spec, device: torch.device) -> Loader:
    """Batches of random images in the shape of the data: the content does not change the time of a step."""
    shape = spec.data_spec.image_shape
    assert shape is not None
    count = max(_IMAGES, 2 * spec.train.batch_size)
    random = np.random.default_rng(0)
    labels = np.arange(count) % max(2, spec.data_spec.num_classes)
    arrays = Arrays(random.integers(0, 256, (count, *shape), np.uint8), labels)
    return loader_for(registry.config_class(spec.family).batch_keys, arrays, spec.train.batch_size, 0, device)


def images_per_second(spec: Spec, runtime: Runtime, device: torch.device, seconds: float) -> float:
    """Images per second of the training step for about `seconds`, after three steps for warm-up."""
    tune.apply(runtime.replace(threads=torch.get_num_threads()))
    torch.manual_seed(0)
    model = checkpoint.build(spec.model_dump()).to(device).train()
    tune.prepare(model, runtime)
    optimizers, loader, step = model.configure_optimizers(), random_loader(spec, device), 0

    def train_step() -> None:
        nonlocal step
        with torch.autocast(device.type, torch.bfloat16, enabled=runtime.precision == "bf16"):
            model.training_step(loader.batch(step), optimizers, step)
        step += 1

    for _ in range(3):
        train_step()
    wait_for(device)
    start, first = time.perf_counter(), step
    while step == first or time.perf_counter() - start < seconds:
        train_step()
        wait_for(device)
    return (step - first) * spec.train.batch_size / (time.perf_counter() - start)


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_speeds(device: torch.device, budget: Budget, short: bool) -> None:
    """Print images per second and the fraction of the bf16 peak, in Markdown."""
    size = 256 if short else 8192 if device.type == "cuda" else 2048
    peak = ceiling.matmul_rate(torch.bfloat16, size, device=device)
    print(f"\nbf16 peak, {size} x {size} product: {peak / 1e12:,.2f} TFLOP/s\n")
    print("| recipe | settings | images per second | GFLOP per image | fraction of the bf16 peak |")
    print("|---|---|---|---|---|")
    seconds = 0.1 if short else budget.part(_FRACTION_OF_SPEEDS) / len(SPEEDS) / len(RUNTIMES) / 2
    runtimes = {name: runtime for name, runtime in RUNTIMES.items() if not (short and runtime.compile)}
    for recipe in SPEEDS:
        spec = spec_of(recipe, short)
        steps = spec.model.get("n_critic", 1)  # one round of a WGAN: the generator's update is in one of them
        flop = 1e6 * megaflop_per_image(spec, random_loader(spec, torch.device("cpu")), steps)
        for name, runtime in runtimes.items():
            try:
                rate = images_per_second(spec, runtime, device, seconds)
            except torch.OutOfMemoryError as error:
                print(f"| `{recipe}` | {name} | out of memory: {tune.in_one_line(error)} | | |")
                continue
            print(
                f"| `{recipe}` | {name} | {rate:,.1f} | {flop / 1e9:.3g} | {rate * flop / peak:.2%} |",
                flush=True,
            )


@contextlib.contextmanager
def stopping_after(seconds: float) -> Iterator[threading.Event]:
    """An event that is set after `seconds`."""
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()


def train(recipe: str, root: Path, device: torch.device, seconds: float, short: bool) -> None:
    """Train the recipe for about `seconds`, or go on with its run in `root`, and print its metrics.

    The short form stops at the first report of further steps.
    """
    spec = spec_of(recipe, short)
    problem = data.missing(spec.data)
    if problem is not None:
        print(f"{recipe}: not trained: {problem}")
        return
    if seconds < 1:
        print(f"{recipe}: not trained: the time is over")
        return
    runtime = RUNTIMES["bf16" if device.type == "cuda" else "float32"]
    rate = images_per_second(spec, runtime, device, 0.1 if short else 1.0)
    every = max(1, round(60 * rate / spec.train.batch_size))  # steps per minute
    path = root / f"gpu-{recipe}{'-short' if short else ''}"
    if path.exists():
        folder = RunFolder(path)
    else:
        settings = {"save_every": every, "preview_every": every, "keep_last": 2}
        folder = RunFolder.create(path, spec_of(recipe, short, **settings))
    first = max(folder.steps(), default=0)
    with stopping_after(seconds) as stop:

        def stop_early(report: dict[str, Any]) -> None:
            if short and report["phase"] == "training" and report["step"] > first:
                stop.set()

        began = time.monotonic()
        outcome = runner.train_folder(folder, device=str(device), stop=stop, on_report=stop_early)
    step = folder.steps()[-1]
    print(
        f"{recipe}: {outcome} at step {step:,} of {folder.spec().train.max_steps:,}, trained for "
        f"{time.monotonic() - began:.0f} s, in {folder.path}"
    )
    metrics = evaluation.brief(catalog.load(folder.path, step), folder.spec(), samples=500)
    for key in evaluation.metric_table.shown(metrics):
        print(f"  {name_of(key)}: {value_of(metrics, key)}")


def main() -> None:
    parsed = arguments()
    budget = Budget(time.monotonic() + 60 * parsed.minutes, parsed.minutes)
    probe = accelerators.probe()
    if parsed.device == "auto" and not probe.usable:
        reason = f": {probe.reason}" if probe.reason else ""
        print(f"no GPU that torch can use on this machine{reason}; nothing was measured")
        print("rehearse without one: python -m benchmarks.gpu --device cpu --short")
        return
    try:
        device = resolve_device(parsed.device)
    except ConfigError as error:
        sys.exit(f"error: {str(error).replace('run.device', '--device')}")
    print(
        f"device: {torch.cuda.get_device_name(device) if device.type == 'cuda' else device}, torch {torch.__version__}"
    )
    run_tests(device, budget)
    measure_speeds(device, budget, parsed.short)
    root = parsed.runs or runs_root()
    root.mkdir(parents=True, exist_ok=True)
    for number, recipe in enumerate(TRAININGS):
        seconds = 60.0 if parsed.short else max(0.0, budget.left() - 30) / (len(TRAININGS) - number)
        train(recipe, root, device, seconds, parsed.short)


if __name__ == "__main__":
    main()
