"""Selection widgets: options are ids, their texts are distinct, and a text that changes keeps the choice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import train_jobs
from genmodels.runs.folder import RunFolder, runs_root
from tests.support.pages import app_at, open_page
from tests.support.runs import SMALL_FLOW, save_run

ROOT = Path(__file__).parents[2]
SELECTING = ("selectbox", "multiselect", "radio", "segmented_control", "pills", "select_slider")


def page() -> None:
    """Draws the widgets of `st.session_state.texts`, a text per id, as the pages do."""
    import streamlit as st

    from pages.components import choice

    texts = st.session_state.texts
    for key, text in st.session_state.pop("sent", {}).items():
        st.session_state[key] = text
    for kind in ("selectbox", "pills", "segmented_control", "radio", "select_slider"):
        st.text(choice.choose(kind, list(texts), texts.__getitem__, key=kind, kind=kind, fallback="b"))
    st.text(" ".join(choice.choose_several("several", list(texts), texts.__getitem__, key="several", fallback=["b"])))


def opened(texts: dict[str, str]) -> AppTest:
    app = AppTest.from_function(page)
    return shown(app, texts)


def shown(app: AppTest, texts: dict[str, str]) -> AppTest:
    app.session_state.texts = texts
    app.run()
    assert not app.exception
    return app


def chosen(app: AppTest) -> list[str]:
    return [text.value for text in app.text]


def test_a_choice_survives_other_texts_and_falls_back_when_it_is_gone():
    app = opened({"a": "Anna", "b": "Bert", "c": "Carl"})
    assert chosen(app) == ["b"] * 6
    app.selectbox(key="selectbox").select("c")
    app.multiselect(key="several").set_value(["c", "a"])
    shown(app, {"c": "Bert", "a": "Carl", "b": "Anna"})
    assert chosen(app) == ["c", "b", "b", "b", "b", "c a"]
    shown(app, {"a": "x", "b": "y"})
    assert chosen(app) == ["b"] * 5 + ["a"]
    shown(app, {"z": "z"})
    assert chosen(app) == ["z"] * 5 + [""]


def test_equal_texts_and_texts_that_only_differ_in_spaces_are_told_apart_by_the_id():
    app = opened({"a": "test · finished", "b": "test  ·  finished ", "c": "a", "d": "other"})
    assert app.selectbox(key="selectbox").options == ["test · finished · a", "test · finished · b", "a · c", "other"]
    assert app.multiselect(key="several").options == app.selectbox(key="selectbox").options


def test_a_text_never_names_another_id_in_the_same_session():
    """A browser may still send the text that an option had when the page was drawn."""
    app = opened({"a": "first", "b": "second"})
    shown(app, {"a": "renamed", "b": "first"})
    assert app.selectbox(key="selectbox").options == ["renamed", "first · b"]
    app.session_state["sent"] = {"selectbox": "first"}  # the text as the browser still has it
    shown(app, {"a": "renamed", "b": "first"})
    assert chosen(app)[0] == "a"


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted((ROOT / "pages").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SELECTING:
                yield path, node


def test_every_widget_with_changing_texts_goes_through_choice():
    """Elsewhere the text of an option may depend on nothing but the option itself (and on the widget's own key)."""
    found = 0
    for path, call in _calls():
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        if path.name == "choice.py" or "format_func" not in given:
            continue
        found += 1
        where = f"{path.relative_to(ROOT)}:{call.lineno}"
        text = given["format_func"]
        assert isinstance(text, ast.Lambda), f"{where}: use choice.choose"
        allowed = {argument.arg for argument in text.args.args} | {"t", "str"}
        allowed |= {name.id for name in ast.walk(given["key"]) if isinstance(name, ast.Name)}
        for name in ast.walk(text.body):
            if isinstance(name, ast.Name) and not name.id.isupper():
                assert name.id in allowed, f"{where}: the text depends on {name.id}; use choice.choose"
    assert found > 10


def _selecting(app: AppTest) -> dict[str, list[str]]:
    kinds = ("selectbox", "multiselect", "radio", "select_slider", "segmented_control", "pills")
    found = {}
    for kind in kinds:
        for widget in app.get(kind):
            found[str(widget.key)] = list(widget.options)
    return found


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pairs of runs that differ in nothing but their folder, for the pages that show models."""
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "published"))
    recipes = ("mnist_vae_2d", "mnist_cgan_onehot", "mnist_mlp_adam", "mnist_pixelcnn")
    for recipe in recipes:
        for number in (1, 2):
            folder = save_run(runs_root(), f"{recipe}-{number}", recipe, "data.name=digits", "run.name=test")
            folder.write_status(phase="finished", step=10)
    for number in (1, 2):
        flow = save_run(runs_root(), f"mnist_flow-{number}", "mnist_flow", *SMALL_FLOW, "run.name=test")
        flow.write_status(phase="finished", step=10)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    "stem",
    [
        "latent",
        "seeds",
        "manifold",
        "conditional",
        "flow",
        "paint",
        "classify",
        "compare",
        "evaluate",
        "runs",
        "train",
        "data",
    ],
)
def test_no_page_shows_two_options_alike(twins: Path, stem: str):
    app = app_at(stem, timeout=90).run()
    assert not app.exception, app.exception[0].message
    found = _selecting(app)
    assert found
    for key, options in found.items():
        seen = [" ".join(option.split()) for option in options]
        assert len(set(seen)) == len(seen), f"{key}: {options}"


def test_a_renamed_run_stays_the_one_that_is_acted_on():
    spec = train_jobs.make_spec("pattern_1010_gan", None, ["train.max_steps=20"])
    for number in (1, 2):
        RunFolder.create(runs_root() / f"pattern_1010_gan-{number}", spec).write_status(phase="finished", step=20)
    app = open_page("runs", run="pattern_1010_gan-1")
    before = app.selectbox(key="runs_select").options
    train_jobs.rename("pattern_1010_gan-1", "Anna's")
    app.run()
    assert app.selectbox(key="runs_select").options != before
    app.button(key="runs_delete").click().run()
    assert "Anna" in app.button(key="runs_delete_confirm").label
    app.button(key="runs_delete_confirm").click().run()
    assert [job.id for job in train_jobs.jobs()] == ["pattern_1010_gan-2"]


def test_a_run_deleted_elsewhere_is_reported_and_no_click_reaches_another_run():
    spec = train_jobs.make_spec("pattern_1010_gan", None, ["train.max_steps=20"])
    for number in (1, 2, 3):
        RunFolder.create(runs_root() / f"pattern_1010_gan-{number}", spec).write_status(phase="finished", step=20)
    app = open_page("runs", run="pattern_1010_gan-1")
    train_jobs.delete("pattern_1010_gan-1")
    app.button(key="runs_delete").click().run()
    assert any("pattern" in warning.value and "was deleted" in warning.value for warning in app.warning)
    assert "runs_delete_confirm" not in [button.key for button in app.button]
    app.run()
    assert any("was deleted" in warning.value for warning in app.warning), "until another run is chosen"
    app.button(key="runs_delete").click().run()
    assert "runs_delete_confirm" in [button.key for button in app.button]
    app.selectbox(key="runs_select").select("pattern_1010_gan-2").run()
    assert not any("was deleted" in warning.value for warning in app.warning)
    for number in (2, 3):
        train_jobs.delete(f"pattern_1010_gan-{number}")
    app.run()
    assert any("was deleted" in warning.value for warning in app.warning)
