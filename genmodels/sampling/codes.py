"""Incremental sampling of a grid of codes: the caches of `pixels`, with an embedding as the value of a code."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from genmodels.sampling.options import DEFAULT_OPTIONS, SamplingOptions
from genmodels.sampling.pixels import PixelSampler, sample_levels


@torch.inference_mode()
def sample_codes(
    sampler: PixelSampler,
    codes: Tensor,
    known: Tensor,
    uniform: Tensor,
    embedding: Tensor,
    options: SamplingOptions = DEFAULT_OPTIONS,
) -> Iterator[int]:
    """Fill `codes` int64 (B, h, w) in place where `known` (B, h, w) is false; yields each sampled row's index.

    uniform: one number in [0, 1) per code, in the shape of `codes`. embedding: (K, D), the network's input for each
    code. The iterator may be abandoned at any time.
    """
    _, height, width = codes.shape
    rows_known = known.all(0).all(1).tolist()
    for row in range(height):
        if rows_known[row]:
            sampler.feed_known_row(row, embedding[codes[:, row]].transpose(1, 2))
            continue
        sampler.begin_row(row)
        for column in range(width):
            logits = sampler.logits(sampler.advance(column))
            sampled = sample_levels(logits, uniform[:, row, column, None], options)
            code = torch.where(known[:, row, column], codes[:, row, column], sampled)
            codes[:, row, column] = code
            sampler.pixels.column[column].copy_(embedding[code])
        sampler.end_row(row)
        yield row
