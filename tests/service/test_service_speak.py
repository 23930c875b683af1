"""Service of the speak page: generation in the background, untrusted files, quantisation, spectra, receptive fields."""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from genmodels import synthesis
from genmodels.data import DataConfig
from genmodels.errors import CapabilityError, ConfigError, DataError, GenmodelsError, UnknownNameError
from genmodels.runs import catalog
from genmodels.service import fair_queue, sessions, speak
from genmodels.service.sessions import Session
from genmodels.service.speak import SpeakRequest, facts, receptive_field, sound
from genmodels.service.speak.sound import Sound, TwoTones
from genmodels.signal import audio, fourier
from tests.support.speech import generated
from tests.support.speech import runs as runs

REQUEST = {"model": "voice", "label": "rising", "speaker": "reed", "seed": 3, "seconds": 0.2}


def tone(pitch: float, seconds: float = 0.5, loud: float = 0.5) -> Sound:
    return Sound((loud * np.sin(2 * np.pi * pitch * np.arange(round(8_000 * seconds)) / 8_000)).astype("f4"), 8_000)


# --------------------------------------------------------------------- which models, and what they can be asked for


def test_only_models_of_sound_are_listed(runs: Path) -> None:
    assert [info.name for info in speak.checkpoints()] == ["mute", "voice"]
    found = facts.audio_facts("voice")
    assert (found.rate, found.levels, found.mean_seconds) == (8_000, 256, 0.25)
    assert found.speakers == ("flute", "reed")
    assert found.labels[1] == "rising"
    assert found.dilations == (1, 2, 4, 1, 2, 4)
    assert found.receptive_field == 16
    assert facts.audio_facts("mute").labels == facts.audio_facts("mute").speakers == ()
    with pytest.raises(CapabilityError, match="pictures was trained on pictures"):
        facts.audio_facts("pictures")
    with pytest.raises(UnknownNameError, match="not paths"):
        facts.audio_facts("../voice")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"seconds": 9}, "seconds = 9"),
        ({"temperature": 0}, "temperature = 0"),
        ({"top_k": 0}, "top_k"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_a_request_out_of_bounds_is_refused_by_name(change: dict[str, float], part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        SpeakRequest.parse({**REQUEST, **change})


# --------------------------------------------------------------------- drawing


def test_a_generation_equals_that_of_the_command_line(runs: Path) -> None:
    found = generated(speak.generate(SpeakRequest(**REQUEST)))
    request = synthesis.SpeechRequest({"label": "rising", "speaker": "reed"}, 3, 0.2)
    assert np.array_equal(found, synthesis.synthesise("voice", request).samples.numpy())
    assert not np.array_equal(found, generated(speak.generate(SpeakRequest(**{**REQUEST, "speaker": "flute"}))))
    assert not np.array_equal(found, generated(speak.generate(SpeakRequest(**{**REQUEST, "step": 0}))))


def test_the_same_request_is_not_computed_twice(runs: Path) -> None:
    first = speak.generate(SpeakRequest(**REQUEST))
    generated(first)
    again = speak.generate(SpeakRequest(**REQUEST))
    assert again.finished
    assert not again.running
    assert again.samples is first.samples
    assert again.speed == first.speed > 0


def test_a_stopped_generation_continues_to_the_same_recording(runs: Path) -> None:
    whole = generated(speak.generate(SpeakRequest(**REQUEST)))
    speak._finished.clear()
    drawing = speak.generate(SpeakRequest(**REQUEST))
    drawing.stop()
    drawing.wait(60)
    assert 0 < len(drawing.samples) < len(whole)
    assert drawing.fraction == len(drawing.samples) / 1_600
    drawing.start()
    assert np.array_equal(generated(drawing), whole)


def test_a_generation_continues_its_prefix(runs: Path) -> None:
    given = tone(440, 0.1)
    drawing = speak.generate(SpeakRequest(**REQUEST), given)
    found = generated(drawing)
    assert len(found) == 800 + 1_600
    assert np.array_equal(found[:800], given.samples)
    assert drawing.fraction == 1
    other = generated(speak.generate(SpeakRequest(**REQUEST), tone(300, 0.1)))
    assert not np.array_equal(found[800:], other[800:]), "what follows depends on what was given"


def test_an_unknown_class_is_the_problem_of_the_generation(runs: Path) -> None:
    for request, part in (({"label": "purr"}, "label = 'purr' is not allowed"), ({"step": 7}, "7")):
        drawing = speak.generate(SpeakRequest(**{**REQUEST, **request}))
        drawing.wait(60)
        assert part in drawing.problem
        assert not drawing.finished


def test_any_fault_is_the_problem_of_the_generation_and_is_logged(
    runs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Uncaught in its thread, the page would show neither sound nor reason."""
    synthesise_iter, asked = synthesis.synthesise_iter, SpeakRequest(**{**REQUEST, "seed": 5})

    def broken(*args: object, **knobs: object) -> Iterator[synthesis.Recording]:
        yield next(synthesise_iter(*args, **knobs))  # type: ignore[arg-type]
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(synthesis, "synthesise_iter", broken)
    drawing = speak.generate(asked)
    drawing.wait(60)
    assert "could not be generated" in drawing.problem
    assert len(drawing.samples) == speak.SLICE_SAMPLES
    assert not drawing.running
    assert "RuntimeError: no such kernel" in caplog.text
    monkeypatch.setattr(synthesis, "synthesise_iter", synthesise_iter)
    drawing.start()
    assert np.array_equal(generated(drawing), generated(speak.generate(asked))), "tried again, it goes on"


@pytest.mark.slow
def test_the_speed_counts_generation_only(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading and compiling take seconds and are not counted."""
    synthesise_iter = synthesis.synthesise_iter

    def slow(*args: object, **knobs: object) -> Iterator[synthesis.Recording]:
        time.sleep(2)
        yield from synthesise_iter(*args, **knobs)  # type: ignore[arg-type]

    synthesis.synthesise("voice", synthesis.SpeechRequest(seconds=0.1))
    monkeypatch.setattr(synthesis, "synthesise_iter", slow)
    began = time.perf_counter()
    speed = synthesis.synthesise("voice", synthesis.SpeechRequest(seconds=0.5)).samples_per_second
    # All but the first slice of 400, and the two seconds of loading are not in it, however slow the machine is.
    assert speed > 3_600 / (time.perf_counter() - began - 2)
    assert 0 < synthesis.synthesise("voice", synthesis.SpeechRequest(seconds=0.05)).samples_per_second < 400 / 2, (
        "one slice cannot be told from loading"
    )


def test_a_visitor_never_gets_the_recording_of_another_prefix(runs: Path) -> None:
    """The cache key contains the request and every sample of the prefix."""
    mine, yours = tone(440, 0.1), tone(440, 0.1, loud=0.49)
    first = generated(speak.generate(SpeakRequest(**REQUEST), mine))
    second = speak.generate(SpeakRequest(**REQUEST), yours)
    assert np.array_equal(generated(second)[:800], yours.samples)
    assert generated(speak.generate(SpeakRequest(**REQUEST), mine)) is first


def test_too_many_at_once_are_refused(runs: Path) -> None:
    visitor = Session("one visitor")
    taken = [fair_queue.queue.join(visitor) for _ in range(fair_queue.PER_SESSION)]
    try:
        with sessions.acting_for(visitor), pytest.raises(GenmodelsError, match="8 requests in line"):
            speak.generate(SpeakRequest(**{**REQUEST, "seed": 99}))
    finally:
        for ticket in taken:
            fair_queue.queue.leave(ticket)
    with sessions.acting_for(visitor):
        generated(speak.generate(SpeakRequest(**{**REQUEST, "seed": 99})))


def test_comparison_steps_span_the_training(runs: Path) -> None:
    info = speak.checkpoints()[1]
    assert speak.comparison_steps(info) == (0, 10)
    many = tuple(range(0, 200, 10))
    chosen = speak.comparison_steps(catalog.CheckpointInfo(**{**vars(info), "steps": many}))
    assert len(chosen) == speak.MAX_STEPS
    assert (chosen[0], chosen[-1]) == (0, 190)
    first, last = speak.generate_steps(SpeakRequest(**REQUEST), (0, 10))
    assert not np.array_equal(generated(first), generated(last))
    with pytest.raises(GenmodelsError, match="choose 1 to"):
        speak.generate_steps(SpeakRequest(**REQUEST), many)


def test_influence_ends_with_the_receptive_field(runs: Path) -> None:
    found = receptive_field.influence("voice")
    assert found.shape == (16,)
    assert found.max() == 1
    assert (found > 0).all(), "each sample in the receptive field moves the next one"
    with pytest.raises(CapabilityError, match="has no receptive field to measure"):
        receptive_field.influence("pictures")


def test_influence_is_measured_once_per_step(runs: Path) -> None:
    first, newest = receptive_field.influence("voice", 0), receptive_field.influence("voice")
    assert receptive_field.influence("voice", 0) is first
    assert receptive_field.influence("voice", 10) is newest
    assert not np.array_equal(first, newest)
    step = runs / "voice" / "step-000010"
    os.utime(step, ns=(1, step.stat().st_mtime_ns + 10**9))
    assert receptive_field.influence("voice") is not newest, "a rewritten step is measured again"


# --------------------------------------------------------------------- recordings


def test_without_spoken_digits_tones_are_used(runs: Path) -> None:
    config = sound.recordings_config(DataConfig(name="fsdd"))
    assert config == DataConfig(name="tones")
    assert sound.test_count(config) == 100
    assert sound.test_recording(config, 1).title == "rising, flute"
    with pytest.raises(DataError, match="recording 100 does not exist"):
        sound.test_recording(config, 100)


def test_a_visitor_s_file_is_decoded_once_and_bounded() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([tone(440).samples] * 2, 1), 8_000, format="FLAC", subtype="PCM_24")
    found = sound.decoded(buffer.getvalue())
    assert np.abs(found.samples - tone(440).samples).max() < 1e-4
    assert sound.decoded(buffer.getvalue()).samples is found.samples
    long = io.BytesIO()
    soundfile.write(long, np.zeros(8_000 * 600), 8_000, format="FLAC")
    assert len(long.getvalue()) < 90_000
    with pytest.raises(DataError, match="longer than 15 seconds"):
        sound.decoded(long.getvalue())


def test_a_reduced_waveform_keeps_every_peak() -> None:
    samples = np.zeros(100_000, np.float32)
    samples[[777, 50_000]] = 0.9, -0.8
    found = sound.envelope(samples, 8_000)
    assert len(found.times) <= 700
    assert (found.high.max(), found.low.min()) == (np.float32(0.9), np.float32(-0.8))
    assert found.times[found.high.argmax()] == pytest.approx(777 / 8_000, abs=100_000 / 700 / 8_000)
    assert len(sound.envelope(samples[:0], 8_000).times) == 0


# --------------------------------------------------------------------- levels


def test_quantisation_is_that_of_the_model_and_its_noise_is_measured() -> None:
    shown = tone(440, loud=0.3)
    found = sound.quantise(shown, 16)
    x = torch.from_numpy(shown.samples)
    y = audio.mu_law_decode(audio.mu_law_encode(x, 16), 16)
    expected = 10 * math.log10(float(x.square().sum() / (x - y).square().sum()))
    assert found.snr == pytest.approx(expected, abs=1e-3)
    assert found.mu_law[3] == found.snr
    assert all(b > a for a, b in zip(found.mu_law, found.mu_law[1:], strict=False)), "more levels, less noise"
    assert found.mu_law[3] > found.uniform[3], "a quiet sound gains by levels near silence"
    assert len(np.unique(found.sound.samples)) <= 16
    with pytest.raises(ConfigError, match="levels = 3 is not allowed: choose one of 2, 4"):
        sound.quantise(shown, 3)


def samples_of(wav: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(wav))
    assert rate == 8_000
    return np.asarray(samples)


def rms(x: np.ndarray) -> float:
    return float(np.sqrt((x**2).mean()))


def test_two_levels_are_played_no_louder_than_the_original() -> None:
    quiet = tone(440, loud=0.05)
    found = sound.quantise(quiet, 2)
    assert np.unique(found.sound.samples).tolist() == [-1, 1]
    assert rms(samples_of(found.wav)) == pytest.approx(rms(samples_of(quiet.played)), rel=1e-3)
    silent = sound.quantise(Sound(np.zeros(100, np.float32), 8_000), 2)
    assert (silent.snr, np.abs(samples_of(silent.wav)).max()) == (0.0, 0.0)


def test_a_quiet_recording_is_amplified_for_playback_only() -> None:
    quiet, loud, faint = tone(440, loud=0.04), tone(440, loud=0.7), tone(440, loud=0.001)
    assert np.abs(samples_of(quiet.played)).max() == pytest.approx(sound.LOUD, rel=1e-2)
    assert np.abs(samples_of(quiet.wav)).max() == pytest.approx(0.04, rel=1e-2)
    assert loud.gain == 1
    assert faint.gain == sound.MAX_GAIN


def test_a_silent_generation_is_distinguished_from_a_quiet_one(runs: Path) -> None:
    drawing = speak.Generation(SpeakRequest(**REQUEST))
    for samples, silent in (
        (np.pad(tone(300, 0.02).samples, (0, 7_840)), True),
        (np.zeros(8_000, np.float32), True),
        (np.pad(tone(300, 0.3, 0.02).samples, (0, 5_600)), False),
    ):
        drawing.samples = samples
        assert drawing.is_silent == silent


def test_the_staircase_has_one_step_per_level() -> None:
    for levels in (2, 16, 256):
        x, y = sound.staircase(levels, 20_001)
        assert len(np.unique(y)) == levels
        assert (np.diff(y) >= 0).all()
        assert (y[0], y[-1], x[0]) == (-1, 1, -1)


# --------------------------------------------------------------------- Fourier


@pytest.mark.parametrize(
    ("name", "sidelobe"), [("rectangular", -13.3), ("hann", -31.5), ("hamming", -42.7), ("bartlett", -26.5)]
)
def test_each_window_leaks_as_the_textbook_says(name: fourier.Window, sidelobe: float) -> None:
    x = np.sin(2 * np.pi * 0.25 * np.arange(256) + 0.3)
    frequencies, decibels = fourier.spectrum(x, 1, name, points=2**15)
    peak = int(decibels.argmax())
    assert frequencies[peak] == pytest.approx(0.25, abs=1e-3)
    assert decibels[peak] == pytest.approx(0, abs=0.05), "a sine of amplitude 1 stands at 0 dB"
    falling = np.diff(decibels[peak:]) < 0
    valley = peak + int(falling.argmin())  # the main lobe's end
    assert decibels[valley:].max() == pytest.approx(sidelobe, abs=0.6)


@pytest.mark.parametrize("name", fourier.WINDOWS)
def test_the_main_lobe_is_as_wide_as_stated(name: fourier.Window) -> None:
    """The first null beside the peak, on a very fine grid of frequencies."""
    length, points = 256, 2**16
    amplitude = np.abs(np.fft.rfft(fourier.window(name, length), points))
    null = int((np.diff(amplitude) > -1e-9).argmax())
    width, to_peak = fourier.main_lobe(name, length, 8_000)
    assert to_peak == pytest.approx(null * 8_000 / points, rel=0.01)
    assert width == 2 * to_peak


def resolved(name: fourier.Window, apart: float, phase: float) -> bool:
    """Whether two equal tones, `apart` bins from each other, make a peak each."""
    length, rate = 256, 8_000
    first = 1_010.0
    second = first + apart * rate / length
    time = np.arange(length) / rate
    x = np.sin(2 * np.pi * first * time) + np.sin(2 * np.pi * second * time + phase)
    frequencies, decibels = fourier.spectrum(x, rate, name, points=2**15)
    inner = decibels[1:-1]
    is_peak = (inner > decibels[:-2]) & (inner >= decibels[2:]) & (inner > decibels.max() - 6)
    peaks, reach = frequencies[1:-1][is_peak], 0.45 * (second - first)
    return all(bool((np.abs(peaks - tone) < reach).any()) for tone in (first, second))


@pytest.mark.parametrize("name", fourier.WINDOWS)
def test_two_equal_tones_are_resolved_at_half_the_main_lobe(name: fourier.Window) -> None:
    phases = 2 * np.pi * np.arange(16) / 16
    half = fourier.MAIN_LOBE_BINS[name] / 2
    at_half = sum(resolved(name, half, phase) for phase in phases)
    assert at_half >= (8 if name == "rectangular" else 16)
    assert sum(resolved(name, half / 2, phase) for phase in phases) < 0.6 * at_half, "nearer ones merge"
    assert all(resolved(name, 2 * half, phase) for phase in phases)


def test_a_window_shows_the_weak_tone_that_leakage_buries() -> None:
    tones = sound.two_tones(TwoTones(apart=500, weaker=45))
    weak = {}
    for name in fourier.WINDOWS:
        frequencies, decibels = sound.spectrum(tones, name, 256, 0.3)
        at = np.abs(frequencies - 1_510).argmin()
        around = decibels[(np.abs(frequencies - 1_510) > 60) & (np.abs(frequencies - 1_510) < 110)]
        weak[name] = decibels[at] - around.max()
    assert weak["hann"] > 10
    assert weak["rectangular"] < 3


def test_a_spectrogram_has_its_tone_where_and_when_it_is() -> None:
    shown = Sound(np.concatenate([tone(500).samples, tone(3_000).samples]), 8_000)
    for length, part in ((64, 1), (256, 4), (1024, 8)):
        found = sound.spectrogram(shown, "hann", length, length // part)
        assert found.decibels.shape == (len(found.frequencies), len(found.times))
        assert found.decibels.shape[0] <= sound.ROWS
        assert found.decibels.shape[1] <= sound.COLUMNS
        for when, pitch in ((0.25, 500), (0.75, 3_000)):
            column = found.decibels[:, np.abs(found.times - when).argmin()]
            assert found.frequencies[column.argmax()] == pytest.approx(pitch, abs=8_000 / length + 40)
    with pytest.raises(ConfigError, match="length = 256 and hop = 3"):
        sound.spectrogram(shown, "hann", 256, 3)


def test_the_longest_recording_at_the_smallest_hop_stays_small() -> None:
    noise = Sound(np.random.default_rng(0).normal(0, 0.1, 8_000 * 15).astype("f4"), 8_000)
    found = sound.spectrogram(noise, "hamming", 32, 4)
    assert found.decibels.size <= sound.ROWS * sound.COLUMNS
    assert 14.9 < found.times[-1] <= 15
