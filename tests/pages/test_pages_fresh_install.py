"""Pages where no data set was fetched: a download button instead of a command, and texts that follow the numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.service import classify
from pages.components.numbers import of_ten, percent
from pages.parts.classify import mistakes
from pages.parts.evaluate import metrics
from tests.support.pages import open_page
from tests.support.runs import SMALL_FLOW, save_run
from tests.support.uploads import upload_set


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    return tmp_path


def shown_text(app: AppTest) -> str:
    assert not app.exception, [entry.value for entry in app.exception]
    kinds = ("markdown", "caption", "info", "warning", "error", "success")
    return " ".join(entry.value for kind in kinds for entry in app.get(kind))


def translate_page() -> AppTest:
    app = open_page("translate", model="horse2zebra_projected_128")
    return app.segmented_control(key="translate_source").set_value("example").run()


def evaluate_page() -> AppTest:
    return open_page("evaluate", model="mnist_cgan_conv")


def mistakes_page() -> AppTest:
    return open_page("classify", part="mistakes", model="mnist_mlp_baseline")


def continue_page() -> AppTest:
    return open_page("speak", part="continue", model="fsdd_wavenet")


PAGES = {
    "translate_get_horse2zebra": translate_page,
    "evaluate_get_mnist": evaluate_page,
    "classify_get_mnist": mistakes_page,
    "speak_get_fsdd": continue_page,
}


@pytest.mark.parametrize("key", PAGES)
def test_missing_data_has_a_download_button_and_no_command(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for public in (False, True):
        monkeypatch.setenv("GENMODELS_PUBLIC", "1" if public else "0")
        app = PAGES[key]()
        text = shown_text(app)
        assert app.button(key=key).disabled == public
        assert "python -m" not in text.replace("`python -m genmodels evaluate NAME`", "")
        assert str(tmp_path) not in text
        assert "GENMODELS" not in text


def test_tones_that_stand_in_for_speech_are_called_so(tmp_path: Path) -> None:
    for part in ("continue", "levels", "fourier"):
        assert "These are tones, not speech" in shown_text(open_page("speak", part=part, model="fsdd_wavenet"))
    save_run(tmp_path / "runs", "voice", "tones_wavenet", "model.channels=4", "model.skip_channels=8",
             "model.layers=3", "model.stacks=2")  # fmt: skip
    assert "not speech" not in shown_text(open_page("speak", part="continue", model="voice")), "it learned from tones"


def test_the_words_about_digits_seen_before_follow_the_numbers() -> None:
    assert "expect fewer" not in shown_text(mistakes_page())
    found = classify.confusion("mnist_mlp_baseline")
    text = shown_text(mistakes_page())
    for card, key in ((found.accuracy + 0.1, "better"), (found.accuracy, "alike"), (found.accuracy - 0.1, "worse")):
        assert mistakes._against(card, found) == key
    published = next(info for info in classify.classifiers() if info.name == "mnist_mlp_baseline").metrics["accuracy"]
    words = {"better": "reads new digits better", "alike": "about as well", "worse": "reads new digits worse"}
    assert words[mistakes._against(published, found)] in text


@pytest.mark.slow
def test_a_set_of_ones_own_is_offered_a_recipe_of_its_shape() -> None:
    for size, recipe in ((64, "dcgan_64"), (16, "vae")):
        app = open_page("data", data=upload_set(f"Cats of {size}", size=size))
        app.button(key="data_train").click().run()
        assert not app.exception
        assert app.query_params["recipe"] in (recipe, [recipe])
        assert "digit" not in " ".join(entry.value for entry in app.markdown[:3])
        assert not app.error


# --------------------------------------------------------------------- one way to write numbers


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.98678, "98.7 %"), (0.0138, "1.4 %"), (1.0, "100.0 %"), (0.0, "0.0 %"), (0.99996, "> 99.9 %"),
        (0.0001, "< 0.1 %"), (0.1, "10.0 %"),
    ],
)  # fmt: skip
def test_a_fraction_is_a_percentage_with_one_place(fraction: float, text: str) -> None:
    assert percent(fraction) == text


def test_figures_are_written_alike_on_evaluate_and_in_the_gallery() -> None:
    assert metrics.value_text("classes/min_fraction", 0.0138) == "1.4\u00a0%"
    assert metrics.value_text("classes/above_1_percent", 10.0) == of_ten(10.0) == "10 of 10"
    assert of_ten(9.6) == "9.6 of 10"
    assert "10 of 10" in shown_text(open_page("gallery", kind="all"))


def test_digits_of_the_training_data_are_named_only_where_they_are_shown(tmp_path: Path) -> None:
    text = shown_text(evaluate_page())
    assert "The dashed line is 10 %" in text
    assert "compared with the training data" not in text


# --------------------------------------------------------------------- readings of noise


@pytest.mark.parametrize("page", ["latent", "manifold", "conditional", "flow", "seeds", "paint"])
def test_readings_of_an_untrained_step_are_called_meaningless(page: str, tmp_path: Path) -> None:
    note = "answer means nothing here"
    runs, model = tmp_path / "runs", {"model": "run"}
    recipe = {"manifold": "mnist_vae_2d", "conditional": "mnist_cgan_embedding", "paint": "mnist_pixelcnn"}
    recipe["flow"] = "mnist_flow"
    small = ("model.channels=6", "model.layers=2", "model.levels=8", "model.kernel_size=3") if page == "paint" else ()
    small = SMALL_FLOW[1:] if page == "flow" else small
    save_run(runs, "run", recipe.get(page, "mnist_vae_20"), "data.name=digits", *small, steps=(0,))
    app = open_page(page, **model, **({"part": "map"} if page == "manifold" else {}))
    if page == "paint":
        next(found for found in app.button_group if found.key == "paint_pace").set_value("once").run()
    assert note in shown_text(app)
    save_run(runs, "trained", recipe.get(page, "mnist_vae_20"), "data.name=digits", *small, steps=(0, 10))
    app.query_params["model"] = "trained"
    app.run()
    assert note not in shown_text(app)
