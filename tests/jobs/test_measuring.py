"""Measuring a checkpoint as a job of the queue, with real schedulers and workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
import torch

import train_jobs
from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.errors import CheckpointError, GenmodelsError, UnknownNameError
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.service import evaluate
from tests.support.job_processes import ENDLESS, OtherWorker, cli, until
from tests.support.preloaded import python
from tests.support.runs import save_run
from train_jobs import PublicModeError, daemon, make_spec, measuring, scheduler, store, submission
from train_jobs.launchers.local import LocalLauncher
from train_jobs.store import Row, Store


@pytest.fixture
def models(runs: Path) -> Path:
    save_run(runs, "vae", "mnist_vae_20", "data.name=digits", steps=(0, 5, 10))
    save_run(runs, "reader", "mnist_mlp_baseline", "data.name=digits", steps=(10,))
    return runs


def rows() -> list[Row]:
    return Store().rows(kind="measure")


def ended(name: str, step: int, seconds: float = 120.0) -> Row:
    """The row of a measurement, when it has ended and its folder is removed."""

    def row() -> Row:
        return next(row for row in reversed(rows()) if (row.name, row.step) == (name, step))

    until(lambda: row().state not in ("PENDING", "RUNNING"), seconds, f"{name}, step {step}, measured")
    until(lambda: not (Store().root / row().id).exists(), 20, "its folder is removed")
    return row()


def enter(name: str, step: int) -> None:
    """Queue a measurement without a scheduler."""
    measuring.enter(name, step, RunFolder(catalog.find(name)))


# ------------------------------------------------------------------------------ with the real scheduler


@pytest.mark.slow
@pytest.mark.usefixtures("real_starts")
def test_a_measurement_is_a_job_and_its_metrics_are_stored_for_exactly_these_weights(models: Path) -> None:
    measuring.start("reader", 10)
    (waiting,) = measuring.of("reader")
    assert waiting.active
    assert measuring.of("vae") == ()
    until(lambda: any(row.pid for row in rows()))
    pid = rows()[0].pid
    assert pid is not None
    assert (models / ".measure-1").is_dir()
    until(lambda: psutil.Process(pid).nice() >= 10)
    assert psutil.Process(pid).environ()["OMP_NUM_THREADS"] == "1"
    row = ended("reader", 10)
    assert (row.state, row.error) == ("SUCCEEDED", None)
    assert measuring.of("reader") == ()
    assert not [*models.glob(".measure-*")]
    measured = evaluate.metrics_of(catalog.describe(models / "reader", published=False), 10)
    assert measured is not None
    assert measured.samples == evaluate.SAMPLES
    arrays = data.load(DataConfig(), "test")
    read = catalog.load("reader").classify(to_float(torch.from_numpy(arrays.images.copy()))).argmax(1).numpy()
    assert measured.metrics["accuracy"] == pytest.approx(float((read == arrays.labels).mean()))
    # The same step, rewritten, is another model.
    weights = models / "reader" / "step-000010"
    weights.rename(models / "reader" / "step-000011")
    (models / "reader" / "step-000011").rename(weights)
    (weights / "touched").touch()
    assert evaluate.metrics_of(catalog.describe(models / "reader", published=False), 10) is None


@pytest.mark.slow
def test_a_measurement_that_fails_says_why_until_it_is_forgotten(models: Path) -> None:
    (models / "reader" / "step-000010" / "model.safetensors").write_bytes(b"not weights")
    measuring.start("reader", 10)
    row = ended("reader", 10)
    assert row.error is not None
    assert row.error.startswith("reader, step 10: ")
    assert "damaged" in row.error
    assert [(one.state, one.error) for one in measuring.of("reader")] == [("FAILED", row.error)]
    measuring.forget("reader")
    assert measuring.of("reader") == ()
    assert rows() == []


@pytest.mark.slow
def test_what_waits_is_not_queued_twice_and_can_be_cancelled(models: Path) -> None:
    measuring.start("vae", 0)
    measuring.start("vae", 5)
    measuring.start("vae", 5)
    assert [(one.step, one.active) for one in measuring.of("vae")] == [(0, True), (5, True)]
    until(lambda: any(row.pid for row in rows()))
    assert [one.position for one in measuring.of("vae")] == [0, 1]
    measuring.cancel("vae")
    assert measuring.of("vae") == (), "a cancelled measurement has not failed"
    assert [ended("vae", step, 20).state for step in (0, 5)] == ["STOPPED", "STOPPED"]
    assert measuring.of("vae") == ()
    assert evaluate.local_metrics(catalog.describe(models / "vae", published=False), 5) is None
    assert not [*models.glob(".measure-*")]


@pytest.mark.slow
def test_it_goes_on_without_the_process_that_queued_it_and_without_its_scheduler(models: Path) -> None:
    program = "from train_jobs import measuring; measuring.start('reader', 10)"
    python("-c", program).check_returncode()
    until(lambda: any(row.pid for row in rows()))
    pid, dead = rows()[0].pid, daemon.running_pid(models)
    assert dead
    os.kill(dead, signal.SIGKILL)
    until(lambda: daemon.running_pid(models) is None)
    train_jobs.ensure_scheduler()
    row = ended("reader", 10)
    assert (row.state, row.pid) == ("SUCCEEDED", pid), "the same process goes on"
    assert evaluate.local_metrics(catalog.describe(models / "reader", published=False), 10) is not None
    assert not [*models.glob(".measure-*")]


def test_a_public_server_measures_nothing(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    with pytest.raises(PublicModeError, match="only shows"):
        measuring.start("reader", 10)
    assert not (models / "queue.sqlite").exists()


def test_a_step_that_was_not_saved_and_a_path_are_refused(models: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint of step 3"):
        measuring.start("reader", 3)
    with pytest.raises(GenmodelsError, match="not paths"):
        measuring.start("../runs/reader", 10)


# ------------------------------------------------------------------------------ with other workers


BUG = """
from genmodels import evaluation
from genmodels.system.processes import leave
from train_jobs import task_worker

