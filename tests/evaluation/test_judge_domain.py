"""Images outside the reference classifier's domain are recognised; real digits and good samples are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.errors import CheckpointError
from genmodels.evaluation import judge_domain, reference_classifier
from genmodels.images import drawing
from genmodels.runs import catalog
from genmodels.service.inference import predictions_of

_DIGITS = DataConfig(name="digits")


def rate(images: Tensor) -> float:
    return float(judge_domain.outside(reference_classifier.features(images)).float().mean())


def noise(kind: str, count: int = 100) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    if kind == "uniform":
        return torch.rand(count, 1, 28, 28, generator=generator) * 2 - 1
    return (torch.randn(count, 1, 28, 28, generator=generator) * (0.1 if kind == "weak" else 1.0)).clamp(-1, 1)


def test_distances_and_the_limit_are_those_of_a_known_gaussian():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(4_000) % 2
    features = torch.randn(4_000, 3, generator=generator) * torch.tensor([1.0, 2.0, 0.5])
    features[:, 0] += 20.0 * labels
    domain = judge_domain.fit(features, labels, features)
    point = torch.tensor([[20.0 + 3.0, 0.0, 0.0], [0.0, 8.0, 0.0]])
    assert domain.distances(point).tolist() == pytest.approx([9.0, 16.0], rel=0.12)
    assert domain.limit == pytest.approx(11.34, rel=0.1)  # the 99 % quantile of chi-squared with 3 degrees of freedom
    assert domain.outside(point).tolist() == [False, True]


@pytest.mark.parametrize("kind", ["uniform", "gaussian", "weak"])
def test_noise_is_outside_though_the_classifier_is_certain(kind):
    images = noise(kind)
    assert rate(images) == 1.0
    assert reference_classifier.probabilities(images).max(1).values.mean() > 0.99
    assert all(prediction.outside for prediction in predictions_of(images[:3]))


@pytest.mark.parametrize("name", ["mnist_gan", "mnist_vae_20"])
def test_samples_of_step_0_are_outside_and_those_of_the_last_step_are_not(name):
    def samples(step: int | None) -> Tensor:
        return catalog.load(name, step).sample(100, generator=torch.Generator().manual_seed(1)).float()

    assert rate(samples(0)) == 1.0
    assert rate(samples(None)) <= 0.1


def test_real_digits_are_inside():
    test = data.load(DataConfig(name="digits"), "test")
    images = to_float(torch.from_numpy(test.images.copy()))
    assert rate(images) == pytest.approx(judge_domain.FALSE_ALARMS, abs=0.004)
    ink = drawing.from_strokes([[(0.3, 0.2), (0.7, 0.2), (0.45, 0.85)]], 20)
    assert rate(drawing.to_mnist(ink).unsqueeze(0)) == 0.0


def test_the_stored_domain_is_that_of_the_published_weights(tmp_path: Path):
    stored, fitted = judge_domain.load(judge_domain.stored_path()), judge_domain.of_digits()
    torch.testing.assert_close(stored.means, fitted.means, atol=1e-3, rtol=1e-3)
    assert stored.limit == pytest.approx(fitted.limit, rel=1e-3)
    images = torch.cat(
        [noise("uniform", 20), to_float(torch.from_numpy(data.load(_DIGITS, "test").images[:200].copy()))]
    )
    features = reference_classifier.features(images)
    torch.testing.assert_close(stored.distances(features), fitted.distances(features), rtol=1e-2, atol=1e-2)
    damaged = tmp_path / "domain.safetensors"
    damaged.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="Delete it"):
        judge_domain.load(damaged)
