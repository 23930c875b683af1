"""Recordings: untrusted files, Free Spoken Digits, spectrograms, and speech on the command line."""

from __future__ import annotations

import io
import math
import tarfile
import tempfile
import threading
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from genmodels import data, synthesis
from genmodels.data import DataConfig
from genmodels.data.formats import audio_files
from genmodels.data.sandbox import decoding_process, recordings
from genmodels.data.sets import fsdd, fsdd_spectrograms
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.evaluation import evaluate, sound_metrics
from genmodels.runs.folder import RunFolder, runs_root
from genmodels.service.speak import sound as heard
from genmodels.signal import audio
from genmodels.training import runner
from tests.conftest import small_model, small_spec
from tests.support.preloaded import python

ROOT = Path(__file__).parents[2]


def encoded(samples: np.ndarray, rate: int = 16_000, form: str = "WAV", subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form, subtype=subtype)
    return buffer.getvalue()


def tone(rate: int = 16_000, pitch: float = 440.0, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(rate * seconds)) / rate)


# --------------------------------------------------------------------------- untrusted files


@pytest.mark.parametrize(
    ("form", "subtype", "close"),
    [
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-5),
        ("WAV", "FLOAT", 1e-5),
        ("FLAC", "PCM_24", 1e-5),
        ("OGG", "VORBIS", 0.1),
        ("MP3", "MPEG_LAYER_III", 0.1),
    ],
)
def test_every_format_is_read_resampled_and_averaged_to_one_channel(form: str, subtype: str, close: float) -> None:
    stereo = np.stack([tone(), np.zeros(8000)], 1)
    found = audio_files.decode(encoded(stereo, form=form, subtype=subtype), 8_000)
    assert found.dtype == np.float32
    assert found.shape == (4_000,)
    middle = slice(500, -500)  # a file that ends in the middle of a wave rings at its ends
    assert float(np.abs(found - tone(8_000) / 2)[middle].max()) < close


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 8_000), (11_025, 16_000), (8_000, 22_050)])
def test_resampling_keeps_pitch_and_drops_what_no_longer_fits(rate: int, wanted: int) -> None:
    found = audio_files.resample(tone(rate), rate, wanted)
    assert len(found) == round(rate * 0.5) * wanted // rate
    inside = slice(wanted // 20, -wanted // 20)
    assert float(np.abs(found - tone(wanted)[: len(found)])[inside].max()) < 5e-3
    too_high = audio_files.resample(tone(44_100, 6_000.0), 44_100, 8_000)
    assert float(np.abs(too_high[400:-400]).max()) < 5e-3


@pytest.mark.parametrize("rate", [191_999, 47_999, 12_345, 2_000])
def test_an_odd_rate_costs_no_more_than_an_even_one_and_is_as_exact(rate: int) -> None:
    wanted, seconds = 8_000, 5.0
    pitch = 0.3 * min(rate, wanted)
    began = time.process_time()
    found = audio_files.resample(tone(rate, pitch, seconds), rate, wanted)
    assert time.process_time() - began < 2, "one transform of all of it took a minute where its length was a prime"
    inside = slice(wanted // 10, -wanted // 10)
    assert np.abs(found - tone(wanted, pitch, seconds))[inside].max() < 1e-4
    if rate > 2 * wanted:
        too_high = audio_files.resample(tone(rate, 0.52 * wanted, seconds), rate, wanted)
        assert np.abs(too_high)[inside].max() < 1e-4
    blocks = [*audio_files.resample_blocks(np.array_split(tone(rate, pitch, seconds), 37), rate, wanted)]
    assert np.allclose(np.concatenate(blocks), found, atol=1e-12), "whatever blocks it comes in"


def test_nothing_and_next_to_nothing_are_resampled_too() -> None:
    for count in (0, 1, 2, 100, 16_384):
        assert len(audio_files.resample(np.ones(count), 44_100, 8_000)) == (
            max(1, round(count * 80 / 441)) if count else 0
        )
    assert np.abs(audio_files.resample(np.ones(44_100), 44_100, 8_000)[500:-500] - 1).max() < 1e-5


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (encoded(np.zeros(8_000 * 600), 8_000, "FLAC"), "longer than 60 seconds"),
        (encoded(np.zeros(0)), "zero samples"),
        (encoded(np.array([0.0, np.nan, 0.0]), subtype="FLOAT"), "infinite or not a number"),
        (encoded(np.array([0.0, np.inf]), subtype="FLOAT"), "infinite or not a number"),
        (encoded(tone(), form="AU"), "AU files are not read here"),
        (encoded(np.zeros((100, 12))), "in at most 8"),
        (encoded(np.zeros(100), 1_000), "1,000 samples per second"),
        (b"no sound at all" * 20, "not a WAV, FLAC, OGG, MP3 or AIFF"),
        (b"", "not a WAV, FLAC, OGG, MP3 or AIFF"),
    ],
    ids=["ten minutes", "empty", "nan", "inf", "au", "channels", "rate", "text", "nothing"],
)
def test_a_recording_that_cannot_be_used_is_refused_with_the_reason(raw: bytes, part: str) -> None:
    assert len(raw) < 90_000
    with pytest.raises(DataError, match=part):
        audio_files.decode(raw, 8_000)


