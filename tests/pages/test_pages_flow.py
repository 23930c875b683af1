"""The flow page as Streamlit runs it: its parts, address, empty state, and models with and without classes."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.pages import controls_without_help, open_page, page_text
from tests.support.runs import SMALL_FLOW, save_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "checkpoints"
    root.mkdir()
    (root / "mnist_judge").symlink_to(Path(__file__).parents[2] / "checkpoints" / "mnist_judge")
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(root))
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    save_run(tmp_path / "runs", "flow", "mnist_flow", *SMALL_FLOW, "model.steps=4", "model.solver=midpoint")
    save_run(tmp_path / "runs", "plain", "flowers_flow_64", "data.name=digits", "data.size=null", *SMALL_FLOW[1:])
    return tmp_path / "runs"


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
    assert app.slider(key="flow_guidance").value == 1.5
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
        for part in ("watch", "solvers", "encode"):
            app = page(model=model, part=part)
            assert controls_without_help(app, {"selectbox", "select_slider", "button", "button_group"}) == []


def test_a_drawing_is_encoded_as_the_class_that_the_judge_reads(runs: Path) -> None:
    app = page(model="flow", part="encode")
    assert "Encoded and decoded class" in page_text(app)
    app.selectbox(key="flow_encode_label").select(-3).run()
    assert "without a class" in page_text(app)
    source = next(group for group in app.button_group if group.key == "flow_source")
    source.set_value("canvas").run()
    assert "Draw or upload a digit" in page_text(app)