def fail(*args, **options):
    raise RuntimeError("a bug")

evaluation.evaluate = fail
leave(task_worker.main())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (BUG, "reader, step 10: RuntimeError: a bug"),
        (OSError("no memory"), "the worker could not be started: no memory. Free some space or memory, then try again"),
        ("raise SystemExit(3)", "reader, step 10: it ended with code 3 and gave no reason"),
        ("import os; os.kill(os.getpid(), 9)", "reader, step 10: Killed"),
        ("import sys; sys.exit('error: no such thing')", "reader, step 10: no such thing"),
        ("import time; time.sleep(60)", "reader, step 10: not measured in 1 s; the machine is busy. Try again later"),
    ],
)
def test_whatever_goes_wrong_ends_one_measurement_and_no_other(
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: str | OSError,
    error: str,
) -> None:
    if isinstance(fault, str) and "sleep" in fault:
        monkeypatch.setattr(scheduler, "MEASURE_SECONDS", 1.0)
    enter("reader", 10)
    serving = scheduler.Scheduler(Store(), OtherWorker(tmp_path, fault))
    until(lambda: not serving.tick(), 60)
    assert [(one.state, one.error) for one in measuring.of("reader")] == [("FAILED", error)]
    if fault == BUG:
        assert "Traceback (most recent call last)" in caplog.text, "the folder with the log is removed"
    assert not [*models.glob(".measure-*")]
    enter("reader", 10)
    assert [(row.state, row.error) for row in rows()] == [("PENDING", None)], "it can be measured again"
    measuring.cancel("reader")
    assert ended("reader", 10).error is None


