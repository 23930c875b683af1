"""Images of any size through a translation model: tiles without seams, any size, and image files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from genmodels import __main__ as command_line
from genmodels import registry
from genmodels.capabilities import SupportsTranslation
from genmodels.data.formats import image_files
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.images import full_size, tiled, tiling
from genmodels.images.tiled import translate_image
from genmodels.layers.instance_norm import EPS, InstanceNorm, frozen_copy
from genmodels.model import Model
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder, runs_root
from tests.conftest import small_spec
from tests.support.picture_files import BLUE, RED, claimed_png, encoded, plain

SMALL = {
    "resnet": {"resnet_channels": 4, "residual_blocks": 2},
    "nearest": {"resnet_channels": 4, "residual_blocks": 1, "upsample": "nearest"},
    "unet": {"generator": "unet", "unet_channels": [4, 8, 8]},
}


def model_of(kind: str = "resnet", channels: int = 3) -> Model:
    torch.manual_seed(0)
    # PyTorch's initialisation: with the paper's, an untrained network outputs a uniform grey.
    model = registry.get("cyclegan").build(
        image_shape=(channels, 32, 32), init_std=None, discriminator_channels=[4], **SMALL[kind]
    )
    return model.eval().requires_grad_(False)


def photo(height: int, width: int) -> np.ndarray:
    """An image with gradients, edges and noise, and different colours on its left and right."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    channels = [128 + 100 * np.sin(x / 40), 255 * x / width, 60 + 120 * ((x // 50 + y // 50) % 2)]
    return (np.stack(channels, 2) + rng.normal(0, 8, (height, width, 3))).clip(0, 255).astype(np.uint8)


def masked(bias: float, channels: int = 3) -> Any:
    """A model whose mask has the same value everywhere; `bias` is before tanh."""
    torch.manual_seed(0)
    model: Any = registry.get("cyclegan").build(
        image_shape=(channels, 32, 32), init_std=None, discriminator_channels=[4], attention=True, **SMALL["resnet"]
    )
    for network in (model.generator_ab, model.generator_ba):
        network[-2].bias.data[-1] = bias
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("options", "parts"), [({"max_side": 40}, 1), ({"tile": 288}, 5), ({}, 1), ({"precision": "bf16"}, 1)]
)
def test_a_closed_mask_returns_every_pixel(options: dict[str, Any], parts: int) -> None:
    """Downsampled, in tiles, and in one pass."""
    image, calls = photo(400, 310), list[int]()
    options = {"precision": "fp32", **options}
    unchanged = translate_image(
        masked(-20.0), image, "a_to_b", on_progress=lambda _, total: calls.append(total), **options
    )
    # bfloat16 has eight bits: half a step of rounding
    assert np.abs(unchanged.astype(int) - image).max() <= (1 if options["precision"] == "bf16" else 0)
    assert calls[0] >= parts
    changed = translate_image(masked(0.0), image, "a_to_b", **options)
    assert np.abs(changed.astype(int) - image).mean() > 10


def test_a_downsampled_change_is_added_to_the_full_image() -> None:
    """By hand: the change of the downsampled image, upsampled and added, so that the detail stays."""
    image, model = photo(96, 160), masked(0.0)
    small = np.asarray(Image.fromarray(image).resize((40, 24), Image.Resampling.LANCZOS))
    translated = translate_image(model, small, "b_to_a", precision="fp32")
    change = translated.astype(np.float32) - small
    expected = image.astype(np.float32)
    for channel in range(3):
        expected[..., channel] += Image.fromarray(change[..., channel]).resize((160, 96), Image.Resampling.BICUBIC)
    result = translate_image(model, image, "b_to_a", max_side=40, precision="fp32")
    assert np.array_equal(result, expected.round().clip(0, 255))


@pytest.mark.parametrize("kind", ["no mask", "grey"])
def test_other_translations_are_upsampled(kind: str) -> None:
    """A model without a mask, and a grey one, whose background has no colours to keep."""
    image = photo(96, 160)
    small = np.asarray(Image.fromarray(image).resize((40, 24), Image.Resampling.LANCZOS))
    model = model_of() if kind == "no mask" else masked(0.0, channels=1)
    result = translate_image(model, image, "b_to_a", max_side=40, precision="fp32")
    translated = translate_image(model, small, "b_to_a", precision="fp32")
    assert np.array_equal(result, full_size.resized(translated, 160, 96))


