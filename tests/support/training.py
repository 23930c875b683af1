"""Trainings in a process of their own."""

from __future__ import annotations

from genmodels.runs.folder import RunFolder
from tests.support.preloaded import python

# Trains folders one after the other in a new process, each up to a step, as a stop request would end it, or to its end.
CHILD = """
import os, sys, threading
import genmodels.training.trainer
from genmodels.training import runner
from genmodels.runs.folder import RunFolder
from genmodels.training.trainer import Trainer
after = Trainer._after_step
for path, until in zip(sys.argv[1::2], map(int, sys.argv[2::2])):
    stop = threading.Event()
    def stop_then(self, metrics):
        after(self, metrics)
        if self.step == until:
            stop.set()
    Trainer._after_step = stop_then
    genmodels.training.trainer._POLL_SECONDS = -1.0 if until else 0.25
    print(runner.train_folder(RunFolder(path), device="cpu", stop=stop), flush=True)
os._exit(0)  # as a worker ends: see train_jobs/worker.py
"""


def train(*folders: tuple[RunFolder, int]) -> list[str]:
    """Train the folders in a new process, each to its step or, for 0, to its end; returns how each ended."""
    words = [word for folder, until in folders for word in (str(folder.path), str(until))]
    result = python("-c", CHILD, *words)
    assert result.returncode == 0, result.stderr
    return [line for line in result.stdout.splitlines() if line in ("finished", "stopped")]
