"""`auto` selects a GPU only if torch can use it, and reports why not. No GPU needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from genmodels.errors import ConfigError
from genmodels.runs.folder import RunFolder
from genmodels.training import accelerators
from genmodels.training.trainer import resolve_device
from train_jobs import devices
from train_jobs.launchers.local import LocalLauncher
from train_jobs.scheduler import Scheduler
from train_jobs.store import NewJob, Store

ROOT = Path(__file__).parents[2]
unusable = pytest.mark.skipif(
    torch.version.cuda is None or torch.cuda.is_available(), reason="torch has no CUDA, or a GPU that it can use"
)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    devices._probe_of.cache_clear()
    yield
    devices._probe_of.cache_clear()


@pytest.mark.slow
@unusable
def test_auto_selects_the_cpu_if_torch_cannot_use_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert accelerators.candidates() == ("cuda:0",)
    assert devices.choose("auto") == "cpu"
    assert devices.choose("auto", busy=["cpu"]) is None
    assert devices.why_not()
    devices.check("auto")
    with pytest.raises(ConfigError, match=r"run\.device = 'cuda:0' is not on this machine, which has cpu \(.+\)"):
        devices.check("cuda:0")
    assert resolve_device("auto") == torch.device("cpu")


@unusable
def test_a_gpu_that_the_driver_lists_must_also_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: an old one'\n")
    program.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert accelerators.candidates() == ("cuda:0",)
    found = accelerators.probe()
    assert found.usable == ()
    assert found.reason


def test_torch_is_not_imported_without_gpu_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "darwin":
        pytest.skip("a Mac always has a candidate")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    assert devices.present() == ("cpu",)
    assert devices.why_not() is None


@pytest.mark.parametrize("output", ["", "Segmentation fault", "no json"])
def test_a_failing_probe_gives_a_reason(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{output}' >&2\nexit {1 if output else 0}\n")
    python.chmod(0o755)
    monkeypatch.setattr(accelerators, "candidates", lambda: ("cuda:0",))
    monkeypatch.setattr(sys, "executable", str(python))
    assert devices.choose("auto") == "cpu"
    reason = devices.why_not() or ""
    assert "searching for GPUs failed" in reason
    assert output in reason


@pytest.mark.slow
@unusable
def test_a_run_says_in_its_log_and_status_why_it_uses_no_gpu(own_folders: Path) -> None:
    command = "run mnist_vae_20 --data digits --set train.max_steps=2 --set train.precision=fp32"
    done = subprocess.run(
        [sys.executable, "-m", "train_jobs", *command.split(), "--set", "train.compile=off"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "on cpu (no GPU is used: " in done.stderr
    folder = RunFolder(own_folders / "mnist_vae_20-1")
    note = folder.status()["device_note"]
    assert note.startswith("no GPU is used: ")
    assert note in folder.log_tail()


def test_a_queued_job_whose_device_is_gone_fails_with_the_reason(own_folders: Path) -> None:
    """The GPU was there when the job was submitted, or its shell showed one that the scheduler's does not."""
    store = Store()
    folder = own_folders / ".new-1"
    folder.mkdir(parents=True)
    new = NewJob(None, "GAN", "pattern_1010_gan", "gan", 10, "", "cuda:77", 0.0)
    job_id = store.add(new, folder)
    Scheduler(store, LocalLauncher()).tick()
    row = store.row(job_id)
    assert row is not None
    assert row.state == "FAILED"
    assert "run.device = 'cuda:77' is not on this machine, which has " in (row.error or "")