def test_a_truncated_file_is_refused_or_read_up_to_its_end() -> None:
    forms = (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"))
    for form, subtype in forms:
        # So long that it is more than one block of each format.
        whole, heard = encoded(tone(seconds=4), form=form, subtype=subtype), 0
        for cut in range(0, len(whole), max(1, len(whole) // 23)):
            try:
                found = audio_files.decode(whole[:cut], 8_000)
            except DataError:
                continue
            assert len(found) <= 32_000
            assert np.isfinite(found).all()
            heard += len(found) > 1_000
            inside = slice(500, len(found) - 500)
            assert np.abs(found - tone(8_000, seconds=4)[: len(found)])[inside].max(initial=0) < 0.1
        # libsndfile refuses a truncated FLAC, and an OGG cut in its first page; of others it reads what is there.
        assert heard > 10 or form in ("FLAC", "OGG"), f"cuts of a {form} give sound"


def test_an_untrusted_recording_is_decoded_in_a_subprocess() -> None:
    found = recordings.decode_recording(encoded(tone(8_000), 8_000), 8_000)
    assert np.abs(found - tone(8_000)).max() < 1e-4
    with pytest.raises(DataError, match="longer than 2 seconds"):
        recordings.decode_recording(encoded(np.zeros(8_000 * 3), 8_000), 8_000, seconds=2)
    with pytest.raises(DataError, match="larger than 20 MB"):
        recordings.decode_recording(bytes(audio_files.MAX_FILE_BYTES + 1), 8_000)


def test_decoding_a_recording_creates_no_visible_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[Path] = []
    run = decoding_process.run

    def looking(*args: Any, **kwargs: Any) -> dict[str, Any]:
        seen.extend(tmp_path.iterdir())
        return run(*args, **kwargs)

    monkeypatch.setattr(decoding_process, "run", looking)
    assert len(recordings.decode_recording(encoded(tone(8_000), 8_000), 8_000)) == 4_000
    with pytest.raises(DataError, match="not a WAV"):
        recordings.decode_recording(b"text" * 99, 8_000)
    assert seen == [*tmp_path.iterdir()] == []


def test_at_most_two_recordings_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    working, most, lock = 0, 0, threading.Lock()

    def slow(*args: Any, **kwargs: Any) -> dict[str, Any]:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.2)
        with lock:
            working -= 1
        return {"count": 0}

    monkeypatch.setattr(decoding_process, "run", slow)
    with ThreadPoolExecutor(6) as pool:
        for found in [pool.submit(recordings.decode_recording, b"x", 8_000) for _ in range(6)]:
            assert len(found.result()) == 0
        assert most == recordings.AT_ONCE == 2
        impatient = [pool.submit(recordings.decode_recording, b"x", 8_000, wait=0.01) for _ in range(4)]
        refused = [found.exception() for found in impatient]
    assert sum(isinstance(error, recordings.BusyError) for error in refused) == 2
    assert "try again in a few seconds" in str(next(filter(None, refused)))


def test_results_and_errors_of_decoding_are_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def decode(raw: bytes, rate: int, seconds: float) -> np.ndarray:
        asked.append(raw)
        if raw == b"busy":
            raise recordings.BusyError("later")
        if raw == b"bad":
            raise DataError("damaged: it is bad")
        return np.zeros(5, np.float32)

    monkeypatch.setattr(recordings, "decode_recording", decode)
    heard._decoded.clear()
    for _ in range(3):
        assert heard.decoded(b"good").seconds == 5 / heard.RATE
        for raw, reason in ((b"bad", "it is bad"), (b"busy", "later")):
            with pytest.raises(DataError, match=reason):
                heard.decoded(raw)
    assert sorted(asked) == [b"bad", b"busy", b"busy", b"busy", b"good"]
    with ThreadPoolExecutor(8) as pool:  # many visitors at once: no cache entry disappears between check and use
        for found in [pool.submit(heard.decoded, str(n % 40).encode()) for n in range(400)]:
            assert len(found.result().samples) == 5
    assert len(heard._decoded) == 16


# --------------------------------------------------------------------------- Free Spoken Digits


def write_recordings(folder: Path, samples: int = 400) -> None:
    """A synthetic set: every file has its own constant value after one sample of the peak to which all are scaled."""
    folder.mkdir(parents=True)
    for name in fsdd._NAMES:
        digit, speaker, index = name.removesuffix(".wav").split("_")
        value = 3_000 * int(digit) + 400 * fsdd.SPEC.speakers.index(speaker) + int(index)
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(np.array([fsdd.PEAK, *[value] * (samples - 1)], "<i2").tobytes())


def test_recordings_are_scaled_to_the_same_peak() -> None:
    quiet = np.array([0, 30, -100, 7], np.int16)
    assert fsdd.scaled_to_peak(quiet).tolist() == [0, 8_847, -29_490, 2_064]
    assert fsdd.scaled_to_peak(np.array([-32_768], np.int16)).tolist() == [-29_490]
    assert fsdd.scaled_to_peak(np.zeros(3, np.int16)).tolist() == [0, 0, 0]


def test_spoken_digits_are_split_as_their_authors_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    config = DataConfig(name="fsdd")
    problem = data.missing(config)
    assert problem is not None
    assert "or train on --data tones" in problem
    write_recordings(tmp_path / "recordings")
    assert data.missing(config) is None
    for split, indices in (("test", range(5)), ("train", range(5, 50))):
        found = data.load_audio(config, split)  # type: ignore[arg-type]
        values = (found.samples.reshape(len(found), 400)[:, 1]).astype(int)
        assert (values == 3_000 * found.labels + 400 * found.speakers + values % 100).all()
        assert set(values % 100) == set(indices)
        assert np.bincount(found.labels).tolist() == [6 * len(indices)] * 10
    pictures = fsdd_spectrograms.DATASET.read("test")
    assert (pictures.images.shape, pictures.images.dtype) == ((300, 1, 32, 32), np.uint8)
    assert not (np.diff(pictures.labels) >= 0).all(), "shuffled"
    path = tmp_path / "recordings" / "7_theo_3.wav"
    whole = path.read_bytes()
    for cut, reason in (
        (4, ""),
        (44, "0 of 400 samples"),
        (445, "200 of 400 samples"),
        (444, "200 of 400"),
        (843, "399"),
    ):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=rf"7_theo_3\.wav is damaged.*{reason}.*fetch the set again"):
            data.load_audio(config, "test")


def test_an_archive_is_extracted_by_name_and_size_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    source, archive = tmp_path / "top" / "recordings", tmp_path / "a.tar.gz"
    write_recordings(source, 10)
    (source / "evil.py").write_text("no recording")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "top", "free-spoken-digit-dataset-1.0.10")
        info = tarfile.TarInfo("../../outside.wav")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    fsdd.unpack(archive, tmp_path / "data" / "fsdd")
    assert {path.name for path in (tmp_path / "data" / "fsdd").iterdir()} == fsdd._NAMES
    assert not list(tmp_path.rglob("outside.wav"))
    (source / "0_theo_0.wav").write_bytes(bytes(300_000))
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, "recordings")
    with pytest.raises(DataError, match="300,000 bytes"):
        fsdd.unpack(archive, tmp_path / "data" / "other")
    archive.write_bytes(archive.read_bytes()[:5_000])
    with pytest.raises(DataError, match=r"damaged|incomplete"):
        fsdd.unpack(archive, tmp_path / "data" / "other")
    assert not (tmp_path / "data" / "other").exists()


