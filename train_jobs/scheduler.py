"""The scheduler: starts the next job on each free device, watches workers and records how they ended.

Measurements run one at a time beside the trainings, and so do publications, with low priority.

One scheduler per runs folder, guarded by a lock file. It starts on demand and ends when there is nothing to do. Workers
outlive it: the next scheduler finds them by pid and creation time. No torch: resident memory stays near 50 MB.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO

from genmodels.errors import ConfigError
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.system import leftovers, processes
from train_jobs import daemon, devices, outcome
from train_jobs.errors import QueueError
from train_jobs.launchers import Launcher, Process
from train_jobs.launchers.local import WORKERS, LocalLauncher
from train_jobs.store import Row, Store

IDLE_SECONDS = 30.0
_TICK = 0.25
_KILL_AFTER = 120.0  # seconds for a worker to save and end; compiling a large model can take a minute of them
# Seconds without a report after which a worker that has to stop is killed sooner. It reports each second, but writing
# a large checkpoint to a slow disk can delay a report.
_KILL_SILENT_AFTER = 30.0
_STOP_SECONDS = 10.0  # within which even a silent worker may end by itself
MEASURE_SECONDS = 300.0  # after which a measurement is killed
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # trainings and interactive requests go first
log = logging.getLogger("train_jobs.scheduler")


# ------------------------------------------------------------------------------ the loop


class Scheduler:
    """Runs the jobs of one Store with one Launcher."""

    def __init__(self, store: Store, launcher: Launcher) -> None:
        self.store, self.launcher = store, launcher
        self._stopping: dict[str, float] = {}  # job -> time when it was requested to stop
        self._killed: dict[str, str] = {}  # job -> why its worker was killed
        self._seen: dict[str, float] = {}  # measurement -> time when it was first seen running
        running = store.rows("RUNNING")
        for row in running:
            log.info("%s: adopted, pid %s", row.id, row.pid)
        ids = {row.id for row in running}
        others = [*store.root.glob(".measure-*"), *store.root.glob(".publish-*")]  # of a queue that was repaired
        for folder in others:
            if folder.name not in ids and launcher.find(folder) is None:
                leftovers.discard(folder)

    def tick(self) -> bool:
        """Check all workers and start queued jobs; True while there are queued or running jobs."""
        rows = self.store.rows("RUNNING", "PENDING")
        for row in rows:
            if row.state == "RUNNING" and row.pid is None:
                self._recover(row)
        running = [row for row in rows if row.state == "RUNNING" and not self._ended(row)]
        busy = {row.device for row in running if row.kind == "train" and row.device}
        kinds = {row.kind for row in running}
        for row in rows:
            if row.state == "PENDING" and row.kind != "train":
                if row.kind not in kinds and self._start(row, "cpu"):
                    kinds.add(row.kind)
            elif row.state == "PENDING":
                device = devices.choose(row.requested_device, busy)
                if device is None:
                    self._refuse(row)
                elif self._start(row, device):
                    busy.add(device)
        return bool(rows)

    def _recover(self, row: Row) -> None:
        """Find the worker of a row without pid: a scheduler ended, or the disk was full, before the pid was stored."""
        process = self.launcher.find(self.store.root / row.id)
        if process is None:
            if not self.store.unclaim(row.id):
                self.store.finish(row.id, None, "STOPPED", None, None)
        else:
            self.store.set_process(row.id, *process)

    def _start(self, row: Row, device: str) -> bool:
        if not self.store.claim(row.id, device):
            return False  # stopped or deleted just now
        folder = self.store.root / row.id
        try:
            if row.kind != "train":
                folder.mkdir(exist_ok=True)
            process = self.launcher.start(folder, self._command(row, folder, device), self._environment(row))
        except (OSError, ValueError) as error:
            again = outcome.resume_hint(row) if row.kind == "train" else "try again"
            text = f"the worker could not be started: {error}. Free some space or memory, then {again}"
            self.store.finish(row.id, None, "FAILED", None, text)
            if row.kind != "train":
                leftovers.discard(folder)
            log.error("%s: %s", row.id, text)
            return False
        self.store.set_process(row.id, *process)
        log.info("%s: started on %s, pid %d", row.id, device, process.pid)
        return True

    def _refuse(self, row: Row) -> None:
        """Fail a job whose device this machine does not have: it would wait forever."""
        try:
            devices.check(row.requested_device)
        except ConfigError as error:
            if self.store.claim(row.id, row.requested_device):
                self.store.finish(row.id, None, "FAILED", None, str(error))
                log.error("%s: %s", row.id, error)

    def _command(self, row: Row, folder: Path, device: str) -> list[str]:
        """The module of the worker and its arguments."""
        module = [WORKERS[row.kind], str(folder)]
        if row.kind == "train":
            return [*module, "--device", device]
        if row.kind == "measure":
            return [*module, "measure", "--", str(row.subject), str(row.step)]
        return [*module, "publish", "--", str(self.store.root / str(row.subject)), row.name]

    def _environment(self, row: Row) -> dict[str, str]:
        """The submitter's folders as environment variables: this process may have been started with others."""
        environment = {"GENMODELS_DATA": row.data_root, "GENMODELS_RUNS": str(self.store.root)}
        if row.checkpoints_root is not None:
            environment["GENMODELS_CHECKPOINTS"] = row.checkpoints_root
        return environment | (_ONE_THREAD if row.kind == "measure" else {})

    def _ended(self, row: Row) -> bool:
        if row.pid is None:
            return False
        process = Process(row.pid, row.pid_created or 0.0)
        if self.launcher.alive(process, self.store.root / row.id):
            if row.stop_requested:
                self._stop(row, process)
            elif row.kind == "measure":
                self._limit(row, process)
            return False
        code = self.launcher.exit_code(process)
        try:
            state, error = outcome.of(row, self.store.root / row.id, code, self._killed.get(row.id))
        except Exception as problem:  # a damaged folder must not end the scheduler
            log.exception("%s: its folder cannot be read", row.id)
            state, error = "FAILED", f"the run folder is damaged: {type(problem).__name__}: {problem}"
        RunFolder(self.store.root / row.id).clear_leftovers()
        if self.store.finish(row.id, row.pid, state, code, error):
            log.info("%s: %s%s", row.id, state, f", {error}" if error else "")
        if row.kind != "train":
            leftovers.discard(self.store.root / row.id)
        if row.kind == "publish" and state != "SUCCEEDED" and row.checkpoints_root:
            leftovers.discard(Path(row.checkpoints_root) / f".tmp-{row.name}-{row.pid}")
        for memory in (self._stopping, self._killed, self._seen):
            memory.pop(row.id, None)
        return True

    def _limit(self, row: Row, process: Process) -> None:
        """Kill a measurement that takes too long."""
        seconds = time.monotonic() - self._seen.setdefault(row.id, time.monotonic())
        if seconds > MEASURE_SECONDS:
            self._killed[row.id] = f"not measured in {MEASURE_SECONDS:.0f} s; the machine is busy. Try again later"
            log.warning("%s: %s; killed", row.id, self._killed[row.id])
            self.launcher.stop(process, self.store.root / row.id, force=True)

    def _stop(self, row: Row, process: Process) -> None:
        folder = self.store.root / row.id
        if row.id not in self._stopping:
            self._stopping[row.id] = time.monotonic()
            self.launcher.stop(process, folder)
            return
        waited = time.monotonic() - self._stopping[row.id]
        silent = self._silent(folder, process.pid)
        if waited > _KILL_AFTER:
            self._killed[row.id] = f"asked to stop, it did not save and end within {_KILL_AFTER:.0f} s"
        elif waited > _STOP_SECONDS and silent > _KILL_SILENT_AFTER:
            self._killed[row.id] = f"asked to stop, it did not respond; its last report was {silent:.0f} s old"
        else:
            return
        log.warning("%s: %s; killed", row.id, self._killed[row.id])
        self.launcher.stop(process, folder, force=True)

    @staticmethod
    def _silent(folder: Path, pid: int) -> float:
        """Seconds since the worker's last report; 0 before its first one."""
        status = RunFolder(folder).status()
        return (processes.age(status) or 0.0) if status.get("pid") == pid else 0.0


