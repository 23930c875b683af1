"""Service of the translate page: files of all kinds, cycles, tiles, and the reference classifier."""

from __future__ import annotations

import io
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genmodels.capabilities import Direction
from genmodels.data.formats import image_files
from genmodels.errors import CapabilityError, ConfigError, DataError, UnknownNameError
from genmodels.images import full_size, tiled
from genmodels.runs import checkpoint
from genmodels.service import inference, large_images, translate
from genmodels.service.large_images import ImageFile
from genmodels.service.translate import TranslationRequest, heat_map
from genmodels.service.translate import inputs as translate_inputs
from tests.support.picture_files import BLUE, RED, claimed_png, encoded, plain
from tests.support.runs import save_run
from tests.support.translation import image_file, photo, publish_brightness_judge
from tests.support.translation import runs as runs


def test_only_models_that_translate_are_listed_with_their_domains(runs: Path) -> None:
    infos = translate.checkpoints()
    assert [info.name for info in infos] == ["attending", "colour", "grey"]
    assert translate.domains(infos[1]) == ("daisy", "sunflower")
    assert translate.training_side(infos[1]) == 32
    with pytest.raises(CapabilityError, match="vae does not translate"):
        translate.translate(TranslationRequest(model="vae"), image_file(plain(RED)))
    with pytest.raises(UnknownNameError, match="not paths"):
        translate.translate(TranslationRequest(model="../runs/colour"), image_file(plain(RED)))
    with pytest.raises(ConfigError, match="detail"):
        TranslationRequest.parse({"model": "colour", "detail": -1})


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_a_translation_is_that_of_the_model_at_the_training_size_and_has_the_size_of_the_image(
    runs: Path, direction: Direction
) -> None:
    picture = photo(160, 96)
    found = translate.translate(TranslationRequest(model="colour", step=10, direction=direction), image_file(picture))
    assert (found.size, found.working_size, found.probabilities) == ((160, 96), (53, 32), None)
    small = np.asarray(picture.resize((53, 32), Image.Resampling.LANCZOS))
    model = checkpoint.load_model(runs / "colour", 10)
    wanted = full_size.resized(tiled.translate_image(model, small, direction), 160, 96)
    assert wanted.std() > 5
    assert np.array_equal(found.pixels, wanted)
    first = translate.translate(TranslationRequest(model="colour", step=0, direction=direction), image_file(picture))
    assert not np.array_equal(first.pixels, found.pixels), "another step, another picture"
    whole = translate.translate(
        TranslationRequest(model="colour", step=10, direction=direction, detail=0), image_file(picture)
    )
    assert whole.working_size == (160, 96)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_masked_change_is_upsampled_onto_the_image_and_reported(runs: Path, mode: str) -> None:
    picture = photo(160, 96, mode)
    found = translate.translate(TranslationRequest(model="attending"), image_file(picture))
    assert found.background_kept
    assert found.working_size == (53, 32)
    colours, alpha = full_size.split_alpha(np.asarray(picture))
    small = full_size.resized(colours, 53, 32)
    there = tiled.translate_image(checkpoint.load_model(runs / "attending", 10), small, "a_to_b")
    wanted = full_size.to_full_size(there, small, colours, (160, 96))
    assert np.array_equal(found.pixels[..., :3], wanted)
    assert not np.array_equal(wanted, full_size.resized(there, 160, 96))
    assert alpha is None or np.array_equal(found.pixels[..., 3:], alpha)
    assert not translate.translate(TranslationRequest(model="colour"), image_file(picture)).background_kept


def test_the_cycle_error_is_that_of_the_model(runs: Path) -> None:
    upload = image_file(photo(64, 40))
    trip = translate.cycle(TranslationRequest(model="colour"), upload)
    model = checkpoint.load_model(runs / "colour", 10)
    small = np.asarray(photo(64, 40).resize((51, 32), Image.Resampling.LANCZOS))
    there = tiled.translate_image(model, small, "a_to_b")
    back = tiled.translate_image(model, there, "b_to_a")
    assert trip.error == pytest.approx(np.abs(back.astype(float) - small).mean() / 127.5, rel=1e-4)
    assert trip.error > 0.05
    assert (trip.difference.width, trip.difference.height) == (trip.change.width, trip.change.height) == (51, 32)
    assert trip.difference.image != trip.change.image
    grey = translate.cycle(TranslationRequest(model="grey"), upload)
    model, bare = checkpoint.load_model(runs / "grey", 10), photo(64, 40).resize((45, 28), Image.Resampling.LANCZOS)
    there = tiled.translate_image(model, np.asarray(bare), "a_to_b")
    away = np.abs(
        tiled.translate_image(model, there, "b_to_a").astype(float) - np.asarray(bare.convert("L"))[..., None]
    )
    assert grey.error == pytest.approx(away.mean() / 127.5, rel=1e-3), "colours, which it cannot keep, are not counted"
    shown = np.asarray(Image.open(io.BytesIO(grey.before.image)))
    assert np.array_equal(shown[..., 0], shown[..., 2])


