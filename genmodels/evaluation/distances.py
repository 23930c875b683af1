"""Distances between generated and real images in the features (N, D) of a classifier: FID, KID, precision, recall.

Deterministic, in float64. Results are comparable only for features of the same classifier.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_CHUNK = 1000


def frechet(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of Gaussians fitted to the two sets of features (FID, arXiv 1706.08500).

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)); features (N, D) and (M, D), N, M >= 2.
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = _covariance(a), _covariance(b)
    # (C_a C_b)^(1/2) has the trace of (C_a^(1/2) C_b C_a^(1/2))^(1/2), which is symmetric: eigenvalues are enough.
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return float(distance.clamp_min(0))


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy with kernel (x.y / D + 1)^3 (KID, arXiv 1801.01401)."""
    a, b = a.double(), b.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        matrix = kernel(x, x)
        return (matrix.sum() - matrix.diagonal().sum()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


class Manifold(NamedTuple):
    """Precision, recall and coverage are 0 to 1; density is about 1 for real images and may be larger."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(real: Tensor, generated: Tensor, neighbours: int = 5) -> Manifold:
    """Precision and recall (arXiv 1904.06991), density and coverage (arXiv 2002.09797) of features (N, D).

    Each set is approximated by balls around its points, with the distance to the k-th nearest neighbour as radius.
    precision: fraction of generated points in a ball of a real one; recall: fraction of real points in a ball of a
    generated one. density: mean number of real balls that contain a generated point, divided by k; coverage: fraction
    of real points whose ball contains a generated one.
    """
    if min(len(real), len(generated)) <= neighbours:
        raise ValueError(f"each set needs more than {neighbours} images, not {len(real)} and {len(generated)}")
    real, generated = real.double(), generated.double()
    real_radius, generated_radius = _radii(real, neighbours), _radii(generated, neighbours)
    in_real = torch.zeros(len(generated), dtype=torch.int64)
    in_generated = torch.zeros(len(real), dtype=torch.bool)
    covered = torch.zeros(len(real), dtype=torch.bool)
    for start in range(0, len(generated), _CHUNK):
        part = slice(start, start + _CHUNK)
        distances = torch.cdist(generated[part], real)
        held = distances <= real_radius[None, :]
        in_real[part] = held.sum(1)
        covered |= held.any(0)
        in_generated |= (distances <= generated_radius[part, None]).any(0)
    return Manifold(
        precision=float((in_real > 0).double().mean()),
        recall=float(in_generated.double().mean()),
        density=float(in_real.double().mean()) / neighbours,
        coverage=float(covered.double().mean()),
    )


def nearest(queries: Tensor, pool: Tensor) -> tuple[Tensor, Tensor]:
    """Distance (N,) to the nearest row of `pool` and its index (N,), with rows as flat vectors."""
    flat = pool.flatten(1).float()
    found = [torch.cdist(part, flat).min(1) for part in torch.split(queries.flatten(1).float(), _CHUNK)]
    return torch.cat([part.values for part in found]), torch.cat([part.indices for part in found])


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)


def _radii(x: Tensor, neighbours: int) -> Tensor:
    """Distance (N,) of each row to its k-th nearest other row."""
    parts = [torch.cdist(part, x).kthvalue(neighbours + 1, dim=1).values for part in torch.split(x, _CHUNK)]
    return torch.cat(parts)
