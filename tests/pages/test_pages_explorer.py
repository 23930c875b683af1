"""Gallery and latent explorer as Streamlit runs them, without a browser; what is drawn in one is tested there."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.service import Point
from pages.components import i18n
from tests.support.pages import open_page, visible
from tests.support.runs import save_run

FRAME = str(Path(__file__).parents[2] / "pages" / "frame.py")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No runs and no published checkpoints."""
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "runs"


def latent_page(runs: Path, name: str = "vae", recipe: str = "mnist_vae_20", **query: str) -> AppTest:
    save_run(runs, name, recipe, *(["data.name=digits"] if "mnist" in recipe else []))
    return open_page("latent", **query)


def current(app: AppTest) -> dict[str, float]:
    return {key: app.session_state[key] for key in ("latent_seed", "latent_truncation", "latent_axis_0")}


def test_an_empty_gallery_says_what_to_do(empty: Path) -> None:
    app = open_page("gallery")
    assert "No checkpoints were found" in app.info[0].value
    assert "Train a model" in " ".join(entry.value for entry in app.markdown)


def test_the_gallery_shows_published_checkpoints_and_own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    save_run(tmp_path, "my_own_run", "pattern_1010_gan")
    app = open_page("gallery", kind="all")
    captions = " ".join(visible(entry.value) for entry in app.caption)
    assert "mnist_vae_20" in captions
    assert "my_own_run" in captions
    assert any("103" in entry.value or "102" in entry.value for entry in app.markdown if "nats" in entry.value)


def test_a_damaged_checkpoint_does_not_hide_the_others(empty: Path) -> None:
    save_run(empty, "good", "pattern_1010_gan")
    broken = save_run(empty, "broken", "pattern_1010_gan")
    (broken.step_path(10) / "model.safetensors").write_bytes(b"not weights")
    app = open_page("gallery")
    assert "damaged" in app.warning[0].value
    assert any("good" in entry.value for entry in app.caption)


def test_an_empty_explorer_says_what_to_do(empty: Path) -> None:
    assert "No model with a latent space yet" in open_page("latent").info[0].value


def test_a_model_named_in_the_address_is_opened(empty: Path) -> None:
    save_run(empty, "another", "mnist_gan", "data.name=digits")
    app = latent_page(empty, model="vae")
    assert app.selectbox(key="latent_model").value == "vae"
    assert app.select_slider(key="latent_step").value == 10


def test_an_unknown_model_in_the_address_is_reported(empty: Path) -> None:
    app = latent_page(empty, model="gone")
    assert "gone" in app.warning[0].value
    assert app.query_params["model"] == "vae"


def test_a_slider_moves_and_reset_brings_it_back(empty: Path) -> None:
    app = latent_page(empty)
    app.slider(key="latent_axis_0").set_value(1.5)
    app.slider(key="latent_truncation").set_value(0.5)
    app.number_input(key="latent_seed").set_value(7).run()
    assert current(app) == {"latent_seed": 7, "latent_truncation": 0.5, "latent_axis_0": 1.5}
    app.button(key="latent_reset").click().run()
    assert current(app) == {"latent_seed": 0, "latent_truncation": 1.0, "latent_axis_0": 0.0}


def test_randomize_draws_a_new_seed(empty: Path) -> None:
    app = latent_page(empty)
    seeds = set()
    for _ in range(3):
        assert app.button(key="latent_randomize").label == "New seed"
        app.button(key="latent_randomize").click().run()
        seeds.add(app.number_input(key="latent_seed").value)
    assert len(seeds) > 1


def test_a_pin_brings_every_control_back(empty: Path) -> None:
    app = latent_page(empty)
    app.slider(key="latent_axis_0").set_value(2.0).run()
    app.number_input(key="latent_seed").set_value(11).run()
    app.button(key="latent_pin").click().run()
    pinned, thumbnail = app.session_state["latent_pins"]["vae"][0]
    assert pinned == Point(model="vae", step=10, seed=11, offsets=(2.0, *(0.0,) * 9))
    assert thumbnail.startswith(b"\x89PNG")
    app.button(key="latent_reset").click().run()
    app.button(key="latent_pin_go_0").click().run()
    assert current(app) == {"latent_seed": 11, "latent_truncation": 1.0, "latent_axis_0": 2.0}
    app.button(key="latent_pin_remove_0").click().run()
    assert not app.session_state["latent_pins"]["vae"]