# ------------------------------------------------------------------------------- process


def serve(root: Path, idle: float, leave: threading.Event) -> int:
    """Run until there has been nothing to do for `idle` seconds, or `leave` is set. Returns the exit code."""
    store = Store(root)
    while True:
        lock = daemon.lock(root)
        if lock is None:
            log.info("another scheduler (pid %s) serves %s already; this one ends", daemon.running_pid(root), root)
            return 0
        with lock:
            leftovers.sweep(catalog.checkpoints_root(), ".tmp-*", ".trash-*", rescue=leftovers.put_back)
            log.info("scheduler %d serves %s with %s", os.getpid(), root, ", ".join(devices.present()))
            if reason := devices.why_not():
                log.info("no job uses: %s", reason)
            if not _serve_locked(store, lock, idle, leave):
                return 0
        # A job may have been submitted while the lock was still held, so no other scheduler was started.
        try:
            work = store.rows("RUNNING", "PENDING")
        except QueueError as error:
            log.error("%s", error)
            return 1
        if not work:
            log.info("nothing to do for %.0f s; scheduler %d ends", idle, os.getpid())
            return 0


def _serve_locked(store: Store, lock: IO[bytes], idle: float, leave: threading.Event) -> bool:
    """True if it ended because it was idle."""
    scheduler: Scheduler | None = None
    last_work = time.monotonic()
    pause = _TICK
    while not leave.wait(pause):
        if not daemon.is_current(store.root, lock):
            log.info("%s is gone; scheduler ends", store.root)
            return False
        try:
            if scheduler is None:
                scheduler = Scheduler(store, LocalLauncher())
            if scheduler.tick():
                last_work = time.monotonic()
            pause = _TICK
        except QueueError as error:  # a full disk: workers go on, and the scheduler goes on when there is space
            log.error("%s", error)
            pause = min(pause * 2, 10.0)
        if time.monotonic() - last_work > idle:
            return True
    return False


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m train_jobs.scheduler")
    parser.add_argument("root", type=Path, help="the runs folder")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds without jobs after which it ends")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    leave = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: leave.set())
    return serve(arguments.root.absolute(), arguments.idle, leave)


if __name__ == "__main__":
    sys.exit(main())
