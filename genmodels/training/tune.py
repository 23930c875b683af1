"""Chooses precision, memory layout, kernels, threads and compilation of a training on this machine, by timing.

bf16 has ten times float32's matrix rate on some processors and a fifth of it on others; torch.compile halves the speed
of some small networks; a second thread slows down batches of one. Hence a few real steps of each candidate are timed on
a copy of the model. The random state is restored, and the result is cached per machine and config.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from genmodels import kernels
from genmodels.config import Runtime
from genmodels.data.loader import Loader
from genmodels.errors import CheckpointError, ConfigError, GenmodelsError
from genmodels.kernels import candidates
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.runs import checkpoint
from genmodels.runs.files import read_json, write_json
from genmodels.runs.folder import runs_root

_FRACTION = 0.05  # of the estimated training time that tuning may take
_LEAST_STEPS = 10  # a candidate is only timed if the fraction is at least this many steps
_MARGIN = 0.95  # a candidate must be faster than this fraction of the best time: 5 % is noise
# Threads synchronise in every layer. If another process needs a core, each barrier waits for a descheduled thread: a
# batch-1 GAN slowed down from 713 to 25 steps/s. More than one thread is used only if clearly faster.
_MARGIN_THREADS = 0.8
_COMPILE_SECONDS = 15.0  # cost of timing torch.compile, measured for these networks
_CACHE = "tuning.json"


def choose(spec: Spec, loader: Loader, device: torch.device, say: Callable[[str], None]) -> Runtime:
    """The Runtime of a spec: its own settings, and the fastest of the remaining choices."""
    key = _key(spec, device)
    cached = _read_cache().get(key)
    if isinstance(cached, dict):
        # An entry of another version is timed again, which costs a second.
        with suppress(ConfigError):
            return Runtime.parse({**cached, "why": f"as timed before: {cached.get('why')}"})
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        runtime = _time_candidates(spec, loader, device, say)
    _write_cache(key, runtime)
    return runtime


def remember(spec: Spec, device: torch.device, runtime: Runtime) -> None:
    """Replace the cached result of `choose` for this spec on this machine."""
    _write_cache(_key(spec, device), runtime)


def in_one_line(error: BaseException, length: int = 300) -> str:
    """Type and first line of an error, and the first error message in a compiler's long output."""
    lines = str(error).splitlines() or [""]
    reported = next((found[0] for line in lines[1:] if (found := re.search(r"\b(fatal )?error: .+", line))), "")
    text = f"{type(error).__name__}: {lines[0].strip()}" + (f"; {reported}" if reported else "")
    return text if len(text) <= length else text[: length - 3] + "..."


def _time_candidates(spec: Spec, loader: Loader, device: torch.device, say: Callable[[str], None]) -> Runtime:
    most = torch.get_num_threads()
    base = Runtime(threads=spec.run.threads or (1 if device.type == "cpu" else most), why="plain float32")
    if spec.train.precision == "bf16":
        base = base.replace(precision="bf16", why="bf16 as set")
    if spec.train.compile == "on":
        base = base.replace(compile=True, why=base.why + ", compiled as set")
    steps = spec.train.max_steps or 1
    start = time.perf_counter()
    best, best_time = base, _seconds_of_base(spec, base, loader, device)
    results = [f"{_label(base)} {1 / best_time:.0f} steps/s"]

    def affordable() -> float:
        """Remaining seconds for tuning: a fraction of the training time with the best candidate so far."""
        return _FRACTION * best_time * steps - (time.perf_counter() - start)

    def try_out(candidate: Runtime, budget: float, margin: float) -> None:
        """Use the candidate if it is faster by the margin. A candidate that raises is logged and skipped.

        The base ran the same steps before, so the error is the candidate's and not the model's.
        """
        nonlocal best, best_time
        try:
            seconds = _seconds_per_step(spec, candidate, loader, device, budget=budget)
        except Exception as error:  # noqa: BLE001 - a compiler raises errors of any type
            reason = in_one_line(error)
            say(f"{_label(candidate)} does not work here and is skipped: {reason}")
            results.append(f"{_label(candidate)} failed ({reason})")
            return
        results.append(f"{_label(candidate)} {1 / seconds:.0f} steps/s")
        if seconds < margin * best_time:
            best, best_time = candidate, seconds

    with torch.device("meta"):
        network = checkpoint.build(spec.model_dump())
    changes: list[dict[str, Any]] = []
    if spec.train.precision == "auto":
        changes.append({"precision": "bf16"})
        if device.type == "cpu":
            changes.append({"precision": "bf16_matmul"})
    if any(isinstance(module, torch.nn.Conv2d) for module in network.modules()):
        changes.append({"channels_last": True})
    if device.type == "cpu":
        changes += [{"kernels": name} for name in candidates.supported(network)]
    if spec.run.threads is None and base.threads < most:
        changes.append({"threads": most})
    for change in changes:
        if affordable() < _LEAST_STEPS * best_time:
            break
        if kernel := change.get("kernels"):
            if candidates.CANDIDATES[kernel].bf16_only and best.precision != "bf16":
                continue
            change = {"kernels": (*best.kernels, kernel)}
        margin = _MARGIN_THREADS if "threads" in change else _MARGIN
        try_out(best.replace(**change), min(1.0, affordable() / 4), margin)
    tries_compile = spec.train.compile == "auto" and (device.type == "cuda" or shutil.which("c++") is not None)
    if tries_compile and affordable() > _COMPILE_SECONDS:
        say("trying torch.compile")
        try_out(best.replace(compile=True), 1.0, _MARGIN)
    return best.replace(why=", ".join(results) if len(results) > 1 else f"{base.why}; too short a run to time others")


