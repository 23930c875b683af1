"""The paint page as Streamlit runs it: watching, stopping, looking into a pixel, the four parts, the address."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from genmodels.service import paint
from genmodels.service.paint import Painting, PaintRequest, distribution
from pages.parts.paint.state import PARTS
from tests.support.pages import open_page
from tests.support.painting import painted, runs, save_colours

__all__ = ["runs"]


def page(**query: str) -> AppTest:
    return open_page("paint", **query)


def painting_of(app: AppTest) -> Painting:
    found: Painting = app.session_state["paint_painting"]
    return found


def shown_text(app: AppTest) -> str:
    return " ".join(
        entry.value for kind in ("markdown", "caption", "info", "warning", "error") for entry in app.get(kind)
    )


def finished(app: AppTest) -> AppTest:
    """The timer does not tick here: each run of the page paints what one tick would."""
    group(app, "paint_pace").set_value("once").run()  # type: ignore[attr-defined]
    assert painting_of(app).done
    return app


def group(app: AppTest, key: str) -> object:
    return next(found for found in app.button_group if found.key == key)


# ------------------------------------------------------------------------------ generate


def test_a_painting_begins_by_itself_and_grows_row_by_row(runs: Path) -> None:
    app = page(model="plain", seed="40")
    assert not app.error
    first = painting_of(app)
    assert (first.request.seed, first.request.count, first.rows) == (40, 8, 1)
    app.run()
    assert painting_of(app) is first
    assert first.rows in (2, 3, 4), "a slow look catches up, but is never the last one at once"
    assert "What to look for" in shown_text(app)
    finished(app)
    assert torch.equal(first.canvas, painted(first.request).canvas)
    assert "Distribution of a pixel" in [entry.value for entry in app.header]
    assert app.button(key="paint_stop").disabled


def test_stop_holds_it_and_go_on_ends_with_the_same_pictures(runs: Path) -> None:
    app = page(model="asked")
    app.button(key="paint_stop").click().run()
    rows = painting_of(app).rows
    app.run()
    assert painting_of(app).rows == rows
    assert app.slider(key="paint_pixel").max == rows * 28 + 1, "the next pixel can be looked at too"
    app.button(key="paint_go_on").click().run()
    finished(app)
    assert torch.equal(painting_of(app).canvas, painted(painting_of(app).request).canvas)


def test_other_knobs_begin_another_painting(runs: Path) -> None:
    app = page(model="asked")
    group(app, "paint_pace").set_value("once").run()  # type: ignore[attr-defined]
    assert painting_of(app).done
    app.slider(key="paint_temperature").set_value(0.5).run()
    app.slider(key="paint_top_k").set_value(4).run()
    app.selectbox(key="paint_label").select("7").run()
    app.select_slider(key="paint_count").set_value(2).run()
    app.select_slider(key="paint_step").set_value(0).run()
    assert app.button(key="paint_shuffle").label == "New seed"
    app.button(key="paint_shuffle").click().run()
    asking = painting_of(app).request
    assert (asking.temperature, asking.top_k, asking.label, asking.count, asking.step) == (0.5, 4, 7, 2, 0)
    assert asking.seed == app.number_input(key="paint_seed").value
    assert painting_of(app).labels == (7, 7)
    same = painting_of(app)
    app.button(key="paint_again_button").click().run()
    assert painting_of(app) is not same
    assert torch.equal(painting_of(app).canvas, same.canvas)
    assert not app.error


def test_the_address_brings_back_the_same_painting(runs: Path) -> None:
    query = {"model": "asked", "part": "generate", "seed": "12", "class": "3", "temperature": "0.6", "levels": "5"}
    app = page(**query)
    assert {key: app.query_params[key] for key in query} == query
    assert painting_of(app).request == PaintRequest(
        model="asked", step=10, seed=12, count=8, label=3, temperature=0.6, top_k=5
    )
    app.number_input(key="paint_seed").set_value(13).run()
    assert app.query_params["seed"] == "13"
    app.selectbox(key="paint_label").select("any").run()
    assert "class" not in app.query_params


@pytest.mark.parametrize(
    "query", [{"seed": "4.5"}, {"seed": "x"}, {"temperature": "nan"}, {"class": "99"}, {"levels": "0"}]
)
def test_nonsense_in_the_address_is_passed_over(runs: Path, query: dict[str, str]) -> None:
    app = page(model="asked", **query)
    asking = painting_of(app).request
    assert (asking.seed, asking.label, asking.temperature, asking.top_k) == (0, None, 1.0, None)
    assert not app.error


def test_an_unknown_model_in_the_address_is_reported(runs: Path) -> None:
    app = page(model="vae")
    assert "vae" in app.warning[0].value
    assert app.query_params["model"] == "asked"


def test_a_pixel_is_chosen_along_the_order_of_painting(runs: Path) -> None:
    app = finished(page(model="asked"))
    app.slider(key="paint_pixel").set_value(1).run()
    drawn = distribution.distribution_of(painting_of(app), 0, 0, 0)
    assert drawn.level is not None
    app.toggle(key="paint_before").set_value(True).run()
    app.slider(key="paint_pixel").set_value(784).run()
    assert not app.error
    assert not app.exception


def test_a_damaged_step_is_told_and_nothing_is_begun(runs: Path) -> None:
    app = page(model="plain")
    app.button(key="paint_stop").click().run()
    before = painting_of(app)
    (runs / "plain" / "step-000010" / "model.safetensors").unlink()
    app.select_slider(key="paint_step").set_value(0).run()
    app.select_slider(key="paint_step").set_value(10).run()
    assert "model.safetensors" in app.error[0].value or "step" in app.error[0].value
    assert painting_of(app) is not before
    assert not app.exception


def test_a_fault_while_painting_is_told_stops_the_timer_and_can_be_tried_again(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page(model="plain")
    painting, rows = painting_of(app), paint._rows
    paint.stop(painting)
    asked = []

    def broken(painting: Painting) -> object:
        asked.append(painting.rows)
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(paint, "_rows", broken)
    app.run()
    assert "could not be painted" in app.error[0].value
    assert not app.exception
    assert app.session_state["paint_held"], "a timer would try again and again"
    app.run()
    assert len(asked) == 1
    monkeypatch.setattr(paint, "_rows", rows)
    app.button(key="paint_go_on").click().run()
    assert not app.error
    finished(app)
    assert torch.equal(painting_of(app).canvas, painted(painting.request).canvas)


# ------------------------------------------------------------------------------ the other parts


def test_the_upper_half_of_a_test_digit_is_completed(runs: Path) -> None:
    app = page(model="asked", part="complete")
    painting = painting_of(app)
    assert (painting.known_rows, painting.rows) == (14, 15)
    assert painting.labels is not None
    assert len(set(painting.labels)) == 1, "told the digit's own class"
    app.slider(key="paint_given").set_value(20).run()
    app.number_input(key="paint_index").set_value(5).run()
    other = painting_of(app)
    assert other.known_rows == 20
    assert not torch.equal(other.canvas[0, :, :14], painting.canvas[0, :, :14])
    app.selectbox(key="paint_condition").select("any").run()
    assert len(set(painting_of(app).labels or ())) > 1
    finished(app)
    assert "Distribution of a pixel" in [entry.value for entry in app.header]
    app.button(key="paint_another").click().run()
    group(app, "paint_source").set_value("canvas").run()  # type: ignore[attr-defined]
    assert "Draw the upper part of a digit" in shown_text(app)
    assert not app.error
    assert not app.exception


def test_what_a_pixel_sees_follows_the_controls(runs: Path) -> None:
    app = page(model="plain", part="field")
    assert "blind spot" in shown_text(app)
    assert app.query_params["part"] == "field"
    row, column = app.slider(key="paint_row"), app.slider(key="paint_column")
    assert [(one.min, one.max, one.value) for one in (row, column)] == [(1, 28, 15)] * 2, "counted from 1, as elsewhere"
    assert "pixel in the orange frame" in shown_text(app)
    app.slider(key="paint_row").set_value(1).run()
    assert "outside the picture" in shown_text(app)
    app.slider(key="paint_layers").set_value(2).run()
    group(app, "paint_kernel").set_value(7).run()  # type: ignore[attr-defined]
    app.slider(key="paint_column").set_value(28).run()
    assert not app.error
    assert not app.exception


def test_surprise_says_nats_bits_and_the_cheapest_class(runs: Path) -> None:
    app = page(model="asked", part="surprise")
    text = shown_text(app)
    assert "bits per dimension" in text
    assert "conditioned on class" in text
    app.number_input(key="paint_index").set_value(7).run()
    assert shown_text(app) != text
    app.selectbox(key="paint_model").select("binary").run()
    assert "conditioned on class" not in shown_text(app)
    assert not app.error


def test_colour_models_have_every_part_but_drawing(runs: Path, tmp_path: Path) -> None:
    save_colours(runs, tmp_path / "pictures")
    app = finished(page(model="colours"))
    group(app, "paint_colour").set_value(2).run()  # type: ignore[attr-defined]
    for part in ("complete", "field", "surprise"):
        group(app, "paint_part").set_value(part).run()  # type: ignore[attr-defined]
        assert not app.error, [entry.value for entry in app.error]
        assert not app.exception
        assert "paint_source" not in [found.key for found in app.button_group]


def test_models_of_other_shapes_follow_each_other(runs: Path, tmp_path: Path) -> None:
    """A pixel, a row, a class chosen in one model may not exist in the next."""
    save_colours(runs, tmp_path / "pictures")
    app = finished(page(model="asked"))
    app.slider(key="paint_pixel").set_value(784).run()
    app.selectbox(key="paint_label").select("9").run()
    for part, key, value in (("complete", "paint_given", 27), ("field", "paint_row", 27), ("surprise", "", 0)):
        app.selectbox(key="paint_model").select("asked").run()
        group(app, "paint_part").set_value(part).run()  # type: ignore[attr-defined]
        if key:
            app.slider(key=key).set_value(value).run()
        app.selectbox(key="paint_model").select("colours").run()
        assert not app.error, [entry.value for entry in app.error]
        assert not app.exception
    group(app, "paint_part").set_value("generate").run()  # type: ignore[attr-defined]
    finished(app)
    assert not app.exception


# ------------------------------------------------------------------------------ all of it


_EXPLAINED = (
    "selectbox", "select_slider", "slider", "number_input", "button", "button_group", "toggle", "download_button"
)  # fmt: skip


@pytest.mark.parametrize("model", ["asked", "colours"])
def test_every_control_has_a_help_text(runs: Path, tmp_path: Path, model: str) -> None:
    save_colours(runs, tmp_path / "pictures")
    app = finished(page(model=model))
    keys = set()
    for part in PARTS:
        group(app, "paint_part").set_value(part).run()  # type: ignore[attr-defined]
        for kind in _EXPLAINED:
            for element in app.get(kind):
                assert element.help, f"{part}: {kind} {element.key} explains nothing"
                keys.add(element.key)
    assert {"paint_png", "paint_gif", "paint_before", "paint_condition"} < keys
    assert ("paint_colour" in keys) == (model == "colours")


def test_of_the_next_pixel_of_a_colour_picture_only_red_is_offered(runs: Path, tmp_path: Path) -> None:
    save_colours(runs, tmp_path / "pictures")
    app = page(model="colours")
    app.button(key="paint_stop").click().run()
    following = painting_of(app).rows * 8 + 1
    app.slider(key="paint_pixel").set_value(following - 1).run()
    group(app, "paint_colour").set_value(2).run()  # type: ignore[attr-defined]
    app.slider(key="paint_pixel").set_value(following).run()
    assert "paint_colour" not in [found.key for found in app.button_group]
    assert "Red comes first" in shown_text(app)
    app.slider(key="paint_pixel").set_value(following - 1).run()
    assert group(app, "paint_colour").value == 2  # type: ignore[attr-defined]
    assert not app.error
    assert not app.exception


def test_any_class_says_what_it_means_in_each_part(runs: Path) -> None:
    app = page(model="asked")
    helps = {"generate": app.selectbox(key="paint_label").help}
    for part in ("complete", "surprise"):
        group(app, "paint_part").set_value(part).run()  # type: ignore[attr-defined]
        helps[part] = app.selectbox(key="paint_condition").help
        assert ("the most probable" in app.selectbox(key="paint_condition").options) == (part == "surprise")
        assert ("any" in app.selectbox(key="paint_condition").options) == (part == "complete")
    assert "each seed has a random class" in helps["generate"]
    assert "each seed has a random class" in helps["complete"]
    assert "with the least surprise" in helps["surprise"]


@pytest.mark.parametrize("part", ["complete", "surprise"])
def test_a_drawing_is_asked_for_only_where_one_can_draw(runs: Path, tmp_path: Path, part: str) -> None:
    save_colours(runs, tmp_path / "pictures")
    app = page(model="asked", part=part)
    group(app, "paint_source").set_value("canvas").run()  # type: ignore[attr-defined]
    assert "at the left" in shown_text(app)
    shutil.rmtree(tmp_path / "pictures")
    app.selectbox(key="paint_model").select("colours").run()
    assert "is not here" in shown_text(app)
    assert "at the left" not in shown_text(app)
    assert not app.exception


def test_an_empty_house_says_what_to_train(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(runs / "nothing"))
    assert "No autoregressive image model yet" in page().info[0].value


def test_the_gallery_leads_to_the_paint_page(runs: Path) -> None:
    labels = {button.key: button.label for button in open_page("gallery").button}
    assert labels["gallery_open_asked"] == labels["gallery_open_plain"] == "Watch it paint"
    assert labels["gallery_open_vae"] == "Explore its latent space"
