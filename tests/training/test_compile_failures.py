"""torch.compile fails: during tuning, or later in a run that was tuned with a working compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from genmodels import data
from genmodels.config import Runtime
from genmodels.data.loader import MemoryLoader
from genmodels.model import Batch, Model
from genmodels.runs.folder import RunFolder
from genmodels.training import runner, tune
from tests.conftest import small_spec

# In a process of its own: torch remembers a compiler once it has found one.
CHILD = """
import os, sys
import torch
from tests.conftest import small_spec
from genmodels import data
from genmodels.training import runner, tune
from genmodels.data.loader import MemoryLoader
from genmodels.errors import ConfigError
from genmodels.runs.folder import RunFolder

torch.set_num_threads(1)
folder, pinned = RunFolder(sys.argv[1]), RunFolder(sys.argv[2])
spec = folder.spec()
loader = MemoryLoader(data.load(spec.data), spec.train.batch_size, 0, torch.device("cpu"))

# A run long enough for every candidate.
tune._COMPILE_SECONDS = 0.0
long = spec.replace(train=spec.train.replace(max_steps=10**7, precision="auto", compile="auto"))
print("TUNED", tune.choose(long, loader, torch.device("cpu"), print).compile, flush=True)

print("OUTCOME", runner.train_folder(folder, device="cpu"), flush=True)
remembered = tune._read_cache()[tune._key(spec, torch.device("cpu"))]
print("RUNTIME", folder.runtime()["compile"], "REMEMBERED", remembered["compile"])

try:
    runner.train_folder(pinned, device="cpu")
except ConfigError as error:
    print("REFUSED", error, flush=True)
os._exit(0)
"""


@pytest.fixture
def broken_compiler(tmp_path: Path) -> dict[str, str]:
    """An environment whose C++ compilers refuse to work."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("c++", "g++", "gcc", "clang++"):
        path = programs / name
        path.write_text("#!/bin/sh\necho 'fatal error: it is broken' >&2\nexit 1\n")
        path.chmod(0o755)
    root = Path(__file__).parents[2]
    return {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor"),
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.slow
def test_a_failing_compiler_ends_neither_tuning_nor_training(tmp_path: Path, broken_compiler: dict[str, str]) -> None:
    spec = small_spec("gan", "train.max_steps=3", "train.batch_size=16", "train.compile=auto")
    relied, eager = (RunFolder.create(tmp_path / name, spec) for name in ("relied", "eager"))
    relied.set_runtime({"threads": 1, "compile": True})
    eager.set_runtime({"threads": 1})
    pinned = RunFolder.create(tmp_path / "on", spec.replace(train=spec.train.replace(compile="on")))
    pinned.set_runtime({"threads": 1, "compile": True})
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(relied.path), str(pinned.path)],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        env=broken_compiler,
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout

    assert "TUNED False" in told
    assert "compiled does not work here and is skipped" in told

    assert "OUTCOME finished" in told
    assert "RUNTIME False REMEMBERED False" in told
    events = {event["kind"]: event for event in relied.events()}
    assert "Error" in events["compile_failed"]["reason"]
    runner.train_folder(eager, device="cpu")
    one, two = (load_file(folder.step_path(3) / "model.safetensors") for folder in (relied, eager))
    assert all(torch.equal(one[key], two[key]) for key in one), "it must go on from an intact checkpoint"

    assert "REFUSED train.compile = 'on' fails on this machine" in told


def test_a_candidate_that_raises_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads raise here; bf16 and the rest are still tried."""
    spec = small_spec("mlp_classifier", "train.max_steps=100000000", "train.batch_size=16", "train.precision=auto")
    spec = spec.replace(run=spec.run.replace(threads=None))
    loader = MemoryLoader(data.load(spec.data), 16, 0, torch.device("cpu"))
    message: list[str] = []

    def prepare(_: Model, runtime: Runtime) -> None:
        if runtime.threads > 1 or runtime.precision == "bf16":
            raise OSError("no room for that")

    monkeypatch.setattr(tune, "prepare", prepare)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    runtime = tune._time_candidates(spec, loader, torch.device("cpu"), message.append)
    assert runtime.threads == 1
    assert sum("is skipped: OSError: no room for that" in line for line in message) == 2
    assert "bf16_matmul" in runtime.why
    assert "bf16 1 thread failed (OSError: no room for that)" in runtime.why


class _WrongShape(MemoryLoader):
    def batch(self, step: int) -> Batch:
        batch = super().batch(step)
        return {**batch, "image": batch["image"][..., :5]}


@pytest.mark.parametrize("compile_", ["auto", "off"])
def test_an_error_of_the_model_itself_is_raised_with_its_own_message(compile_: str) -> None:
    spec = small_spec("mlp_classifier", "train.max_steps=1000", f"train.compile={compile_}", "train.batch_size=16")
    loader = _WrongShape(data.load(spec.data), 16, 0, torch.device("cpu"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        tune.choose(spec, loader, torch.device("cpu"), print)


@pytest.mark.slow
def test_an_error_of_the_model_in_a_compiled_run_is_raised_with_its_own_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiled step raises it first; the step without compilation raises it again, as itself."""
    from genmodels.models.mlp_classifier import MLPClassifier

    spec = small_spec("mlp_classifier", "train.max_steps=3", "train.batch_size=16", "train.compile=auto")
    folder = RunFolder.create(tmp_path / "run", spec)
    folder.set_runtime({"threads": 1, "compile": True})

    def step(*_: object) -> None:
        raise ZeroDivisionError("the model divides by zero")

    monkeypatch.setattr(MLPClassifier, "training_step", step)
    with pytest.raises(ZeroDivisionError, match="the model divides by zero"):
        runner.train_folder(folder, device="cpu")


def test_a_run_continues_if_torch_refuses_to_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Python that torch.compile does not support, after the run began on another one."""
    spec = small_spec("mlp_classifier", "train.max_steps=3", "train.batch_size=16", "train.compile=auto")
    folder = RunFolder.create(tmp_path / "run", spec)
    folder.set_runtime({"threads": 1, "compile": True})

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("torch.compile is not supported on Python 3.99+")

    monkeypatch.setattr(torch.nn.Module, "compile", refuse)
    assert runner.train_folder(folder, device="cpu") == "finished"
    events = {event["kind"]: event for event in folder.events()}
    assert "not supported on Python 3.99+" in events["compile_failed"]["reason"]
    assert (folder.runtime() or {})["compile"] is False


def test_a_compilers_message_is_shortened_to_its_first_error() -> None:
    error = RuntimeError("C++ compile error\nCommand: g++ a lot\na.h:1:10: fatal error: Python.h: missing\nmore")
    assert tune.in_one_line(error) == "RuntimeError: C++ compile error; fatal error: Python.h: missing"