def test_instance_norm_and_its_gradient_equal_pytorchs_in_both_layouts() -> None:
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(3, 5, 9, 7).mul(3).add(1).to(memory_format=layout).requires_grad_(True)
        other = x.detach().clone().requires_grad_(True)
        weight = torch.randn(3, 5, 9, 7)
        (InstanceNorm()(x) * weight).sum().backward()
        expected = F.instance_norm(other, eps=EPS)
        (expected * weight).sum().backward()
        torch.testing.assert_close(InstanceNorm()(x), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(x.grad, other.grad, atol=1e-5, rtol=1e-4)
    assert torch.autograd.gradcheck(InstanceNorm(), (torch.randn(2, 3, 4, 5, dtype=torch.double, requires_grad=True),))
    assert float(InstanceNorm()(torch.ones(1, 2, 1, 1)).abs().max()) == 0, "a single value is its own mean"


def test_instance_norms_gradient_in_bf16_equals_float64_up_to_rounding() -> None:
    """Also if the mean is ten times the standard deviation, and the gradient has a mean."""
    torch.manual_seed(0)
    for offset in (0.0, 10.0):
        x = (torch.randn(2, 5, 24, 20) + offset).bfloat16().contiguous(memory_format=torch.channels_last)
        weight = (torch.randn(2, 5, 24, 20) + 0.5).bfloat16()
        exact, rounded = x.double().requires_grad_(True), x.clone().requires_grad_(True)
        (F.instance_norm(exact, eps=EPS) * weight.double()).sum().backward()
        (InstanceNorm()(rounded) * weight).sum().backward()
        assert rounded.grad is not None
        assert rounded.grad.is_contiguous(memory_format=torch.channels_last)
        assert exact.grad is not None
        error = (rounded.grad.double() - exact.grad).abs().mean() / exact.grad.abs().mean()
        assert float(error) < 0.01
        assert float(exact.grad.abs().mean()) > 0.1


def test_a_frozen_copy_keeps_the_first_images_statistics_and_shares_the_weights() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), InstanceNorm())
    first, second = torch.randn(1, 3, 8, 8), 5 * torch.randn(1, 3, 8, 8) + 2
    frozen = frozen_copy(network)
    torch.testing.assert_close(frozen(first), network(first), atol=1e-5, rtol=1e-4)
    inner = network[0](first)
    mean, variance = inner.mean((2, 3), keepdim=True), inner.var((2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(frozen(second), (network[0](second) - mean) / (variance + EPS).sqrt())
    assert frozen[0].weight is network[0].weight
    assert isinstance(network[1], InstanceNorm)


@pytest.mark.parametrize("kind", SMALL)
def test_tiles_equal_one_pass_with_the_same_statistics(kind: str) -> None:
    """The overlap is larger than the receptive-field radius of these networks, so only rounding differs."""
    model, image = model_of(kind), photo(345, 390)
    result = translate_image(model, image, "a_to_b", tile=320, precision="fp32")
    height, width = (tiling.round_up(side, model.multiple) for side in image.shape[:2])  # type: ignore[arg-type]
    padded = np.pad(image, ((0, height - 345), (0, width - 390), (0, 0)), mode="reflect")
    with torch.inference_mode():
        frozen = frozen_copy(tiled._inference_copy(model, "fp32"))
        tiled._run(frozen, tiled._downsampled(padded, 320, model.multiple), "a_to_b")  # type: ignore[arg-type]
        whole = tiled.to_uint8(tiled._run(frozen, padded, "a_to_b"))[0, :, :345, :390].permute(1, 2, 0)
    assert whole.float().std() > 10, "a uniform image would have no visible seams"
    assert np.abs(result.astype(int) - whole.numpy()).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "radius"),
    [
        ({"resnet_channels": 2, "residual_blocks": 9, "upsample": "nearest"}, 87),
        ({"resnet_channels": 2, "residual_blocks": 2, "upsample": "transposed"}, 31),
        ({"generator": "unet", "unet_channels": [2] * 3}, 28),
        ({"generator": "unet", "unet_channels": [2] * 5}, 124),
    ],
    ids=["resnet 9", "resnet 2", "unet 3", "unet 5"],
)
def test_the_receptive_field_radius_is_exact_within_a_tenth(settings: dict[str, Any], radius: int) -> None:
    model = registry.get("cyclegan").build(image_shape=(3, 32, 32), discriminator_channels=[4], **settings).eval()
    assert isinstance(model, SupportsTranslation)
    assert model.receptive_radius == radius
    with torch.no_grad():
        for parameter in model.parameters():  # means: every path counts, and no activation is negative
            parameter.fill_(1 / parameter[0].numel() if parameter.dim() > 1 else 0)
    middle = tiling.round_up(radius, model.multiple)
    side = 2 * middle + model.multiple
    network: torch.nn.Module = model.generator_ab.double()  # type: ignore[operator, union-attr, assignment]
    for part in [*network.modules()]:
        for name, child in part.named_children():
            if isinstance(child, InstanceNorm | torch.nn.ReLU | torch.nn.LeakyReLU):
                setattr(part, name, torch.nn.Identity())
    x = torch.full((1, 3, side, side), 1e-6, dtype=torch.double, requires_grad=True)  # where tanh is not saturated
    furthest = 0
    for at in range(middle, middle + model.multiple):  # the radius depends on the phase of the strided layers
        (gradient,) = torch.autograd.grad(network(x)[0, :, at, at].sum(), x)
        used = torch.nonzero(gradient[0].abs().sum((0, 1))).flatten()
        furthest = max(furthest, at - int(used.min()), int(used.max()) - at)
    assert 0.9 * radius <= furthest <= radius


