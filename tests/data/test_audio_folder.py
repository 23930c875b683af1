"""The data set `audio_folder`: what it reads, what it leaves out or refuses, and training on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import train_jobs
from genmodels import data
from genmodels.data import DataConfig, uploaded_sets
from genmodels.data.formats import audio_files
from genmodels.data.own import audio_folder
from genmodels.data.own.layouts import layout
from genmodels.data.sandbox.recordings import decode_folder
from genmodels.errors import ConfigError, DataError
from genmodels.runs.folder import RunFolder, runs_root
from genmodels.service import speak
from genmodels.service.speak import sound
from genmodels.training import runner
from tests.conftest import small_spec
from tests.support.pages import open_page, spec_of_command, submit_command

pytestmark = pytest.mark.usefixtures("root")

FORMS = ("wav", "flac", "ogg", "mp3")


def tone(pitch: float, seconds: float, rate: int = 16_000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(rate * seconds)) / rate)


def write(path: Path, samples: np.ndarray, rate: int = 16_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two classes, one pitch each, in four formats and three sample rates, with one long recording per class."""
    folder = tmp_path / "Übung"
    for kind, pitch in (("high", 1_200.0), ("low", 300.0)):
        for index in range(11):
            rate = (16_000, 44_100, 22_050)[index % 3]
            samples = tone(pitch, 2.5 if index == 10 else 0.3 + index / 100, rate)
            write(folder / kind / f"{index}.{FORMS[index % 4]}", np.stack([samples, samples], 1), rate)
    (folder / "low" / "notes.txt").write_text("no recording")
    write(folder / ".hidden" / "x.wav", tone(100, 1))
    return folder


def config_of(folder: Path, **settings: Any) -> DataConfig:
    return DataConfig.parse({"name": "audio_folder", "path": str(folder), **settings}, "data.")


def pitch_of(clip: np.ndarray, rate: int) -> float:
    return float(np.abs(np.fft.rfft(clip, 16_384)).argmax()) * rate / 16_384


# --------------------------------------------------------------------- contents


