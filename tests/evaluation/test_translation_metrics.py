"""Metrics of translations: the choice of the classifier, and its fractions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels import data, evaluation, recipes
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.evaluation import translation_metrics
from genmodels.layers import augment
from genmodels.runs import catalog
from tests.conftest import small_model
from tests.support.runs import save_run
from tests.support.translation import publish_brightness_judge


class _Negative(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints"


def test_fractions_count_the_target_domain(published: Path) -> None:
    publish_brightness_judge(published)
    model: Any = small_model("cyclegan")
    model.generator_ab, model.generator_ba = _Negative(), torch.nn.Identity()
    spec = recipes.resolve(recipes.family("cyclegan"))
    figures = evaluation.evaluate(model, spec)
    arrays = data.load(DataConfig(name="digits2inverted"), "test")
    bright = arrays.images.mean((1, 2, 3)) > 127.5
    assert figures["domains/a_as_b"] == pytest.approx((~bright)[arrays.labels == 0].mean()), "inverted dark ones"
    assert figures["domains/b_as_a"] == pytest.approx((~bright)[arrays.labels == 1].mean()), "left as they were"
    assert figures["domains/b_as_a"] < 0.01 < 0.99 < figures["domains/a_as_b"]
    known = (~bright)[arrays.labels == 0].mean(), bright[arrays.labels == 1].mean()
    assert (figures["domains/judge_a"], figures["domains/judge_b"]) == pytest.approx(known)
    assert figures["domains/judge"] == pytest.approx(sum(known) / 2)
    assert figures == evaluation.brief(model, spec), "fast enough to follow during a training"


def test_the_classifier_is_a_published_one_of_the_same_data(published: Path, tmp_path: Path) -> None:
    spec = recipes.resolve(recipes.family("cyclegan")).data_spec
    assert translation_metrics.classifier_of(spec) is None
    save_run(published, "digits_judge", "mnist_mlp_baseline", "data.name=digits", "model.hidden_sizes=[1]")
    save_run(published, "tiny", "mnist_mlp_baseline", "data.name=digits2inverted", "model.hidden_sizes=[1]")
    assert translation_metrics.classifier_of(spec) is None, "of other data, and without the suffix"
    publish_brightness_judge(published)
    info = translation_metrics.classifier_of(spec)
    assert info is not None
    assert info.name == "tiny_judge"
    assert translation_metrics.classifier_of(data.get_spec(DataConfig(name="digits"))) is None, (
        "nobody translates these"
    )


def test_the_classifier_gets_images_of_its_own_size(published: Path) -> None:
    publish_brightness_judge(published)
    judge = catalog.load("tiny_judge")
    x = torch.full((2, 3, 90, 40), 0.2)
    x[1] = -0.2
    sure = translation_metrics.probability_of_b(judge, x)
    torch.testing.assert_close(sure, torch.sigmoid(torch.tensor([2.0, -2.0])), atol=0.02, rtol=0)


def test_the_published_classifier_does_not_need_colours() -> None:
    """On greyscale versions of its card's test photographs, nearly all predictions stay the same."""
    path = catalog.find("horse2zebra_judge")
    info = catalog.describe(path, published=True)
    assert (info.classes, info.data) == (("horse", "zebra"), "Horses and zebras")
    assert info.metrics["accuracy"] >= 0.93
    assert "non-commercial" in info.licence
    judge = catalog.load("horse2zebra_judge")
    sheet = to_float(torch.from_numpy(np.array(Image.open(path / "preview.png").convert("RGB"))).permute(2, 0, 1))
    tiles = (
        sheet[:, : 72 * 8, : 72 * 8].unfold(1, 72, 72).unfold(2, 72, 72).permute(1, 2, 0, 3, 4).reshape(64, 3, 72, 72)
    )
    tiles = tiles[:, :, 5:67, 5:67]  # without frames
    grey = tiles.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    with torch.inference_mode():
        coloured, plain = (translation_metrics.probability_of_b(judge, x) > 0.5 for x in (tiles, grey))
    assert 20 < int(coloured.sum()) < 50, "both domains are on the card"
    assert float((coloured == plain).float().mean()) > 0.85


def test_colour_jitter_stays_in_its_range() -> None:
    x = to_float(torch.from_numpy(data.load(DataConfig(), "test", 4).images)).expand(-1, 3, -1, -1)
    generator = torch.Generator().manual_seed(0)
    torch.testing.assert_close(augment.colour(x, generator, strength=0.0), x)
    near = (augment.colour(x, torch.Generator().manual_seed(1), strength=0.1) - x).abs().mean()
    far = (augment.colour(x, torch.Generator().manual_seed(1)) - x).abs().mean()
    assert 0 < float(near) < 0.3 * float(far)


def test_darknet_scales_and_recolours_only_during_training() -> None:
    model: Any = small_model("darknet", zoom=1.5, colour=1.0, flip=False, shift=0)
    x = torch.linspace(-1, 1, 28).expand(6, 1, 28, 28).contiguous()
    torch.manual_seed(0)
    varied = model._augment(x)
    assert varied.shape == x.shape
    means = varied.mean((1, 2, 3))
    assert float(means.std()) > 0.02, "the brightness of each image differs"
    plain: Any = small_model("darknet", flip=False, shift=0)
    assert plain._augment(x) is x
    torch.testing.assert_close(model.eval().classify(x), model.classify(x))
