"""Temporal local conditioning: the position within the utterance (van den Oord et al., arXiv 1609.03499, 2.5).

The time of an utterance is divided into `parts` equal segments; one more segment holds the time after its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


def segment_at(utterances: Sequence[int], parts: int, samples: int) -> Tensor:
    """The segment of each time, int64 (B, samples): 0 to parts - 1 within the utterance, `parts` after its end."""
    length = torch.tensor(utterances).clamp(min=1)[:, None]
    return (torch.arange(samples) * parts // length).clamp(max=parts)


def segment_lengths(utterances: Sequence[int], parts: int, counts: Sequence[int], begin: int = 0) -> list[int]:
    """Samples in each segment: parts + 1 numbers for each recording, of its times `begin` to begin + count.

    Without parts, a recording is one segment.
    """
    if not parts:
        return list(counts)
    lengths = []
    for utterance, count in zip(utterances, counts, strict=True):
        # Segment k begins at the first t >= k * utterance / parts, as `segment_at` rounds.
        edges = [*(-(-part * max(1, utterance) // parts) for part in range(parts + 1)), begin + count]
        inside = [min(max(edge, begin), begin + count) for edge in edges]
        lengths += [after - before for before, after in pairwise(inside)]
    return lengths


def with_segments(h: Tensor, parts: int) -> Tensor:
    """Condition weights (B, K) with a one-hot segment: (B, parts + 1, K + parts + 1); (B, 1, K) without parts."""
    if not parts:
        return h[:, None]
    segments = torch.eye(parts + 1, device=h.device).expand(len(h), -1, -1)
    return torch.cat([h[:, None].expand(-1, parts + 1, -1), segments], 2)
