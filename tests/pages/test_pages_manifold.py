"""The manifold page's requests, and the page as Streamlit runs it; what only a browser draws is tested there."""

from __future__ import annotations

import base64
import io
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, ConfigError, DataError, GenmodelsError
from genmodels.images import drawing
from genmodels.images.drawing import EmptyDrawingError
from genmodels.losses import bernoulli_nll, gaussian_kl
from genmodels.runs import catalog
from genmodels.service import manifold
from genmodels.service.latent import Point, render
from genmodels.service.manifold import Place, Plane, Scatter, denoise, encoding, scatter_image
from genmodels.service.manifold.denoise import Noise
from pages.components.i18n import t
from tests.support.digits import drawn_seven, to_digit
from tests.support.pages import open_page, visible
from tests.support.runs import pixels, save_run, set_training_data

COLORS = tuple(f"#{index:02x}8040" for index in range(0, 250, 25))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Untrained models, no published ones."""
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))  # no MNIST: the embedded digits are used
    for name in ("mnist_autoencoder_2d", "mnist_vae_2d", "mnist_vae_20", "mnist_autoencoder"):
        save_run(tmp_path / "runs", name, name, "data.name=digits")
    save_run(tmp_path / "runs", "denoiser", "mnist_denoising_autoencoder", "data.name=digits")
    return tmp_path / "runs"


def size_of(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


def as_pixels(images: torch.Tensor) -> torch.Tensor:
    return images.add(1).mul(127.5).round().long()


def test_only_models_of_two_numbers_are_offered_those_with_a_posterior_first(runs: Path) -> None:
    assert [info.name for info in manifold.checkpoints()] == ["mnist_vae_2d", "mnist_autoencoder_2d"]
    with pytest.raises(CapabilityError, match="2-D z"):
        manifold.decode(Place(model="mnist_vae_20"))


def test_the_grid_is_the_decoder_at_its_places(runs: Path) -> None:
    model = catalog.load("mnist_vae_2d")
    png = manifold.grid_png(Plane(model="mnist_vae_2d"))
    picture = np.asarray(Image.open(io.BytesIO(png)))
    side = picture.shape[0] // 15
    assert picture.shape == (15 * side, 15 * side)
    for row, column, z in ((0, 0, (-4.0, 4.0)), (0, 14, (4.0, 4.0)), (14, 0, (-4.0, -4.0)), (7, 7, (0.0, 0.0))):
        part = picture[row * side : (row + 1) * side : side // 28, column * side : (column + 1) * side : side // 28]
        expected = as_pixels(model.decode(torch.tensor([z])))[0, 0].numpy()
        assert np.abs(part.astype(int) - expected).max() <= 1, f"row {row}, column {column}"
    assert manifold.grid_png(Plane(model="mnist_vae_2d"), "quantiles") != png
    assert manifold.grid_png(Plane(model="mnist_vae_2d", step=0)) != png


def test_the_scatter_is_the_encoded_test_set(runs: Path) -> None:
    found = manifold.scatter(Plane(model="mnist_vae_2d"))
    arrays = data.load(DataConfig(), "test")
    z = catalog.load("mnist_vae_2d").encode(to_float(torch.from_numpy(arrays.images)))
    assert np.allclose(np.stack([found.x, found.y], 1), z.numpy(), atol=1e-5)
    assert np.array_equal(found.label, arrays.labels)
    assert found.classes == tuple("0123456789")
    assert manifold.scatter(Plane(model="mnist_vae_2d", step=10)) is found, "encoded once a saved step"
    assert manifold.scatter(Plane(model="mnist_vae_2d", step=0)).key != found.key


def test_mnist_missing_the_embedded_digits_take_its_place(runs: Path) -> None:
    set_training_data(runs, "mnist_vae_2d", "mnist")
    found = manifold.scatter(Plane(model="mnist_vae_2d"))
    assert found.data == data.get_spec(DataConfig()).title
    assert len(found.x) == 500
    app = open_page("manifold", part="map", model="mnist_vae_2d")
    assert any("belong to MNIST's training set" in entry.value for entry in app.caption)


def test_a_set_packed_anew_under_the_same_name_is_read_anew(runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.h5"
    set_training_data(runs, "mnist_vae_2d", "hdf5", path=str(path))
    for shade in (50, 200):
        with h5py.File(path, "w") as file:
            file["images"] = np.full((20, 1, 28, 28), shade, np.uint8)
        os.utime(path, ns=(shade, shade))
        near = manifold.decode(Place(model="mnist_vae_2d")).neighbours
        assert len(near) == 2, "one in ten is held out"
        assert set(pixels(near[0].png)) == {shade}


def test_principal_axes_follow_a_set_packed_anew(runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.h5"
    set_training_data(runs, "mnist_vae_2d", "hdf5", path=str(path))
    point = Point(model="mnist_vae_2d", axes="principal", offsets=(3.0,))
    drawn = []
    for written in (1, 2):
        noise = np.random.default_rng(written).integers(0, 256, (40, 1, 28, 28), np.uint8)
        with h5py.File(path, "w") as file:
            file["images"] = noise // written**4
        os.utime(path, ns=(written, written))
        drawn.append(render(point).png)
    assert drawn[0] != drawn[1]


def test_a_model_of_other_pictures_has_nothing_to_compare_with(runs: Path) -> None:
    set_training_data(runs, "mnist_vae_2d", "cifar10", (3, 32, 32))
    with pytest.raises(DataError, match="cifar10"):
        manifold.scatter(Plane(model="mnist_vae_2d"))
    with pytest.raises(DataError, match="another format"):
        encoding.encode(Plane(model="mnist_vae_2d"), drawn_seven())


def test_a_place_shows_its_picture_and_the_nearest_real_ones(runs: Path) -> None:
    found = manifold.scatter(Plane(model="mnist_vae_2d"))
    z = (float(found.x[7]), float(found.y[7]))
    drawn = manifold.decode(Place(model="mnist_vae_2d", z=z))
    expected = catalog.load("mnist_vae_2d").decode(torch.tensor([z]))
    assert torch.equal(to_digit(drawn.png), as_pixels(expected))
    distances = np.sort(np.hypot(found.x - z[0], found.y - z[1]))[:5]
    assert [near.distance for near in drawn.neighbours] == pytest.approx(distances.tolist(), abs=1e-6)
    assert np.array_equal(to_digit(drawn.neighbours[0].png)[0, 0].numpy(), data.load(DataConfig(), "test").images[7, 0])
    assert drawn.neighbours[0].label == str(found.label[7])


def test_a_drawing_is_encoded_with_its_spread_and_its_nats(runs: Path) -> None:
    model = catalog.load("mnist_vae_2d")
    x = drawing.to_mnist(drawn_seven()).unsqueeze(0)
    mu, logvar = model.posterior(x)
    found = encoding.encode(Plane(model="mnist_vae_2d"), drawn_seven(), draws=3)
    assert found.z == pytest.approx(mu[0].tolist(), abs=1e-5)
    assert found.sigma == pytest.approx((0.5 * logvar[0]).exp().tolist(), rel=1e-4)
    assert found.kl == pytest.approx(float(gaussian_kl(mu, logvar)), rel=1e-3)
    cross_entropy = float(bernoulli_nll(model.decoder(mu), x.add(1).mul(0.5).flatten(1)))
    assert found.nats == pytest.approx(cross_entropy - found.entropy, rel=1e-3)
    assert encoding.nats(x, x) == pytest.approx(0, abs=0.01), "a perfect copy loses nothing"
    assert torch.equal(to_digit(found.prepared), as_pixels(x))
    assert len(set(found.samples)) == 3
    assert encoding.encode(Plane(model="mnist_vae_2d"), drawn_seven(), draws=3).samples == found.samples
    assert encoding.encode(Plane(model="mnist_vae_2d"), drawn_seven(), draws=3, seed=1).samples != found.samples


def test_an_autoencoder_answers_with_a_point(runs: Path) -> None:
    found = encoding.encode(Plane(model="mnist_autoencoder_2d"), drawn_seven())
    assert (found.sigma, found.kl, found.samples) == (None, None, ())


def test_an_empty_drawing_is_refused(runs: Path) -> None:
    with pytest.raises(EmptyDrawingError):
        encoding.encode(Plane(model="mnist_vae_2d"), np.zeros((140, 140), np.uint8))


@pytest.mark.parametrize("z", [(41.0, 0.0), (float("nan"), 0.0), (float("inf"), 0.0), (0.0,), "here"])
def test_a_place_out_of_bounds_is_refused(z: object) -> None:
    with pytest.raises(ConfigError, match="z"):
        Place.parse({"model": "mnist_vae_2d", "z": z})


def test_the_map_shows_dots_in_their_colours_and_a_mark(runs: Path) -> None:
    plane = Plane(model="mnist_vae_2d")
    found = manifold.scatter(plane)
    reach = 1.05 * float(np.abs([found.x, found.y]).max())
    near = scatter_image.map_png(plane, COLORS, "#1d2a2e", extent=reach)
    seen = {color[:3] for _, color in Image.open(io.BytesIO(near)).getcolors(1 << 20) if color[3] == 255}
    assert sum(tuple(bytes.fromhex(color[1:])) in seen for color in COLORS) == 10
    plain = scatter_image.map_png(plane, COLORS, "#1d2a2e")
    assert size_of(plain) == (scatter_image.SIDE, scatter_image.SIDE)
    point = scatter_image.map_png(plane, COLORS, "#1d2a2e", z=(1.0, 1.0))
    ellipse = scatter_image.map_png(plane, COLORS, "#1d2a2e", z=(1.0, 1.0), sigma=(0.5, 0.2))
    assert len({plain, point, ellipse}) == 3
    assert scatter_image.map_png(plane, COLORS, "#1d2a2e") == plain, "a mark must not stay on the kept picture"
    png, times = scatter_image.zoom_png(plane, COLORS, "#1d2a2e", (0.0, 0.0), (0.1, 0.1))
    assert size_of(png) == (scatter_image.SIDE, scatter_image.SIDE)
    assert times == pytest.approx(manifold.scatter(plane).extent / 0.35)


def test_the_map_refuses_what_is_no_colour_and_no_extent(runs: Path) -> None:
    with pytest.raises(GenmodelsError, match="not a colour"):
        scatter_image.map_png(Plane(model="mnist_vae_2d"), ("teal-ish",), "#000000")
    with pytest.raises(GenmodelsError, match="extent"):
        scatter_image.map_png(Plane(model="mnist_vae_2d"), COLORS, "#000000", extent=0.0)


def test_denoisers_are_found_by_their_salt_and_meet_the_plain_model_of_their_size(runs: Path) -> None:
    found = denoise.denoisers()
    assert [info.name for info in found] == ["denoiser"]
    partner = denoise.baseline_of(found[0])
    assert partner is not None
    assert partner.name == "mnist_autoencoder"


def test_the_visitors_salt_is_on_what_both_models_see(runs: Path) -> None:
    none = denoise.denoise(("denoiser", "mnist_autoencoder"), Noise(index=3, amount=0.0))
    some = denoise.denoise(("denoiser", "mnist_autoencoder"), Noise(index=3, amount=0.3))
    assert none.noisy == none.clean
    assert none.noise_fraction == 0.0
    salted, clean = to_digit(some.noisy), to_digit(some.clean)
    assert torch.all((salted == clean) | (salted == 255))
    assert some.noise_fraction == pytest.approx(0.3, abs=0.08)
    assert all(a.png != b.png for a, b in zip(none.reconstructions, some.reconstructions, strict=True))
    x = to_float(torch.from_numpy(data.load(DataConfig(), "test").images[3:4]))
    noisy = salted / 127.5 - 1
    model = catalog.load("denoiser")
    assert some.reconstructions[0].nats == pytest.approx(encoding.nats(model.decode(model.encode(noisy)), x), rel=1e-3)
    by_hand = np.zeros((140, 140), np.uint8)
    by_hand[:70] = 255
    assert torch.all(to_digit(denoise.denoise(("denoiser",), Noise(amount=0.0), salt=by_hand).noisy)[:, :, :14] == 255)
    own = denoise.denoise(("denoiser",), Noise(amount=0.0), ink=drawn_seven())
    assert torch.equal(to_digit(own.clean), as_pixels(drawing.to_mnist(drawn_seven()).unsqueeze(0)))


def test_more_salt_covers_what_less_did(runs: Path) -> None:
    less, more = (to_digit(denoise.denoise(("denoiser",), Noise(amount=amount)).noisy) for amount in (0.2, 0.5))
    assert torch.all(more[less == 255] == 255)


# ------------------------------------------------------------------------------ the page


def test_without_a_model_the_page_says_what_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    app = open_page("manifold")
    assert "No model with a two-dimensional z yet" in app.info[0].value


@pytest.mark.parametrize("part", ["grid", "map", "draw", "beside", "denoise"])
def test_every_part_opens_from_its_address(runs: Path, part: str) -> None:
    app = open_page("manifold", part=part)
    assert not app.error
    assert app.segmented_control(key="manifold_part").value == part
    for kind in ("selectbox", "slider", "select_slider", "number_input", "button"):
        for element in getattr(app, kind):
            assert element.help, f"{kind} {element.key} explains nothing"


def test_the_address_names_model_and_part(runs: Path) -> None:
    app = open_page("manifold", model="mnist_autoencoder_2d", part="map")
    assert app.selectbox(key="manifold_model").value == "mnist_autoencoder_2d"
    app.segmented_control(key="manifold_part").set_value("draw").run()
    assert app.query_params["part"] == "draw"
    assert app.query_params["model"] == "mnist_autoencoder_2d"


def test_an_unknown_model_in_the_address_is_reported(runs: Path) -> None:
    app = open_page("manifold", model="gone")
    assert "gone" in app.warning[0].value
    assert app.selectbox(key="manifold_model").value == "mnist_vae_2d"


def test_a_step_is_chosen_and_a_damaged_one_reported(runs: Path) -> None:
    (runs / "mnist_vae_2d" / "step-000000" / "model.safetensors").write_bytes(b"not weights")
    app = open_page("manifold")
    assert not app.error
    app.select_slider(key="manifold_step").set_value(0).run()
    assert "damaged" in app.error[0].value
    app.select_slider(key="manifold_step").set_value(10).run()
    assert not app.error


def test_nothing_drawn_is_a_state_not_an_error(runs: Path) -> None:
    app = open_page("manifold", part="draw")
    assert not app.error
    assert "Nothing is drawn yet" in app.info[0].value


def with_upload(app: AppTest, raw: bytes, name: str = "digit.png") -> AppTest:
    app.file_uploader(key="manifold_upload").upload(name, raw, "image/png").run()
    assert not app.exception
    return app


def test_an_uploaded_digit_is_encoded(runs: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(255 - drawn_seven()).save(buffer, "PNG")
    app = with_upload(open_page("manifold", part="draw"), buffer.getvalue())
    assert not app.error
    assert "KL divergence" in " ".join(entry.value for entry in app.markdown)


@pytest.mark.parametrize("raw", [b"text renamed to .png", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_an_uploaded_file_that_is_no_picture_is_explained(runs: Path, raw: bytes) -> None:
    app = with_upload(open_page("manifold", part="draw"), raw)
    assert len(app.error) == 1


def test_an_uploaded_empty_page_is_explained(runs: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (50, 50), 255).save(buffer, "PNG")
    app = with_upload(open_page("manifold", part="draw"), buffer.getvalue())
    assert "nothing is drawn" in app.error[0].value


def test_a_kept_drawing_is_shown_again_and_a_forged_one_refused(runs: Path) -> None:
    app = open_page("manifold", part="draw")
    app.session_state["manifold_canvas_kept"] = {"ink": base64.b64encode(drawn_seven().tobytes()).decode()}
    app.run()
    assert "KL divergence" in " ".join(entry.value for entry in app.markdown)
    app.session_state["manifold_canvas_kept"] = {"ink": "A" * 999}
    app.run()
    assert "base64" in app.error[0].value


def test_denoising_answers_sliders_and_other_digits(runs: Path) -> None:
    app = open_page("manifold", part="denoise")
    assert not app.error
    assert "Held-out digits of 5,000 MNIST digits" in app.caption[0].value
    app.slider(key="manifold_amount").set_value(0.5).run()
    app.number_input(key="manifold_index").set_value(12).run()
    assert app.button(key="manifold_reseed").label == "New seed"
    app.button(key="manifold_reseed").click().run()
    app.segmented_control(key="manifold_source").set_value("canvas").run()
    assert not app.exception
    assert "Nothing is drawn yet" in app.info[0].value


def test_side_by_side_needs_two(runs: Path) -> None:
    app = open_page("manifold", part="beside")
    assert app.selectbox(key="manifold_left").value == "mnist_autoencoder_2d"
    assert app.selectbox(key="manifold_right").value == "mnist_vae_2d"
    text = " ".join(entry.value for entry in app.markdown)
    assert "**Gaps.**" in text
    assert "**No gaps.**" in text
    (foot,) = (entry.value for entry in app.caption)
    assert foot == t("common.gradio"), "the frame's last line"
    set_training_data(runs, "mnist_vae_2d", "mnist")
    missing, foot = (entry.value for entry in open_page("manifold", part="beside").caption)
    assert foot == t("common.gradio")
    assert "the training data of mnist_vae_2d is not on this machine" in visible(missing)


def test_a_run_deleted_meanwhile_is_named_once(runs: Path) -> None:
    app = open_page("manifold", model="mnist_autoencoder_2d")
    shutil.rmtree(runs / "mnist_autoencoder_2d")
    app.run()
    assert "called “mnist\\_autoencoder\\_2d”" in app.warning[0].value
    assert app.selectbox(key="manifold_model").value == "mnist_vae_2d"
    assert not app.run().warning


def test_the_mark_of_a_digit_can_be_seen_in_a_crowd_and_under_a_name(runs: Path) -> None:
    plane = Plane(model="mnist_vae_2d")
    place = next(iter(scatter_image.label_positions(manifold.scatter(plane), manifold.scatter(plane).extent).values()))
    for sigma in (None, (0.01, 0.02)):
        png = scatter_image.map_png(plane, COLORS, "#1d2a2e", z=place, sigma=sigma)
        marked = (np.asarray(Image.open(io.BytesIO(png)))[..., :3] == scatter_image.MARK).all(-1)
        rows, columns = np.nonzero(marked)
        assert marked.sum() > 300
        assert min(np.ptp(rows), np.ptp(columns)) >= 60, "a tenth of the map's side"


def test_names_on_the_map_do_not_overprint(runs: Path) -> None:
    dots = 100
    middles = np.repeat(np.array([0.0, 0.0, 0.01, 3.0]), dots)
    found = Scatter("key", middles, np.zeros(4 * dots), np.repeat(np.arange(4), dots), tuple("abcd"), "digits", 4.0)
    places = np.array(list(scatter_image.label_positions(found, found.extent).values()))
    apart = [np.hypot(*(places[a] - places[b])) for a in range(4) for b in range(a)]
    assert min(apart) >= 0.125 * found.extent
    assert places[3].tolist() == [3.0, 0.0], "a name that has room stays at the middle of its class"


def test_grid_and_map_side_by_side_have_one_range_and_ticks(runs: Path) -> None:
    plane = Plane(model="mnist_vae_2d")
    grid = np.asarray(Image.open(io.BytesIO(manifold.grid_png(plane, window=6.0))).convert("L")).astype(int)
    side = grid.shape[0] // manifold.GRID_SIDE
    middle = manifold.decode(Place(model="mnist_vae_2d", z=(0.0, 0.0)))
    centre = grid[7 * side : 8 * side, 7 * side : 8 * side]
    alone = np.asarray(Image.open(io.BytesIO(middle.png)).convert("L").resize((side, side), Image.Resampling.NEAREST))
    assert abs(centre - alone.astype(int)).mean() < 3
    dots = scatter_image.map_png(plane, COLORS, "#1d2a2e", extent=6.0)
    for png in (manifold.grid_png(plane, window=6.0), dots):
        before, after = (Image.open(io.BytesIO(raw)) for raw in (png, scatter_image.with_ticks(png, 6.0, "#1d2a2e")))
        band = after.width - before.width
        assert after.size == (before.width + band, before.height + band)
        edge = np.asarray(after)[before.height :, band:, 3] > 0
        ticks = np.flatnonzero(edge[2])
        marks = 1 + int((np.diff(ticks) > 5).sum())
        assert marks == 13, "each whole number from -6 to 6"
