"""Where Gaussian vectors live: the length of z ~ N(0, I) in d dimensions follows the chi distribution.

Its mean is close to sqrt(d - 1/2) and its spread to sqrt(1/2) whatever d is, so in many dimensions nearly all vectors
lie in a thin shell, and the middle of the space, where the density is highest, is all but empty. No torch here.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

_FINE, _REACH, SHOWN = 4_000, 6.0, 160


@dataclass(frozen=True)
class Shell:
    """The chi distribution with `dim` degrees of freedom: mean, the middle 95 %, and its density to draw."""

    dim: int
    mean: float
    low: float
    high: float
    lengths: tuple[float, ...]
    density: tuple[float, ...]

    @property
    def radius(self) -> float:
        """The length sqrt(d) that vectors are renormalised to: the root mean square length of z."""
        return math.sqrt(self.dim)


@lru_cache(maxsize=64)
def shell(dim: int) -> Shell:
    """The shell of a latent space with `dim` >= 1 numbers; quantiles are good to about 0.002."""
    start = max(0.0, math.sqrt(dim) - _REACH)
    width = math.sqrt(dim) + _REACH - start
    fine = [start + width * index / _FINE for index in range(_FINE + 1)]
    heights = [density(length, dim) for length in fine]
    shares = list(accumulate(((a + b) / 2 * width / _FINE for a, b in pairwise(heights)), initial=0.0))
    low, high = (fine[bisect_left(shares, share * shares[-1])] for share in (0.025, 0.975))
    mean = math.sqrt(2) * math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2))
    every = _FINE // SHOWN
    return Shell(dim, mean, low, high, tuple(fine[::every]), tuple(heights[::every]))


def density(length: float, dim: int) -> float:
    """Density of |z| at `length` >= 0."""
    if length == 0:
        return math.sqrt(2 / math.pi) if dim == 1 else 0.0
    log = (dim - 1) * math.log(length) - length**2 / 2 - (dim / 2 - 1) * math.log(2) - math.lgamma(dim / 2)
    return math.exp(log)
