"""Workers as processes of this machine, in sessions of their own: no closed terminal or browser ends them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from genmodels import processes
from genmodels.runfolder import LOG, RunFolder
from train_jobs.launchers import Process
from train_jobs.launchers.environment import allowed

PROJECT = Path(__file__).parents[2]
# glibc returns every large block to the system and page-faults it in again at the next step: 190 faults a step of a
# VAE. These keep the blocks, in huge pages: its step takes 3.07 ms, not 3.13. Other systems ignore them.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
_CLOCK_SLACK = 2.0  # seconds: the creation time is counted from a boot time that small clock corrections move


def this_process() -> Process:
    return Process(os.getpid(), psutil.Process().create_time())


class LocalLauncher:
    """Popen. Children are kept, so that their exit status is known and they do not linger as zombies."""

    def __init__(self) -> None:
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, folder: Path, device: str, environment: dict[str, str]) -> Process:
        with (folder / LOG).open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "train_jobs.worker", str(folder), "--device", device],
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
        except psutil.NoSuchProcess:  # over already; poll() knows how it ended
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
        for found in psutil.process_iter(["cmdline"]):
            if _names(found.info["cmdline"], folder):
                return Process(found.pid, found.create_time())
        return None

    def stop(self, process: Process, folder: Path | None = None, *, force: bool = False) -> None:
        if not self.alive(process, folder):
            return
        try:
            found = psutil.Process(process.pid)
            if force:
                found.kill()
            else:
                found.terminate()
                found.resume()  # one that was suspended can save, too
        except psutil.NoSuchProcess:
            return


def is_alive(process: Process, folder: Path | None = None) -> bool:
    """Whether the process runs. If its creation time differs, because the clock was set, `folder` has to prove it:
    its last report is by that very process, or the command line of a worker names it.
    """
    try:
        found = psutil.Process(process.pid)
        if found.status() == psutil.STATUS_ZOMBIE:
            return False
        if abs(found.create_time() - process.created) < _CLOCK_SLACK:
            return True
        if folder is None:
            return False
        return processes.is_author(RunFolder(folder).status(), process.pid) or _names(found.cmdline(), folder)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # it belongs to another user, so it is none of our workers
        return False


def _names(command: list[str] | None, folder: Path) -> bool:
    return command is not None and "train_jobs.worker" in command and str(folder) in command
