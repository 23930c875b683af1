"""Conditional models: previews, points, the catalog and the command line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from genmodels import latent, service
from genmodels.__main__ import app
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.images import preview
from genmodels.model import Model
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.service import Point
from tests.conftest import digit_batch, small_model
from tests.support.runs import pixels, save_run

_SMALL = ("data.name=digits", "model.generator_sizes=[32]", "model.discriminator_sizes=[32]", "model.latent_dim=8")


def conditional(**settings: object) -> Model:
    return small_model("cgan", **settings).requires_grad_(False).eval()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    save_run(tmp_path, "asked", "mnist_cgan_embedding", *_SMALL)
    save_run(tmp_path, "vae", "mnist_vae_20", "data.name=digits")
    return tmp_path


def decoded(model: Model, seed: int, label: int) -> torch.Tensor:
    z = latent.z_of_seed(seed, 8)[None]
    images: torch.Tensor = model.decode(z, condition={"label": torch.tensor([label])})  # type: ignore[operator]
    return images[0]


# --------------------------------------------------------------------- the library


def test_an_empty_condition_is_none() -> None:
    model, x = conditional(), digit_batch(4)["image"]
    for condition in (None, {}):
        with pytest.raises(CapabilityError, match="needs the class of each image"):
            model.score(x, condition=condition)  # type: ignore[operator]
        drawn = model.sample(3, condition=condition, generator=torch.Generator().manual_seed(0))  # type: ignore[operator]
        again = model.sample(3, generator=torch.Generator().manual_seed(0))  # type: ignore[operator]
        assert torch.equal(drawn, again)


_METHODS = {
    "decode": lambda model, condition: model.decode(torch.zeros(3, 8), condition=condition),
    "sample": lambda model, condition: model.sample(3, condition=condition),
    "score": lambda model, condition: model.score(digit_batch(3)["image"], condition=condition),
}


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("label_as", ["embedding", "one_hot", "product"])
@pytest.mark.parametrize(
    ("condition", "error", "message"),
    [
        ({"label": torch.tensor([0, 10, 9])}, DataError, r"label = 10 is not allowed: .* 10 classes, 0 to 9; choose"),
        ({"label": torch.tensor([-1, 5, 12])}, DataError, r"label = -1, 12 is not allowed: .* 10 classes, 0 to 9"),
        (
            {"label": torch.tensor([1, 2])},
            DataError,
            r"label of shape \(2,\) is not allowed for a batch of 3: .*\(3,\)",
        ),
        ({"label": torch.tensor([1])}, DataError, r"label of shape \(1,\) .* classes 0 to 9, or, to blend, weights"),
        ({"label": torch.ones(3, 9)}, DataError, r"label of shape \(3, 9\) .* weights float \(3, 10\)"),
        ({"label": torch.ones(1, 10)}, DataError, r"label of shape \(1, 10\) .* weights float \(3, 10\)"),
        ({"label": torch.ones(3)}, DataError, r"label of shape \(3,\) .* weights float \(3, 10\)"),
        ({"label": torch.tensor([1, 2, 3], dtype=torch.int32)}, DataError, r"label of torch\.int32 .* label\.long\(\)"),
        ({"label": torch.tensor([True, False, True])}, DataError, r"label of torch\.bool .* give int64 \(3,\)"),
        ({"digit": torch.tensor([1, 2, 3])}, CapabilityError, r"condition has 'digit', .*=\{'label': \.\.\.\}, 0 to 9"),
    ],
)
def test_a_wrong_condition_is_refused(
    method: str, label_as: str, condition: dict[str, torch.Tensor], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        _METHODS[method](conditional(label_as=label_as), condition)


def test_samples_go_through_the_classes_seed_by_seed() -> None:
    model = conditional()
    drawn = preview.samples_of_seeds(model, range(5, 30))
    assert drawn is not None
    assert len(drawn) == 25
    for index, (seed, label) in {0: (5, 0), 9: (5, 9), 10: (6, 0), 24: (7, 4)}.items():
        torch.testing.assert_close(drawn[index], decoded(model, seed, label))
    few = preview.samples_of_seeds(model, range(4), [7, 2])
    assert few is not None
    torch.testing.assert_close(few[3], decoded(model, 1, 2))


@pytest.mark.parametrize(("classes", "shape"), [(10, (10, 6)), (2, (8, 8)), (3, (6, 10)), (12, (12, 5)), (40, (8, 8))])
def test_a_preview_has_full_rows_with_a_class_a_column(classes: int, shape: tuple[int, int]) -> None:
    batch = digit_batch(64)
    image = preview.image_preview(conditional(num_classes=classes), batch["image"], batch["label"])
    assert image is not None
    scale = max(1, round(500 / (shape[0] * 30)))
    assert image.size == tuple((2 + 30 * count) * scale for count in shape)
    last = image.crop((image.width - 30 * scale, image.height - 30 * scale, image.width - 2 * scale, image.height))
    assert last.getextrema() != (128, 128), "the last cell is an image, not an empty frame"


def test_an_unconditional_model_takes_no_class() -> None:
    model = small_model("gan").requires_grad_(False).eval()
    drawn = preview.samples_of_seeds(model, range(3))
    assert drawn is not None
    torch.testing.assert_close(drawn, model.decode(latent.z_of_seeds(range(3), 8)))  # type: ignore[operator]
    with pytest.raises(CapabilityError, match="is unconditional"):
        preview.samples_of_seeds(model, range(3), [0])


@pytest.mark.parametrize("wrong", [-1, 10])
def test_a_class_the_model_does_not_have_is_refused(wrong: int) -> None:
    with pytest.raises(ConfigError, match=rf"label = {wrong} is not allowed: .* has 10 classes, 0 to 9"):
        preview.samples_of_seeds(conditional(), range(3), [0, wrong])


@pytest.mark.parametrize("label_as", ["embedding", "one_hot", "product"])
def test_principal_directions_are_those_of_z_not_of_the_class(label_as: str) -> None:
    model = conditional(label_as=label_as)
    directions = latent.principal_directions(model, count=8)
    assert directions.shape == (8, 8)
    weight = model.generator.body[0].weight[:, :8]  # type: ignore[index, union-attr]
    gain = (weight @ directions.T).norm(dim=0).tolist()  # type: ignore[operator]
    assert gain == sorted(gain, reverse=True)


def test_the_catalog_knows_conditions_without_weights(runs: Path) -> None:
    found = {info.name: info for info in catalog.list_checkpoints() if not info.published}
    assert found["asked"].conditions == {"label": 10}
    assert found["asked"].classes == tuple("0123456789")
    assert found["vae"].conditions == {}
    for step in RunFolder(runs / "asked").steps():
        (RunFolder(runs / "asked").step_path(step) / "model.safetensors").unlink()
    assert catalog.describe(runs / "asked").conditions == {"label": 10}


# --------------------------------------------------------------------- the service


def test_a_point_asks_for_its_class_and_for_the_first_if_it_names_none(runs: Path) -> None:
    drawn = [pixels(service.render(Point(model="asked", seed=3, label=label)).png) for label in (None, 0, 7)]
    assert drawn[0] == drawn[1] != drawn[2]
    expected = decoded(catalog.load("asked"), 3, 7).add(1).mul(127.5).round().to(torch.uint8)
    assert drawn[2] == bytes(expected.flatten().tolist())
    with pytest.raises(ConfigError, match="label = 10 is not allowed"):
        service.render(Point(model="asked", label=10))
    with pytest.raises(CapabilityError, match="is unconditional"):
        service.render(Point(model="vae", label=0))


def test_a_walk_blends_the_classes_of_its_points(runs: Path) -> None:
    ends = [Point(model="asked", seed=4, label=label) for label in (1, 8)]
    gif = Image.open(io.BytesIO(service.walk_gif(ends, frames=2, side=28)))
    frames = []
    for index in range(4):
        gif.seek(index)
        frames.append(gif.convert("L").tobytes())
    assert [frames[0], frames[2]] == [pixels(service.render(point).png) for point in ends]
    assert frames[1] not in (frames[0], frames[2]), "the same z half-way between two classes"


def test_a_thumbnail_keeps_its_shape_and_shows_every_class(runs: Path) -> None:
    sizes = []
    for name in ("asked", "vae"):
        drawn = service.thumbnail(name)
        assert drawn is not None
        sizes.append(Image.open(io.BytesIO(drawn)).size)
    assert sizes[0][0] / sizes[0][1] == pytest.approx(sizes[1][0] / sizes[1][1], rel=0.05)
    assert drawn != service.thumbnail("asked")


# --------------------------------------------------------------------- the command line


def sampled(out: Path, *arguments: str) -> Image.Image:
    result = CliRunner().invoke(app, ["sample", *arguments, "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return Image.open(out)


def test_the_command_line_asks_for_classes(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "drawn.png"
    two = sampled(out, "asked", "-n", "4", "--label", "7", "--label", "2", "--seed", "3")
    assert two.width == two.height
    tile = two.resize((62, 62), Image.Resampling.NEAREST).crop((32, 32, 60, 60))
    expected = decoded(catalog.load("asked"), 4, 2).add(1).mul(127.5).round().to(torch.uint8)
    assert tile.tobytes() == bytes(expected.flatten().tolist())
    every = sampled(out, "asked", "-n", "20")
    assert every.width > 4 * every.height
    rows = sampled(out, "asked")
    assert rows.width / rows.height == pytest.approx(10 / 6, rel=0.05), "full rows if no number is given"
    sums = [sampled(out, "asked", "--z", "s1 - s2", *more).tobytes() for more in ((), ("--label", "3"))]
    assert sums[0] != sums[1]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("asked", "--label", "ten"), ConfigError, "'ten' is not a class of asked; its classes: 0, 1, 2"),
        (("asked", "--label", "10"), ConfigError, "0 to 9"),
        (("asked", "--label", "-1"), ConfigError, "'-1' is not a class"),
        (("vae", "--label", "1"), CapabilityError, "is unconditional"),
    ],
)
def test_a_wrong_label_is_explained(
    runs: Path, tmp_path: Path, arguments: tuple[str, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        sampled(tmp_path / "drawn.png", *arguments)
    assert not (tmp_path / "drawn.png").exists()