def test_a_network_with_a_large_receptive_field_gets_one_downsampled_image() -> None:
    """Six downsampling layers: tiles of 320 pixels would be half wrong."""
    torch.manual_seed(0)
    model = registry.get("cyclegan").build(
        image_shape=(3, 64, 64), init_std=None, discriminator_channels=[4], generator="unet", unet_channels=[4] * 6
    )
    assert tiled._core_and_overlap(model, 512) is None
    assert tiled._core_and_overlap(model, tiled.TILE) == (256, 256)
    image, calls = photo(400, 700), list[tuple[int, int]]()
    assert tiled.working_size(model, 300, 300, 320) == (300, 300), "one pass"
    width, height = tiled.working_size(model, 700, 400, 320)
    assert (width / height, 0.5 * 320**2 < width * height <= 320**2) == (pytest.approx(7 / 4, rel=0.02), True)
    done = translate_image(model, image, "a_to_b", tile=320, precision="fp32", on_progress=lambda *at: calls.append(at))
    assert (done.shape, calls) == (image.shape, [(1, 1)])
    small = translate_image(model, full_size.resized(image, width, height), "a_to_b", precision="fp32")
    assert np.array_equal(done, full_size.resized(small, 700, 400))


@pytest.mark.parametrize(
    ("height", "width", "multiple"),
    [(181_024, 32, 32), (32, 16_000, 4), (1000, 900, 256), (4000, 300, 4), (513, 513, 4)],
)
def test_the_downsampled_copy_is_never_larger_than_a_tile(height: int, width: int, multiple: int) -> None:
    small = tiled._downsampled(np.zeros((height, width, 1), np.uint8), 512, multiple)
    assert small.shape[0] * small.shape[1] <= 512**2
    assert small.shape[0] % multiple == small.shape[1] % multiple == 0
    assert small.shape[0] * small.shape[1] > 0.5 * 512**2


def test_no_step_at_the_borders_of_tiles() -> None:
    """For comparison: tiles normalised separately, whose steps the same measure detects."""
    model = model_of()
    for parameter in model.parameters():
        parameter.abs_()  # means instead of differences: untrained differences turn a smooth image into noise
    y, x = np.mgrid[:300, :580]
    image = np.stack([255 * x / 580, 200 - 150 * x / 580 + 30 * np.sin(y / 30), 100 + 60 * np.sin(x / 60)], 2)
    image = image.astype(np.uint8)
    cores = list(tiling.cores(580, 128, 4))
    borders = [start for start, _ in cores[1:]]
    result = translate_image(model, image, "a_to_b", tile=320, precision="fp32").astype(float)
    separate = np.concatenate(
        [translate_image(model, image[:, start:end], "a_to_b", precision="fp32") for start, end in cores], 1
    ).astype(float)

    def excess(pixels: np.ndarray) -> float:
        """The largest step of a column at a border, relative to the 95th percentile of all columns."""
        steps = np.abs(np.diff(pixels, axis=1).mean(0)).mean(1)
        return float(max(steps[border - 1] for border in borders) / np.quantile(steps, 0.95))

    assert result.std() > 10
    assert excess(result) < 1 < 5 < excess(separate)


