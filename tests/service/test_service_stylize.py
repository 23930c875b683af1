"""Service of the stylize page: job settings, image files of all kinds, and fast style networks."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genmodels.data.formats import image_files
from genmodels.errors import CapabilityError, ConfigError, DataError, UnknownNameError
from genmodels.images.tiled import translate_image
from genmodels.recipes import parse_overrides
from genmodels.runs import checkpoint
from genmodels.service import stylize
from genmodels.service.large_images import ImageFile
from genmodels.service.stylize import PaintingSettings, StylizeRequest
from genmodels.service.stylize import inputs as stylize_inputs
from tests.support.picture_files import RED, claimed_png, encoded, plain
from tests.support.runs import save_run
from tests.support.stylizing import offer, save_networks
from tests.support.translation import image_file, photo
from train_jobs.spec import make_spec


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two untrained fast networks, a canvas, and a VAE."""
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    save_networks(tmp_path, "fast", "other")
    save_run(tmp_path / "runs", "canvas", "style_transfer", "data.name=striped_digits", "data.size=null",
             "data.style_size=null", "model.style_relu5_1=0", "model.style_relu4_1=0", steps=(0,))  # fmt: skip
    save_run(tmp_path / "runs", "vae", "mnist_vae_20", "data.name=digits", steps=(0,))
    return tmp_path / "runs"


# ------------------------------------------------------------------------------ the slow way


def test_a_preset_becomes_the_settings_of_a_job(tmp_path: Path) -> None:
    paths = []
    for name, size in (("content", (80, 40)), ("style", (40, 60))):
        photo(*size).save(tmp_path / f"{name}.png")
        paths.append(tmp_path / f"{name}.png")
    values = {**stylize.preset("noise"), "tv_weight": 0.2, "style_relu5_1": 0.0, "optimizer": "adam"}
    wanted = stylize.assignments(PaintingSettings(size=64, iterations=120), values)
    spec = make_spec(stylize.RECIPE, None, [*wanted, f"data.path={paths[0]}", f"data.path_b={paths[1]}"])
    assert spec.model == {**stylize.settings(), **values, "image_shape": [3, 32, 64], "num_classes": 0}
    assert (spec.train.max_steps, spec.train.preview_every, spec.data.style_size) == (120, 1, 64)
    assert stylize.assignments(PaintingSettings(), stylize.settings())[0] == "data.size=256", (
        "what is as usual is not said"
    )


@pytest.mark.parametrize("size", stylize.SIZES)
def test_small_paintings_have_a_preview_of_every_iteration(size: int) -> None:
    for count in stylize.ITERATIONS:
        wanted = parse_overrides(stylize.assignments(PaintingSettings(size=size, iterations=count), {}))["train"]
        every = int(wanted["preview_every"])
        assert every == 1 or count * size**2 > 200 * 256**2
        assert count // every * 2 * size * (0.75 * size) <= 24e6
        assert count // every >= min(count, 50)


def test_presets_differ_and_only_change_settings_of_the_model() -> None:
    for name in stylize.PRESETS:
        assert stylize.preset_of(stylize.preset(name)) == name
        assert stylize.preset(name).keys() == stylize.settings().keys()
    assert stylize.preset_of({**stylize.settings(), "content_relu4_2": 2.0}) is None
    layers = {f"{part}_{layer}" for part, names in stylize.LAYERS.items() for layer in names}
    assert layers < stylize.settings().keys()


