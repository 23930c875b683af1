"""How a worker ended, from its exit code and its last report: the state of the run and a sentence about the cause."""

from __future__ import annotations

import logging
import shlex
import signal
import time
from pathlib import Path

from genmodels.runfolder import LOG, RunFolder
from train_jobs.store import Row, State
from train_jobs.worker import FAILED, FINISHED, STOPPED

log = logging.getLogger("train_jobs.scheduler")


def of(row: Row, path: Path, code: int | None, killed: str | None) -> tuple[State, str | None]:
    """State and error of a run; `code` None if it is not known, `killed` says why the scheduler killed the worker."""
    folder = RunFolder(path)
    status = folder.status()
    own = status if status.get("pid") == row.pid else {}
    if code is None:  # not our child: its last report tells
        code = {"finished": FINISHED, "stopped": STOPPED, "failed": FAILED}.get(str(own.get("phase")))
    if code == FINISHED:
        return "SUCCEEDED", None
    if code == STOPPED or (code == -signal.SIGTERM and row.stop_requested):
        return "STOPPED", None
    if code == FAILED and own.get("phase") == "failed" and own.get("error"):
        return "FAILED", str(own["error"])
    text = f"the worker (pid {row.pid}) {_how(code, killed)}; {resume_hint(row, folder)}"
    try:
        with (folder.path / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} error: {text}\n")
    except OSError as error:
        log.error("%s: its log cannot be written: %s", row.id, error)
    return "FAILED", text


def _how(code: int | None, killed: str | None) -> str:
    if killed is not None:
        return f"was killed by the scheduler: {killed}"
    if code is None:
        return "is gone without a word: killed, perhaps because memory ran out, or the machine was restarted"
    if code == -signal.SIGKILL:
        return "was killed by signal 9 (SIGKILL), by somebody or because memory ran out"
    if code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code) or 'unknown'})"
    return f"ended with exit code {code}; its log tells why"


def resume_hint(row: Row, folder: RunFolder | None = None) -> str:
    """The command that resumes the run and, if its folder is given, from where."""
    command = f"`python -m train_jobs resume {shlex.quote(row.id)}`"
    if folder is None:
        return command
    steps = folder.steps()
    begin = f"goes on from step {steps[-1]:,}" if steps else "starts it from the beginning: no checkpoint was saved yet"
    return f"{command} {begin}"
