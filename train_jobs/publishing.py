"""Publish runs in the background, one at a time; a publication goes on when the page is left and can be cancelled.

It runs in a subprocess, so that cancelling ends it at once and leaves no files. Its result stays until the next
publication of the same run, for a page that is opened later.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from genmodels.errors import ConfigError
from genmodels.runs import catalog
from genmodels.system.paths import PROJECT
from train_jobs.api import job, refuse_in_public_mode
from train_jobs.errors import JobError

_NICE = 10
_executor = ThreadPoolExecutor(1, "publish")  # measuring takes every core
_lock = threading.Lock()
_publications: dict[str, Publication] = {}


@dataclass
class Publication:
    """One request to publish a run. Times are of `time.monotonic`; `started` is None while another one runs."""

    job_id: str
    name: str
    requested: float
    started: float | None = None
    ended: float | None = None
    fraction: float = 0.0
    problem: str = ""
    cancelled: bool = False
    process: subprocess.Popen[str] | None = None

    @property
    def path(self) -> Path:
        return catalog.checkpoints_root() / self.name

    @property
    def seconds(self) -> float:
        """Seconds since it started, or that it took."""
        return 0.0 if self.started is None else (self.ended or time.monotonic()) - self.started


def start(job_id: str, name: str) -> Publication:
    """Start to publish a run as `checkpoints/<name>/`. Raises PublicModeError, ConfigError, JobError."""
    refuse_in_public_mode("publishing")
    folder = job(job_id).folder.path
    taken = catalog.name_taken(name)
    if taken is not None:
        raise ConfigError(f"name = {name!r} is taken by {taken.name} in {taken.parent.name}/. Choose another name")
    with _lock:
        if any(other.ended is None and job_id == other.job_id for other in _publications.values()):
            raise JobError(f"{job_id} is being published already; wait for it, or cancel it")
        # Its folder does not exist yet; a second publication would replace the first.
        if any(other.ended is None and name == other.name for other in _publications.values()):
            raise ConfigError(f"name = {name!r} is taken: another run is being published under it. Choose another name")
        publication = _publications[job_id] = Publication(job_id, name, time.monotonic())
    _executor.submit(_run, publication, folder)
    return publication


def of(job_id: str) -> Publication | None:
    """The last publication of a run on this server, or None."""
    return _publications.get(job_id)


def cancel(job_id: str) -> None:
    """Cancel a waiting or running publication; none of its files remain."""
    with _lock:
        publication = _publications.get(job_id)
        if publication is None or publication.ended is not None:
            return
        publication.cancelled = True
        if publication.process is not None:
            publication.process.terminate()


def forget(job_id: str) -> None:
    """Drop the result of a publication that has ended."""
    with _lock:
        if job_id in _publications and _publications[job_id].ended is not None:
            del _publications[job_id]


def _run(publication: Publication, folder: Path) -> None:
    try:
        with _lock:
            if publication.cancelled:
                return
            publication.started = time.monotonic()
            process = publication.process = subprocess.Popen(
                [sys.executable, "-m", "genmodels", "publish", "--progress", "--", str(folder), publication.name],
                cwd=PROJECT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        with suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        last_line = ""
        for line in process.stderr or ():
            kind, _, rest = line.partition(" ")
            if kind == "progress":
                done, total = rest.split()
                publication.fraction = int(done) / int(total)
            elif line.strip():
                last_line = line.strip()
        process.communicate()
        publication.cancelled = publication.cancelled and process.returncode != 0  # False if cancelling came too late
        if process.returncode and not publication.cancelled:
            publication.problem = last_line.removeprefix("error: ") or f"it ended with code {process.returncode}"
        if process.returncode:
            shutil.rmtree(publication.path.with_name(f".tmp-{publication.name}-{process.pid}"), ignore_errors=True)
    except OSError as error:
        publication.problem = f"the process could not be started: {error}"
    finally:
        publication.ended = time.monotonic()


@atexit.register
def _end() -> None:
    """Cancel publications when the server ends."""
    for publication in list(_publications.values()):
        if publication.ended is None:
            publication.cancelled = True
            if publication.process is not None:
                publication.process.send_signal(signal.SIGTERM)
