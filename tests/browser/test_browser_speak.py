"""The speak page in a real Chromium: a recording that plays, its waveform and spectrogram, a narrow window."""

from __future__ import annotations

import io
import re
import wave
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pages.components import view_file
from pages.components.i18n import t
from tests.support.browser import Browser, Server, browsing, settle, widget

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_PATIENCE = 60_000  # the first chart brings five megabytes of Plotly, which a busy core reads slowly
_ASKED = "/speak?model=voice&say=rising&speaker=reed&seconds=0.8"


def speak(page: Page, key: str) -> None:
    widget(page, key).get_by_role("button").first.click()
    widget(page, "speak_wav_" + key.removeprefix("speak_go_")).wait_for(timeout=_PATIENCE)  # compiled the first time
    settle(page)


def seconds(page: Page, index: int = 0) -> float:
    """How long a player's recording is, as the browser has decoded it."""
    player = page.locator("audio").nth(index)
    expect(player).to_have_attribute("src", re.compile("/media/.+[.]wav"), timeout=_PATIENCE)
    found = player.evaluate(
        "audio => new Promise((done, fail) => { const ready = () => audio.duration > 0 ? done(audio.duration) : "
        "setTimeout(ready, 50); audio.onerror = () => fail(audio.error.message); ready(); })"
    )
    return float(found)


def traces(page: Page, key: str) -> list[str]:
    """Kinds of what Plotly has drawn."""
    plot = widget(page, key).locator(".js-plotly-plot")
    expect(plot.locator(".main-svg").first).to_be_visible(timeout=_PATIENCE)
    found: list[str] = plot.evaluate("plot => plot.data.map(trace => trace.type)")
    return found


def test_what_was_asked_for_is_heard_and_seen(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _ASKED)
    speak(page, "speak_go_ask")
    assert seconds(page) == pytest.approx(0.8, abs=0.01)
    assert traces(page, "speak_ask_wave") == ["scatter", "scatter"]
    assert traces(page, "speak_ask_spectrogram") == ["heatmap"]
    widget(page, "speak_shuffle").get_by_role("button").click()
    expect(page).not_to_have_url(re.compile("seed=1(&|$)"))
    with page.expect_download() as download:
        widget(page, "speak_wav_ask").get_by_role("button").click()
    assert download.value.suggested_filename == "voice-rising-reed-seed-1.wav"
    file = Path(download.value.path()).read_bytes()
    with wave.open(io.BytesIO(file)) as sound:
        assert (sound.getnframes(), sound.getsampwidth(), sound.getnchannels()) == (6_400, 2, 1)
    view = view_file.read(file)
    assert view is not None
    assert (view["view"]["say"], view["view"]["seed"]) == ("rising", "1"), "of the recording, not of the controls"
    assert len(file) - 44 - 2 * 6_400 < 1_000, "nothing but the view is added"
    browser.check_console()


def test_a_recording_is_continued_behind_a_seam(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _ASKED + "&part=continue")
    speak(page, "speak_go_continue")
    given, whole = seconds(page), seconds(page, 1)
    assert whole == pytest.approx(given + 0.8, abs=0.01)
    assert len(traces(page, "speak_continue_wave")) == 4, "what was given and what was drawn, each with its outline"
    assert widget(page, "speak_continue_wave").locator(".shapelayer path").count() == 1, "the seam"
    browser.check_console()


def test_what_the_microphone_hears_is_continued(browser: Browser, server: Server) -> None:
    """Chromium's own fake device beeps: it is recorded and encoded as a visitor's voice is."""
    browser.context.grant_permissions(["microphone"])
    page = browser.open(server.url + _ASKED + "&part=continue")
    widget(page, "speak_source").get_by_text(t("speak.source.sources.microphone")).click()
    widget(page, "speak_microphone").get_by_test_id("stAudioInputActionButton").first.click()
    page.wait_for_timeout(1_000)
    widget(page, "speak_microphone").get_by_label("Stop recording").click()
    # Half of what was recorded is given; until it has been decoded, what was chosen before.
    for _ in range(60):
        settle(page)
        if page.locator("audio").count() and seconds(page) > 0.2:
            break
        page.wait_for_timeout(250)
    assert seconds(page) > 0.2
    speak(page, "speak_go_continue")
    assert seconds(page, 1) == pytest.approx(seconds(page) + 0.8, abs=0.02)


def test_every_chart_is_drawn_also_where_it_is_dark_and_narrow(server: Server) -> None:
    charts = {
        "past": ("speak_tree", "speak_receptive_field", "speak_influence"),
        "levels": ("speak_staircase", "speak_snr"),
        "fourier": ("speak_two_tones", "speak_stft", "speak_spectrum"),
    }
    with browsing(width=420, dark=True) as window:
        page = window.open(f"{server.url}/speak?model=voice&part=past", wait_for_app=False)
        settle(page, 2 * _PATIENCE)
        for part, keys in charts.items():
            widget(page, "speak_part").get_by_text(t(f"speak.parts.{part}")).click()
            for key in keys:
                widget(page, key).wait_for(timeout=_PATIENCE)
                assert traces(page, key), key
                box = widget(page, key).bounding_box()
                assert box is not None
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= 420
        window.check_console()