# --------------------------------------------------------------------------- spectrograms


def test_a_tone_is_in_the_right_band_of_the_spectrogram() -> None:
    low, high = (torch.from_numpy(tone(8_000, pitch)).float()[None] for pitch in (300.0, 3_000.0))
    pictures = audio.spectrogram(torch.cat([low, high]), 8_000)
    assert pictures.shape == (2, 1, 32, 32)
    assert (float(pictures.min()), float(pictures.max())) == (-1.0, pytest.approx(1.0))
    rows = pictures[:, 0, :, 16].argmax(1)
    mel = 2595 * torch.log10(1 + torch.tensor([300.0, 3000.0]) / 700)
    expected = 32 - mel / (2595 * math.log10(1 + 4000 / 700)) * 33
    assert float((rows - expected).abs().max()) < 1.0, "high frequencies at the top"
    louder = audio.spectrogram(0.1 * torch.cat([low, high]), 8_000)
    assert float((louder - pictures).abs().max()) < 0.01, "the loudness does not matter"
    assert torch.isfinite(audio.spectrogram(torch.zeros(1, 5), 8_000)).all()


def test_silence_at_the_ends_is_trimmed_and_a_wav_is_lossless() -> None:
    x = torch.zeros(8_000)
    x[3_000:3_100] = 0.5
    assert len(audio.trim(x, 8_000)) == 100 + 2 * 160
    assert torch.equal(audio.trim(torch.zeros(9), 8_000), torch.zeros(9))
    assert len(audio.trim(0.01 * x, 8_000)) == 100 + 2 * 160, "quiet words are not trimmed"
    assert len(audio.trim(torch.zeros(0), 8_000)) == 0
    samples, rate = soundfile.read(io.BytesIO(audio.wav(torch.tensor([0.0, 1.0, -1.0, 7.0]), 8_000)))
    assert rate == 8_000
    assert np.abs(samples - [0, 1, -1, 1]).max() < 1e-4


