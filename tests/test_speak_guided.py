"""A voice that was also trained untold: its guidance on the page, in the address and on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from genmodels.__main__ import app as command_line
from genmodels.errors import ConfigError
from genmodels.service import speak
from genmodels.service.speak import Asked
from tests.test_pages_explorer import open_page
from tests.test_service import save_run
from tests.test_service_speak import SMALL, drawn

WISH = {"model": "led", "label": "rising", "speaker": "reed", "seed": 3, "seconds": 0.1}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    save_run(tmp_path / "runs", "led", "tones_wavenet", *SMALL, "model.untold=0.5", "model.guidance=2")
    save_run(tmp_path / "runs", "plain", "tones_wavenet", *SMALL)
    return tmp_path / "runs"


def drawn_with(**change: object) -> np.ndarray:
    return drawn(speak.draw(Asked.parse({**WISH, **change})))


def page(**query: str) -> AppTest:
    app = open_page("speak", part="ask", **query)
    assert not app.error, [entry.value for entry in app.error]
    return app


def asked(app: AppTest) -> Asked:
    app.button(key="speak_go_ask").click().run()
    found = app.session_state["speak_drawing_ask"]
    assert isinstance(found, speak.Drawing)
    found.wait(60)
    app.run()
    return found.asked


def test_a_voice_says_whether_it_can_be_guided(runs: Path) -> None:
    assert speak.voice("led").guidance == 2
    assert speak.voice("plain").guidance is None


def test_guidance_changes_what_is_drawn_and_its_own_is_the_default(runs: Path) -> None:
    usual = drawn_with()
    assert np.array_equal(usual, drawn_with(guidance=2))
    assert not np.array_equal(usual, drawn_with(guidance=1))


def test_guidance_that_is_not_possible_is_refused(runs: Path) -> None:
    with pytest.raises(ConfigError, match="guidance = 6"):
        Asked.parse({**WISH, "guidance": 6})
    drawing = speak.draw(Asked.parse({**WISH, "model": "plain", "guidance": 2}))
    drawing.wait(60)
    assert "never trained untold" in drawing.problem


def test_the_page_offers_it_where_it_works(runs: Path) -> None:
    app = page(model="led", seconds="0.1")
    slider = app.select_slider(key="speak_guidance")
    assert slider.value == 2
    assert "This model's own is 2" in slider.help
    assert asked(app).guidance is None
    assert "guidance" not in app.query_params
    app.select_slider(key="speak_guidance").set_value(3.5).run()
    assert app.query_params["guidance"] == "3.5"
    assert asked(app).guidance == 3.5
    assert "guidance 3.5" in " ".join(entry.value for entry in (*app.markdown, *app.caption))
    app.selectbox(key="speak_model").set_value("plain").run()
    assert "speak_guidance" not in [entry.key for entry in app.select_slider]
    assert asked(app).guidance is None


def test_an_address_carries_it(runs: Path) -> None:
    assert asked(page(model="led", seconds="0.1", guidance="1")).guidance == 1
    app = page(model="led", seconds="0.1", guidance="7")
    assert any("guidance" in entry.value and "7" in entry.value for entry in app.warning)
    assert app.select_slider(key="speak_guidance").value == 2


def test_the_command_line_takes_it(runs: Path, tmp_path: Path) -> None:
    def said(*more: str) -> bytes:
        out = tmp_path / "said.wav"
        call = ["speak", "led", str(out), "--digit", "rising", "--speaker", "reed", "--seconds", "0.1", *more]
        result = CliRunner().invoke(command_line, call)
        assert result.exit_code == 0, result.output
        return out.read_bytes()

    assert said() == said("--guidance", "2") != said("--guidance", "1")
