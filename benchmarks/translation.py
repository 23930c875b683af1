"""CycleGAN: the training step against a tutorial's, translation against eager float32, memory of a large photograph.

Times are CPU seconds of one thread, so that other load on the machine is not measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import options
from benchmarks.options import Length
from benchmarks.tutorials_cyclegan import Tutorial
from genmodels import registry
from genmodels.config import Runtime
from genmodels.images import tiled
from genmodels.training import tune
from train_jobs.launchers.local import KEEP_MEMORY

SIDE = 128
MEGAPIXELS, SHORT_LARGE = (4000, 3000), (300, 40)
_LARGE = "--large"


def model_of(side: int = SIDE, **settings: Any) -> Any:
    torch.manual_seed(0)
    return registry.get("cyclegan").build(image_shape=(3, side, side), **settings)


def seconds(task: Callable[[], object]) -> float:
    start = time.process_time()
    task()
    return time.process_time() - start


def race(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each task, in turn, after one round for warm-up."""
    for task in tasks.values():
        task()
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            times[name].append(seconds(task))
    return times


def row(name: str, values: list[float]) -> str:
    return f"  {name:28} {1e3 * statistics.median(values):9,.0f} ms   ({', '.join(f'{1e3 * v:,.0f}' for v in values)})"


def verdict(ratio: float, target: float) -> str:
    return f"{ratio:.2f}x, target {target:g}x: {'reached' if ratio >= target else 'missed'}"


# ------------------------------------------------------------------------------ training


class Ours:
    """Training steps of a new model under one runtime; the first step compiles."""

    def __init__(self, side: int, channels: int, **runtime: Any) -> None:
        self.runtime = Runtime.parse({"threads": 1, **runtime})
        self.model = model_of(side, resnet_channels=channels, residual_blocks=6).train()
        tune.prepare(self.model, self.runtime)
        self.optimizers = self.model.configure_optimizers()

    def step(self, real_a: torch.Tensor, real_b: torch.Tensor) -> None:
        tune.apply(self.runtime)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.runtime.precision == "bf16"):
            self.model.training_step({"image_a": real_a, "image_b": real_b}, self.optimizers, 0)
        tune.apply(Runtime(threads=1))


def training(length: Length) -> None:
    side, channels = (32, 8) if length.short else (SIDE, 64)
    print(f"training step, ResNet of 6 blocks, {channels} channels, {side} x {side}, one pair, identity loss")
    a, b = torch.rand(2, 1, 3, side, side).mul(2).sub(1)
    tutorial = Tutorial(channels)
    ours = {
        "float32": Ours(side, channels),
        "bf16": Ours(side, channels, precision="bf16"),
        "bf16, channels last": Ours(side, channels, precision="bf16", channels_last=True),
    }
    tasks: dict[str, Callable[[], object]] = {"tutorial": lambda: tutorial.step(a, b)}
    tasks |= {f"ours, {name}": lambda one=one: one.step(a, b) for name, one in ours.items()}  # type: ignore[misc]
    times = race(tasks, length.rounds)
    for name, values in times.items():
        print(row(name, values))
    middle = {name: statistics.median(values) for name, values in times.items()}
    best = min(value for name, value in middle.items() if name != "tutorial")
    print(f"  best against the tutorial's: {verdict(middle['tutorial'] / best, 3)}")


# ------------------------------------------------------------------------------ one photograph


def photograph(length: Length) -> None:
    side = 64 if length.short else 256
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(127.5).sub(1).contiguous()
    large = model_of(residual_blocks=9).eval().requires_grad_(False)
    small = model_of(resnet_channels=32, residual_blocks=6, upsample="nearest").eval().requires_grad_(False)

    def eager(model: Any) -> torch.Tensor:
        with torch.inference_mode():
            translated: torch.Tensor = model.translate(x, "a_to_b")
            return translated

    print(f"one photograph of {side} x {side}; ours includes the conversion from and to bytes")
    for name, model in (("9 blocks, 64 channels", large), ("6 blocks, 32 channels", small)):
        tasks: dict[str, Callable[[], object]] = {
            "float32, eager": lambda model=model: eager(model),  # type: ignore[misc]
            "ours": lambda model=model: tiled.translate_image(model, pixels, "a_to_b"),  # type: ignore[misc]
        }
        times = race(tasks, length.rounds)
        theirs, ours = (statistics.median(times[key]) for key in ("float32, eager", "ours"))
        for key, values in times.items():
            print(row(f"{name}: {key}", values))
        if model is large:
            print(f"  against eager float32: {verdict(theirs / ours, 2.5)}")
        else:
            print(f"  {1e3 * ours:.0f} ms, target 100 ms: {'reached' if ours < 0.1 else 'missed'}")


# ------------------------------------------------------------------------------ a large photograph


def large(width: int, height: int) -> None:
    """Run in a subprocess, to measure its peak memory, with the memory settings of the server."""
    environment = {name: value for name, value in os.environ.items() if name not in KEEP_MEMORY}
    command = [sys.executable, "-m", "benchmarks.translation", _LARGE, str(width), str(height)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    result = json.loads(done.stdout.splitlines()[-1])
    gigabytes = result["kilobytes"] / 1e6
    print(
        f"{width} x {height}, 9 blocks, 64 channels: {result['seconds']:.0f} s, {result['tiles']} tiles, "
        f"{gigabytes:.2f} GB peak memory, target 2 GB: {'reached' if gigabytes < 2 else 'missed'}"
    )


def _large(width: int, height: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    model = model_of(residual_blocks=9).eval().requires_grad_(False)
    tiles: list[tuple[int, int]] = []
    start = time.process_time()
    tiled.translate_image(model, image, "a_to_b", on_progress=lambda *at: tiles.append(at))
    print(json.dumps({"seconds": time.process_time() - start, "tiles": len(tiles), "kilobytes": peak_memory()}))


def peak_memory() -> int:
    """Peak memory of this process in kilobytes; `ru_maxrss` would include its parent's at the fork."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def main() -> None:
    parser = options.parser(__doc__)
    parser.add_argument(
        _LARGE, nargs=2, type=int, metavar=("WIDTH", "HEIGHT"), help="only the large photograph; prints JSON"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if chosen.large:
        _large(*chosen.large)
        return
    length = Length(chosen.short)
    training(length)
    photograph(length)
    large(*(SHORT_LARGE if length.short else MEGAPIXELS))


if __name__ == "__main__":
    main()