@pytest.mark.parametrize("kind", ["resnet", "unet"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 33), (20, 3000), (3000, 20), (2, 5), (64, 64)])
def test_the_result_has_the_size_of_the_image(kind: str, height: int, width: int) -> None:
    image = photo(height, width)
    done = translate_image(model_of(kind), image, "b_to_a", precision="fp32")
    assert (done.shape, done.dtype) == (image.shape, np.uint8)


def test_an_image_that_fits_is_translated_in_one_exact_pass() -> None:
    model, image = model_of(), photo(64, 96)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float().mul(2 / 255).sub(1)
    expected = model.translate(x, "a_to_b").add(1).mul(127.5).round().clamp(0, 255)  # type: ignore[operator]
    done = translate_image(model, image, "a_to_b", precision="fp32")
    assert np.abs(done.astype(int) - expected[0].permute(1, 2, 0).numpy()).max() <= 1
    half = translate_image(model, image, "a_to_b", precision="bf16")
    assert np.abs(done.astype(int) - half).mean() < 3
    calls: list[tuple[int, int]] = []
    translate_image(model, photo(200, 1200), "a_to_b", tile=320, on_progress=lambda *at: calls.append(at))
    assert calls == [(step, calls[-1][1]) for step in range(1, calls[-1][1] + 1)]
    assert len(calls) > 3


def test_transparent_pixels_count_as_white_and_stay_transparent() -> None:
    model = model_of()
    opaque = np.full((40, 40, 4), 255, np.uint8)
    clear = np.dstack([photo(40, 40), np.zeros((40, 40), np.uint8)])
    assert np.array_equal(
        translate_image(model, clear, "a_to_b", precision="fp32")[:, :, :3],
        translate_image(model, opaque, "a_to_b", precision="fp32")[:, :, :3],
    )
    assert translate_image(model, clear, "a_to_b")[:, :, 3].max() == 0


def test_a_grey_model_accepts_colour_and_max_side_keeps_the_size() -> None:
    done = translate_image(model_of(channels=1), photo(50, 41), "a_to_b")
    assert done.shape == (50, 41, 3)
    assert np.array_equal(done[:, :, 0], done[:, :, 2])
    result = translate_image(model_of(), photo(600, 300), "a_to_b", max_side=60)
    assert result.shape == (600, 300, 3)


def test_what_cannot_be_translated_is_refused() -> None:
    classifier = registry.get("mlp_classifier").build(image_shape=(1, 28, 28), num_classes=10, hidden_sizes=[4])
    with pytest.raises(CapabilityError, match="cannot translate"):
        translate_image(classifier, photo(8, 8), "a_to_b")
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(DataError, match="uint8 of"):
            translate_image(model_of(), wrong, "a_to_b")
    with pytest.raises(DataError, match="would be padded to 11500 x 11500, more than 128,000,000 pixels"):
        translate_image(model_of(), np.zeros((11_500, 11_498, 3), np.uint8), "a_to_b")
    with pytest.raises(DataError, match=r"4,000,000 x 4 pixels are too narrow: .* 500 times .* cut it"):
        translate_image(model_of(), np.zeros((4, 4_000_000, 3), np.uint8), "a_to_b")
    with pytest.raises(DataError, match="1 x 16,001 pixels are too narrow"):
        tiled.check_shape(1, 16_001)
    tiled.check_shape(16_000, 1)
    with pytest.raises(ConfigError, match="max_side = 0"):
        translate_image(model_of(), photo(8, 8), "a_to_b", max_side=0)


