"""Seeds: any integer, taken modulo 2^64, which is what torch's generators distinguish. No torch is imported here.

Streamlit's number fields and links hold integers up to 2^53 - 1 exactly, because a browser does; pages stay within it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SEEDS = 2**64
MAX_PAGE_SEED = 2**53 - 1
MIN_PAGE_SEED = -MAX_PAGE_SEED


def canonical(seed: int) -> int:
    """The seed from 0 to 2^64 - 1 that is equal to `seed` modulo 2^64."""
    return seed % SEEDS


def generator_of(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A new generator on `device`, seeded with `seed` modulo 2^64."""
    import torch

    return torch.Generator(device).manual_seed(canonical(seed))
