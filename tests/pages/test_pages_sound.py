"""A model of sound among models of pictures: every page opens, and none offers what it cannot show."""

from __future__ import annotations

from pathlib import Path

import pytest

from genmodels import data
from genmodels.service import compare, evaluate, latent
from pages.components import i18n
from tests.support.pages import app_at
from tests.support.runs import save_run

FRAME = str(Path(__file__).parents[2] / "pages" / "frame.py")
SMALL = ("model.channels=4", "model.skip_channels=8", "model.layers=2", "model.stacks=1")


@pytest.fixture
def voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    save_run(tmp_path / "runs", "voice", "tones_wavenet", *SMALL)
    save_run(tmp_path / "runs", "pictures", "mnist_vae_2d", "data.name=digits")
    return "voice"


def test_no_list_of_pictures_has_it(voice: str) -> None:
    listed = {
        "compare": [info.name for info in compare.checkpoints()],
        "latent": [info.name for info in latent.latent_checkpoints()],
    }
    assert all(voice not in names and "pictures" in names for names in listed.values()), listed
    assert voice in [info.name for info in evaluate.checkpoints()]
    assert latent.thumbnail(voice) is None


@pytest.mark.parametrize(
    "page", ["gallery", "latent", "compare", "evaluate", "conditional", "flow", "seeds", "manifold", "classify", "runs"]
)
def test_every_page_opens(page: str, voice: str) -> None:
    app = app_at(page)
    if page == "evaluate":
        app.query_params["model"] = voice
    app.run()
    assert not app.exception, [entry.value for entry in app.exception]
    if page == "gallery":
        assert any(button.key == f"gallery_open_{voice}" for button in app.button)
    if page == "evaluate":
        assert app.selectbox(key="evaluate_model").value == voice
        assert i18n.t("evaluate.nearest.title") not in [entry.value for entry in app.header]


def test_its_recordings_are_browsed_and_trained_on() -> None:
    app = app_at("data")
    app.query_params["data"] = "tones"
    app.run()
    assert not app.exception
    assert not app.error
    spec = data.get_spec(data.DataConfig(name="tones"))
    assert f"{spec.train_size}" in " ".join(entry.value for entry in app.markdown)
    app.switch_page("train.py")
    app.query_params["recipe"] = "tones_wavenet"
    app.run()
    assert not app.exception
    assert not app.error
