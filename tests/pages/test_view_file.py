"""Views inside downloaded pictures: written without a change of pixels, read back, and damaged ones refused."""

from __future__ import annotations

import io
import json
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels.data.formats import audio_files
from genmodels.signal import audio
from pages.components import share, view_file
from pages.parts.speak import progress
from tests.support.pages import app_at, open_page
from tests.support.runs import save_run
from tests.support.speech import SMALL as WAVENET
from tests.support.stylizing import save_networks

VIEW = {"page": "latent", "view": {"model": "größe", "z": "0.5_-1"}, "weights": "0123456789abcdef"}


def picture(kind: str, frames: int = 2) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (frames, 12, 20), dtype=np.uint8)
    first, *others = [Image.fromarray(frame) for frame in pixels]
    file = io.BytesIO()
    animation = {"save_all": True, "append_images": others, "loop": 0} if kind == "GIF" else {}
    first.save(file, kind, **animation)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_view_is_read_back_and_no_pixel_changes(kind: str) -> None:
    before = picture(kind)
    after = view_file.embed(before, VIEW)
    assert view_file.read(before) is None
    assert view_file.read(after) == VIEW
    with Image.open(io.BytesIO(before)) as old, Image.open(io.BytesIO(after)) as new:
        assert getattr(old, "n_frames", 1) == getattr(new, "n_frames", 1)
        for frame in range(getattr(old, "n_frames", 1)):
            old.seek(frame)
            new.seek(frame)
            assert np.array_equal(np.asarray(old.convert("RGB")), np.asarray(new.convert("RGB")))
        found = new.info["genmodels" if kind == "PNG" else "comment"]
        text = found if kind == "PNG" else found.decode().removeprefix("genmodels:")
        assert json.loads(text) == VIEW, "other programs read it, too"


def test_a_view_too_long_or_in_another_file_is_left_out() -> None:
    assert view_file.embed(b"RIFF", VIEW) == b"RIFF"
    assert view_file.embed(sound(), {"view": "x" * view_file.MAX_TEXT}) == sound()
    long = {"view": "x" * view_file.MAX_TEXT}
    assert view_file.embed(picture("PNG"), long) == picture("PNG")


def sound(samples: int = 801) -> bytes:
    values = np.random.default_rng(0).uniform(-1, 1, samples).astype(np.float32)
    return audio.wav(torch.from_numpy(values), 8_000)


def test_a_view_in_a_wav_is_read_back_and_no_sample_changes(tmp_path: Path) -> None:
    before = sound()
    after = view_file.embed(before, VIEW)
    assert view_file.read(before) is None
    assert view_file.read(after) == VIEW
    assert len(after) == 8 + struct.unpack_from("<I", after, 4)[0], "the size in its header is that of the file"
    for even in (VIEW, VIEW | {"page": "speak"}):
        with wave.open(io.BytesIO(before)) as old, wave.open(io.BytesIO(view_file.embed(before, even))) as new:
            assert old.getparams() == new.getparams()
            assert old.readframes(old.getnframes()) == new.readframes(new.getnframes())
    assert np.array_equal(audio_files.decode(before, 8_000), audio_files.decode(after, 8_000)), "other programs read it"


def test_a_wav_is_read_up_to_its_samples_and_in_bounds() -> None:
    whole = view_file.embed(sound(), VIEW)
    for end in range(len(whole)):
        assert view_file.read(whole[:end]) in (None, VIEW)
    head, chunk = whole[:36], whole[36 : whole.index(b"data")]
    assert view_file.read(head + whole[whole.index(b"data") :] + chunk) is None, "after the samples nothing is read"
    assert view_file.read(head + b"LIST" + struct.pack("<I", 4) + b"adtl" + chunk) == VIEW
    junk = (b"junk" + struct.pack("<I", 0)) * 200
    assert view_file.read(head + junk + chunk) is None
    long = view_file.embed(sound(), {"view": "x" * (view_file.MAX_TEXT - 20)})
    assert view_file.read(long) is not None
    assert view_file.read(long.replace(b"xxxx", b"xxxxxxxxxxxx")) is None


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_damaged_files_have_no_view(kind: str) -> None:
    whole = view_file.embed(picture(kind), VIEW)
    for end in range(len(whole)):
        assert view_file.read(whole[:end]) in (None, VIEW)
    broken = whole.replace(b'{"page"', b'["page"')
    assert view_file.read(broken) is None
    assert view_file.read(b"") is None
    deep = view_file.embed(picture(kind), VIEW).replace(json.dumps(VIEW["weights"]).encode(), b"[" * 18)
    assert view_file.read(deep) is None


