"""A number out of its range is named with field, value and range, and nothing goes on with another number."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genmodels import registry
from genmodels.config import TrainConfig
from pages.components import config_form

ROOT = Path(__file__).parents[2]


def page() -> None:
    import streamlit as st

    from pages.components.number_field import whole_number
    from pages.components.theme import friendly_errors

    with friendly_errors():
        st.text(whole_number("Test picture", 1, st.session_state.get("last", 100), key="index"))


def test_a_typed_number_is_refused_and_a_kept_one_moved_into_another_range():
    app = AppTest.from_function(page).run()
    assert app.text[0].value == "1"
    app.number_input(key="index").set_value(90).run()
    assert app.text[0].value == "90"
    app.number_input(key="index").set_value(101).run()
    assert not app.text
    assert "Test picture = 101 is not allowed. Enter a whole number from 1 to 100" in app.error[0].value
    app.number_input(key="index").set_value(90).run()
    app.session_state["last"] = 50
    app.run()
    assert app.text[0].value == "50", "another data set has fewer"
    assert not app.exception


def test_no_number_field_leaves_its_range_to_the_browser():
    """Only seeds: their bounds are those of a browser's exact whole numbers, which nothing could be told about."""
    for path in sorted((ROOT / "pages").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or getattr(call.func, "attr", "") != "number_input":
                continue
            text = ast.unparse(call)
            bounded = len(call.args) > 1 or any(word.arg in ("min_value", "max_value") for word in call.keywords)
            assert not bounded or "SEED" in text, f"{path.relative_to(ROOT)}:{call.lineno}: use whole_number"


@pytest.mark.parametrize("name", registry.names())
def test_a_form_names_what_the_settings_refuse(name: str):
    for section, settings in (("model", registry.config_class(name)), ("train", TrainConfig)):
        for field in config_form.fields_of(settings):
            if field.kind not in ("integer", "number"):
                continue
            for bound, beyond in ((field.low, -1), (field.high, 1)):
                if bound is None:
                    continue
                outside = bound + beyond * max(1.0, abs(bound))
                (problem,) = config_form.problems(section, [field], {field.name: outside})
                assert problem.startswith(f"{section}.{field.name}: ")
            assert bool(config_form.problems(section, [field], {field.name: None})) != field.optional
