"""Incremental sampling of images: each feature is computed once (Ramachandran et al., arXiv 1704.06001).

A full forward pass for each of 784 pixels computes every feature 784 times. But the features of a finished row never
change again, and within the row only the current column is new. So a `PixelSampler` computes the contribution of the
rows above once per row, and for each pixel one small product per layer: over the row's own window, up to the pixel.
The logits equal those of the full network except for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from genmodels.errors import DataError
from genmodels.sampling.options import DEFAULT_OPTIONS, SamplingOptions

Randomness = torch.Generator | Sequence[torch.Generator] | None
"""One generator for all images, or one each: then an image does not depend on the others in its batch."""

UNKNOWN = 0.0
"""Value of the pixels that are not sampled yet: grey."""


class RowBuffer:
    """A layer's features in the current row, (B, C) per column, zeros left of the image.

    Columns that are equal modulo the dilation are stored side by side, so `window[column]` (B, taps * C), taps from
    the left, is a view that a matrix product reads without a copy. The views are made once for all rows.
    """

    def __init__(self, batch: int, width: int, channels: int, taps: int, dilation: int, device: torch.device) -> None:
        each = taps - 1 + -(-width // dilation)
        data = torch.zeros(batch, dilation * each, channels, device=device)
        places = [column % dilation * each + taps - 1 + column // dilation for column in range(width)]
        self.column = [data[:, place] for place in places]
        self.window = [data[:, place - taps + 1 : place + 1].view(batch, -1) for place in places]
        self._data, self._places = data, torch.tensor(places, device=device)

    def row(self) -> Tensor:
        """The whole row, (B, C, W)."""
        return self._data.index_select(1, self._places).transpose(1, 2)


class PixelSampler(Protocol):
    """A network's caches for one call; never stored on the model."""

    pixels: RowBuffer
    """The current row of the image: `sample_pixels` writes each value in [-1, 1] here."""

    def begin_row(self, row: int) -> None:
        """Compute the contribution of the rows above."""
        ...

    def advance(self, column: int) -> Tensor:
        """The last features (B, C) of a pixel, from the pixels to its left and its colours sampled so far."""
        ...

    def logits(self, features: Tensor) -> Tensor:
        """(B, colours * levels)."""
        ...

    def end_row(self, row: int) -> None:
        """Store the finished row for the rows below."""
        ...

    def feed_known_row(self, row: int, values: Tensor) -> None:
        """Process a row (B, colours, W) whose values are all known, at once."""
        ...


def random_inputs(
    shape: Sequence[int], classes: int, generator: Randomness, device: torch.device
) -> tuple[Tensor, Tensor]:
    """A class (B,) for each image, 0 without classes, and a number in [0, 1) for each value: `shape` is (B, ...).

    Raises DataError if there is not one generator for all images, or one each.
    """
    if isinstance(generator, Sequence):
        if len(generator) != shape[0]:
            raise DataError(f"{len(generator)} generators for {shape[0]} pictures; give one for all, or one each")
        each = [random_inputs((1, *shape[1:]), classes, one, device) for one in generator]
        return torch.cat([label for label, _ in each]), torch.cat([uniform for _, uniform in each])
    source = generator.device if generator is not None else device
    label = torch.zeros(shape[0], dtype=torch.long)
    if classes:
        label = torch.randint(0, classes, tuple(shape[:1]), generator=generator, device=source)
    return label, torch.rand(*shape, generator=generator, device=source).to(device)


def adjusted_logits(logits: Tensor, options: SamplingOptions = DEFAULT_OPTIONS) -> Tensor:
    """Logits (B, levels) divided by the temperature, -infinity outside the top k."""
    if options.temperature != 1:
        logits = logits / options.temperature
    if options.top_k is not None and options.top_k < logits.shape[1]:
        least = logits.topk(options.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    return logits


def sample_levels(logits: Tensor, uniform: Tensor, options: SamplingOptions = DEFAULT_OPTIONS) -> Tensor:
    """A level int64 (B,) for each row of logits (B, levels): the inverse of the cumulative distribution at `uniform`.

    uniform: (B, 1) in [0, 1).
    """
    cumulative = adjusted_logits(logits, options).softmax(1).cumsum(1)
    # Times the total, which may be rounded to just below 1; `right`: a level of probability 0 is never sampled.
    level = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return level.squeeze(1).clamp_(max=logits.shape[1] - 1)


@torch.inference_mode()
def sample_pixels(
    sampler: PixelSampler,
    canvas: Tensor,
    known: Tensor,
    uniform: Tensor,
    values: Tensor,
    options: SamplingOptions = DEFAULT_OPTIONS,
) -> Iterator[int]:
    """Fill `canvas` (B, colours, H, W) in place where `known` (B, H, W) is false; yields each sampled row's index.

    uniform: one number in [0, 1) per value, in the shape of the canvas, so that a canvas filled in two calls equals one
    filled in one. values: (levels,), the value of each level. The iterator may be abandoned at any time.
    """
    _, colours, height, width = canvas.shape
    levels = len(values)
    # Which pixels are known in all images, or in none: read from the tensor once, not once per pixel.
    everywhere, nowhere = known.all(0).tolist(), (~known).all(0).tolist()
    uniform = uniform.permute(2, 3, 1, 0).unsqueeze(-1).contiguous()
    for row in range(height):
        if all(everywhere[row]):
            sampler.feed_known_row(row, canvas[:, :, row])
            continue
        sampler.begin_row(row)
        for column in range(width):
            pixel = sampler.pixels.column[column]
            if not nowhere[row][column]:
                pixel.copy_(canvas[:, :, row, column])
            if everywhere[row][column]:
                sampler.advance(column)
                continue
            for colour in range(colours):
                logits = sampler.logits(sampler.advance(column))
                if colours > 1:
                    logits = logits[:, colour * levels : (colour + 1) * levels]
                value = values[sample_levels(logits, uniform[row, column, colour], options)]
                if not nowhere[row][column]:
                    value = torch.where(known[:, row, column], pixel[:, colour], value)
                pixel[:, colour] = value
        canvas[:, :, row] = sampler.pixels.row()
        sampler.end_row(row)
        yield row
