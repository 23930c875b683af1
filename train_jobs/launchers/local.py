"""Workers as local processes in sessions of their own, so that closing a terminal does not end them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from genmodels.runs.folder import LOG, RunFolder
from genmodels.system import processes
from genmodels.system.paths import PROJECT
from train_jobs.launchers import Process
from train_jobs.launchers.environment import allowed
from train_jobs.store import Kind

# glibc returns every large block to the system, so each step of a VAE has 190 page faults. These settings keep the
# blocks, in huge pages: a step takes 3.07 ms instead of 3.13. Other systems ignore them.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
WORKERS: dict[Kind, str] = {
    "train": "train_jobs.worker",
    "measure": "train_jobs.task_worker",
    "publish": "train_jobs.task_worker",
}
"""The module of the worker of each kind of job; its first argument is the folder where it reports."""
_CLOCK_SLACK = 2.0  # seconds: small clock corrections change the creation time


def this_process() -> Process:
    """Identity of the calling process."""
    return Process(os.getpid(), psutil.Process().create_time())


class LocalLauncher:
    """Starts workers with Popen and stores them, to know their exit status and to reap them."""

    def __init__(self) -> None:
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, folder: Path, command: Sequence[str], environment: dict[str, str]) -> Process:
        with (folder / LOG).open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=PROJECT,
                env={**KEEP_MEMORY, **allowed(), **environment},
                start_new_session=True,
            )
        self._children[child.pid] = child
        try:
            return Process(child.pid, psutil.Process(child.pid).create_time())
        except psutil.NoSuchProcess:  # it has ended already; poll() returns its exit status
            return Process(child.pid, 0.0)

    def alive(self, process: Process, folder: Path | None = None) -> bool:
        child = self._children.get(process.pid)
        if child is not None:
            return child.poll() is None
        return is_alive(process, folder)

    def exit_code(self, process: Process) -> int | None:
        child = self._children.pop(process.pid, None)
        return None if child is None else child.poll()

    def find(self, folder: Path) -> Process | None:
        for process in psutil.process_iter(["cmdline"]):
            if _is_worker_of(process.info["cmdline"], folder):
                return Process(process.pid, process.create_time())
        return None

    def stop(self, process: Process, folder: Path | None = None, *, force: bool = False) -> None:
        if not self.alive(process, folder):
            return
        try:
            running = psutil.Process(process.pid)
            if force:
                running.kill()
            else:
                running.terminate()
                running.resume()  # a suspended process has to go on to save
        except psutil.NoSuchProcess:
            return


def is_alive(process: Process, folder: Path | None = None) -> bool:
    """Whether the process runs. If its creation time differs, because the clock was set, `folder` identifies it: the
    process wrote the last report there, or its command line is that of the folder's worker.
    """
    try:
        running = psutil.Process(process.pid)
        if running.status() == psutil.STATUS_ZOMBIE:
            return False
        if abs(running.create_time() - process.created) < _CLOCK_SLACK:
            return True
        if folder is None:
            return False
        return processes.is_author(RunFolder(folder).status(), process.pid) or _is_worker_of(running.cmdline(), folder)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # it belongs to another user, so it is not one of our workers
        return False


def _is_worker_of(command: list[str] | None, folder: Path) -> bool:
    return command is not None and not {*WORKERS.values()}.isdisjoint(command) and str(folder) in command
