"""Models with condition dropout or temporal conditioning: guidance and tempo on the page, in addresses, as commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from genmodels import synthesis
from genmodels.__main__ import app as command_line
from genmodels.errors import ConfigError
from genmodels.sampling.options import SamplingOptions
from genmodels.service import speak
from genmodels.service.speak import SpeakRequest, facts
from genmodels.synthesis import SpeechRequest
from tests.support.pages import open_page
from tests.support.runs import save_run
from tests.support.speech import SMALL, generated

WISH = {"model": "led", "label": "rising", "speaker": "reed", "seed": 3, "seconds": 0.1}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    save_run(tmp_path / "runs", "led", "tones_wavenet", *SMALL, "model.condition_dropout=0.5", "model.guidance=2")
    save_run(tmp_path / "runs", "timed", "tones_wavenet", *SMALL, "model.parts=4")
    save_run(tmp_path / "runs", "plain", "tones_wavenet", *SMALL)
    return tmp_path / "runs"


def generate_with(**change: object) -> np.ndarray:
    return generated(speak.generate(SpeakRequest.parse({**WISH, **change})))


def page(**query: str) -> AppTest:
    app = open_page("speak", part="ask", **query)
    assert not app.error, [entry.value for entry in app.error]
    return app


def request_of(app: AppTest) -> SpeakRequest:
    app.button(key="speak_go_ask").click().run()
    found = app.session_state["speak_generation_ask"]
    assert isinstance(found, speak.Generation)
    found.wait(60)
    app.run()
    return found.request


def speak_to(name: str, out: Path, *more: str) -> bytes:
    call = ["speak", name, str(out), "--digit", "rising", "--speaker", "reed", "--seconds", "0.1", *more]
    result = CliRunner().invoke(command_line, call)
    assert result.exit_code == 0, result.output
    return out.read_bytes()


def test_a_voice_says_whether_it_can_be_guided(runs: Path) -> None:
    assert facts.audio_facts("led").guidance == 2
    assert facts.audio_facts("plain").guidance is None


def test_guidance_changes_what_is_drawn_and_its_own_is_the_default(runs: Path) -> None:
    usual = generate_with()
    assert np.array_equal(usual, generate_with(guidance=2))
    assert not np.array_equal(usual, generate_with(guidance=1))


@pytest.mark.parametrize(
    ("knob", "beyond", "reason"),
    [("guidance", 6, "without condition dropout"), ("tempo", 3, "no temporal conditioning")],
)
def test_what_is_not_possible_is_refused(knob: str, beyond: float, reason: str, runs: Path) -> None:
    with pytest.raises(ConfigError, match=f"{knob} = {beyond}"):
        SpeakRequest.parse({**WISH, knob: beyond})
    drawing = speak.generate(SpeakRequest.parse({**WISH, "model": "plain", knob: 2}))
    drawing.wait(60)
    assert reason in drawing.problem


@pytest.mark.parametrize(
    ("model", "knob", "shown", "usual", "other"), [("led", "guidance", 2, None, 3.5), ("timed", "tempo", 1, 1, 0.8)]
)
def test_the_page_offers_a_knob_where_it_works(
    model: str, knob: str, shown: float, usual: float | None, other: float, runs: Path
) -> None:
    app = page(model=model, seconds="0.1")
    assert app.select_slider(key=f"speak_{knob}").value == shown
    assert getattr(request_of(app), knob) == usual
    assert knob not in app.query_params
    app.select_slider(key=f"speak_{knob}").set_value(other).run()
    assert app.query_params[knob] == str(other)
    assert getattr(request_of(app), knob) == other
    assert f"{knob} {other}" in " ".join(entry.value for entry in (*app.markdown, *app.caption))
    app.selectbox(key="speak_model").set_value("plain").run()
    assert f"speak_{knob}" not in [entry.key for entry in app.select_slider]
    assert getattr(request_of(app), knob) == (1 if knob == "tempo" else None)


def test_the_slider_says_what_the_models_own_guidance_is(runs: Path) -> None:
    assert "This model's default is 2" in page(model="led").select_slider(key="speak_guidance").help


def test_an_address_carries_it(runs: Path) -> None:
    assert request_of(page(model="led", seconds="0.1", guidance="1")).guidance == 1
    assert request_of(page(model="timed", seconds="0.1", tempo="1.5")).tempo == 1.5
    app = page(model="led", seconds="0.1", guidance="7")
    assert any("guidance" in entry.value and "7" in entry.value for entry in app.warning)
    assert app.select_slider(key="speak_guidance").value == 2


def test_the_command_line_takes_it(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "said.wav"
    assert speak_to("led", out) == speak_to("led", out, "--guidance", "2") != speak_to("led", out, "--guidance", "1")


def test_a_tempo_changes_what_is_drawn_where_time_is_told(runs: Path) -> None:
    assert speak.generate(SpeakRequest.parse({**WISH, "model": "timed"})).request.tempo == 1
    assert not np.array_equal(generate_with(model="timed", tempo=0.5), generate_with(model="timed"))


def test_a_stopped_drawing_goes_on_to_the_same_recording_at_its_tempo(runs: Path) -> None:
    speech_request = SpeakRequest.parse({**WISH, "model": "timed", "tempo": 1.5, "seconds": 0.4})
    whole = generated(speak.generate(speech_request))
    again = speak.Generation(speech_request)
    again.samples = whole[:1_300]
    again.start()
    assert np.array_equal(generated(again), whole)


def test_the_command_line_takes_a_tempo(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "said.wav"
    assert speak_to("timed", out) == speak_to("timed", out, "--tempo", "1") != speak_to("timed", out, "--tempo", "0.5")


def test_continuing_says_that_a_timed_voice_ends_with_its_word(runs: Path) -> None:
    for name, expected in (("timed", True), ("plain", False)):
        app = open_page("speak", part="continue", model=name)
        assert ("usual end it is silent" in " ".join(entry.value for entry in app.caption)) == expected
        assert "speak_tempo" not in [entry.key for entry in app.select_slider], "given at one tempo, ended at another"


def test_what_a_voice_cannot_do_is_not_kept_for_the_next(runs: Path) -> None:
    app = page(model="plain", seconds="0.1", tempo="2", guidance="1")
    assert {"tempo", "guidance"} == {
        word for word in ("tempo", "guidance") if any(word in w.value for w in app.warning)
    }
    app.selectbox(key="speak_model").set_value("timed").run()
    assert app.select_slider(key="speak_tempo").value == 1


def test_silence_behind_a_word_is_explained(runs: Path) -> None:
    app = page(model="timed", seconds="8")
    app.button(key="speak_go_ask").click().run()
    found = app.session_state["speak_generation_ask"]
    found.wait(60)
    found.samples = np.concatenate([found.samples[:2_000], np.zeros(len(found.samples) - 2_000, np.float32)])
    app.run()
    assert any("knows the position within the word" in entry.value for entry in app.info)


def test_a_slow_word_has_the_time_it_takes(runs: Path) -> None:
    requests = [SpeechRequest({}, 1, options=SamplingOptions(tempo=tempo)) for tempo in (0.5, 1, 2)]
    lengths = [len(synthesis.synthesise("timed", request).samples) for request in requests]
    assert lengths == [4_000, 2_000, 2_000]
