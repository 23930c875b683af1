"""Publishing from the page: a subprocess that reports progress, outlives the page and can be cancelled."""

from __future__ import annotations

from pathlib import Path

import pytest

import train_jobs
from genmodels.errors import GenmodelsError
from genmodels.runs.folder import runs_root
from tests.support.job_processes import until
from tests.support.pages import open_page
from tests.support.runs import save_run
from train_jobs import publishing

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "published"))
    folder = save_run(runs_root(), "pattern_1010_gan-1", "pattern_1010_gan")
    folder.write_status(phase="finished", step=10)
    return folder.name


def test_it_goes_on_without_the_page_which_shows_the_result_later(run: str, tmp_path: Path):
    app = open_page("runs", run=run)
    app.text_input(key="runs_publish_name").set_value("shown")
    app.button(key="runs_publish").click().run()
    assert app.button(key="runs_publish_cancel")
    assert any("continues if you leave" in caption.value for caption in app.caption)
    with pytest.raises(GenmodelsError, match="being published already"):
        publishing.start(run, "twice")
    publication = publishing.of(run)
    assert publication is not None
    until(lambda: publication.ended is not None, 120)
    assert publication.problem == ""
    assert publication.fraction > 0
    assert (tmp_path / "published" / "shown" / "README.md").is_file()
    assert any(message.value.startswith("Published as shown in") for message in open_page("runs", run=run).success)
    with pytest.raises(GenmodelsError, match="is taken by shown"):
        publishing.start(run, "shown")
    with pytest.raises(GenmodelsError, match="is taken by pattern"):
        publishing.start(run, run)
    app = open_page("runs", run=run)
    app.button(key="runs_publish_forget").click().run()
    assert not app.success


def test_a_cancelled_publication_leaves_nothing(run: str, tmp_path: Path):
    publication = publishing.start(run, "never")
    until(lambda: publication.process is not None, 120)
    publishing.cancel(run)
    until(lambda: publication.ended is not None, 120)
    published = tmp_path / "published"
    assert not published.exists() or not list(published.iterdir())
    assert any("was cancelled. Nothing was changed" in message.value for message in open_page("runs", run=run).info)
    assert [job.id for job in train_jobs.jobs()] == [run]


def test_the_error_of_the_command_is_shown(run: str):
    publication = publishing.start(run, "Not Allowed")
    until(lambda: publication.ended is not None, 120)
    assert "is not a valid checkpoint name" in publication.problem
    assert any("is not a valid checkpoint name" in message.value for message in open_page("runs", run=run).error)


def test_two_runs_are_not_published_under_one_name(run: str) -> None:
    """The second publication would replace the first."""
    other = save_run(runs_root(), "pattern_1010_gan-2", "pattern_1010_gan")
    publication = publishing.start(run, "same")
    with pytest.raises(GenmodelsError, match="name = 'same' is taken"):
        publishing.start(other.name, "same")
    publishing.cancel(run)
    until(lambda: publication.ended is not None, 120)
