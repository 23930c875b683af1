"""Norm distribution of Gaussian latent vectors: |z| of z ~ N(0, I) in d dimensions follows the chi distribution.

Its mean is about sqrt(d - 1/2) and its standard deviation about sqrt(1/2) for every d. So in many dimensions nearly all
vectors have almost the same norm, and hardly any lie near 0, where the density of z is highest. No torch here.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

_STEPS = 4_000
_WIDTH = 6.0
"""The density is integrated in `_STEPS` steps over sqrt(d) +- `_WIDTH`."""
SHOWN = 160
"""Number of intervals of the density that charts show."""


@dataclass(frozen=True)
class NormDistribution:
    """The chi distribution with `dim` degrees of freedom.

    `mean` is the expected norm; 95 % of the norms lie between `low` and `high`. `density` is given at `norms`.
    """

    dim: int
    mean: float
    low: float
    high: float
    norms: tuple[float, ...]
    density: tuple[float, ...]

    @property
    def radius(self) -> float:
        """sqrt(d), the root mean square norm of z, to which vectors are renormalised."""
        return math.sqrt(self.dim)


@lru_cache(maxsize=64)
def norm_distribution(dim: int) -> NormDistribution:
    """The distribution of |z| in a latent space of `dim` >= 1 dimensions; quantiles are accurate to about 0.002."""
    start = max(0.0, math.sqrt(dim) - _WIDTH)
    width = math.sqrt(dim) + _WIDTH - start
    norms = [start + width * index / _STEPS for index in range(_STEPS + 1)]
    densities = [density(norm, dim) for norm in norms]
    cumulative = list(accumulate(((a + b) / 2 * width / _STEPS for a, b in pairwise(densities)), initial=0.0))
    low, high = (norms[bisect_left(cumulative, quantile * cumulative[-1])] for quantile in (0.025, 0.975))
    mean = math.sqrt(2) * math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2))
    every = _STEPS // SHOWN
    return NormDistribution(dim, mean, low, high, tuple(norms[::every]), tuple(densities[::every]))


def density(norm: float, dim: int) -> float:
    """Density of |z| at `norm` >= 0."""
    if norm == 0:
        return math.sqrt(2 / math.pi) if dim == 1 else 0.0
    log = (dim - 1) * math.log(norm) - norm**2 / 2 - (dim / 2 - 1) * math.log(2) - math.lgamma(dim / 2)
    return math.exp(log)