def test_the_first_translation_of_a_cycle_is_computed_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[str] = []
    run_tiles = translate.run_tiles

    def counted(model: Any, colours: np.ndarray, way: Any, on_progress: Any) -> np.ndarray:
        walked.append(way)
        return run_tiles(model, colours, way, on_progress)

    monkeypatch.setattr(translate, "run_tiles", counted)
    asked, upload = TranslationRequest(model="colour"), image_file(photo(61, 43))
    found = translate.translate(asked, upload)
    trip = translate.cycle(asked, upload)
    assert walked == ["a_to_b", "b_to_a"]
    assert (trip.translated.width, trip.translated.height) == found.working_size


def test_the_heat_map_is_lighter_for_larger_differences() -> None:
    colours = heat_map.to_colours(np.array([[0.0, 0.25, 0.5, 0.75, 1.0, 3.0]]))[0].astype(float)
    assert colours[0].max() < 20
    assert np.array_equal(colours[4], colours[5])
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness[:5]) > 15).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("upload", "size", "channels"),
    [
        (image_file(plain(RED, (1, 1))), (1, 1), 3),
        (image_file(photo(33, 17)), (33, 17), 3),
        (image_file(photo(3000, 20)), (3000, 20), 3),
        (image_file(photo(20, 3000)), (20, 3000), 3),
        (image_file(photo(40, 30, "RGBA")), (40, 30), 4),
        (image_file(photo(40, 30).quantize(16)), (40, 30), 3),
        (image_file(Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50)), (40, 30), 3),
        (image_file(plain((0, 90, 0, 60), (40, 30), "CMYK"), "c.jpg", "JPEG"), (40, 30), 3),
        (
            ImageFile("a.gif", encoded(plain(RED, (40, 30)), "GIF", save_all=True, append_images=[plain(BLUE)])),
            (40, 30),
            3,
        ),
    ],
    ids=["1x1", "17x33", "wide", "tall", "RGBA", "palette", "16 bit", "CMYK", "animated"],
)
def test_unusual_files_keep_their_size(runs: Path, upload: ImageFile, size: tuple[int, int], channels: int) -> None:
    asked = TranslationRequest(model="colour", detail=1)
    found = translate.translate(asked, upload)
    assert found.size == size
    assert found.pixels.shape[2] == channels
    kept = Image.open(io.BytesIO(translate.png(asked, upload)))
    assert (kept.format, kept.size) == ("PNG", size)
    if channels == 4:
        assert np.array_equal(found.pixels[..., 3], np.asarray(photo(40, 30, "RGBA"))[..., 3])
    trip, way = translate.cycle(asked, upload), translate._one_way(asked, upload, None, None)
    assert way.source.shape == (found.working_size[1], found.working_size[0], 3)
    back = tiled.translate_image(checkpoint.load_model(runs / "colour", 10), way.translated, "b_to_a")
    assert trip.error == pytest.approx(np.abs(back.astype(float) - way.source).mean() / 127.5, abs=0.004)
    assert 0.01 < trip.error < 1.5


def test_the_exif_orientation_is_applied(runs: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upload = ImageFile("phone.jpg", encoded(photo(64, 32), "JPEG", exif=exif))
    found = translate.translate(TranslationRequest(model="colour"), upload)
    assert found.size == (32, 64)
    assert Image.open(io.BytesIO(found.before.image)).size == (32, 64)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"text that was renamed", "not a PNG"),
        (encoded(photo(64, 64))[:100], "damaged"),
        (claimed_png(20_000, 20_000), "more than 25,000,000 pixels"),
        (claimed_png(6_000, 5_000), "6000 x 5000 is more than 25,000,000 pixels"),
        (encoded(plain(RED, (60_000, 4))), "60,000 x 4 pixels are too narrow"),
        (encoded(plain(RED, (200_000, 4))), "200,000 x 4 pixels; a side has at most 65,535"),
        (b"", "not a PNG"),
        (bytes(image_files.MAX_FILE_BYTES + 1), "larger than 64 MB"),
    ],
    ids=["renamed", "truncated", "bomb", "many pixels", "narrow", "long side", "empty", "large"],
)
def test_a_bad_file_is_refused_with_the_reason(runs: Path, raw: bytes, reason: str) -> None:
    for ask in (translate.translate, translate.cycle, translate.png):
        with pytest.raises(DataError, match=reason):
            ask(TranslationRequest(model="colour"), ImageFile("bad.png", raw))


