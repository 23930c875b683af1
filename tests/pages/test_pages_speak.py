"""The speak page as Streamlit runs it; what is drawn and heard in a browser is tested there."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from streamlit.testing.v1 import AppTest

from genmodels import synthesis
from genmodels.service import speak
from pages.components import i18n
from pages.parts.gallery import speak_card
from pages.parts.speak import example
from tests.support.pages import open_page
from tests.support.runs import save_run
from tests.support.speech import SMALL, runs

__all__ = ["runs"]

PARTS = ("ask", "continue", "steps", "past", "levels", "fourier")


def page(part: str, **query: str) -> AppTest:
    app = open_page("speak", part=part, **query)
    assert not app.error, [entry.value for entry in app.error]
    return app


def shown_text(app: AppTest) -> str:
    return " ".join(entry.value for entry in (*app.markdown, *app.caption, *app.info))


def pills(app: AppTest, key: str) -> object:
    return next(group for group in app.button_group if group.key == key)


def drawing(app: AppTest, part: str) -> speak.Generation:
    found = app.session_state[f"speak_generation_{part}"]
    assert isinstance(found, speak.Generation)
    found.wait(60)
    return found


_EXPLAINED = (
    "selectbox", "select_slider", "slider", "number_input", "button", "button_group", "toggle", "download_button",
    "file_uploader", "audio_input",
)  # fmt: skip


def explained(app: AppTest) -> set[str]:
    """Keys of all controls, each of which has a help text."""
    found = [element for kind in _EXPLAINED for element in app.get(kind)]
    for element in found:
        assert element.help, f"{element.type} {element.key} explains nothing"
    return {str(element.key) for element in found}


@pytest.mark.parametrize("model", ["mute", "voice"])
@pytest.mark.parametrize("part", PARTS)
def test_every_view_opens_cold_and_each_control_explains_itself(part: str, model: str, runs: Path) -> None:
    app = page(part, model=model)
    assert app.query_params["part"] == part
    keys = explained(app)
    if part in ("ask", "continue", "steps"):
        assert ({"speak_label", "speak_speaker"} <= keys) == (model == "voice")


@pytest.mark.parametrize("part", ["continue", "levels", "fourier"])
def test_each_source_of_recordings_explains_itself(part: str, runs: Path) -> None:
    app = page(part, model="voice")
    for source, key in (("example", "speak_index"), ("upload", "speak_upload"), ("microphone", "speak_microphone")):
        pills(app, "speak_source").set_value(source).run()  # type: ignore[attr-defined]
        assert key in explained(app)
    assert "Nobody else sees or hears yours" in pills(app, "speak_source").help  # type: ignore[attr-defined]


def test_the_address_says_what_is_asked_for(runs: Path) -> None:
    app = page(
        "ask", model="voice", say="falling", speaker="reed", seed="17", seconds="0.3", temperature="0.8", top_k="16"
    )
    assert (pills(app, "speak_label").value, pills(app, "speak_speaker").value) == (2, 1)
    app.button(key="speak_go_ask").click().run()
    asked = drawing(app, "ask").request
    assert (asked.label, asked.speaker, asked.seed, asked.seconds) == ("falling", "reed", 17, 0.3)
    assert (asked.temperature, asked.top_k) == (0.8, 16)
    app.number_input(key="speak_seed").set_value(18).run()
    assert app.query_params["seed"] == "18"
    assert app.query_params["say"] == "falling"


def test_an_address_that_does_not_fit_is_said_and_changes_nothing(runs: Path) -> None:
    app = page("ask", model="gone", say="purr", seed="three", top_k="one")
    warnings = " ".join(entry.value for entry in app.warning)
    for part in ("gone", "purr", "three", "one"):
        assert part in warnings, part
    assert app.query_params["model"] == "mute"
    assert app.query_params["seed"] == "1"


def test_the_page_opens_with_what_its_first_settings_give(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    app = page("ask")
    app.button(key="speak_go_ask").click().run()
    found = drawing(app, "ask")
    assert found.request.replace(step=None, guidance=None) == example.REQUEST
    stored = np.rint(example.sound().samples * 32_767)
    assert len(stored) == len(found.samples) == 8_000
    # Processors add in different orders: once in about 100,000 samples another level is sampled, and others after it.
    differs = np.flatnonzero(np.abs(stored - np.rint(found.samples * 32_767)) > 1)
    assert not len(differs) or differs[0] > 2_000
    assert np.abs(stored).max() > 3_000, "audible"


def test_what_was_drawn_is_played_and_its_speed_said(runs: Path) -> None:
    app = page("ask", model="voice")
    assert "A stored recording, until you press Speak" in shown_text(app)
    assert len(app.get("audio")) == 1
    app.button(key="speak_go_ask").click().run()
    found = drawing(app, "ask")
    app.run()
    assert found.finished
    assert "samples per second" in shown_text(app)
    assert "three notes, flute, seed 1" not in shown_text(app)
    assert "step up, flute, seed 1, step 10" in shown_text(app)
    assert "A stored recording" not in shown_text(app), "the visitor's own recording replaces it"
    assert len(app.get("audio")) == 1
    assert "speak_wav_ask" in explained(app)


def test_a_stopped_drawing_goes_on(runs: Path) -> None:
    app = page("ask", model="voice", seconds="8")
    app.button(key="speak_go_ask").click().run()
    app.session_state["speak_generation_ask"].stop()
    found = drawing(app, "ask")
    assert 0 < found.fraction < 1
    app.run()
    assert f"Stopped at {found.sound.seconds:.2f} of 8.00 s" in shown_text(app)
    app.button(key="speak_on_ask").click().run()
    drawing(app, "ask")
    app.run()
    assert found.finished
    assert not app.error


def test_a_model_that_is_told_nothing_says_so(runs: Path) -> None:
    app = page("ask", model="mute")
    assert "This model is unconditional" in shown_text(app)
    assert not [group for group in app.button_group if group.key in ("speak_label", "speak_speaker")]
    app.button(key="speak_go_ask").click().run()
    assert drawing(app, "ask").finished


def test_a_real_recording_is_continued_behind_the_seam(runs: Path) -> None:
    app = page("continue", model="voice")
    app.number_input(key="speak_index").set_value(3).run()
    app.slider(key="speak_given").set_value(0.1).run()
    app.button(key="speak_go_continue").click().run()
    found = drawing(app, "continue")
    assert len(found.prefix) == 800
    assert found.finished
    app.run()
    assert len(app.get("audio")) == 2
    assert not app.error


def test_what_the_microphone_heard_is_continued(runs: Path) -> None:
    app = page("continue", model="voice")
    pills(app, "speak_source").set_value("microphone").run()  # type: ignore[attr-defined]
    assert "Record something first" in shown_text(app)
    assert app.button(key="speak_go_continue").disabled
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.4 * np.sin(np.arange(24_000) / 7), 48_000, format="WAV")  # as a browser records
    app.get("audio_input")[0].set_value(("audio.wav", buffer.getvalue(), "audio/wav")).run()
    assert app.slider(key="speak_given").max == 0.5
    app.slider(key="speak_given").set_value(0.2).run()
    app.button(key="speak_go_continue").click().run()
    found = drawing(app, "continue")
    assert len(found.prefix) == 1_600
    assert found.finished
    app.run()
    assert len(app.get("audio")) >= 2
    assert not app.error


def test_a_fault_while_drawing_is_told(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **knobs: object) -> None:
        raise RuntimeError("no such kernel")

    app = page("ask", model="voice", seed="71")
    monkeypatch.setattr(synthesis, "synthesise_iter", broken)
    app.button(key="speak_go_ask").click().run()
    drawing(app, "ask")
    app.run()
    assert "could not be generated" in app.error[0].value
    assert not app.exception


def test_one_s_own_file_is_heard_on_few_levels_and_a_bad_one_is_refused(runs: Path) -> None:
    app = page("levels", levels="4")
    assert app.select_slider(key="speak_levels").value == 4
    pills(app, "speak_source").set_value("upload").run()
    assert "Choose a file first" in shown_text(app)
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.4 * np.sin(np.arange(16_000) / 7), 16_000, format="OGG", subtype="VORBIS")
    app.get("file_uploader")[0].set_value(("mine.ogg", buffer.getvalue(), "audio/ogg")).run()
    assert "4 levels (2 bits): signal-to-noise ratio" in shown_text(app)
    assert len(app.get("audio")) == 2
    app.get("file_uploader")[0].set_value(("mine.wav", b"no sound" * 99, "audio/wav")).run()
    assert "not a WAV, FLAC, OGG, MP3 or AIFF file" in app.error[0].value
    assert not app.exception


def test_steps_are_drawn_side_by_side(runs: Path) -> None:
    app = page("steps", model="voice")
    app.button(key="speak_go_steps").click().run()
    for one in app.session_state["speak_steps"]:
        one.wait(60)
    app.run()
    assert "**Step 0**" in shown_text(app)
    assert "**Step 10**" in shown_text(app)
    assert len(app.get("audio")) == 2


def test_stopped_steps_are_heard_as_far_as_they_are_and_go_on(runs: Path) -> None:
    app = page("steps", model="voice", seconds="8")
    app.button(key="speak_go_steps").click().run()
    found = app.session_state["speak_steps"]
    for one in found:
        one.stop()
    for one in found:
        one.wait(60)
    assert all(0 < one.fraction < 1 for one in found)
    app.run()
    assert "Stopped. The finished recordings can be played." in shown_text(app)
    assert shown_text(app).count("of 8.00 s") == 2
    assert len(app.get("audio")) == 2
    assert "speak_on_steps" in explained(app)
    app.button(key="speak_on_steps").click().run()
    for one in found:
        one.wait(60)
    app.run()
    assert all(one.finished for one in found)
    assert "speak_on_steps" not in explained(app)


def test_steps_of_which_nothing_was_drawn_say_so(runs: Path) -> None:
    app = page("steps", model="voice")
    speech_request = speak.SpeakRequest(model="voice", step=10)
    app.session_state["speak_steps"] = [speak.Generation(speech_request)]
    app.run()
    assert "Nothing is generated yet" in shown_text(app)
    assert not app.exception


def test_one_saved_step_is_one(runs: Path) -> None:
    shutil.rmtree(runs / "mute" / "step-000000")
    app = page("steps", model="mute")
    assert app.button(key="speak_go_steps").label == "Hear this step"
    assert "Only one step was saved" in shown_text(app)


@pytest.mark.parametrize(("layers", "band"), [(3, ""), (11, "the lowest 3 layers: 256 time steps, 8 samples apart")])
def test_the_tree_says_what_it_does_not_draw_line_by_line(layers: int, band: str, runs: Path) -> None:
    save_run(runs, "deep", "tones_wavenet", *SMALL[:2], f"model.layers={layers}", "model.stacks=1")
    text = shown_text(page("past", model="deep"))
    assert f"{layers} layers see {2**layers:,} samples, each of them once." in text
    assert band in text
    assert ("The band" in text) == bool(band)


def test_the_past_is_stated_in_samples_and_milliseconds(runs: Path) -> None:
    assert "**6 layers see 16 past samples: 2 ms.**" in shown_text(page("past", model="voice"))


def test_without_a_model_levels_and_fourier_are_still_there(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(runs / "nothing"))
    assert "No model of sound yet" in shown_text(page("ask"))
    assert "The Fourier transform" in shown_text(page("fourier"))
    assert "signal-to-noise" in shown_text(page("levels"))


def test_window_length_and_hop_are_in_the_address(runs: Path) -> None:
    app = page("fourier", window="bartlett", length="512", hop="8")
    assert pills(app, "speak_window").value == "bartlett"
    assert app.select_slider(key="speak_length").value == 512
    app.select_slider(key="speak_length").set_value(64).run()
    assert app.query_params["length"] == "64"
    assert "Main lobe of this window: 500.0 Hz" in shown_text(app)
    assert "about 250.0 Hz apart" in shown_text(app)
    pills(app, "speak_window").set_value("rectangular").run()
    assert "about 125.0 Hz apart" in shown_text(app)
    assert not app.error


def test_the_gallery_plays_it_and_leads_here(runs: Path) -> None:
    app = open_page("gallery")
    assert next(b for b in app.button if b.key == "gallery_open_voice").label == i18n.t("gallery.open_speak")
    assert not [b for b in app.button if b.key == "gallery_hear_pictures"]
    app.button(key="gallery_hear_voice").click().run()
    assert len(app.get("audio")) == 1
    assert not app.error
    assert not app.exception


def test_a_card_never_plays_a_part_as_if_it_were_whole(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("gallery")
    monkeypatch.setattr(speak_card, "_PATIENCE", 0.0)
    gate, slices, begun = threading.Event(), speak._slices, []

    def slow(*args: Any) -> Iterator[Any]:
        begun.append(args)
        gate.wait(60)
        yield from slices(*args)

    monkeypatch.setattr(speak, "_slices", slow)
    app.button(key="gallery_hear_voice").click().run()
    assert "Not ready yet" in shown_text(app)
    assert not app.get("audio")
    app.run()
    assert "Not ready yet" in shown_text(app), "another control was moved"
    gate.set()
    monkeypatch.setattr(speak_card, "_PATIENCE", 60.0)
    app.button(key="gallery_wait_voice").click().run()
    assert len(begun) == 1, "waited for, not drawn twice"
    assert len(app.get("audio")) == 1
    assert "Not ready yet" not in shown_text(app)
