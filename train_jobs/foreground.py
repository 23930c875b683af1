"""Train in the foreground: the same folder, row and files as a queued job."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from genmodels.runs.folder import LOG, RunFolder
from genmodels.text import duration
from train_jobs import devices, worker
from train_jobs.api import job, refuse_in_public_mode
from train_jobs.errors import QueueError
from train_jobs.launchers.local import this_process
from train_jobs.spec import JobSpec
from train_jobs.status import Job
from train_jobs.store import State, Store
from train_jobs.submission import enter

_BAR = 30


def run(spec: JobSpec, out: TextIO = sys.stderr) -> Job:
    """Train `spec` in this process, independent of the queue. Ctrl-C saves and stops; a second one ends at once."""
    refuse_in_public_mode("starting a training")
    devices.check(spec.run.device)
    stop = worker.catch_signals()
    device = devices.choose(spec.run.device) or "cpu"
    process = this_process()
    job_id = enter(spec, running=(device, *process))
    store = Store()
    folder = RunFolder(store.root / job_id)
    reason = devices.why_not() if spec.run.device == "auto" and device == "cpu" else None
    note = f" (no GPU is used: {reason})" if reason else ""
    bar = ProgressBar(out)
    bar.write(f"{job_id} on {device}{note}, in {folder.path}; Ctrl-C saves and stops\n")
    state: State = "FAILED"
    error: str | None = "interrupted before it was saved; resume goes on from the last checkpoint"
    code: int | None = None
    try:
        with _log_file(folder.path / LOG) as file, contextlib.redirect_stdout(file):
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=file)
            code = worker.execute(folder.path, device, stop, bar.show)
        states: dict[int, State] = {worker.FINISHED: "SUCCEEDED", worker.STOPPED: "STOPPED"}
        state = states.get(code, "FAILED")
        error = str(folder.status().get("error")) if state == "FAILED" else None
    finally:
        bar.close()
        try:
            store.finish(job_id, process.pid, state, code, error)
        except QueueError as problem:
            # Not raised: it would replace the error that ended the run. The next scheduler checks the run again.
            bar.write(f"{job_id} is {state}, but its row could not be updated: {problem}\n")
    return job(job_id)


@contextlib.contextmanager
def _log_file(path: Path) -> Iterator[TextIO]:
    """The run's log; closing it on a full disk must not end the run or hide its error."""
    file = path.open("a", encoding="utf-8")
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()


class ProgressBar:
    """One line, updated in place on a terminal; one line every five seconds if the output is a file."""

    def __init__(self, out: TextIO) -> None:
        self.out, self.terminal = out, out.isatty()
        self._next = 0.0
        self._open = False

    def show(self, report: dict[str, Any]) -> None:
        ended = report.get("phase") in ("finished", "stopped", "failed")
        if time.monotonic() < self._next and not ended:
            return
        self._next = time.monotonic() + (0.2 if self.terminal else 5.0)
        line = progress_line(report)
        self.write(f"\r\033[K{line}" if self.terminal else f"{line}\n")
        self._open = self.terminal

    def write(self, text: str) -> None:
        """Write, ignoring a closed terminal or pipe: the training has to save first."""
        with contextlib.suppress(OSError, ValueError):
            self.out.write(text)
            self.out.flush()

    def close(self) -> None:
        if self._open:
            self.write("\n")
            self._open = False


def progress_line(report: dict[str, Any]) -> str:
    """`[#####-----] 5,000/10,000  812 steps/s  6 s left  training`."""
    step, total = int(report.get("step") or 0), int(report.get("max_steps") or 0)
    filled = _BAR * step // total if total else 0
    line = f"[{'#' * filled}{'-' * (_BAR - filled)}] {step:,}/{total:,}"
    speed, left = report.get("steps_per_second"), report.get("seconds_left")
    if speed:
        line += f"  {speed:,.0f} steps/s" if speed >= 10 else f"  {speed:.2f} steps/s"
    if left is not None and report.get("phase") == "training":
        line += f"  {duration(left)} left"
    return f"{line}  {report.get('phase', '')}"