def apply(runtime: Runtime) -> None:
    """Set the settings of the process: threads, and bf16 rounding inside float32 matrix products on the CPU.

    The rounding avoids autocast's copies of every weight and gradient, which cost a small MLP more than the products
    themselves.
    """
    torch.set_num_threads(runtime.threads)
    mode = "bf16" if runtime.precision == "bf16_matmul" else "ieee"
    torch.backends.mkldnn.matmul.fp32_precision = mode  # type: ignore[attr-defined]


def prepare(model: Model, runtime: Runtime) -> None:
    """Apply layout, kernels and compilation to the model in place; a wrapper would rename its weights."""
    if runtime.channels_last:
        model.to(memory_format=torch.channels_last)
    candidates.use(model, runtime.kernels)
    if runtime.compile:
        for name, part in model.named_children():
            if name not in model.pretrained | model.differentiated_twice:
                part.compile()


def _seconds_per_step(spec: Spec, runtime: Runtime, loader: Loader, device: torch.device, budget: float) -> float:
    """Median seconds per training step of a new model, timed for about `budget` seconds after three warm-up steps."""
    threads = torch.get_num_threads()
    times: list[float] = []
    try:
        apply(runtime)
        model = checkpoint.build(spec.model_dump()).to(device).train()
        prepare(model, runtime)
        optimizers = model.configure_optimizers()
        start = time.perf_counter()
        while len(times) < 6 or (time.perf_counter() - start < budget and len(times) < 300):
            batch = loader.batch(len(times))
            step_start = time.perf_counter()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=runtime.precision == "bf16"):
                model.training_step(batch, optimizers, model.usual_step + len(times))
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - step_start)
            if len(times) == 3:
                start = time.perf_counter()  # the first steps compile and warm caches
    finally:
        apply(Runtime(threads=threads))
    return sorted(times[3:])[len(times[3:]) // 2]


def _seconds_of_base(spec: Spec, base: Runtime, loader: Loader, device: torch.device) -> float:
    """As `_seconds_per_step`. Raises ConfigError if only the compilation that the spec requires fails."""
    try:
        short = _FRACTION * (spec.train.max_steps or 1) < _LEAST_STEPS  # no candidate will be timed
        return _seconds_per_step(spec, base, loader, device, budget=0.0 if short else 0.5)
    except GenmodelsError:
        raise
    except Exception as error:
        if not base.compile:
            raise
        _seconds_per_step(
            spec, base.replace(compile=False), loader, device, budget=0.0
        )  # raises an error of the model itself
        raise compile_refused(error) from error


def compile_refused(error: BaseException) -> ConfigError:
    """The error for train.compile = "on" if compilation fails."""
    return ConfigError(
        f"train.compile = 'on' fails on this machine: {in_one_line(error)}. Install a C++ compiler and Python's "
        "headers (on Debian and Ubuntu: g++ and python3-dev), or choose auto or off"
    )


def _label(runtime: Runtime) -> str:
    parts = [runtime.precision, f"{runtime.threads} thread{'s' if runtime.threads > 1 else ''}"]
    parts += ["channels-last"] * runtime.channels_last + [f"{name} kernel" for name in runtime.kernels]
    return " ".join(parts + ["compiled"] * runtime.compile)


def _key(spec: Spec, device: torch.device) -> str:
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    what: dict[str, Any] = {
        "family": spec.family,
        "model": spec.model,
        "train": [spec.train.batch_size, spec.train.precision, spec.train.compile],
        "threads": spec.run.threads or torch.get_num_threads(),
        "kernels": kernels.ENABLED,
        "length": len(str(spec.train.max_steps)),
        "machine": [platform.node(), where, torch.__version__],
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def _read_cache() -> dict[str, Any]:
    try:
        cache = read_json(runs_root() / _CACHE)
    except CheckpointError:
        return {}  # missing or damaged: timing again costs a second
    return cache if isinstance(cache, dict) else {}


def _write_cache(key: str, runtime: Runtime) -> None:
    with suppress(OSError):  # on a full or read-only disk, timing again costs a second
        runs_root().mkdir(parents=True, exist_ok=True)
        write_json(runs_root() / _CACHE, {**_read_cache(), key: runtime.model_dump()})