def test_principal_directions_start_from_the_middle(empty: Path) -> None:
    app = latent_page(empty)
    app.slider(key="latent_axis_0").set_value(2.0).run()
    app.segmented_control(key="latent_axes").set_value("principal").run()
    assert not app.exception
    assert app.slider(key="latent_axis_0").label == "Direction 1"
    assert app.slider(key="latent_axis_0").value == 0.0


def test_a_constant_input_is_explained(empty: Path) -> None:
    app = latent_page(empty, "constant", "pattern_1010_gan")
    assert "Nothing to move" in app.info[0].value
    assert app.select_slider(key="latent_step").value == 10


def test_a_new_checkpoint_of_a_run_is_followed_only_from_the_newest(empty: Path) -> None:
    from genmodels.runs import checkpoint
    from genmodels.runs.folder import RunFolder

    app = latent_page(empty)
    folder = RunFolder(empty / "vae")
    checkpoint.save(folder, 20, checkpoint.build(folder.config()["spec"]))
    app.run()
    assert app.select_slider(key="latent_step").value == 20
    app.select_slider(key="latent_step").set_value(10).run()
    checkpoint.save(folder, 30, checkpoint.build(folder.config()["spec"]))
    app.run()
    assert app.select_slider(key="latent_step").value == 10


def test_a_damaged_step_is_reported_and_another_can_be_chosen(empty: Path) -> None:
    folder = save_run(empty, "vae", "mnist_vae_20", "data.name=digits")
    (folder.step_path(10) / "model.safetensors").write_bytes(b"not weights")
    app = open_page("latent")
    assert "damaged" in app.error[0].value
    app.select_slider(key="latent_step").set_value(0).run()
    assert not app.error
    assert app.slider(key="latent_axis_0").value == 0.0


def test_every_control_has_a_help_text(empty: Path) -> None:
    app = latent_page(empty)
    for kind in ("selectbox", "slider", "select_slider", "number_input", "button"):
        for element in getattr(app, kind):
            assert element.help, f"{kind} {element.key} explains nothing"


def test_texts_are_found_by_key_and_a_missing_one_is_an_error() -> None:
    assert i18n.t("common.app") == "Genmodels Studio"
    assert i18n.t("common.one_step", step="5") == "One checkpoint was saved, at step 5."
    with pytest.raises(KeyError):
        i18n.t("latent.no_such_text")


def test_each_card_leads_to_the_page_that_suits_its_model() -> None:
    app = open_page("gallery", kind="all")
    labels = {button.key: button.label for button in app.button}
    assert labels["gallery_open_mnist_vae_2d"] == "See its manifold"
    assert labels["gallery_open_mnist_denoising_autoencoder"] == "Denoise a digit"
    assert labels["gallery_open_mnist_vae_20"] == "Explore its latent space"
    assert labels["gallery_open_pattern_1010_gan"] == "See how it learned"
    assert labels["gallery_open_mnist_judge"] == "Classify your digit"
    assert labels["gallery_open_mnist_cgan_conv"] == "Choose a class"


def in_address(app: AppTest) -> dict[str, str]:
    return {name: value if isinstance(value, str) else value[-1] for name, value in app.query_params.items()}


def test_a_direction_is_named_kept_moved_along_and_shared(empty: Path) -> None:
    app = latent_page(empty, z="0.5_-1")
    app.text_input(key="latent_direction_name").set_value("*more* ~ slanted").run()
    app.button(key="latent_direction_keep").click().run()
    assert in_address(app)["directions"] == "*more* slanted~0.5_-1"
    slider = app.slider(key="latent_direction_0")
    assert slider.label == r"\*more\* slanted"
    slider.set_value(1.0).run()
    assert [app.slider(key=f"latent_axis_{axis}").value for axis in range(3)] == [1.0, -2.0, 0.0]
    app.slider(key="latent_direction_0").set_value(-0.5).run()
    assert [app.slider(key=f"latent_axis_{axis}").value for axis in range(3)] == [0.25, -0.5, 0.0]
    again = open_page("latent", **in_address(app))
    assert again.slider(key="latent_direction_0").label == r"\*more\* slanted"
    assert again.slider(key="latent_direction_0").value == 0
    assert again.slider(key="latent_axis_1").value == -0.5
    again.slider(key="latent_direction_0").set_value(2.0).run()
    assert again.slider(key="latent_axis_1").value == -2.5
    again.slider(key="latent_direction_0").set_value(0.0).run()
    again.button(key="latent_direction_remove_0").click().run()
    assert "directions" not in in_address(again)
    assert not [one for one in again.slider if str(one.key).startswith("latent_direction")]
