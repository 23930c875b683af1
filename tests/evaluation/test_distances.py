"""Distances between feature distributions, against scipy and Gaussians with known distances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from genmodels.evaluation.distances import frechet, kernel_distance, manifold, nearest


def cloud(count: int, dim: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=generator, dtype=torch.float64) * scale + shift


def test_frechet_equals_the_formula_by_scipy() -> None:
    mix = cloud(6, 6, 9)
    a, b = cloud(400, 6, 0) @ mix, cloud(300, 6, 1, shift=0.7, scale=1.8)
    na, nb = a.numpy(), b.numpy()
    ca, cb = np.cov(na.T), np.cov(nb.T)
    expected = ((na.mean(0) - nb.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * np.real(sqrtm(ca @ cb)))
    assert frechet(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet(b, a) == pytest.approx(frechet(a, b), rel=1e-9)


def test_frechet_of_gaussians_with_known_answers() -> None:
    # N(0, I) and N(3, 4 I) in two dimensions: 2 * 9 + 2 * (1 + 4 - 2 * 2) = 20
    assert frechet(cloud(200_000, 2, 0), cloud(200_000, 2, 1, shift=3.0, scale=2.0)) == pytest.approx(20, rel=0.01)
    same = cloud(500, 5, 0)
    assert frechet(same, same) == pytest.approx(0, abs=1e-8)


def test_frechet_accepts_features_that_are_always_zero() -> None:
    a, b = cloud(100, 4, 0), cloud(100, 4, 1)
    a[:, 2] = b[:, 2] = 0.0
    assert 0 <= frechet(a, b) < 1


def test_kernel_distance_by_hand_and_for_equal_distributions() -> None:
    # x.y / 1 + 1 cubed: k(0,0)=1, k(1,1)=8, k(0,1)=1; a = {0, 0}, b = {1, 1}
    a, b = torch.zeros(2, 1), torch.ones(2, 1)
    assert kernel_distance(a, b) == pytest.approx(1 + 8 - 2 * 1)
    values = [kernel_distance(cloud(500, 3, seed), cloud(500, 3, 100 + seed)) for seed in range(8)]
    assert abs(float(np.mean(values))) < 0.02, "unbiased: its mean is 0 for equal distributions"
    assert kernel_distance(cloud(500, 3, 0), cloud(500, 3, 1, shift=1.0)) > 0.5


def test_precision_and_recall_distinguish_a_missing_mode_from_a_wrong_image() -> None:
    left, right, elsewhere = cloud(200, 2, 0), cloud(200, 2, 1, shift=20.0), cloud(200, 2, 2, shift=-50.0)
    real = torch.cat([left, right])
    collapsed = manifold(real, cloud(400, 2, 3))
    assert collapsed.precision > 0.95
    assert collapsed.recall == pytest.approx(0.5, abs=0.05)
    assert collapsed.coverage == pytest.approx(0.5, abs=0.05)
    wrong = manifold(real, torch.cat([cloud(200, 2, 4), elsewhere]))
    assert wrong.precision == pytest.approx(0.5, abs=0.05)
    assert wrong.density == pytest.approx(0.5, abs=0.1)
    good = manifold(real, torch.cat([cloud(200, 2, 5), cloud(200, 2, 6, shift=20.0)]))
    assert min(good.precision, good.recall, good.coverage) > 0.9
    assert good.density == pytest.approx(1.0, abs=0.1)


def test_density_and_coverage_by_hand() -> None:
    real = torch.tensor([[0.0], [1.0], [10.0]])  # balls of 1 neighbour: radius 1, 1, 9
    found = manifold(real, torch.tensor([[0.5], [100.0]]), neighbours=1)
    # 0.5 lies in two balls (10 - 0.5 > 9), 100 in none
    assert found.precision == 0.5
    assert found.density == pytest.approx(1.0)
    assert found.coverage == pytest.approx(2 / 3)


def test_nearest_finds_the_row_and_its_distance() -> None:
    pool = torch.tensor([[0.0, 0.0], [3.0, 4.0], [10.0, 0.0]])
    distance, index = nearest(torch.tensor([[0.0, 0.1], [9.0, 0.0]]), pool)
    assert index.tolist() == [0, 2]
    assert distance.tolist() == pytest.approx([0.1, 1.0])


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 5 images"):
        manifold(cloud(5, 2, 0), cloud(50, 2, 1))
