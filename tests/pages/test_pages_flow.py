"""The flow page as Streamlit runs it: its parts, address, empty state, and models with and without classes."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.service.flow import guidance
from tests.support.flows import save_flow
from tests.support.pages import controls_without_help, open_page, page_text
from tests.support.runs import save_run


@pytest.fixture
def runs(only_judge: Path, own_folders: Path) -> Path:
    save_flow(own_folders, "flow", "model.steps=4", "model.solver=midpoint")
    save_flow(own_folders, "plain", "data.size=null", recipe="flowers_flow_64")
    return own_folders


def page(**query: str) -> AppTest:
    app = open_page("flow", **query)
    assert not app.error, [entry.value for entry in app.error]
    return app


def keys(app: AppTest, kind: str) -> set[str]:
    return {str(element.key) for element in app.get(kind)}


def test_without_a_model_the_page_says_what_to_train(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(runs / "nothing"))
    assert "No flow matching model yet" in page().info[0].value


def test_settings_begin_as_the_models_own_and_stay_in_the_address(runs: Path) -> None:
    app = page(model="flow")
    assert app.slider(key="flow_steps").value == 4
    assert app.slider(key="flow_guidance").value == 1.3
    assert "4 steps, 8 evaluations" in page_text(app)
    app.slider(key="flow_guidance").set_value(3.0)
    app.slider(key="flow_steps").set_value(9).run()
    assert {"guidance": "3", "steps": "9", "solver": "midpoint"}.items() <= {
        name: value if isinstance(value, str) else value[-1] for name, value in app.query_params.items()
    }.items()
    assert "9 steps, 18 evaluations" in page_text(app)
    app.selectbox(key="flow_model").select("plain").run()
    assert not app.error
    assert app.slider(key="flow_steps").value == 12, "another model begins with its own settings"
    assert "flow_guidance" not in keys(app, "slider")
    assert "flow_label" not in keys(app, "button_group")


def test_every_part_has_help_texts_and_works_without_classes(runs: Path) -> None:
    for model in ("flow", "plain"):
        for part in ("watch", "solvers", "guidance", "encode"):
            app = page(model=model, part=part)
            assert controls_without_help(app, {"selectbox", "select_slider", "button_group"}) == []
            assert all(button.help for button in app.button)


def test_a_drawing_is_encoded_as_the_class_that_the_judge_reads(runs: Path) -> None:
    app = page(model="flow", part="encode")
    assert "Encoded and decoded class" in page_text(app)
    app.selectbox(key="flow_encode_label").select(-3).run()
    assert "without a class" in page_text(app)
    source = next(group for group in app.button_group if group.key == "flow_source")
    source.set_value("canvas").run()
    assert "Draw or upload a digit" in page_text(app)


def test_a_curve_over_guidance_scales_is_measured_on_a_click_but_not_on_a_public_server(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guidance, "SAMPLES", 40)
    app = page(model="flow", part="guidance")
    app.button(key="flow_measure").click().run()
    assert not app.error
    assert "only 40 digits per scale" in page_text(app)
    assert "| Guidance scale | Class agreement |" in page_text(app)
    app.select_slider(key="flow_step").set_value(0).run()
    assert "flow_measure" in keys(app, "button"), "another step has another curve"
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    app = page(model="flow", part="guidance").select_slider(key="flow_step").set_value(0).run()
    assert "flow_measure" not in keys(app, "button")
    assert "switched off on this public server" in page_text(app)
    assert "has no guidance" in page_text(page(model="plain", part="guidance"))


def test_the_pages_of_latent_models_suit_a_flow(runs: Path) -> None:
    """Its z is a whole image: the explorer moves it towards other noise instead of along single numbers."""
    app = open_page("latent", model="flow")
    assert not app.error
    assert "whole picture of noise" in page_text(app)
    assert app.slider(key="latent_axis_0").label == "Noise 1"
    assert "latent_axes" not in keys(app, "button_group")
    app.slider(key="latent_axis_0").set_value(2.0).run()
    assert not app.error
    save_run(runs, "vae", "mnist_vae_2d", "data.name=digits")
    app.query_params["model"] = "vae"
    app.run()
    assert app.slider(key="latent_axis_0").label == "z 1"
    assert app.slider(key="latent_axis_0").value == 0, "the same offset in another direction would be a jump"
    assert "latent_axes" in keys(app, "button_group")
    for stem in ("seeds", "conditional"):
        assert not open_page(stem, model="flow").error


def test_a_mean_flow_has_a_solver_of_its_own_and_no_guidance_to_choose(runs: Path) -> None:
    save_flow(runs, "few", "train.initial_weights=null", recipe="mnist_flow_few_steps")
    for part in ("watch", "solvers", "guidance", "encode"):
        app = page(model="few", part=part)
        text = page_text(app)
        assert "flow_guidance" not in keys(app, "slider")
        assert "flow_measure" not in keys(app, "button")
        learned = "learned the velocity of scale 1.5" if part == "guidance" else "Guidance scale 1.5 is part of what"
        assert learned in text
        assert controls_without_help(app, {"selectbox", "select_slider", "button_group"}) == []
        if part == "watch":
            assert app.slider(key="flow_steps").value == 2
            assert "2 steps, 2 evaluations" in text
            assert "one step of the average velocity would reach" in text
        elif part == "solvers":
            assert "| Average | 50 | 50 |" in text
        elif part == "encode":
            assert "16 Heun steps encoded the picture" in text
    app = page(model="few")
    app.selectbox(key="flow_model").select("flow").run()
    assert not app.error
    assert "4 steps, 8 evaluations" in page_text(app), "another model begins with a solver of its own"


def test_the_gallery_leads_to_the_page(runs: Path) -> None:
    app = open_page("gallery")
    labels = {button.key: button.label for button in app.button}
    assert labels["gallery_open_flow"] == labels["gallery_open_plain"] == "Watch it flow"