# --------------------------------------------------------------------------- evaluation


@pytest.mark.slow
def test_generated_digits_are_evaluated_by_the_reference_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    write_recordings(tmp_path / "fsdd", 300)
    spec = small_spec("wavenet", "data.name=fsdd")
    model = small_model("wavenet", num_speakers=6, clip_samples=300)  # a whole second would take a minute
    found = evaluate(model, spec)
    assert set(found) == {"likelihood/bits_per_sample", "labels/agreement", "labels/agreement_real"}
    assert found["likelihood/bits_per_sample"] == pytest.approx(5, abs=0.5), "32 levels, at chance"
    assert found["labels/agreement"] < 0.4, "an untrained model generates nothing recognisable"
    # Constant values contain no words: the classifier predicts one digit for all of them, or a few.
    assert found["labels/agreement_real"] < 0.4
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "none"))
    assert set(evaluate(model, spec)) == {"likelihood/bits_per_sample"}


def test_the_reference_classifier_recognises_real_digits_also_with_silence_around_them() -> None:
    if data.missing(DataConfig(name="fsdd")):
        pytest.skip("Free Spoken Digits are not here")
    test = data.load_audio(DataConfig(name="fsdd"), "test")
    clips = [torch.from_numpy(test.clip(index)) for index in range(0, len(test), 3)]
    labels = torch.from_numpy(test.labels[::3])
    for prepared in (clips, [torch.nn.functional.pad(0.2 * clip, (1_000, 4_000)) for clip in clips]):
        assert float((sound_metrics.predictions(prepared) == labels).float().mean()) > 0.95


# --------------------------------------------------------------------------- speech on the command line


@pytest.fixture
def spoken_run() -> str:
    spec = small_spec("wavenet", "train.max_steps=2", "train.max_epochs=null", "train.batch_size=16")
    folder = RunFolder.create(runs_root() / "voice", spec)
    assert runner.train_folder(folder, device="cpu") == "finished"
    assert [step for step, _ in folder.previews()] == [0, 2]
    return "voice"


@pytest.mark.slow
def test_a_trained_model_speaks_continues_and_refuses_unknown_labels(spoken_run: str, tmp_path: Path) -> None:
    request = synthesis.SpeechRequest({"label": "rising", "speaker": "1"}, seed=3, seconds=0.02)
    recording = synthesis.synthesise(spoken_run, request)
    assert recording.samples.shape == (160,)
    assert torch.equal(recording.samples, synthesis.synthesise(spoken_run, request).samples)
    after = torch.from_numpy(tone(8_000, seconds=0.1)).float()
    more = [*synthesis.synthesise_iter(spoken_run, request, after=after, every=40)]
    assert len(more) == 4
    assert torch.equal(more[-1].samples[:800], after)
    assert more[-1].samples.shape == (960,)
    with pytest.raises(ConfigError, match="label = 'purr' is not allowed: voice knows steady, rising"):
        synthesis.synthesise(spoken_run, synthesis.SpeechRequest({"label": "purr"}))
    with pytest.raises(CapabilityError, match="trained on pictures"):
        synthesis.synthesise("mnist_vae_20", request)
    out = tmp_path / "out.wav"
    words = ["speak", spoken_run, str(out), "--digit", "rising", "--speaker", "1", "--seed", "3", "--seconds", "0.02"]
    done = python("-m", "genmodels", *words)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == recording.wav
