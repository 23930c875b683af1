"""Full and read-only disks: runs are listed, shown and deleted; a training that fills the disk reports it."""

from __future__ import annotations

import io
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import train_jobs
from genmodels.errors import DataError
from genmodels.runs.folder import RunFolder
from tests.support.job_processes import PROJECT, cli, until, until_state
from tests.support.pages import app_at
from train_jobs import QueueError, daemon, make_spec, submission
from train_jobs.store import Store


def mounted(path: Path, size: str) -> None:
    """Mount a small file system; skips the test if that is not allowed."""
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=False, timeout=20)
    if done.returncode != 0:
        pytest.skip("this system mounts no tmpfs")


@pytest.fixture
def disk(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The runs folder on a disk of 6 MB."""
    path = tmp_path / "disk"
    mounted(path, "6m")
    monkeypatch.setenv("GENMODELS_RUNS", str(path / "runs"))
    yield path
    pid = daemon.running_pid(path / "runs")
    if pid:
        os.kill(pid, signal.SIGKILL)
        until(lambda: daemon.running_pid(path / "runs") is None)
    subprocess.run(["umount", "--lazy", path], check=True, timeout=20)


def fill(disk: Path) -> None:
    """Fill the disk completely."""
    with (disk / "fill").open("wb", buffering=0) as file:
        for size in (2**16, 1):
            with pytest.raises(OSError, match="No space left"):
                write_on(file, size)


def write_on(file: io.FileIO, size: int) -> None:
    while True:
        file.write(bytes(size))


def stopped_run(*settings: str) -> str:
    """A run that was queued and stopped before it started."""
    job_id = submission.enter(make_spec("pattern_1010_gan", None, settings))
    assert Store().cancel(job_id)
    return job_id


def read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True, timeout=20)


def runs_page() -> AppTest:
    return app_at("runs").run()


@pytest.mark.slow
def test_runs_on_a_full_disk_are_listed_shown_and_deleted(disk: Path) -> None:
    first, second = stopped_run(), stopped_run()
    fill(disk)
    listed = cli("list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert first in listed.stdout
    assert cli("show", second).returncode == 0
    refused = cli("submit", "pattern_1010_gan")
    assert refused.returncode == 1
    assert "Free some space" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert cli("delete", first).returncode == 0
    assert [job.id for job in train_jobs.jobs()] == [second]
    assert sorted(path.name for path in (disk / "runs").iterdir() if path.is_dir()) == [second]


@pytest.mark.slow
def test_a_queued_run_on_a_full_disk_says_why_it_does_not_start(disk: Path) -> None:
    job_id = submission.enter(make_spec("pattern_1010_gan"))
    fill(disk)
    assert not (disk / "runs" / daemon.SCHEDULER_LOG).exists()
    read_only(disk)
    with pytest.raises(QueueError, match="the scheduler cannot be started"):
        train_jobs.ensure_scheduler()
    job = train_jobs.job(job_id)
    assert job.state == "PENDING"
    assert job.error
    assert "the scheduler cannot be started" in job.error
    assert "the scheduler cannot be started" in runs_page().warning[0].value
    waiting = cli("wait", job_id, "--timeout", "1")
    assert (waiting.returncode, waiting.stderr.count("the scheduler cannot be started")) == (1, 1), "it is said once"
    assert cli("list").returncode == 0


@pytest.mark.slow
def test_a_request_on_a_full_disk_raises_an_error(disk: Path) -> None:
    folder = RunFolder.create(disk / "runs" / "learns", make_spec("pattern_1010_gan", None, ()))
    folder.write_status(phase="training", step=1, max_steps=100)  # by this process, which is running
    fill(disk)
    with pytest.raises(QueueError, match="cannot be written: No space left on device"):
        train_jobs.request("learns", "save")


@pytest.mark.slow
def test_finished_runs_on_a_read_only_disk_are_listed_and_shown(disk: Path) -> None:
    job_id = stopped_run()
    read_only(disk)
    listed = cli("list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert job_id in listed.stdout
    page = runs_page()
    assert not page.exception
    assert not page.error
    assert page.selectbox("runs_select").value == job_id
    with pytest.raises(QueueError, match="cannot be written"):
        train_jobs.delete(job_id)
    assert [job.id for job in train_jobs.jobs()] == [job_id]


VERSION_1 = """
CREATE TABLE jobs (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    recipe TEXT NOT NULL,
    model TEXT NOT NULL,
    max_steps INTEGER NOT NULL,
    data_root TEXT NOT NULL,
    wanted TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED')),
    place INTEGER NOT NULL,
    device TEXT,
    pid INTEGER,
    pid_created REAL,
    stop_requested REAL,
    exit_code INTEGER,
    error TEXT,
    created REAL NOT NULL,
    started REAL,
    finished REAL{column}
);
CREATE INDEX jobs_by_state ON jobs (state, place);
PRAGMA user_version = 1;
"""
"""A queue as the first version made it; later programs of that version added `checkpoints_root`."""


def queue_of_version_1(root: Path, column: str, journal: str = "PERSIST") -> str:
    """A run that was stopped before it started, in a queue of version 1; returns its id."""
    RunFolder.create(root / "pattern_1010_gan-1", make_spec("pattern_1010_gan"))
    db = sqlite3.connect(root / "queue.sqlite", isolation_level=None)
    db.execute(f"PRAGMA journal_mode = {journal}")
    db.executescript(VERSION_1.format(column=column))
    db.execute(
        "INSERT INTO jobs (id, name, title, recipe, model, max_steps, data_root, wanted, state, place, created) VALUES "
        "('pattern_1010_gan-1', 'first', 'GAN', 'pattern_1010_gan', 'gan', 10, '/data', 'cuda', 'STOPPED', 1, 1.5)"
    )
    db.close()
    return "pattern_1010_gan-1"


COLUMNS = pytest.mark.parametrize("column", ["", ", checkpoints_root TEXT"])


@pytest.mark.slow
@COLUMNS
@pytest.mark.parametrize("journal", ["WAL", "PERSIST"])
def test_a_queue_of_version_1_is_read_on_a_read_only_disk(disk: Path, column: str, journal: str) -> None:
    job_id = queue_of_version_1(disk / "runs", column, journal)
    read_only(disk)
    (row,) = Store().rows(kind="train")
    assert (row.id, row.requested_device, row.checkpoints_root) == (job_id, "cuda", None)
    assert (row.kind, row.step) == ("train", None)
    assert Store().rows(kind="measure") == []
    assert [(job.id, job.name, job.state) for job in train_jobs.jobs()] == [(job_id, "first", "STOPPED")]
    assert cli("list").returncode == 0


@COLUMNS
@pytest.mark.parametrize("journal", ["WAL", "PERSIST"])
def test_a_queue_of_version_1_is_converted_by_the_first_change(own_folders: Path, column: str, journal: str) -> None:
    job_id = queue_of_version_1(own_folders, column, journal)
    before = (own_folders / "queue.sqlite").read_bytes()
    assert [row.id for row in Store().rows()] == [job_id]
    assert (own_folders / "queue.sqlite").read_bytes() == before, "reading converts nothing"
    assert Store().rename(job_id, "other")
    with sqlite3.connect(own_folders / "queue.sqlite") as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] != "wal"
        assert db.execute("PRAGMA user_version").fetchone()[0] == 2
        found = db.execute("SELECT name, requested_device, kind, step, checkpoints_root, created FROM jobs").fetchall()
        assert found == [("other", "cuda", "train", None, None, 1.5)]
        assert "wanted" not in {row[1] for row in db.execute("PRAGMA table_info(jobs)")}
    db.close()
    assert submission.enter(make_spec("pattern_1010_gan")) == "pattern_1010_gan-2", "the numbers go on"
    assert [row.state for row in Store().rows()] == ["STOPPED", "PENDING"]


def test_two_processes_convert_a_queue_of_version_1_once(own_folders: Path) -> None:
    job_id = queue_of_version_1(own_folders, "")
    program = f"from train_jobs.store import Store; print(Store().rename({job_id!r}, 'other'))"
    started = [
        subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0] for process in started] == ["True\n"] * 4
    assert [(row.name, row.requested_device) for row in Store().rows()] == [("other", "cuda")]


def limited(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a file size limit of 0: like a full disk, for this process only."""
    return subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$0" -m train_jobs "$@"', sys.executable, *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_reading_writes_nothing_and_deleting_frees_space_before_the_row_goes(own_folders: Path) -> None:
    job_id = stopped_run()
    before = {path.name: path.read_bytes() for path in own_folders.iterdir() if path.is_file()}
    listed = limited("list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert job_id in listed.stdout
    assert {path.name: path.read_bytes() for path in own_folders.iterdir() if path.is_file()} == before
    refused = limited("delete", job_id)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert not [path for path in own_folders.iterdir() if path.is_dir()], "its files are deleted"
    assert cli("delete", job_id).returncode == 0
    assert train_jobs.jobs() == ()


@pytest.mark.slow
def test_a_training_that_fills_the_disk_reports_it_and_resumes_when_there_is_space(disk: Path) -> None:
    small = ("model.hidden_sizes=[16]", "train.max_steps=3000", "train.save_every=200", "train.keep_last=null")
    fast = ("train.precision=fp32", "train.compile=off", "run.threads=1", "train.preview_every=100")
    (disk / "ballast").write_bytes(bytes(3 * 2**20))
    job = train_jobs.submit(make_spec("mnist_vae_20", None, (*small, *fast), "digits"))
    failed = until_state(job.id, "FAILED", 90)
    assert failed.error
    assert "Free some space" in failed.error or "free some space" in failed.error
    assert failed.folder.status()["phase"] == "failed"
    saved = failed.folder.steps()[-1]
    assert saved >= 200
    half_made = [path for path in failed.folder.path.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]
    assert half_made == []
    (disk / "ballast").unlink()
    train_jobs.resume(job.id)
    until(lambda: train_jobs.job(job.id).step > saved, 60)
    steps = [line["step"] for line in RunFolder(job.folder.path).metrics()[0] if "loss/total" in line]
    assert steps == sorted(set(steps))


def test_clean_up_on_a_read_only_disk_does_not_replace_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    from genmodels import data
    from genmodels.data.own import packing

    disk, images = tmp_path / "disk", tmp_path / "images"
    mounted(disk, "1m")
    try:
        read_only(disk)
        monkeypatch.setenv("GENMODELS_DATA", str(disk))
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        images.mkdir()
        Image.new("RGB", (8, 8)).save(images / "0.png")
        for name in ("fsdd", "horse2zebra", "daisy2sunflower", "cifar10", "mnist", "fashion_mnist"):
            with pytest.raises(DataError, match="could not be downloaded"):
                data.download(name)
        with pytest.raises(DataError, match="could not be written"):
            packing.pack(packing.open_source(images), disk / "x.h5", size=16)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True, timeout=20)