@pytest.mark.parametrize(("field", "value"), [("size", 8), ("size", 4000), ("iterations", 0), ("iterations", 10**6)])
def test_what_is_too_large_or_too_small_is_refused(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{field} = {value}"):
        PaintingSettings.parse({field: value})


def test_a_painting_is_named_after_its_files() -> None:
    name = stylize.run_name(ImageFile("../a\n<b>.jpg", b""), ImageFile("x" * 200 + ".png", b""))
    assert name == f"a b like {'x' * 30}"
    assert stylize.run_name(ImageFile("!!.png", b""), ImageFile(".png", b"")) == "picture like .png"


def test_only_works_whose_files_exist_are_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    assert stylize_inputs.available("painting") == {}
    offer(tmp_path, "the_scream", "somebodys_own", "boston")
    assert stylize_inputs.available("painting") == {"the_scream": "The Scream, Edvard Munch, 1893"}
    assert list(stylize_inputs.available("photograph")) == ["boston"]
    upload = stylize_inputs.open_work("painting", "the_scream")
    assert upload.raw == (tmp_path / "style_images" / "the_scream.png").read_bytes()
    for name in ("somebodys_own", "../../etc/passwd", "udnie"):
        with pytest.raises(UnknownNameError):
            stylize_inputs.open_work("painting", name)
    assert stylize_inputs.title_of("/somewhere/the_scream.jpg") == "The Scream, Edvard Munch, 1893"
    assert stylize_inputs.title_of("my waves.png") == "my waves"


# ------------------------------------------------------------------------------ the fast way


def test_fast_networks_are_listed_and_canvases_are_not(runs: Path) -> None:
    infos = stylize.checkpoints()
    assert [info.name for info in infos] == ["fast", "other"]
    assert stylize.style_of(infos[0]) == "The Scream, Edvard Munch, 1893"
    for name in ("canvas", "vae"):
        with pytest.raises(CapabilityError, match=f"{name} cannot paint at once"):
            stylize.stylize(StylizeRequest(model=name), image_file(plain(RED)))
    with pytest.raises(UnknownNameError, match="not paths"):
        stylize.stylize(StylizeRequest(model="../runs/fast"), image_file(plain(RED)))
    with pytest.raises(ConfigError, match="longest"):
        StylizeRequest.parse({"model": "fast", "longest": 100_000})


def test_a_result_is_that_of_the_network_at_the_size_of_the_image_up_to_the_limit(runs: Path) -> None:
    picture = photo(160, 96)
    found = stylize.stylize(StylizeRequest(model="fast", step=10, longest=512), image_file(picture))
    assert (found.size, found.original_size) == ((160, 96), (160, 96))
    model = checkpoint.load_model(runs / "fast", 10)
    wanted = translate_image(model, np.asarray(picture), "stylize", max_side=512)
    assert wanted.std() > 5
    assert np.array_equal(found.pixels, wanted)
    small = stylize.stylize(StylizeRequest(model="fast", step=10, longest=64), image_file(picture))
    assert (small.size, small.original_size) == ((64, 38), (160, 96))
    reduced = np.asarray(picture.resize((64, 38), Image.Resampling.LANCZOS))
    assert np.array_equal(small.pixels, translate_image(model, reduced, "stylize", max_side=64))
    assert not np.array_equal(
        found.pixels, stylize.stylize(StylizeRequest(model="fast", step=0, longest=512), image_file(picture)).pixels
    )
    kept = Image.open(io.BytesIO(stylize.png(StylizeRequest(model="fast", longest=64), image_file(picture))))
    assert (kept.format, kept.size) == ("PNG", (64, 38))
    assert np.array_equal(np.asarray(kept), small.pixels)


def test_by_default_a_result_has_the_size_of_the_training_images(runs: Path) -> None:
    found = stylize.stylize(StylizeRequest(model="fast"), image_file(photo(160, 96)))
    assert checkpoint.load_model(runs / "fast", 10).config.shape == (3, 32, 32)
    assert (found.size, found.original_size) == ((32, 19), (160, 96))
    small = stylize.stylize(StylizeRequest(model="fast"), image_file(photo(30, 20)))
    assert small.size == small.original_size == (30, 20)


def test_transparency_is_kept_and_orientation_is_applied(runs: Path) -> None:
    clear = photo(40, 30, "RGBA")
    found = stylize.stylize(StylizeRequest(model="fast", longest=512), image_file(clear))
    assert np.array_equal(found.pixels[..., 3], np.asarray(clear)[..., 3])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = ImageFile("phone.jpg", encoded(photo(64, 32), "JPEG", exif=exif))
    assert stylize.stylize(StylizeRequest(model="fast", longest=512), turned).size == (32, 64)
    assert stylize.stylize(StylizeRequest(model="fast"), image_file(photo(1, 1))).size == (1, 1)
    assert stylize.stylize(StylizeRequest(model="fast", longest=512), image_file(photo(3000, 20))).size == (512, 3)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"text that was renamed", "not a PNG"),
        (encoded(photo(64, 64))[:100], "damaged"),
        (claimed_png(20_000, 20_000), "more than 25,000,000 pixels"),
        (bytes(image_files.MAX_FILE_BYTES + 1), "larger than 64 MB"),
    ],
    ids=["renamed", "truncated", "bomb", "large"],
)
def test_a_bad_file_is_refused_with_the_reason(runs: Path, raw: bytes, reason: str) -> None:
    upload = ImageFile("bad.png", raw)
    for ask in (stylize.thumbnail, lambda upload: stylize.stylize(StylizeRequest(model="fast"), upload)):
        with pytest.raises(DataError, match=reason):
            ask(upload)


def test_a_chosen_file_has_a_thumbnail() -> None:
    small = stylize.thumbnail(image_file(photo(1000, 500)))
    assert (small.width, small.height) == (384, 192)
    with pytest.raises(DataError, match="less narrow"):
        stylize.thumbnail(image_file(photo(3000, 20)))
