"""Folder names are unique across runs and published checkpoints; a manual copy breaks no page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import train_jobs
from genmodels.errors import ConfigError, PublicModeError
from genmodels.publishing.publish import publish
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder, runs_root
from tests.support.pages import open_page
from tests.support.runs import save_run
from train_jobs.submission import enter

ROOT = Path(__file__).parents[2]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "published"
    root.mkdir()
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(root))
    return root


def test_publishing_under_the_name_of_a_run_is_refused_with_a_free_name(published: Path):
    run = save_run(runs_root(), "pattern_1010_gan-1", "pattern_1010_gan")
    with pytest.raises(ConfigError, match=r"is the name of a run.*'pattern_1010_gan_1'"):
        publish(run.path, run.name)
    with pytest.raises(ConfigError, match="is the name of a run"):
        train_jobs.publish(run.name, run.name)
    assert not list(published.iterdir())


def test_a_folder_that_is_not_a_checkpoint_is_not_replaced(published: Path):
    run = save_run(runs_root(), "pattern_1010_gan-1", "pattern_1010_gan")
    (published / "notes").write_text("mine")
    (published / "photos").mkdir()
    (published / "photos" / "a.txt").write_text("mine")
    for name in ("notes", "photos"):
        with pytest.raises(ConfigError, match=f"{name} is not a checkpoint and is not replaced"):
            publish(run.path, name)
    assert [path.read_text() for path in sorted(published.rglob("*")) if path.is_file()] == ["mine", "mine"]


def test_a_public_server_publishes_nothing(published: Path, monkeypatch: pytest.MonkeyPatch):
    run = save_run(runs_root(), "pattern_1010_gan-1", "pattern_1010_gan")
    monkeypatch.setenv("SPACE_ID", "somebody/studio")
    with pytest.raises(PublicModeError, match="publishing is disabled"):
        publish(run.path, "shown")
    assert not list(published.iterdir())


def test_a_new_run_gets_an_id_that_no_published_checkpoint_has(published: Path):
    save_run(published, "pattern_1010_gan-1", "pattern_1010_gan")
    assert enter(train_jobs.make_spec("pattern_1010_gan")) == "pattern_1010_gan-2"


def test_a_folder_copied_into_both_roots_is_found_by_two_ids(published: Path):
    save_run(published, "twin", "mnist_vae_2d", "data.name=digits")
    save_run(runs_root(), "twin", "mnist_vae_2d", "data.name=digits", steps=(3,))
    save_run(runs_root(), "other", "mnist_vae_2d", "data.name=digits")
    infos = {info.name: info for info in catalog.list_checkpoints()}
    assert list(infos) == ["twin", "other", "twin~run"]
    assert (infos["twin"].published, infos["twin"].steps) == (True, (0, 10))
    assert (infos["twin~run"].published, infos["twin~run"].steps) == (False, (3,))
    assert catalog.find("twin") == published / "twin"
    assert catalog.find("twin~run") == runs_root() / "twin"
    for info in infos.values():
        assert catalog.find(info.name) == info.path
    save_run(runs_root(), "twin~run", "mnist_vae_2d", "data.name=digits", steps=(5,))
    for info in catalog.list_checkpoints():
        assert catalog.find(info.name) == info.path
        assert catalog.describe(info.path).name == info.name
    assert len({info.name for info in catalog.list_checkpoints()}) == 4


def test_one_folder_as_both_roots_lists_each_checkpoint_once(published: Path, monkeypatch: pytest.MonkeyPatch):
    save_run(published, "a", "mnist_vae_2d", "data.name=digits")
    monkeypatch.setenv("GENMODELS_RUNS", str(published))
    assert [info.name for info in catalog.list_checkpoints()] == ["a"]
    assert catalog.find("a") == published / "a"


@pytest.mark.slow
@pytest.mark.parametrize(
    "stem", ["gallery", "latent", "seeds", "manifold", "compare", "evaluate", "runs", "train", "conditional", "paint"]
)
def test_every_page_works_with_copies_in_both_roots(published: Path, stem: str):
    for recipe in ("mnist_vae_2d", "mnist_cgan_onehot", "mnist_pixelcnn"):
        save_run(published, recipe, recipe, "data.name=digits")
        shutil.copytree(published / recipe, runs_root() / recipe)
        RunFolder(runs_root() / recipe).remove_step(10)
    app = open_page(stem)
    assert not app.error, app.error[0].value
    if stem in ("latent", "seeds", "manifold"):
        app = open_page(stem, model="mnist_vae_2d~run")
        assert not app.error, app.error[0].value
        assert app.selectbox(key=f"{stem}_model").value == "mnist_vae_2d~run"


def test_the_given_name_of_a_run_is_shown_by_gallery_and_pickers(published: Path):
    run = save_run(runs_root(), "mnist_vae_2d-1", "mnist_vae_2d", "data.name=digits", "run.name=first *try*")
    assert catalog.describe(run.path).label == "first *try*"
    train_jobs.rename(run.name, "Anna's map")
    assert catalog.describe(run.path).label == "Anna's map"
    assert train_jobs.job(run.name).name == "Anna's map"
    for stem in ("latent", "seeds", "manifold", "evaluate"):
        assert open_page(stem).selectbox(key=f"{stem}_model").options[0].startswith("Anna's map · mnist_vae_2d-1")
    assert open_page("compare").selectbox(key="compare_model_0").options[0].startswith("Anna's map · mnist_vae_2d-1")
    assert "Anna's map" in [title.value for title in open_page("gallery").subheader]
    (run.path / "name.json").write_text('{"no": "text"}')
    assert catalog.describe(run.path).label == "first *try*"