def test_a_folder_is_decoded_once_and_every_class_is_in_both_splits(
    recordings: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(recordings, clip_seconds=1)
    assert data.missing(config) is None
    spec = data.get_spec(config)
    assert (spec.title, spec.classes, spec.sample_rate, spec.num_speakers) == ("Übung", ("high", "low"), 8_000, 0)
    assert spec.provides == ("audio", "label")
    assert (spec.licence, spec.image_shape) == ("yours: unknown to the studio", None)
    assert spec.train_size + spec.test_size == 2 * (10 + 3), "2.5 seconds are three clips"
    monkeypatch.setattr(audio_folder, "decode_folder", None)  # everything below reads the cache
    for split, size in (("train", spec.train_size), ("test", spec.test_size)):
        found = data.load_audio(config, split)  # type: ignore[arg-type]
        assert len(found) == size
        assert found.samples.dtype == np.int16
        assert set(found.labels.tolist()) == {0, 1}
        assert data.class_counts(config, split) == tuple(np.bincount(found.labels))  # type: ignore[arg-type]
        for index, label in enumerate(found.labels):
            clip = found.clip(index)
            assert 0.29 * 8_000 <= len(clip) <= 8_000
            assert pitch_of(clip, 8_000) == pytest.approx((1_200, 300)[label], abs=5)
            assert np.abs(clip).max() == pytest.approx(0.5, abs=0.1)
    assert spec.clip_samples == max(data.load_audio(config, split).lengths.max() for split in audio_folder._SPLITS)
    with pytest.raises(DataError, match="holds recordings, not pictures"):
        data.load(config)


@pytest.mark.slow
def test_sample_rate_limit_and_file_times_are_part_of_the_cache_key(recordings: Path, root: Path) -> None:
    config = config_of(recordings, sample_rate=12_000, limit=6)
    spec = data.get_spec(config)
    assert (spec.sample_rate, spec.test_size) == (12_000, 2)
    assert set(data.load_audio(config).labels.tolist()) == {0, 1}
    (first,) = (root / "decoded").iterdir()
    os.utime(recordings / "low" / "0.wav", (1, 1))
    changed = {data.get_spec(config_of(recordings, limit=limit)).train_size for limit in (4, 6, 8, 22)}
    assert len(changed) > 1
    assert len([*(root / "decoded").iterdir()]) == 3, "the last used ones stay"
    assert not first.exists()
    for path in (root / "decoded").iterdir():
        path.write_bytes(b"damaged")
    assert data.load_audio(config_of(recordings, limit=8)).lengths.min() > 0


def test_a_single_long_recording_is_split_in_time(tmp_path: Path) -> None:
    rising = np.linspace(-0.9, 0.9, 8_000 * 5)
    write(tmp_path / "one" / "a.wav", rising, 8_000)
    config = config_of(tmp_path / "one", clip_seconds=0.25)
    spec = data.get_spec(config)
    assert (spec.train_size, spec.test_size, spec.clip_samples, spec.classes) == (18, 2, 2_000, ())
    train, test = data.load_audio(config), data.load_audio(config, "test")
    both = np.concatenate([train.samples, test.samples]) / 32_767
    assert np.abs(both - rising).max() < 1e-4, "every sample once, in order"
    assert not train.closes.any(), "all of these were cut"
    assert test.closes.tolist() == [False, True]
    assert data.class_counts(config) == ()


def test_folders_called_train_and_test_are_the_splits(tmp_path: Path) -> None:
    for split, kind, pitch in (("train", "a", 300), ("train", "b", 600), ("test", "a", 900)):
        for index in range(2):
            write(tmp_path / "x" / split / kind / f"{index}.wav", tone(pitch, 0.2))
    config = config_of(tmp_path / "x")
    assert (data.class_counts(config), data.class_counts(config, "test")) == ((2, 2), (2, 0))
    assert round(pitch_of(data.load_audio(config, "test").clip(0), 8_000), -1) == 900
    write(tmp_path / "x" / "test" / "c" / "0.wav", tone(300, 0.2))
    with pytest.raises(DataError, match="no recording of 'c' is left to train on"):
        data.get_spec(config)


def test_a_limit_is_spread_over_the_classes() -> None:
    groups = layout(
        [f"{kind}/{index}.wav" for kind, count in (("a", 50), ("b", 3), ("c", 9)) for index in range(count)]
    )
    rows = audio_folder._spread(groups, 12)
    assert np.bincount(groups.labels[rows]).tolist() == [5, 3, 4]
    assert rows.tolist() == audio_folder._spread(groups, 12).tolist() == sorted(rows)
    with pytest.raises(DataError, match=r"data\.limit = 2 leaves out some of the 3 classes; choose 3 or more"):
        audio_folder._spread(groups, 2)


# --------------------------------------------------------------------- left out, refused


def test_a_few_unusable_recordings_are_left_out_and_many_raise_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "x"
    for index in range(30):
        write(folder / f"{index:02d}.wav", tone(300, 0.1))
    (folder / "07.wav").write_bytes(b"this is text")
    soundfile.write(folder / "08.wav", np.array([0.1, np.nan, 0.1] * 500), 8_000, subtype="FLOAT")
    (folder / "09.wav").write_bytes((folder / "09.wav").read_bytes()[:44])
    config = config_of(folder)
    spec = data.get_spec(config)
    assert spec.train_size + spec.test_size == 27
    assert len(data.load_audio(config)) == spec.train_size
    for part in (
        "3 of the 30 recordings in x",
        "07.wav: not a WAV",
        "08.wav: some of its",
        "09.wav: it is empty",
    ):
        assert part in caplog.text
    write(folder / "10.wav", tone(300, 0.01))
    with pytest.raises(DataError, match=r"4 of the 30 recordings in x.*10\.wav: 10 ms long; 20 ms.*Remove or convert"):
        data.get_spec(config)


def test_a_folder_without_enough_audio_raises_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    with pytest.raises(DataError, match=r"x' is not a folder on this machine"):
        data.get_spec(config_of(folder))
    folder.mkdir()
    (folder / "a.txt").write_text("text")
    with pytest.raises(DataError, match=r"holds no recordings \(files ending in wav, flac"):
        data.get_spec(config_of(folder))
    write(folder / "a.wav", tone(300, 0.5))
    with pytest.raises(DataError, match=r"at least 2 recordings.*has 1 that can be used.*data\.clip_seconds \(now 2\)"):
        data.get_spec(config_of(folder))
    assert data.get_spec(config_of(folder, clip_seconds=0.25)).train_size == 1


@pytest.mark.parametrize(
    ("settings", "error", "part"),
    [
        ({"path": None}, DataError, "needs a folder of recordings (WAV, FLAC, OGG, MP3 or AIFF): set data.path"),
        ({"sample_rate": 96_000}, ConfigError, "data.sample_rate = 96000 is not allowed"),
        ({"clip_seconds": 0}, ConfigError, "data.clip_seconds = 0 is not allowed"),
        ({"sample_rate": 48_000, "clip_seconds": 20}, ConfigError, "at most 480,000 are allowed: choose at most 10 s"),
        ({"size": 64}, ConfigError, "uses path, limit, sample_rate, clip_seconds; set data.size=null"),
        ({"name": "fsdd", "path": None, "sample_rate": 8_000}, ConfigError, "data.sample_rate = 8000 does not apply"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], error: type[Exception], part: str, tmp_path: Path) -> None:
    with pytest.raises(error) as caught:
        data.get_spec(DataConfig.parse({"name": "audio_folder", "path": str(tmp_path), **settings}, "data."))
    assert part in str(caught.value)


def test_audio_beyond_the_limit_is_refused_whatever_the_headers_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "x"
    write(folder / "a.flac", np.zeros(8_000 * 600), 8_000)
    write(folder / "b.wav", tone(300, 0.5))
    write(folder / "c.wav", tone(300, 0.5))
    assert (folder / "a.flac").stat().st_size < 90_000
    monkeypatch.setattr(audio_folder, "MAX_SAMPLES", 8_000 * 360)
    with pytest.raises(DataError, match=r"more than 6 minutes of audio.*take a subfolder"):
        data.get_spec(config_of(folder))
    found = decode_folder(folder, ["a.flac", "b.wav", "c.wav"], 8_000, seconds=60, most=500_000)
    assert found.rows.tolist() == [1, 2]
    assert found.ends.tolist() == [4_000, 8_000]
    assert found.skipped[0].startswith("a.flac: it is longer than 60 seconds")
    inside = slice(100, 3_900)
    assert np.abs(found.samples[:4_000] / 32_767 - tone(300, 0.5, 8_000))[inside].max() < 1e-3, (
        "nothing of the skipped file remains"
    )


@pytest.mark.slow
def test_a_file_that_hangs_or_crashes_the_decoder_is_named(tmp_path: Path) -> None:
    write(tmp_path / "x" / "a.wav", tone(300, 0.5))
    os.mkfifo(tmp_path / "x" / "pipe.wav")  # no process writes to it
    names, bounds = ["a.wav", "pipe.wav"], {"seconds": 60.0, "most": 10**6}
    with pytest.raises(DataError, match=r"the recording 'pipe\.wav' made no progress for 6 sec.*Remove it"):
        decode_folder(tmp_path / "x", names, 8_000, silence_seconds=6, **bounds)  # type: ignore[arg-type]
    write(tmp_path / "x" / "long.wav", tone(300, 30.0))
    # Far below what Python needs on any machine.
    with pytest.raises(DataError, match=r"crashed the program that reads it .* 0\.0 GB"):
        decode_folder(tmp_path / "x", ["long.wav"], 8_000, memory=2**20, **bounds)  # type: ignore[arg-type]


def test_an_unwritable_data_root_is_named(recordings: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"file.decoded, the cache of decoded recordings, .*set GENMODELS_DATA"):
        data.get_spec(config_of(recordings, limit=4))


def test_uploads_cannot_take_the_names_of_data_sets() -> None:
    assert "audio_folder" in data.own_names()
    assert set(data.own_sound_names()) <= set(data.own_names())
    with pytest.raises(ConfigError, match="belongs to a data set of the studio"):
        uploaded_sets.name_from_title("Audio folder")
    assert audio_files.SUFFIXES[0] == ".wav"


# --------------------------------------------------------------------- training


def test_a_model_trains_on_it_and_continues_its_recordings(recordings: Path) -> None:
    spec = small_spec(
        "wavenet", "data.name=audio_folder", f"data.path={recordings}", "data.clip_seconds=0.25", "model.speaker=false",
        "model.parts=0", "train.max_steps=2", "train.max_epochs=null", "train.batch_size=8",
    )  # fmt: skip
    assert (spec.model["num_classes"], spec.model["sample_rate"], spec.model["clip_samples"]) == (2, 8_000, 2_000)
    folder = RunFolder.create(runs_root() / "mine", spec)
    assert runner.train_folder(folder, device="cpu") == "finished"
    config = folder.spec().data
    assert sound.recordings_config(speak.data_of("mine")) == config
    assert sound.test_recording(config, 0).title == "high"
    assert sound.recordings_config(config.replace(path=str(recordings / "nowhere"))).name == "tones"


@pytest.mark.slow
def test_the_train_page_asks_for_the_folder(recordings: Path) -> None:
    app = open_page("train", recipe="audio_folder")
    assert app.selectbox(key="train_data").value == "tones"
    assert "is for recordings of your own" in app.info[0].value
    assert submit_command(app)[:3] == ["audio_folder", "--preset", "quick"]
    app.selectbox(key="train_preset").select("full").run()
    assert app.selectbox(key="train_data").value == "audio_folder"
    assert "Name the folder" in app.info[0].value
    assert "set data.path" in app.error[0].value
    app.text_input(key="train_data_path").set_value(str(recordings)).run()
    assert not app.error
    assert "pieces for training" in " ".join(element.value for element in app.caption)
    app.number_input(key="train_data_clip_seconds").set_value(0.5)
    app.number_input(key="train_data_sample_rate").set_value(None)
    app.number_input(key="train_train_max_steps").set_value(3)
    app.toggle(key="train_model_conditional").set_value(True).run()
    shown = spec_of_command(submit_command(app))
    assert shown.data == config_of(recordings, clip_seconds=0.5)
    assert (shown.data_spec.classes, shown.train.max_steps, shown.model["conditional"]) == (("high", "low"), 3, True)
    app.text_input(key="train_data_path").set_value(str(recordings / "low" / "notes.txt")).run()
    assert "is not a folder on this machine" in app.error[0].value


def test_a_public_server_offers_no_folder_field(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    assert train_jobs.public_mode()
    app = open_page("train", recipe="audio_folder", data="audio_folder")
    assert "audio_folder" not in app.selectbox(key="train_data").options
    assert app.selectbox(key="train_data").value == "tones"
    assert "public server" in app.info[0].value
    assert not [field for field in app.text_input if field.key == "train_data_path"]
