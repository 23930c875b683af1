"""The state and error of a job whose worker has ended, from its exit code and its last report."""

from __future__ import annotations

import logging
import shlex
import signal
import time
from pathlib import Path

from genmodels.runs.folder import LOG, RunFolder
from train_jobs.store import Row, State
from train_jobs.worker import FAILED, FINISHED, STOPPED

log = logging.getLogger("train_jobs.scheduler")


def of(row: Row, path: Path, code: int | None, killed: str | None) -> tuple[State, str | None]:
    """State and error of a job; `code` is None if unknown, `killed` is why the scheduler killed the worker."""
    folder = RunFolder(path)
    status = folder.status()
    last_report = status if status.get("pid") == row.pid else {}
    if code is None:  # not our child: use its last report
        code = {"finished": FINISHED, "stopped": STOPPED, "failed": FAILED}.get(str(last_report.get("phase")))
    if code == FINISHED:
        return "SUCCEEDED", None
    if row.kind != "train":
        return _of_task(row, folder, code, killed, last_report.get("error"))
    if code == STOPPED or (code == -signal.SIGTERM and row.stop_requested):
        return "STOPPED", None
    if code == FAILED and last_report.get("phase") == "failed" and last_report.get("error"):
        return "FAILED", str(last_report["error"])
    text = f"the worker (pid {row.pid}) {_how(code, killed)}; {resume_hint(row, folder)}"
    try:
        with (folder.path / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} error: {text}\n")
    except OSError as error:
        log.error("%s: its log cannot be written: %s", row.id, error)
    return "FAILED", text


def _of_task(
    row: Row, folder: RunFolder, code: int | None, killed: str | None, reported: object
) -> tuple[State, str | None]:
    """State and error of a measurement or publication that did not succeed; a cancelled one has not failed."""
    if row.stop_requested:
        return "STOPPED", None
    log.error("%s: the end of its log:\n%s", row.id, folder.log_tail(40))  # its folder is removed
    subject = f"{row.name}, step {row.step:,}: " if row.kind == "measure" else ""
    return "FAILED", subject + (killed or str(reported or "") or _reason(code, folder))


def _reason(code: int | None, folder: RunFolder) -> str:
    """How a job ended that reported no error: the last line of its log, the signal or the exit code."""
    if code is None:
        return _how(code, None)
    if lines := folder.log_tail(1).strip().splitlines():
        return lines[-1].removeprefix("error: ")
    ended = signal.strsignal(-code) if 0 < -code < signal.NSIG else None
    return ended or f"it ended with code {code} and gave no reason"


def _how(code: int | None, killed: str | None) -> str:
    if killed is not None:
        return f"was killed by the scheduler: {killed}"
    if code is None:
        return "disappeared without a final report: killed, perhaps because memory ran out, or the machine restarted"
    if code == -signal.SIGKILL:
        return "was killed by signal 9 (SIGKILL), by a user or because memory ran out"
    if code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code) or 'unknown'})"
    return f"ended with exit code {code}; see its log"


def resume_hint(row: Row, folder: RunFolder | None = None) -> str:
    """The command that resumes the run and, with its folder, the step."""
    command = f"`python -m train_jobs resume {shlex.quote(row.id)}`"
    if folder is None:
        return command
    steps = folder.steps()
    begin = f"goes on from step {steps[-1]:,}" if steps else "starts it from the beginning: no checkpoint was saved yet"
    return f"{command} {begin}"
