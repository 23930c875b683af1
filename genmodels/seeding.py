"""Seeds: any integer, modulo 2^64, as torch's generators take 64 bits. This module does not import torch.

Pages allow -(2^53 - 1) to 2^53 - 1: the integers that a browser represents exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SEEDS = 2**64
MAX_PAGE_SEED = 2**53 - 1
MIN_PAGE_SEED = -MAX_PAGE_SEED


def canonical(seed: int) -> int:
    """`seed` modulo 2^64: 0 to 2^64 - 1."""
    return seed % SEEDS


def generator_of(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A new generator on `device`, seeded with `seed` modulo 2^64."""
    import torch

    return torch.Generator(device).manual_seed(canonical(seed))
