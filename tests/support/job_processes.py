"""Helpers for tests of the job layer: start real schedulers and workers, and wait for them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

import train_jobs
from genmodels.runs.folder import RunFolder
from train_jobs import daemon, make_spec
from train_jobs.launchers import Process
from train_jobs.launchers.local import LocalLauncher
from train_jobs.status import Job

PROJECT = Path(__file__).parents[2]
_OTHER = "other_worker_of_a_test"
ENDLESS = ("train.max_steps=5000000", "train.precision=fp32", "train.compile=off", "run.threads=1")


def start(*settings: str, recipe: str = "pattern_1010_gan") -> Job:
    return train_jobs.submit(make_spec(recipe, None, settings))


def until(condition: Callable[[], bool], seconds: float = 20, what: str = "") -> float:
    """Wait for `condition` and return the seconds; fails after `seconds`."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"{what or condition} not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


def until_state(job_id: str, state: str, seconds: float = 30) -> Job:
    until(lambda: train_jobs.job(job_id).state == state, seconds, f"{job_id} {state}")
    return train_jobs.job(job_id)


def until_step(job_id: str, step: int) -> Job:
    until(lambda: train_jobs.job(job_id).step >= step, 30, f"{job_id} at step {step}")
    return train_jobs.job(job_id)


def end_scheduler(runs: Path) -> None:
    """End the scheduler, even if it is just starting."""
    until(lambda: bool(daemon.running_pid(runs)))
    daemon.end(runs)
    assert daemon.running_pid(runs) is None


def end_processes(runs: Path) -> None:
    """Kill the scheduler and the workers of a runs folder."""
    pid = daemon.running_pid(runs)
    if pid:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
    for process in psutil.process_iter(["cmdline"]):
        if any(part.startswith(str(runs)) for part in process.info["cmdline"] or []):
            with suppress(psutil.NoSuchProcess):  # it has just ended
                process.kill()


def cli(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "train_jobs", *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def logged_steps(folder: RunFolder) -> list[int]:
    """Steps with a loss in the metrics; lines of previews have none."""
    return [
        line["step"] for line in folder.metrics()[0] if "discriminator/loss" in line or "loss/discriminator" in line
    ]


class OtherWorker(LocalLauncher):
    """Starts another program as each worker, or fails to start it."""

    def __init__(self, folder: Path, program: str | OSError) -> None:
        super().__init__()
        self.folder, self.program = folder, program
        if isinstance(program, str):
            (folder / f"{_OTHER}.py").write_text(program)

    def start(self, folder: Path, command: Sequence[str], environment: dict[str, str]) -> Process:
        if isinstance(self.program, OSError):
            raise self.program
        return super().start(folder, [_OTHER, *command[1:]], environment | {"PYTHONPATH": str(self.folder)})
