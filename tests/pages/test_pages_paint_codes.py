"""The paint page with a prior over codes: images, completion, the editor of codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.service.paint import codes
from tests.support.codes import CODES, save_code_models
from tests.support.pages import open_page, page_text
from tests.support.painting import runs as runs


@pytest.fixture(autouse=True)
def models(runs: Path) -> None:
    save_code_models(runs)


def current(app: AppTest) -> codes.Codes:
    images, index = app.session_state["paint_codes"], app.session_state["paint_image"]
    edits = app.session_state["paint_code_edits"].get(index)
    return edits[-1] if edits else codes.as_codes(images.codes[index])


def test_codes_are_edited_sampled_again_and_restored() -> None:
    app = open_page("paint", model="codes", seed="3")
    assert not app.error
    assert not app.exception
    first = current(app)
    assert "code **" + str(first[3][3]) in page_text(app)
    free = next(
        button for button in app.button if button.key in {f"paint_code_{r}" for r in range(8)} and not button.disabled
    )
    code = int(free.label)
    free.click().run()
    edited = current(app)
    assert edited == codes.changed(first, 3, 3, code, CODES)
    assert f"code **{code}**" in page_text(app)
    app.button(key="paint_code_rest").click().run()
    again = current(app)
    assert again != edited
    assert again[:3] == edited[:3]
    app.number_input(key="paint_code_number").set_value((code + 1) % CODES).run()
    assert current(app) == codes.changed(again, 3, 3, (code + 1) % CODES, CODES)
    assert f"code **{(code + 1) % CODES}**" in page_text(app)
    app.number_input(key="paint_code_number").set_value(CODES).run()
    assert current(app) == codes.changed(again, 3, 3, (code + 1) % CODES, CODES), "no code has this number"
    assert f"0 to {CODES - 1}" in app.error[0].value
    app.number_input(key="paint_code_number").set_value((code + 1) % CODES).run()
    assert not app.error
    app.button(key="paint_code_undo").click().run()  # the same code once more
    for expected in (again, edited, first):
        app.button(key="paint_code_undo").click().run()
        assert current(app) == expected
    assert app.button(key="paint_code_undo").disabled
    assert not app.exception


def test_half_a_digit_is_completed() -> None:
    app = open_page("paint", model="codes", part="complete")
    assert not app.error
    assert not app.exception
    images = app.session_state["paint_codes"]
    assert images.known_rows == 3
    assert (images.codes[:, :3] == images.codes[:1, :3]).all()
    app.slider(key="paint_given").set_value(5).run()
    assert app.session_state["paint_codes"].known_rows == 5
    assert app.slider(key="paint_given").max == 6


@pytest.mark.parametrize("part", ["field", "surprise"])
def test_views_of_pixels_say_that_this_model_has_codes(part: str) -> None:
    app = open_page("paint", model="codes", part=part)
    assert "samples codes, not pixels" in page_text(app)
    assert not app.exception


def test_every_control_of_the_editor_has_a_help_text() -> None:
    app = open_page("paint", model="codes")
    keys = set()
    for kind in ("selectbox", "select_slider", "slider", "number_input", "button", "button_group", "download_button"):
        for element in app.get(kind):
            assert element.help, f"{kind} {element.key} explains nothing"
            keys.add(element.key)
    assert {"paint_code_rest", "paint_code_undo", "paint_code_0", "paint_code_number", "paint_codes_png"} < keys


def test_the_gallery_leads_from_a_prior_to_the_paint_page() -> None:
    app = open_page("gallery")
    labels = {button.key: button.label for button in app.button}
    assert labels["gallery_open_codes"] == "Watch it paint"
    assert labels["gallery_open_stage"] == "Look at the run"
    assert not app.exception