# ------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        (plain(RED), "PNG", RED),
        (plain(RED).quantize(4), "PNG", RED),
        (plain((120,), mode="L"), "PNG", (120, 120, 120)),
        (Image.fromarray(np.full((12, 20), 40_000, np.uint16)), "PNG", (156, 156, 156)),
        (plain((0, 0, 0, 128), mode="CMYK"), "JPEG", (127, 127, 127)),
        (plain((9, 8, 7, 255), mode="RGBA"), "PNG", (9, 8, 7)),
        (plain((9, 8, 7, 100), mode="RGBA"), "PNG", (9, 8, 7, 100)),
    ],
    ids=["colour", "palette", "grey", "16 bit", "CMYK", "opaque", "transparent"],
)
def test_an_image_file_of_each_mode_is_decoded(image: Image.Image, kind: str, expected: tuple[int, ...]) -> None:
    pixels = image_files.decode_whole(encoded(image, kind))
    assert pixels.shape == (12, 20, len(expected))
    assert np.abs(pixels.astype(int) - np.array(expected)).max() <= 2


def test_the_exif_orientation_is_applied_and_an_animation_gives_its_first_frame() -> None:
    upright = plain(RED, (16, 32))
    upright.paste(BLUE, (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    rotated = image_files.decode_whole(encoded(upright, "JPEG", quality=95, exif=exif))
    assert rotated.shape == (16, 32, 3)
    assert rotated[:, 20:, 2].min() > 150 > rotated[:, :12, 2].max(), "the blue top is now at the right"
    frames = encoded(plain(RED), "GIF", save_all=True, append_images=[plain(BLUE)])
    assert image_files.decode_whole(frames)[..., 0].min() > 200


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"this is text", "not a PNG"),
        (encoded(Image.effect_noise((64, 64), 50), "JPEG")[:900], "damaged"),
        (claimed_png(13_000, 13_000), "more than 64,000,000 pixels"),
        (bytes(image_files.MAX_FILE_BYTES + 1), "larger than 64 MB"),
    ],
    ids=["renamed", "truncated", "bomb", "large"],
)
def test_an_invalid_file_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        image_files.decode_whole(raw)


def test_the_command_line_translates_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = small_spec("cyclegan", "train.max_steps=1", "train.batch_size=2")
    folder = RunFolder.create(runs_root() / "tiny", spec)
    checkpoint.save(folder, 1, checkpoint.build(spec.model_dump()))
    (tmp_path / "in.jpg").write_bytes(encoded(plain(RED, (31, 45)), "JPEG"))
    (tmp_path / "text.png").write_text("no image")
    out = tmp_path / "out.png"

    def run(*words: str) -> int:
        monkeypatch.setattr("sys.argv", ["genmodels", "translate", "tiny", *words])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        return int(ended.value.code or 0)

    assert run(str(tmp_path / "in.jpg"), str(out), "--direction", "ba") == 0
    assert Image.open(out).size == (31, 45)
    assert run(str(tmp_path / "in.jpg"), str(out), "--direction", "left") == 2
    assert "ab, from domain A to domain B" in capsys.readouterr().err
    assert run(str(tmp_path / "in.jpg"), str(out), "--max-side", "20") == 0
    assert Image.open(out).size == (31, 45)
    assert "processed at 14 x 20 pixels and upsampled" in capsys.readouterr().err
    assert run(str(tmp_path / "in.jpg"), str(tmp_path / "out.tiff")) == 2
    assert run(str(tmp_path / "none.jpg"), str(out)) == 1
    assert run(str(tmp_path / "text.png"), str(out)) == 1
    assert "text.png' cannot be used: not a PNG" in capsys.readouterr().err


def test_the_command_line_shows_random_test_images_with_their_translations(tmp_path: Path) -> None:
    spec = small_spec("cyclegan", "train.max_steps=1", "train.batch_size=2")
    folder = RunFolder.create(runs_root() / "tiny", spec)
    checkpoint.save(folder, 1, checkpoint.build(spec.model_dump()))
    _, height, width = spec.data_spec.image_shape or (0, 0, 0)
    first, again, other = (tmp_path / f"{name}.png" for name in ("first", "again", "other"))
    command_line.images.translations("tiny", first, count=5)
    command_line.images.translations("tiny", again, count=5)
    command_line.images.translations("tiny", other, count=5, seed=1)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()
    with Image.open(first) as image:
        assert image.size == (8 * (width + 2) + 2, 2 * (height + 2) + 2), "four images and their translations per row"
    with pytest.raises(CapabilityError, match="does not translate images"):
        command_line.images.translations("mnist_vae_2d", first)
