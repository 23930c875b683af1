"""Running, hung and ended workers are told apart, also after the clock was set, and can be stopped."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest

import train_jobs
from genmodels.runs.files import write_json
from genmodels.runs.folder import RunFolder
from genmodels.system import processes
from tests.support.job_processes import ENDLESS, PROJECT, cli, end_scheduler, start, until, until_state, until_step
from train_jobs import daemon, make_spec, scheduler, worker
from train_jobs.launchers import Process
from train_jobs.launchers.environment import allowed
from train_jobs.launchers.local import LocalLauncher, is_alive
from train_jobs.store import NewJob, Store

pytestmark = pytest.mark.usefixtures("runs")


def change_queue(runs: Path, change: str) -> None:
    """Change the queue as a clock change, or an earlier scheduler, would."""
    with sqlite3.connect(runs / "queue.sqlite") as db:
        db.execute(f"UPDATE jobs SET {change}")
    db.close()


def foreground(*settings: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "train_jobs", "run", "pattern_1010_gan"]
    for setting in (*ENDLESS, *settings):
        command += ["--set", setting]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        "pid_created = pid_created - 86400",
        "state = 'FAILED', finished = 1, error = 'given up', pid_created = pid_created + 3600",
    ],
)
def test_a_worker_is_found_after_the_clock_was_set_and_can_be_stopped(runs: Path, change: str) -> None:
    job = start(*ENDLESS)
    pid = until_step(job.id, 20).pid
    end_scheduler(runs)
    change_queue(runs, change)
    again = train_jobs.job(job.id)
    assert (again.state, again.pid, again.phase) == ("RUNNING", pid, "training")
    train_jobs.stop(job.id)
    stopped = until_state(job.id, "STOPPED")
    assert stopped.folder.steps()[-1] > 20
    assert pid is not None
    assert processes.identity(pid) is None


@pytest.mark.slow
def test_a_foreground_training_is_found_after_the_clock_was_set(runs: Path) -> None:
    with foreground() as process:
        until(lambda: any(job.step > 20 for job in train_jobs.jobs()), 60)
        train_jobs.ensure_scheduler()  # it adopts the foreground run
        end_scheduler(runs)
        change_queue(runs, "pid_created = pid_created + 3600")
        job = train_jobs.jobs()[0]
        assert (job.state, job.pid) == ("RUNNING", process.pid)
        train_jobs.stop(job.id)
        process.communicate(timeout=30)
    assert until_state(job.id, "STOPPED").folder.steps()[-1] > 20


def test_a_reused_pid_is_not_a_worker(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", make_spec("pattern_1010_gan"))
    folder.write_status(phase="training")  # by this process
    with subprocess.Popen(["sleep", "60"]) as other:
        created = psutil.Process(other.pid).create_time()
        assert is_alive(Process(other.pid, created), folder.path)
        assert not is_alive(Process(other.pid, created + 3600), folder.path)
        write_json(folder.path / "status.json", {**folder.status(), "pid": other.pid})
        assert not is_alive(Process(other.pid, created + 3600), folder.path), "the report is by another process"
        assert is_alive(Process(os.getpid(), 0.0), folder.path) is False
        folder.write_status(phase="training")
        assert is_alive(Process(os.getpid(), 0.0), folder.path)
        other.kill()
        until(lambda: psutil.Process(other.pid).status() == psutil.STATUS_ZOMBIE)
        assert processes.identity(other.pid) is None
        assert not is_alive(Process(other.pid, created), folder.path)


def test_the_age_of_a_report_does_not_depend_on_the_clock() -> None:
    stamp = processes.stamp()
    assert 0 <= (processes.age({**stamp, "heartbeat": time.time() - 3600}) or 0) < 60
    late = processes.age({**stamp, "monotonic": stamp["monotonic"] - 500})
    assert late is not None
    assert 499 <= late < 560
    other_boot = processes.age({**stamp, "boot": "before", "heartbeat": time.time() - 3600})
    assert other_boot is not None
    assert 3599 <= other_boot < 3660
    assert processes.age({**stamp, "monotonic": 10**400}) is None
    assert processes.age({}) is None


def make_late(folder: RunFolder, seconds: float) -> None:
    """Give the last report an earlier time, instead of waiting."""
    status = folder.status()
    write_json(folder.path / "status.json", {**status, "monotonic": status["monotonic"] - seconds})


@pytest.mark.slow
def test_a_suspended_worker_is_shown_as_not_responding_and_stop_saves_it() -> None:
    job = start(*ENDLESS)
    pid = until_step(job.id, 20).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    make_late(job.folder, 65)
    hung = train_jobs.job(job.id)
    assert (hung.state, hung.phase, hung.speed) == ("RUNNING", "not responding", None)
    assert hung.silent is not None
    assert hung.silent > 60
    for words in (("show", job.id), ("list",)):
        report = re.search(r"not responding, last report (\d+) s ago", cli(*words).stdout)
        assert report is not None
        assert int(report[1]) > 60
    assert json.loads(cli("show", job.id, "--json").stdout)["silent"] > 60
    with pytest.raises(train_jobs.JobError, match="not responding"):
        train_jobs.request(job.id, "save")
    assert "saved at step" in cli("stop", job.id).stdout
    assert until_state(job.id, "STOPPED").folder.steps()[-1] >= 20


def test_a_worker_that_neither_reports_nor_stops_is_killed_sooner(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_STOP_SECONDS", 0.2)
    store, folder = Store(runs), RunFolder.create(runs / "deaf", make_spec("pattern_1010_gan"))
    program = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(runs)], stdout=subprocess.PIPE, text=True) as deaf:
        assert deaf.stdout
        assert deaf.stdout.readline() == "deaf\n"
        report = {**processes.stamp(), "pid": deaf.pid, "process": processes.identity(deaf.pid), "phase": "training"}
        report["monotonic"] -= scheduler._KILL_SILENT_AFTER + 1
        write_json(folder.path / "status.json", report)
        new = NewJob("deaf", "Deaf", "gan", "gan", 10, str(runs), "cpu", time.time())
        store.adopt("deaf", new, "RUNNING", None, ("cpu", deaf.pid, psutil.Process(deaf.pid).create_time()))
        store.request_stop("deaf")
        serving = scheduler.Scheduler(store, LocalLauncher())
        until(lambda: not serving.tick(), 20)
    row = store.row("deaf")
    assert row
    assert row.state == "FAILED"
    assert row.error
    assert "killed by the scheduler: asked to stop, it did not respond" in row.error


@pytest.mark.slow
def test_a_training_in_a_closed_terminal_saves_first(runs: Path) -> None:
    ours, theirs = pty.openpty()

    def take_the_terminal() -> None:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and children inherit that
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    command = [sys.executable, "-m", "train_jobs", "run", "pattern_1010_gan"]
    for setting in ENDLESS:
        command += ["--set", setting]
    process = subprocess.Popen(
        command, cwd=PROJECT, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=take_the_terminal
    )
    os.close(theirs)
    try:
        until(lambda: any(job.step > 50 for job in train_jobs.jobs()), 60)
        os.close(ours)  # the terminal is closed: its processes get SIGHUP, and writing to it fails
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
    job = train_jobs.job("pattern_1010_gan-1")
    assert job.state == "STOPPED"
    assert job.folder.steps()[-1] > 50


@pytest.mark.slow
def test_a_worker_saves_on_sighup() -> None:
    job = start(*ENDLESS)
    pid = until_step(job.id, 50).pid
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    assert until_state(job.id, "STOPPED").folder.steps()[-1] > 50


def test_a_second_sighup_is_ignored_and_so_is_the_first_under_nohup() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as in a terminal, even if the tests run under nohup
        stop = worker.catch_signals()
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.wait(5)
        os.kill(os.getpid(), signal.SIGHUP)  # ends this process unless it is ignored
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        stop = worker.catch_signals()
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert not stop.is_set()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_environment_of_workers_contains_no_secrets() -> None:
    passed = {
        "PATH": "/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "TMPDIR": "/tmp",
        "GENMODELS_DATA": "data",
        "GENMODELS_CHECKPOINTS": "checkpoints",
        "CUDA_VISIBLE_DEVICES": "0",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "TORCHINDUCTOR_CACHE_DIR": "/cache",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "LD_LIBRARY_PATH": "/lib",
        "PYTHONPATH": "src",
        "HF_HOME": "/hf",
        "XDG_CACHE_HOME": "/cache",
        "https_proxy": "http://proxy:3128",
        "CXX": "g++",
    }
    kept_back = {
        "HF_TOKEN": "secret",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "OPENAI_API_KEY": "secret",
        "GITHUB_TOKEN": "secret",
        "GENMODELS_ADMIN_PASSWORD": "secret",
        "TORCH_HUB_TOKEN": "secret",
        "DATABASE_URL": "postgres://user:secret@host",
        "SSH_AUTH_SOCK": "/tmp/agent",
    }
    assert allowed({**passed, **kept_back}) == passed


@pytest.mark.slow
@pytest.mark.usefixtures("real_starts")
def test_each_worker_gets_its_submitters_folders_and_no_secret(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for folder in (first, second, third):
        folder.mkdir()
    monkeypatch.setenv("ACCESS_TOKEN", "secret")
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(first))
    one = start(*ENDLESS)  # starts the scheduler
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(second))
    two = start(*ENDLESS)
    assert checkpoints_of(one.id) == str(first)
    serving = daemon.running_pid(runs)
    assert serving
    for process in (serving, train_jobs.job(one.id).pid):
        assert "ACCESS_TOKEN" not in psutil.Process(process).environ()
    train_jobs.stop(one.id)
    assert checkpoints_of(two.id) == str(second)
    train_jobs.stop(two.id)
    until_state(two.id, "STOPPED")
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(third))
    train_jobs.resume(two.id)
    assert checkpoints_of(two.id) == str(second), "the submitter's, also after a resume by another user"


def checkpoints_of(job_id: str) -> str:
    """The checkpoints folder in the environment of a job's worker."""
    until(lambda: train_jobs.job(job_id).pid is not None, 60)
    pid = train_jobs.job(job_id).pid
    return psutil.Process(pid).environ()["GENMODELS_CHECKPOINTS"]


@pytest.mark.slow
@pytest.mark.usefixtures("real_starts")
def test_an_abort_at_the_end_of_the_process_does_not_fail_the_run(tmp_path: Path) -> None:
    """A thread of torch sometimes aborts; the run is saved and finished by then."""
    (tmp_path / "sitecustomize.py").write_text("import atexit, os\natexit.register(os.abort)\n")
    done = cli(
        "run", "pattern_1010_gan", "--set", "train.max_steps=2", "--set", "train.compile=off", PYTHONPATH=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert "finished at step 2" in done.stderr
