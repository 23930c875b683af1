"""The job layer with real schedulers, workers and queue."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import train_jobs
from genmodels.errors import CheckpointError, UnknownNameError
from genmodels.runs.folder import RunFolder
from tests.support.job_processes import (
    ENDLESS,
    PROJECT,
    cli,
    end_scheduler,
    logged_steps,
    start,
    until,
    until_state,
    until_step,
)
from train_jobs import JobError, PublicModeError, QueueError, daemon, make_spec, scheduler
from train_jobs.launchers.local import LocalLauncher
from train_jobs.store import NewJob, Store

pytestmark = pytest.mark.usefixtures("runs")


@pytest.mark.alone
@pytest.mark.usefixtures("real_starts")
def test_submit_wait_show_and_list_from_the_command_line(runs: Path) -> None:
    began = time.monotonic()
    submitted = cli("submit", "pattern_1010_gan", "--set", "train.max_steps=300", "--name", "first")
    assert time.monotonic() - began < 2, "half a second on an idle machine; benchmarks/jobs.py measures it"
    assert submitted.returncode == 0, submitted.stderr
    assert submitted.stdout.splitlines()[-1] == "pattern_1010_gan-1"
    waited = cli("wait", "pattern_1010_gan-1", "--timeout", "40")
    assert waited.returncode == 0, waited.stderr
    shown = json.loads(cli("show", "pattern_1010_gan-1", "--json").stdout)
    assert (shown["state"], shown["step"], shown["max_steps"]) == ("SUCCEEDED", 300, 300)
    assert shown["folder"] == str(runs / "pattern_1010_gan-1")
    assert (shown["name"], shown["model"], shown["device"], shown["pid"]) == ("first", "gan", "cpu", None)
    assert [job["id"] for job in json.loads(cli("list", "--json").stdout)] == ["pattern_1010_gan-1"]
    assert "finished at step 300" in cli("logs", "pattern_1010_gan-1").stdout
    refused = cli("stop", "pattern_1010_gan-1")
    assert refused.returncode == 1, "2 is for usage errors"
    assert "has finished at step 300" in refused.stderr
    with pytest.raises(JobError, match="for a longer training"):
        train_jobs.resume("pattern_1010_gan-1")


@pytest.mark.slow
def test_stop_saves_and_resume_leaves_no_gap_and_no_double_point() -> None:
    job = start(*ENDLESS, "train.log_every=20", "train.save_every=100000")
    until_step(job.id, 200)
    stopped = cli("stop", job.id)
    saved = job.folder.steps()[-1]
    assert stopped.returncode == 0
    assert f"saved at step {saved:,}" in stopped.stdout
    assert train_jobs.job(job.id).state == "STOPPED"
    assert train_jobs.resume(job.id).active
    until_step(job.id, saved + 200)
    train_jobs.stop(job.id)
    ended = until_state(job.id, "STOPPED")
    steps = logged_steps(ended.folder)
    last = ended.folder.steps()[-1]
    assert last > saved
    assert steps == [1, *range(20, last + 1, 20)]


@pytest.mark.slow
def test_killed_worker_is_reported_and_resumed() -> None:
    job = start(*ENDLESS, "train.save_every=100")
    pid = until_step(job.id, 150).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: train_jobs.job(job.id).state == "FAILED", 5) < 5
    failed = train_jobs.job(job.id)
    saved = failed.folder.steps()[-1]
    assert failed.error
    assert "signal 9" in failed.error
    assert f"resume {job.id}` goes on from step {saved:,}" in failed.error
    assert failed.error in failed.folder.log_tail(3)
    train_jobs.resume(job.id)
    until_step(job.id, saved + 100)
    train_jobs.stop(job.id)
    steps = logged_steps(until_state(job.id, "STOPPED").folder)
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_worker_killed_before_its_first_checkpoint_can_start_again() -> None:
    job = start(*ENDLESS)
    until(lambda: train_jobs.job(job.id).pid is not None)
    pid = train_jobs.job(job.id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    failed = until_state(job.id, "FAILED", 5)
    assert failed.folder.steps() == []
    assert failed.error
    assert "from the beginning" in failed.error
    train_jobs.resume(job.id)
    until_step(job.id, 50)


@pytest.mark.slow
@pytest.mark.usefixtures("real_starts")
def test_next_scheduler_adopts_the_worker_and_a_second_one_is_refused(runs: Path) -> None:
    job = start(*ENDLESS)
    waiting = start(*ENDLESS)
    pid = until_step(job.id, 50).pid
    assert (train_jobs.job(waiting.id).state, train_jobs.job(waiting.id).position) == ("PENDING", 1)
    first = daemon.running_pid(runs)
    assert first
    second = subprocess.run(
        [sys.executable, "-m", "train_jobs.scheduler", str(runs)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 0
    assert f"another scheduler (pid {first}) serves" in second.stdout
    assert psutil.Process(first).memory_info().rss < 80e6

    os.kill(first, signal.SIGKILL)
    until(lambda: daemon.running_pid(runs) is None, 5)
    train_jobs.ensure_scheduler()
    until(lambda: daemon.running_pid(runs) not in (None, 0, first), 10)
    time.sleep(0.6)
    assert train_jobs.job(job.id).pid == pid, "the same worker goes on"
    assert train_jobs.job(waiting.id).state == "PENDING", "one worker per device"

    train_jobs.stop(waiting.id)
    assert train_jobs.job(waiting.id).state == "STOPPED", "a queued job stops at once"
    with pytest.raises(JobError, match="stop it first"):
        train_jobs.delete(job.id)
    train_jobs.stop(job.id)
    until_state(job.id, "STOPPED")
    train_jobs.delete(job.id)
    assert [run.id for run in train_jobs.jobs()] == [waiting.id]
    assert not job.folder.path.exists()


@pytest.mark.slow
def test_scheduler_ends_when_there_is_nothing_to_do(runs: Path) -> None:
    train_jobs.stop(start(*ENDLESS).id)
    until(lambda: not train_jobs.jobs()[0].active)
    end_scheduler(runs)
    left = subprocess.run(
        [sys.executable, "-m", "train_jobs.scheduler", str(runs), "--idle", "0.5"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert left.returncode == 0
    assert "nothing to do" in left.stdout
    assert daemon.running_pid(runs) is None


def test_submit_imports_no_torch(runs: Path) -> None:
    program = (
        "import sys, train_jobs as t; t.submit(t.make_spec('mnist_gan', 'quick', ['train.max_steps=5'], 'digits'));"
        "t.jobs(); t.stop('mnist_gan-1'); import train_jobs.__main__, train_jobs.scheduler;"
        "print(sorted({'torch', 'streamlit', 'torchvision', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_public_server_refuses_changes_and_starts_nothing(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = start(*ENDLESS)
    train_jobs.stop(job.id)
    until_state(job.id, "STOPPED")
    end_scheduler(runs)
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    refused: list[Callable[[], object]] = [
        lambda: start(*ENDLESS),
        lambda: train_jobs.resume(job.id),
        lambda: train_jobs.delete(job.id),
        lambda: train_jobs.stop(job.id),
        lambda: train_jobs.rename(job.id, "other"),
        lambda: train_jobs.repair(),
        lambda: train_jobs.request(job.id, "save"),
        lambda: train_jobs.publish(job.id, "mine"),
        lambda: train_jobs.get_data("mnist"),
    ]
    for call in refused:
        with pytest.raises(PublicModeError, match="switched off on this public server"):
            call()
    ran = cli("run", "pattern_1010_gan")
    assert ran.returncode == 1
    assert "public server" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [found.name for found in train_jobs.jobs()] == [job.id]
    assert daemon.running_pid(runs) is None


@pytest.mark.slow
def test_foreground_run_is_listed_and_ctrl_c_saves(runs: Path) -> None:
    command = [sys.executable, "-m", "train_jobs", "run", "pattern_1010_gan"]
    for setting in ENDLESS:
        command += ["--set", setting]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: any(job.step > 50 for job in train_jobs.jobs()))
    assert train_jobs.job("pattern_1010_gan-1").pid == process.pid
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    job = train_jobs.job("pattern_1010_gan-1")
    assert job.state == "STOPPED"
    assert f"saved at step {job.folder.steps()[-1]:,}" in errors
    assert output.splitlines()[-1] == job.id
    assert "steps/s" in errors


def test_damaged_and_foreign_folders_do_not_break_the_list(runs: Path) -> None:
    for name in ("damaged", "whole", "trimmed"):
        RunFolder.create(runs / name, make_spec("pattern_1010_gan", None, ["train.max_steps=50"]))
    (runs / "damaged" / "config.json").write_text('{"format": 3, "spec"')
    (runs / "whole" / "step-000050").mkdir()
    (runs / "trimmed" / "step-000020").mkdir()
    (runs / "holiday").mkdir()
    found = {job.id: job for job in train_jobs.jobs()}
    assert {name: job.state for name, job in found.items()} == {
        "damaged": "FAILED",
        "whole": "SUCCEEDED",
        "trimmed": "STOPPED",
    }
    error = found["damaged"].error
    assert error
    assert "config.json cannot be read" in error
    assert "delete the run" in error
    with pytest.raises(JobError, match="trimmed is not running: it was stopped at step 20"):  # there is no queue yet
        train_jobs.stop("trimmed")
    with pytest.raises(CheckpointError, match="without the state that training needs"):
        train_jobs.resume("trimmed")
    with pytest.raises(CheckpointError, match="cannot be read"):
        train_jobs.resume("damaged")
    train_jobs.delete("damaged")
    assert train_jobs.rename("whole", "my best").name == "my best"
    assert {job.name for job in train_jobs.jobs()} == {"my best", "trimmed"}
    for name in ("holiday", "../runs", "", "nothing"):
        with pytest.raises(UnknownNameError):
            train_jobs.delete(name)


@pytest.mark.slow
def test_no_content_of_a_run_folder_breaks_the_list(runs: Path) -> None:
    for name in ("null", "words", "huge", "abc", "whole"):
        folder = RunFolder.create(runs / name, make_spec("pattern_1010_gan", None, ["train.max_steps=50"]))
        folder.write_status(phase="stopped", step=20, max_steps=50)
    (runs / "null" / "status.json").write_text("null")
    report = {"phase": "training", "heartbeat": time.time(), "step": "many", "max_steps": [], "pid": "zz"}
    (runs / "words" / "status.json").write_text(json.dumps(report))
    report |= {"step": float("inf"), "steps_per_second": float("nan"), "pid": 10**400}
    (runs / "huge" / "status.json").write_text(json.dumps(report))
    config = json.loads((runs / "abc" / "config.json").read_text())
    config["spec"]["train"]["max_steps"] = "abc"
    (runs / "abc" / "config.json").write_text(json.dumps(config))
    found = {job.id: job for job in train_jobs.jobs()}
    assert {name: (job.state, job.step) for name, job in found.items()} == {
        "null": ("STOPPED", 0),
        "words": ("STOPPED", 0),
        "huge": ("STOPPED", 0),
        "abc": ("FAILED", 20),
        "whole": ("STOPPED", 20),
    }
    assert found["abc"].error
    assert "train.max_steps = 'abc' is not allowed" in found["abc"].error
    for arguments in (("list",), *(("show", name) for name in found)):
        done = cli(*arguments)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_scheduler_survives_a_run_folder_damaged_during_training(runs: Path) -> None:
    broken = start(*ENDLESS)
    healthy = start("train.max_steps=100", "train.precision=fp32", "train.compile=off", "run.threads=1")
    until(lambda: train_jobs.job(broken.id).phase == "training")
    pid = train_jobs.job(broken.id).pid
    assert pid is not None
    serving = daemon.running_pid(runs)
    os.kill(pid, signal.SIGKILL)
    (broken.folder.path / "config.json").write_text('{"format": 3, "spec": {"train": {"max_steps": "abc"}}}')
    (broken.folder.path / "status.json").write_text("null")
    assert until_state(broken.id, "FAILED").error
    assert until_state(healthy.id, "SUCCEEDED").step == 100
    assert daemon.running_pid(runs) == serving


@pytest.mark.slow
def test_request_is_refused_until_the_job_trains() -> None:
    job = start(*ENDLESS)
    refusals = []
    while len(refusals) < 1000:
        try:
            train_jobs.request(job.id, "save")
            break
        except JobError as error:
            refusals.append(str(error))
            time.sleep(0.02)
    assert any("not running (PENDING)" in text for text in refusals)
    assert any("not training; wait until it trains" in text for text in refusals)
    until(lambda: any(event["kind"] == "save" for event in job.folder.events()), what="the one request that was taken")


def test_worker_that_does_not_stop_is_killed_with_a_reason(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_KILL_AFTER", 1.0)
    store = Store(runs)
    (runs / "deaf").mkdir(parents=True)
    new = NewJob("deaf", "Deaf", "vae", "vae", 10, str(runs), "cpu", time.time())
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(runs)], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "deaf\n"
        store.adopt("deaf", new, "RUNNING", None, ("cpu", worker.pid, psutil.Process(worker.pid).create_time()))
        store.request_stop("deaf")
        serving = scheduler.Scheduler(store, LocalLauncher())
        until(lambda: not serving.tick(), 10)
    row = store.row("deaf")
    assert row
    assert row.state == "FAILED"
    assert row.error
    assert "killed by the scheduler: asked to stop, it did not save and end within 1 s" in row.error


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="this system has no real-time signals")
def test_real_time_signal_is_named_by_its_number() -> None:
    job = start(*ENDLESS)
    until(lambda: train_jobs.job(job.id).pid is not None)
    pid = train_jobs.job(job.id).pid
    assert pid is not None
    os.kill(pid, signal.SIGRTMIN + 3)
    error = until_state(job.id, "FAILED").error
    assert error
    assert f"ended by signal {signal.SIGRTMIN + 3}" in error


@pytest.mark.usefixtures("real_starts")
def test_relative_runs_folder_is_the_same_folder_for_scheduler_and_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENMODELS_RUNS", "runs")
    job = start(*ENDLESS)
    until(lambda: train_jobs.job(job.id).pid is not None)
    pid, serving = train_jobs.job(job.id).pid, daemon.running_pid(tmp_path / "runs")
    assert pid
    assert serving
    for process in (pid, serving):
        assert psutil.Process(process).environ()["GENMODELS_RUNS"] == str(tmp_path / "runs")


@pytest.mark.slow
def test_damaged_queue_is_reported_and_repaired_during_a_training(runs: Path) -> None:
    job = start(*ENDLESS)
    pid = until_step(job.id, 50).pid
    daemon.end(runs)
    for companion in ("queue.sqlite-wal", "queue.sqlite-shm"):
        (runs / companion).unlink(missing_ok=True)
    (runs / "queue.sqlite").write_bytes(b"this is no database, but long enough to be read as one" * 40)
    listed = cli("list")
    assert listed.returncode == 1
    assert "repair" in listed.stderr
    assert "Traceback" not in listed.stderr
    assert (runs / "queue.sqlite").read_bytes().startswith(b"this is no database"), "nothing is overwritten"
    assert cli("repair").returncode == 0
    assert list(runs.glob("queue.sqlite.damaged-*"))
    again = train_jobs.job(job.id)
    assert (again.state, again.pid) == ("RUNNING", pid)
    train_jobs.stop(job.id)
    until_state(job.id, "STOPPED")
    with pytest.raises(JobError, match="nothing to repair"):
        train_jobs.repair()


def test_full_disk_and_unwritable_folder_leave_no_partial_files(runs: Path) -> None:
    runs.mkdir()
    # A file size limit is like a full disk, for this process only.
    full = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$0" -m train_jobs submit pattern_1010_gan', sys.executable],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert full.returncode == 1
    assert full.stderr.startswith("error: ")
    assert "Free some space" in full.stderr
    assert not [path for path in runs.iterdir() if path.is_dir()]
    assert train_jobs.jobs() == ()
    blocked = cli("submit", "pattern_1010_gan", GENMODELS_RUNS=str(Path(__file__) / "runs"))
    assert blocked.returncode == 1
    assert "GENMODELS_RUNS" in blocked.stderr
    assert "Traceback" not in blocked.stderr


@pytest.mark.slow
def test_bad_input_is_refused_before_anything_is_queued(runs: Path) -> None:
    for arguments, told in (
        (("pattern_1010",), "did you mean 'pattern_1010_gan'"),
        (("pattern_1010_gan", "--set", "train.max_steps=0"), "train.max_steps"),
        (("pattern_1010_gan", "--set", "nonsense"), "SECTION.FIELD=VALUE"),
        (("pattern_1010_gan", "--preset", "huge"), "preset"),
        (("pattern_1010_gan", "--device", "cuda:77"), "cuda:77"),
        (("pattern_1010_gan", "--name", "two\nlines"), "run.name = 'two\\nlines'"),
        (("pattern_1010_gan", "--set", 'run.name="\\u202e"'), "printable"),
        (("pattern_1010_gan", "--name", " "), "printable"),
        (("pattern_1010_gan", "--data", "mnst"), "data set"),
        (("pattern_1010_gan", "--data", "digits", "--set", "data.name=mnist"), "given twice"),
    ):
        done = cli("submit", *arguments)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("error: "), done.stderr
        assert told in done.stderr
    assert cli("submit").returncode == 2
    assert not runs.exists()
    with pytest.raises(UnknownNameError, match="unknown run"):
        train_jobs.job("mnist_gan-9")


@pytest.mark.slow
def test_failure_in_the_worker_reaches_the_row(runs: Path) -> None:
    job = start(*ENDLESS)
    # The metrics file cannot be written: it is a folder.
    (job.folder.path / "metrics.jsonl").mkdir()
    failed = until_state(job.id, "FAILED")
    assert failed.error
    assert "metrics.jsonl" in failed.error
    assert "error: " in failed.folder.log_tail(2)
    assert cli("wait", job.id).returncode == 1


def test_queue_of_a_newer_version_is_refused(runs: Path) -> None:
    runs.mkdir()
    with sqlite3.connect(runs / "queue.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(QueueError, match="version 99"):
        train_jobs.jobs()
