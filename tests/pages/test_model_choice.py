"""The pickers that all pages share: model, saved step and part, and what they remember between reruns."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.runs import checkpoint
from genmodels.runs.files import write_json
from genmodels.runs.folder import STATUS, RunFolder
from tests.support.runs import save_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "none"))
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    for name in ("a", "b", "c"):
        save_run(tmp_path / "runs", name, "mnist_vae_2d", "data.name=digits")
    return tmp_path / "runs"


def page() -> None:
    import streamlit as st

    from genmodels.runs import catalog
    from pages.components.model_choice import pick_model, pick_part, pick_step

    infos = {info.name: info for info in catalog.list_checkpoints()}
    info = pick_model("manifold", infos, preferred="b")
    st.text(f"{info.name} {pick_step('manifold', info)} {pick_part('manifold', ('grid', 'map', 'draw'))}")


def opened(**query: str) -> AppTest:
    app = AppTest.from_function(page)
    for key, value in query.items():
        app.query_params[key] = value
    return shown(app)


def shown(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def learn_on(folder: Path, step: int) -> None:
    run = RunFolder(folder)
    checkpoint.save(run, step, checkpoint.build(run.spec().model_dump(mode="json")))


def test_the_preferred_model_comes_first_unless_the_address_names_another(runs: Path) -> None:
    app = opened()
    assert app.text[0].value == "b 10 grid"
    assert {key: app.query_params[key] for key in app.query_params} == {"model": "b", "part": "grid"}
    app = opened(model="c", part="map")
    assert app.text[0].value == "c 10 map"
    app.query_params["model"] = "a"  # stepped back to another address
    assert shown(app).text[0].value == "a 10 map"


def test_what_was_chosen_is_written_to_the_address_and_stays(runs: Path) -> None:
    app = opened(model="c")
    app.selectbox(key="manifold_model").select("a")
    app.segmented_control(key="manifold_part").set_value("draw")
    assert shown(app).text[0].value == "a 10 draw"
    assert {key: app.query_params[key] for key in app.query_params} == {"model": "a", "part": "draw"}
    assert shown(app).text[0].value == "a 10 draw"


def test_an_unknown_name_is_said_and_cut_and_the_last_model_stays(runs: Path) -> None:
    app = opened(model="a")
    app.query_params["model"] = "*gone*" + "x" * 200
    app.query_params["part"] = "none such"
    shown(app)
    warning, part = app.warning
    assert "part = “none such”" in part.value
    assert "`grid`, `map`, `draw`" in part.value
    assert r"“\*gone\*xxx" in warning.value
    assert "x" * 75 not in warning.value
    assert app.text[0].value == "a 10 grid"
    assert {key: app.query_params[key] for key in app.query_params} == {"model": "a", "part": "grid"}
    assert len(shown(app).warning) == 2, "a page that reruns by itself keeps its reports"
    app.selectbox(key="manifold_model").select("c")
    (part,) = shown(app).warning
    assert "none such" in part.value, "another model was chosen, no other part"
    app.query_params["part"] = "map"
    assert not shown(app).warning
    assert app.text[0].value == "c 10 map"


def test_a_model_that_is_deleted_while_it_is_shown_is_missed(runs: Path) -> None:
    app = opened(model="a")
    (runs / "a").rename(runs.parent / "away")
    shown(app)
    assert "“a”" in app.warning[0].value
    assert app.text[0].value == "b 10 grid"


def test_another_model_is_shown_at_its_newest_step(runs: Path) -> None:
    learn_on(runs / "a", 20)
    app = opened(model="b")
    app.select_slider(key="manifold_step").set_value(0)
    assert shown(app).text[0].value == "b 0 grid"
    app.selectbox(key="manifold_model").select("c")
    assert shown(app).text[0].value == "c 10 grid", "step 0, which it has as well, was chosen for the other"
    app.selectbox(key="manifold_model").select("a")
    assert shown(app).text[0].value == "a 20 grid"


def test_the_newest_step_is_followed_and_an_older_one_kept(runs: Path) -> None:
    app = opened(model="a")
    learn_on(runs / "a", 20)
    assert shown(app).text[0].value == "a 20 grid"
    app.select_slider(key="manifold_step").set_value(10).run()
    learn_on(runs / "a", 30)
    assert shown(app).text[0].value == "a 10 grid"


def test_one_step_is_said_instead_of_a_slider(runs: Path) -> None:
    RunFolder(runs / "a").remove_step(0)
    app = opened(model="a")
    assert app.caption[0].value == "One checkpoint was saved, at step 10."
    assert not app.select_slider
    assert app.text[0].value == "a 10 grid"


def test_a_run_that_learns_is_called_so(runs: Path) -> None:
    RunFolder(runs / "a").write_status(phase="training")
    write_json(runs / "b" / STATUS, {"phase": "training", "heartbeat": time.time() - 60})
    RunFolder(runs / "c").write_status(phase="done")
    app = opened(model="a")
    kinds = [option.rpartition("(")[2] for option in app.selectbox(key="manifold_model").options]
    assert sorted(kinds) == ["still training)", "your run)", "your run)"]
    assert "still training" in app.select_slider(key="manifold_step").help