@pytest.mark.slow
def test_one_measurement_runs_at_a_time_beside_the_trainings(models: Path, tmp_path: Path) -> None:
    for step in (0, 5):
        enter("vae", step)
    trainings = [submission.enter(make_spec("pattern_1010_gan", None, [*ENDLESS, "run.device=cpu"])) for _ in range(2)]
    serving = scheduler.Scheduler(Store(), OtherWorker(tmp_path, "import time; time.sleep(60)"))
    for _ in range(3):
        serving.tick()
    assert [row.step for row in Store().rows("RUNNING", kind="measure")] == [0]
    assert [row.id for row in Store().rows("RUNNING", kind="train")] == trainings[:1]
    assert [one.position for one in measuring.of("vae")] == [0, 1]
    assert train_jobs.job(trainings[1]).position == 1, "measurements do not count in the queue of trainings"
    measuring.cancel("vae")
    until(lambda: serving.tick() and not Store().rows("RUNNING", "PENDING", kind="measure"))
    assert [row.state for row in rows()] == ["STOPPED", "STOPPED"]


@pytest.mark.parametrize(
    ("program", "state"),
    [
        ("RunFolder(Path(sys.argv[1])).write_status(phase='finished')", "SUCCEEDED"),
        ("pass", "FAILED"),
    ],
)
def test_the_next_scheduler_reads_the_report_of_a_worker_that_ended_meanwhile(
    models: Path, tmp_path: Path, program: str, state: str
) -> None:
    enter("reader", 10)
    imports = "import sys; from pathlib import Path; from genmodels.runs.folder import RunFolder"
    first = OtherWorker(tmp_path, f"{imports}\n{program}")
    scheduler.Scheduler(Store(), first).tick()
    pid = rows()[0].pid
    assert pid is not None
    first._children[pid].wait(timeout=30)
    until(lambda: not scheduler.Scheduler(Store(), LocalLauncher()).tick())
    (row,) = rows()
    assert row.state == state
    assert (row.error is None) == (state == "SUCCEEDED")
    assert "disappeared without a final report" in (row.error or "disappeared without a final report")


def test_the_next_scheduler_takes_a_cancelled_worker_for_cancelled(models: Path, tmp_path: Path) -> None:
    enter("reader", 10)
    first = OtherWorker(tmp_path, "import time; time.sleep(60)")
    scheduler.Scheduler(Store(), first).tick()
    pid = rows()[0].pid
    assert pid is not None
    second = scheduler.Scheduler(Store(), LocalLauncher())
    assert second.tick()
    Store().request_stop(rows()[0].id)
    until(lambda: first._children[pid].poll() is not None or not second.tick())
    until(lambda: not second.tick())
    assert [(row.state, row.error) for row in rows()] == [("STOPPED", None)]


def test_a_folder_of_a_queue_that_was_replaced_is_removed(models: Path) -> None:
    (models / ".measure-7").mkdir()
    scheduler.Scheduler(Store(), LocalLauncher())
    assert not (models / ".measure-7").exists()
    assert (models / "reader").is_dir()


# ------------------------------------------------------------------------------ the queue


def test_measurements_are_not_listed_as_runs(models: Path) -> None:
    enter("vae", 0)
    assert {job.id for job in train_jobs.jobs()} == {"vae", "reader"}
    for call in (train_jobs.job, train_jobs.stop, train_jobs.resume, train_jobs.delete):
        with pytest.raises(UnknownNameError):
            call(".measure-1")
    assert [row.state for row in rows()] == ["PENDING"]
    assert "measure" not in cli("list").stdout


def test_few_results_stay(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (0, 5, 10):
        enter("vae", step)
    for row in rows():
        assert Store().claim(row.id, "cpu")
        assert Store().finish(row.id, None, "FAILED", 1, "an error")
    monkeypatch.setattr(store, "_MAX_RESULTS", 2)
    enter("reader", 10)
    assert [(row.name, row.step) for row in rows()] == [("vae", 5), ("vae", 10), ("reader", 10)]
    enter("vae", 10)
    assert [(row.step, row.state) for row in rows()] == [(5, "FAILED"), (10, "PENDING"), (10, "PENDING")]


def test_the_seventeenth_waiting_measurement_is_refused(models: Path) -> None:
    for step in range(measuring.MAX_WAITING):
        measuring.enter("vae", step, RunFolder(models / "vae"))
    with pytest.raises(GenmodelsError, match="16 measurements are waiting already"):
        measuring.start("reader", 10)
    measuring.start("vae", 5)  # it waits already
    assert len(rows()) == measuring.MAX_WAITING
    measuring.cancel("vae")
