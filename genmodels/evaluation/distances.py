"""How far a cloud of drawn pictures lies from a cloud of real ones, both as features (N, D) of a classifier.

All of it is in float64 and deterministic. What such figures mean depends on the features: they are comparable only with
figures of the same classifier.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_CHUNK = 1000


def frechet(a: Tensor, b: Tensor) -> float:
    """Frechet distance of the two Gaussians with the clouds' means and covariances (FID, arXiv 1706.08500).

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
    """Unbiased squared maximum mean discrepancy under (x.y / D + 1)^3 (KID, arXiv 1801.01401); may be below 0."""
    a, b = a.double(), b.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        matrix = kernel(x, x)
        return (matrix.sum() - matrix.diagonal().sum()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


class Manifold(NamedTuple):
    """precision, recall: 0 to 1. density: about 1 at best, may be above; coverage: 0 to 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(real: Tensor, drawn: Tensor, neighbours: int = 5) -> Manifold:
    """Whether drawn pictures lie among the real ones, and real ones among the drawn.

    Around each picture of a cloud is a ball that reaches its k-th nearest neighbour in that cloud.
    precision: share of drawn pictures in some ball of a real one; recall: of real ones in some ball of a drawn one
    (arXiv 1904.06991). density: balls of real ones that hold a drawn one, divided by k; coverage: share of real ones
    whose ball holds a drawn one (arXiv 2002.09797).
    """
    if min(len(real), len(drawn)) <= neighbours:
        raise ValueError(f"each cloud needs more than {neighbours} pictures, not {len(real)} and {len(drawn)}")
    real, drawn = real.double(), drawn.double()
    real_radius, drawn_radius = _radii(real, neighbours), _radii(drawn, neighbours)
    in_real = torch.zeros(len(drawn), dtype=torch.int64)
    in_drawn = torch.zeros(len(real), dtype=torch.bool)
    covered = torch.zeros(len(real), dtype=torch.bool)
    for start in range(0, len(drawn), _CHUNK):
        part = slice(start, start + _CHUNK)
        distances = torch.cdist(drawn[part], real)
        held = distances <= real_radius[None, :]
        in_real[part] = held.sum(1)
        covered |= held.any(0)
        in_drawn |= (distances <= drawn_radius[part, None]).any(0)
    return Manifold(
        precision=float((in_real > 0).double().mean()),
        recall=float(in_drawn.double().mean()),
        density=float(in_real.double().mean()) / neighbours,
        coverage=float(covered.double().mean()),
    )


def nearest(queries: Tensor, pool: Tensor) -> tuple[Tensor, Tensor]:
    """Distance (N,) to the nearest row of `pool`, and its index (N,); rows are compared as flat vectors."""
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
