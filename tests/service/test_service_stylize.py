"""What the stylize page's service makes of settings, of pictures of all sorts, and of networks that paint at once."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genmodels import checkpoint
from genmodels.data import pictures
from genmodels.errors import CapabilityError, ConfigError, DataError, UnknownNameError
from genmodels.recipes import parse_overrides
from genmodels.service import stylize
from genmodels.service.stylize import Asking, Wish
from genmodels.service.stylize import given as stylize_given
from genmodels.service.translate.given import Upload
from genmodels.stylizing import stylize_image
from tests.service.test_service import save_run
from tests.service.test_service_translate import given, photo
from tests.support.picture_files import RED, claimed_png, encoded, plain
from train_jobs.spec import make_spec

SMALL = ("model.width=4", "model.residual_blocks=1", "model.kernel=3")


def offer(data: Path, *names: str) -> None:
    """Pictures by these names in the data folder's `style_images`."""
    folder = data / "style_images"
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        photo(60 + 4 * number, 48).rotate(90 * number).save(folder / f"{name}.png")


def save_networks(root: Path, *names: str) -> None:
    """Untrained fast networks with the style of a picture that the data folder has, or had."""
    photos = root / "photos"
    photos.mkdir(exist_ok=True)
    for number in range(4):
        photo(40, 40).rotate(90 * number).save(photos / f"{number}.png")
    offer(root / "data", "the_scream")
    for name in names:
        save_run(
            root / "runs", name, "fast_style_starry_night", *SMALL, f"data.path={photos}", "data.size=32",
            "data.style=the_scream", "data.style_size=32",
        )  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two untrained networks that paint at once, a canvas, and a VAE."""
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    save_networks(tmp_path, "fast", "other")
    save_run(tmp_path / "runs", "canvas", "style_transfer", "data.name=striped_digits", "data.size=null",
             "data.style_size=null", "model.style_relu5_1=0", "model.style_relu4_1=0", steps=(0,))  # fmt: skip
    save_run(tmp_path / "runs", "vae", "mnist_vae_20", "data.name=digits", steps=(0,))
    return tmp_path / "runs"


# ------------------------------------------------------------------------------ the slow way


def test_a_mixture_becomes_the_settings_of_a_job(tmp_path: Path) -> None:
    paths = []
    for name, size in (("content", (80, 40)), ("style", (40, 60))):
        photo(*size).save(tmp_path / f"{name}.png")
        paths.append(tmp_path / f"{name}.png")
    values = {**stylize.preset("noise"), "tv_weight": 0.2, "style_relu5_1": 0.0, "optimizer": "adam"}
    wanted = stylize.assignments(Wish(size=64, iterations=120), values)
    spec = make_spec(stylize.RECIPE, None, [*wanted, f"data.path={paths[0]}", f"data.path_b={paths[1]}"])
    assert spec.config == {**stylize.settings(), **values, "image_shape": [3, 32, 64], "num_classes": 0}
    assert (spec.train.max_steps, spec.train.preview_every, spec.data.style_size) == (120, 1, 64)
    assert stylize.assignments(Wish(), stylize.settings())[0] == "data.size=256", "what is as usual is not said"


@pytest.mark.parametrize("size", stylize.SIZES)
def test_each_iteration_can_be_gone_back_to_while_the_pictures_are_small(size: int) -> None:
    for count in stylize.ITERATIONS:
        wanted = parse_overrides(stylize.assignments(Wish(size=size, iterations=count), {}))["train"]
        every = int(wanted["preview_every"])
        assert every == 1 or count * size**2 > 200 * 256**2
        assert count // every * 2 * size * (0.75 * size) <= 24e6
        assert count // every >= min(count, 50)


def test_mixtures_are_told_apart_and_only_change_what_the_model_has() -> None:
    for name in stylize.PRESETS:
        assert stylize.preset_of(stylize.preset(name)) == name
        assert stylize.preset(name).keys() == stylize.settings().keys()
    assert stylize.preset_of({**stylize.settings(), "content_relu4_2": 2.0}) is None
    layers = {f"{part}_{layer}" for part, names in stylize.LAYERS.items() for layer in names}
    assert layers < stylize.settings().keys()


@pytest.mark.parametrize(("field", "value"), [("size", 8), ("size", 4000), ("iterations", 0), ("iterations", 10**6)])
def test_what_is_too_large_or_too_small_is_refused(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{field} = {value}"):
        Wish.parse({field: value})


def test_a_painting_is_named_after_its_files() -> None:
    name = stylize.run_name(Upload("../a\n<b>.jpg", b""), Upload("x" * 200 + ".png", b""))
    assert name == f"a b like {'x' * 30}"
    assert stylize.run_name(Upload("!!.png", b""), Upload(".png", b"")) == "picture like .png"


def test_only_known_works_are_offered_and_only_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    assert stylize_given.offered("painting") == {}
    assert "starry_night_google.jpg" in stylize_given.how_to_get("painting")
    assert str(tmp_path) in stylize_given.how_to_get("photograph")
    offer(tmp_path, "the_scream", "somebodys_own", "boston")
    assert stylize_given.offered("painting") == {"the_scream": "The Scream, Edvard Munch, 1893"}
    assert list(stylize_given.offered("photograph")) == ["boston"]
    upload = stylize_given.given("painting", "the_scream")
    assert upload.raw == (tmp_path / "style_images" / "the_scream.png").read_bytes()
    for name in ("somebodys_own", "../../etc/passwd", "udnie"):
        with pytest.raises(UnknownNameError):
            stylize_given.given("painting", name)
    assert stylize_given.title_of("/somewhere/the_scream.jpg") == "The Scream, Edvard Munch, 1893"
    assert stylize_given.title_of("my waves.png") == "my waves"


# ------------------------------------------------------------------------------ the fast way


def test_networks_with_a_style_are_offered_and_canvases_are_not(runs: Path) -> None:
    infos = stylize.networks()
    assert [info.name for info in infos] == ["fast", "other"]
    assert stylize.style_of(infos[0]) == "The Scream, Edvard Munch, 1893"
    for name in ("canvas", "vae"):
        with pytest.raises(CapabilityError, match=f"{name} cannot paint at once"):
            stylize.paint(Asking(model=name), given(plain(RED)))
    with pytest.raises(UnknownNameError, match="not paths"):
        stylize.paint(Asking(model="../runs/fast"), given(plain(RED)))
    with pytest.raises(ConfigError, match="longest"):
        Asking.parse({"model": "fast", "longest": 100_000})


def test_a_painting_is_the_networks_own_at_the_pictures_size_up_to_the_bound(runs: Path) -> None:
    picture = photo(160, 96)
    found = stylize.paint(Asking(model="fast", step=10), given(picture))
    assert (found.size, found.given) == ((160, 96), (160, 96))
    model = checkpoint.load_model(runs / "fast", 10)
    wanted = stylize_image(model, np.asarray(picture))
    assert wanted.std() > 5
    assert np.array_equal(found.pixels, wanted)
    small = stylize.paint(Asking(model="fast", step=10, longest=64), given(picture))
    assert (small.size, small.given) == ((64, 38), (160, 96))
    reduced = np.asarray(picture.resize((64, 38), Image.Resampling.LANCZOS))
    assert np.array_equal(small.pixels, stylize_image(model, reduced))
    assert not np.array_equal(found.pixels, stylize.paint(Asking(model="fast", step=0), given(picture)).pixels)
    kept = Image.open(io.BytesIO(stylize.png(Asking(model="fast", longest=64), given(picture))))
    assert (kept.format, kept.size) == ("PNG", (64, 38))
    assert np.array_equal(np.asarray(kept), small.pixels)


def test_transparency_is_given_back_and_a_turned_photograph_stands_upright(runs: Path) -> None:
    clear = photo(40, 30, "RGBA")
    found = stylize.paint(Asking(model="fast"), given(clear))
    assert np.array_equal(found.pixels[..., 3], np.asarray(clear)[..., 3])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Upload("phone.jpg", encoded(photo(64, 32), "JPEG", exif=exif))
    assert stylize.paint(Asking(model="fast"), turned).size == (32, 64)
    assert stylize.paint(Asking(model="fast"), given(photo(1, 1))).size == (1, 1)
    assert stylize.paint(Asking(model="fast"), given(photo(3000, 20))).size == (512, 3)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"text that was renamed", "not a PNG"),
        (encoded(photo(64, 64))[:100], "damaged"),
        (claimed_png(20_000, 20_000), "more than 25,000,000 pixels"),
        (bytes(pictures.MAX_FILE_BYTES + 1), "larger than 64 MB"),
    ],
    ids=["renamed", "truncated", "bomb", "large"],
)
def test_a_bad_file_is_refused_with_the_reason(runs: Path, raw: bytes, reason: str) -> None:
    upload = Upload("bad.png", raw)
    for ask in (stylize.thumb, lambda upload: stylize.paint(Asking(model="fast"), upload)):
        with pytest.raises(DataError, match=reason):
            ask(upload)


def test_what_is_chosen_is_shown_small() -> None:
    small = stylize.thumb(given(photo(1000, 500)))
    assert (small.width, small.height) == (384, 192)
    with pytest.raises(DataError, match="less narrow"):
        stylize.thumb(given(photo(3000, 20)))