@pytest.mark.parametrize(
    "view", [{}, {"page": []}, {"page": "nowhere", "view": {}}, {"page": "seeds", "view": {"z": 1}}]
)
def test_a_picture_without_a_usable_view_says_so(runs: Path, view: dict[str, object]) -> None:
    app = app_at("data").run()
    app.session_state["share"] = True
    app.run()
    file = view_file.embed(picture("PNG"), view)
    app.file_uploader(key="share_file").set_value(("some.png", file, "image/png")).run()
    assert not app.exception
    assert "contains no view" in app.warning[0].value


def test_a_downloaded_picture_opens_its_view_and_reports_changed_weights(runs: Path) -> None:
    save_run(runs, "vae", "mnist_vae_20", "data.name=digits")
    app = open_page("latent", model="vae", step="10", z="0.5_-1.25", seed="7")
    parameters = {name: str(app.query_params[name]) for name in app.query_params}
    view = {"page": "latent", "view": parameters, "weights": share._weights(parameters)}
    assert view["weights"] is not None
    file = view_file.embed(picture("PNG"), view)
    other = view_file.embed(picture("PNG"), view | {"weights": "0" * 16})
    for content, toasts in ((file, 0), (other, 1)):
        app = app_at("seeds").run()
        app.session_state["share"] = True  # the popover is open
        app.run()
        app.file_uploader(key="share_file").set_value(("latent.png", content, "image/png")).run()
        assert app.number_input(key="latent_seed").value == 7
        assert app.slider(key="latent_axis_1").value == -1.25
        assert len(app.toast) == toasts


def test_a_downloaded_recording_opens_its_view_and_reports_changed_weights(runs: Path) -> None:
    save_run(runs, "voice", "tones_wavenet", *WAVENET)
    app = open_page("speak", model="voice", step="0", say="falling", seed="18", seconds="0.1")
    app.button(key="speak_go_ask").click().run()
    generation = app.session_state["speak_generation_ask"]
    generation.wait(60)
    app.number_input(key="speak_seed").set_value(19).run()
    parameters = {name: value for name, value in progress.view_of(generation.request).items() if value is not None}
    view = {"page": "speak", "view": parameters}
    weights = share._weights(parameters)
    assert weights is not None
    for hashed, toasts in ((weights, 0), ("0" * 16, 1)):
        content = view_file.embed(generation.sound.wav, view | {"weights": hashed})
        app = app_at("seeds").run()
        app.session_state["share"] = True
        app.run()
        app.file_uploader(key="share_file").set_value(("speak.wav", content, "audio/wav")).run()
        assert app.number_input(key="speak_seed").value == 18, "of the recording, not of the control"
        assert app.select_slider(key="speak_step").value == 0
        assert len(app.toast) == toasts


def test_a_stylised_picture_opens_its_network_and_reports_changed_weights(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(runs.parent / "data"))
    for name in ("other", "style"):
        save_networks(runs.parent, name)
    parameters = {"image": "astronaut", "size": "256", "model": "style", "step": "10"}  # the page has no step
    weights = share._weights(parameters)
    assert weights is not None
    view = {"page": "stylize", "view": parameters, "weights": weights}
    for changed, toasts in (({}, 0), ({"weights": "0" * 16}, 1)):
        app = app_at("seeds").run()
        app.session_state["share"] = True
        app.run()
        content = view_file.embed(picture("PNG"), view | changed)
        app.file_uploader(key="share_file").set_value(("style.png", content, "image/png")).run()
        assert app.multiselect(key="stylize_networks").value == ["style"]
        assert app.select_slider(key="stylize_longest").value == 256
        assert len(app.toast) == toasts