def test_other_requests_run_between_the_tiles_of_a_large_image(runs: Path) -> None:
    asked, upload = TranslationRequest(model="colour", detail=0), image_file(photo(1300, 700))
    calls: list[tuple[int, int]] = []
    between: list[str] = []

    def report(done: int, total: int) -> None:
        calls.append((done, total))
        between.append(inference.run(lambda: threading.current_thread().name))

    found = translate.translate(asked, upload, report)
    assert calls == [(step, len(calls)) for step in range(1, len(calls) + 1)]
    assert len(calls) > 5
    assert {name.split("_")[0] for name in between} == {"inference"}
    assert (found.after.kind, max(found.after.width, found.after.height)) == ("jpeg", 1024)
    assert translate.translate(asked, upload, lambda *_: pytest.fail("it was kept")) is found


def test_the_working_size_is_bounded_for_every_shape(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "_MAX_PIXELS", 1_000_000)
    model = checkpoint.load_model(runs / "colour", 10)
    for width, height in ((16_000, 4), (3000, 20), (5, 9000), (1900, 1800), (20_000, 60)):
        colours = np.zeros((height, width, 3), np.uint8)
        for detail in translate.DETAILS:
            worked = translate._reduced(model, TranslationRequest(model="colour", detail=detail), colours)
            assert max(worked.shape[0], 32) * max(worked.shape[1], 32) <= 1_010_000


def test_a_network_without_tiles_reports_its_reduced_working_size(runs: Path) -> None:
    save_run(
        runs, "deep", "flowers_cyclegan", "model.resnet_channels=2", "model.residual_blocks=24",
        "model.discriminator_channels=[4]", "data.name=digits2inverted", "data.size=null", "model.flip=false",
    )  # fmt: skip
    found = translate.translate(TranslationRequest(model="deep", detail=0), image_file(photo(900, 600)))
    assert found.size == (900, 600)
    assert 0.4 * 512**2 < found.working_size[0] * found.working_size[1] <= 512**2


def test_two_large_images_run_at_a_time_and_small_ones_pass_them(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_images, "_LARGE", 50 * 50)
    done, asked = threading.Event(), TranslationRequest(model="colour", detail=0)
    waiting = threading.Thread(target=lambda: (translate.translate(asked, image_file(photo(60, 60))), done.set()))
    with large_images._two_large, large_images._two_large:
        waiting.start()
        translate.translate(asked, image_file(photo(40, 40)))
        assert not done.wait(0.2)
    assert done.wait(60)
    waiting.join()


def test_downloads_are_named_after_their_files(runs: Path) -> None:
    asked = TranslationRequest(model="colour")
    uploads = [
        image_file(photo(20, 10), "../evil/my pony!.jpg"),
        image_file(photo(10, 20), "my pony!.png"),
        image_file(plain(), ".png"),
    ]
    with zipfile.ZipFile(io.BytesIO(translate.archive(asked, uploads, "sun flower"))) as packed:
        assert packed.namelist() == ["my_pony-sun_flower.png", "my_pony-sun_flower-2.png", "png-sun_flower.png"]
        sizes = [Image.open(io.BytesIO(packed.read(name))).size for name in packed.namelist()]
    assert sizes == [(20, 10), (10, 20), (20, 12)]


def test_test_images_are_of_the_requested_domain(runs: Path) -> None:
    dark, light = (translate_inputs.test_image("grey", kind, 3) for kind in (0, 1))
    means = [np.asarray(Image.open(io.BytesIO(upload.raw))).mean() for upload in (dark, light)]
    assert means[0] < 90 < 160 < means[1]
    assert translate_inputs.test_count("grey", 0) == 250
    with pytest.raises(DataError, match="test picture 250 does not exist; choose 0 to 249"):
        translate_inputs.test_image("grey", 0, 250)
    with pytest.raises(DataError, match="daisy2sunflower' was not found"):
        translate_inputs.test_count("colour", 0)


def test_a_published_classifier_gives_probabilities_of_the_domains(runs: Path, tmp_path: Path) -> None:
    publish_brightness_judge(tmp_path / "checkpoints")
    found = translate.translate(TranslationRequest(model="grey"), image_file(plain((0, 0, 0), (40, 60))))
    assert found.probabilities is not None
    assert found.probabilities[0] < 0.01, "black is not of the bright kind"
    level = found.pixels.mean() / 255
    assert found.probabilities[1] == pytest.approx(1 / (1 + np.exp(-20 * (level - 0.5))), abs=0.1)
    back = translate.translate(
        TranslationRequest(model="grey", direction="b_to_a"), image_file(plain((0, 0, 0), (40, 60)))
    )
    assert back.probabilities is not None
    assert back.probabilities[0] > 0.99
    assert translate.translate(TranslationRequest(model="colour"), image_file(plain())).probabilities is None
