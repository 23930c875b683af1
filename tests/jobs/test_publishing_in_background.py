"""Publishing from the page: a job that reports progress, outlives the page and the server, and can be cancelled."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

import train_jobs
from genmodels.errors import GenmodelsError
from genmodels.runs.folder import runs_root
from tests.support.job_processes import OtherWorker, until
from tests.support.pages import open_page
from tests.support.preloaded import python
from tests.support.runs import save_run
from train_jobs import daemon, publishing, scheduler
from train_jobs.publishing import Publication
from train_jobs.store import Store

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def run(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "published"))
    folder = save_run(runs_root(), "pattern_1010_gan-1", "pattern_1010_gan")
    folder.write_status(phase="finished", step=10)
    return folder.name


@pytest.fixture
def long(run: str) -> str:
    """A run whose publication takes seconds: 10,000 samples are measured."""
    folder = save_run(runs_root(), "mnist_gan-1", "mnist_gan", "data.name=digits")
    folder.write_status(phase="finished", step=10)
    return folder.name


def current(run: str) -> Publication:
    publication = publishing.of(run)
    assert publication is not None
    return publication


def ended(run: str) -> Publication:
    """The publication of a run, when it has ended."""
    until(lambda: not current(run).active, 120, f"{run} published")
    return current(run)


def test_it_goes_on_without_the_page_which_shows_the_result_later(run: str, tmp_path: Path):
    app = open_page("runs", run=run)
    app.text_input(key="runs_publish_name").set_value("shown")
    app.button(key="runs_publish").click().run()
    assert app.button(key="runs_publish_cancel")
    assert any("continues if you leave" in caption.value for caption in app.caption)
    with pytest.raises(GenmodelsError, match="being published already"):
        publishing.start(run, "twice")
    fractions = set()
    while current(run).active:
        fractions.add(current(run).fraction)
        time.sleep(0.02)
    assert (current(run).state, current(run).error) == ("SUCCEEDED", None)
    assert any(0 < fraction < 1 for fraction in fractions), "it reports its progress"
    until(lambda: not [*runs_root().glob(".publish-*")], 20, "its folder is removed")
    assert (tmp_path / "published" / "shown" / "README.md").is_file()
    assert any(message.value.startswith("Published as shown in") for message in open_page("runs", run=run).success)
    with pytest.raises(GenmodelsError, match="is taken by shown"):
        publishing.start(run, "shown")
    with pytest.raises(GenmodelsError, match="is taken by pattern"):
        publishing.start(run, run)
    app = open_page("runs", run=run)
    app.button(key="runs_publish_forget").click().run()
    assert not app.success


def test_a_cancelled_publication_leaves_nothing(run: str, long: str, tmp_path: Path):
    publishing.start(long, "never")
    until(lambda: current(long).state == "RUNNING")
    publishing.cancel(long)
    assert ended(long).state == "STOPPED"
    published = tmp_path / "published"
    assert not published.exists() or not list(published.iterdir())
    until(lambda: not [*runs_root().glob(".publish-*")], 20, "its folder is removed")
    assert any("was cancelled. Nothing was changed" in message.value for message in open_page("runs", run=long).info)
    assert {job.id for job in train_jobs.jobs()} == {run, long}


SLOW = """
import os, sys, time
from pathlib import Path
(Path(os.environ["GENMODELS_CHECKPOINTS"]) / f".tmp-{sys.argv[-1]}-{os.getpid()}").mkdir(parents=True)
time.sleep(60)
"""


def test_a_publication_that_is_cancelled_while_it_writes_leaves_nothing(run: str, tmp_path: Path) -> None:
    publishing.enter(run, "never", train_jobs.job(run).folder)
    serving = scheduler.Scheduler(Store(), OtherWorker(tmp_path, SLOW))
    until(lambda: serving.tick() and any((tmp_path / "published").glob(".tmp-never-*")))
    publishing.cancel(run)
    until(lambda: not serving.tick())
    assert current(run).state == "STOPPED"
    assert not list((tmp_path / "published").iterdir())
    until(lambda: not [*runs_root().glob(".publish-*")], 20, "its folder is removed")


def test_the_error_of_the_command_is_shown(run: str):
    publishing.start(run, "Not Allowed")
    publication = ended(run)
    assert publication.state == "FAILED"
    assert "is not a valid checkpoint name" in (publication.error or "")
    assert any("is not a valid checkpoint name" in message.value for message in open_page("runs", run=run).error)


def test_two_runs_are_not_published_under_one_name(run: str) -> None:
    """The second publication would replace the first."""
    other = save_run(runs_root(), "pattern_1010_gan-2", "pattern_1010_gan")
    publishing.start(run, "same")
    with pytest.raises(GenmodelsError, match="name = 'same' is taken"):
        publishing.start(other.name, "same")
    publishing.cancel(run)
    assert ended(run).state == "STOPPED"


def test_it_goes_on_without_the_process_that_started_it_and_without_its_scheduler(run: str, tmp_path: Path) -> None:
    program = f"from train_jobs import publishing; publishing.start({run!r}, 'alone')"
    python("-c", program).check_returncode()
    until(lambda: current(run).state == "RUNNING")
    dead = daemon.running_pid(runs_root())
    assert dead
    os.kill(dead, signal.SIGKILL)
    until(lambda: daemon.running_pid(runs_root()) is None)
    train_jobs.ensure_scheduler()
    assert ended(run).state == "SUCCEEDED"
    assert (tmp_path / "published" / "alone" / "README.md").is_file()


def test_publications_run_one_at_a_time(long: str) -> None:
    other = save_run(runs_root(), "pattern_1010_gan-2", "pattern_1010_gan").name
    publishing.start(long, "first")
    publishing.start(other, "second")
    until(lambda: current(long).state == "RUNNING")
    assert current(other).state == "PENDING"
    publishing.cancel(other)
    assert ended(other).state == "STOPPED"
    publishing.forget(other)
    assert publishing.of(other) is None
    publishing.cancel(long)
    assert ended(long).state == "STOPPED"
