"""How far a recording has come: local conditioning of a causal network (van den Oord et al., arXiv 1609.03499, 2.5).

A word's time is divided into equal parts. In each part the layers are told another row, and one more behind its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


def part_of(words: Sequence[int], parts: int, samples: int) -> Tensor:
    """(B, samples) int64: the part, 0 to parts - 1, of its word that each time lies in, and `parts` behind its end."""
    length = torch.tensor(words).clamp(min=1)[:, None]
    return (torch.arange(samples) * parts // length).clamp(max=parts)


def spans(words: Sequence[int], parts: int, counts: Sequence[int], begin: int = 0) -> list[int]:
    """Samples in each part and behind the end, (parts + 1) of each recording, of its times `begin` to begin + count."""
    if not parts:
        return list(counts)
    found = []
    for word, count in zip(words, counts, strict=True):
        # Time t lies in part k where t >= k word / parts: the first such t, as `part_of` rounds.
        edges = [*(-(-part * max(1, word) // parts) for part in range(parts + 1)), begin + count]
        inside = [min(max(edge, begin), begin + count) for edge in edges]
        found += [after - before for before, after in pairwise(inside)]
    return found


def over_time(told: Tensor, parts: int) -> Tensor:
    """What recordings are told (B, K) and in which part, one-hot: (B, parts + 1, K + parts + 1); (B, 1, K) of none."""
    if not parts:
        return told[:, None]
    place = torch.eye(parts + 1, device=told.device).expand(len(told), -1, -1)
    return torch.cat([told[:, None].expand(-1, parts + 1, -1), place], 2)
