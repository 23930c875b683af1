"""Reading starts no process; what waits goes on when something acts: the open app, a command that waits, a change."""

from __future__ import annotations

import json
import os
import signal
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

import train_jobs
from pages.server.lifespan import _INTERVAL
from tests.support.browser import server_of
from tests.support.job_processes import ENDLESS, cli, until, until_state
from tests.support.pages import open_page
from train_jobs import daemon, make_spec, submission
from train_jobs.launchers.local import LocalLauncher
from train_jobs.scheduler import Scheduler
from train_jobs.store import Store

pytestmark = pytest.mark.usefixtures("runs")


def queued() -> str:
    """A job that was entered by a process that ended before it started a scheduler."""
    return submission.enter(make_spec("pattern_1010_gan", None, ENDLESS))


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def replaced(runs: Path, dead: int) -> bool:
    """Whether another scheduler than `dead` serves the runs folder."""
    return daemon.running_pid(runs) not in (None, 0, dead)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["none", "PENDING", "RUNNING"])
@pytest.mark.usefixtures("real_starts")
def test_reading_starts_no_process(runs: Path, state: str) -> None:
    before = children()
    job_id = "" if state == "none" else queued()
    if state == "RUNNING":
        assert Store().claim(job_id, "cpu")
    found = train_jobs.jobs()
    assert [job.state for job in found] == ([] if state == "none" else [state])
    if found:
        assert train_jobs.job(job_id).state == state
        assert json.loads(cli("list", "--json").stdout)[0]["state"] == state
        assert json.loads(cli("show", job_id, "--json").stdout)["state"] == state
        assert cli("logs", job_id).returncode == 0
        open_page("runs", run=job_id)
    assert children() <= before
    assert daemon.running_pid(runs) is None
    assert not (runs / daemon.SCHEDULER_LOG).exists()


def test_a_job_that_nothing_starts_says_so_until_a_scheduler_runs(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = queued()
    error = train_jobs.job(job_id).error
    assert error is not None
    assert error.startswith("no scheduler runs")
    assert "`python -m train_jobs wait ID`" in error
    assert "no scheduler runs" in open_page("runs", run=job_id).warning[0].value
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    assert train_jobs.job(job_id).error is None, "a public server never starts one"
    monkeypatch.delenv("GENMODELS_PUBLIC")
    train_jobs.ensure_scheduler()
    assert train_jobs.job(job_id).error is None, "one starts"
    until_state(job_id, "RUNNING")


@pytest.mark.slow
@pytest.mark.parametrize("command", [("wait", "--timeout", "5"), ("stop",)])
def test_a_command_that_waits_replaces_a_scheduler_that_has_died(runs: Path, command: tuple[str, ...]) -> None:
    first, second = train_jobs.submit(make_spec("pattern_1010_gan", None, ENDLESS)).id, queued()
    until_state(first, "RUNNING")
    dead = daemon.running_pid(runs)
    assert dead
    os.kill(dead, signal.SIGKILL)
    until(lambda: daemon.running_pid(runs) is None)
    done = cli(command[0], first, *command[1:])
    assert daemon.running_pid(runs) not in (None, dead)
    if command[0] == "stop":
        assert done.returncode == 0, done.stderr
        until_state(second, "RUNNING")


def test_a_stop_outlives_a_scheduler_that_died_before_it_started_the_worker(runs: Path) -> None:
    job_id, store = queued(), Store()
    assert store.claim(job_id, "cpu")
    assert store.request_stop(job_id)
    serving = Scheduler(store, LocalLauncher())
    until(lambda: not serving.tick())
    row = store.row(job_id)
    assert row is not None
    assert (row.state, row.error) == ("STOPPED", None)


@pytest.mark.slow
def test_the_open_app_replaces_a_scheduler_that_has_died(runs: Path) -> None:
    job_id = queued()
    with server_of({"GENMODELS_RUNS": str(runs)}):
        until_state(job_id, "RUNNING")
        for _ in range(2):
            dead = daemon.running_pid(runs)
            assert dead
            os.kill(dead, signal.SIGKILL)
            until(partial(replaced, runs, dead))
        train_jobs.stop(job_id)
        assert until_state(job_id, "STOPPED").error is None


@pytest.mark.slow
def test_the_app_of_a_public_server_starts_none(runs: Path) -> None:
    job_id = queued()
    with server_of({"GENMODELS_RUNS": str(runs), "GENMODELS_PUBLIC": "1"}):
        time.sleep(1.5 * _INTERVAL)
        assert daemon.running_pid(runs) is None
    assert train_jobs.job(job_id).state == "PENDING"
