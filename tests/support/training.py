"""Trainings in a process of their own."""

from __future__ import annotations

from genmodels.runs.folder import RunFolder
from tests.support.preloaded import python

# Trains folders one after the other in a new process, each up to a step, as a stop request would end it, or to its end.
CHILD = """
import os, sys, threading
import torch
import genmodels.training.trainer
from genmodels.training import runner
from genmodels.runs.folder import RunFolder
from genmodels.training.trainer import Trainer
after = Trainer._after_step
device = sys.argv[1]
if device != "cpu":  # sums in a fixed order, without the atomic additions of faster kernels
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True, warn_only=True)
for path, until in zip(sys.argv[2::2], map(int, sys.argv[3::2])):
    stop = threading.Event()
    def stop_then(self, metrics):
        after(self, metrics)
        if self.step == until:
            stop.set()
    Trainer._after_step = stop_then
    genmodels.training.trainer._POLL_SECONDS = -1.0 if until else 0.25
    print(runner.train_folder(RunFolder(path), device=device, stop=stop), flush=True)
os._exit(0)  # as a worker ends: see train_jobs/worker.py
"""


def train(*folders: tuple[RunFolder, int], device: str = "cpu") -> list[str]:
    """Train the folders in a new process, each to its step or, for 0, to its end; returns how each ended."""
    words = [word for folder, until in folders for word in (str(folder.path), str(until))]
    result = python("-c", CHILD, device, *words)
    assert result.returncode == 0, result.stderr
    return [line for line in result.stdout.splitlines() if line in ("finished", "stopped")]
