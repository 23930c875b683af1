"""Painting pictures pixel by pixel, each computed once: what a new pixel cannot change is kept.

A full forward pass for each of 784 pixels computes every feature of the picture 784 times. Yet a layer's features of a
finished row never change again, and within the row only the column being painted is new. So a `Painter` computes a
row's sum over the rows above at once, when the row begins, and then for each pixel one small product a layer: its own
row's window, to the left and up to itself. The logits are the full network's but for rounding (arXiv 1704.06001).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from genmodels.errors import ConfigError

UNPAINTED = 0.0
"""Grey: what a canvas shows where nothing has been painted yet."""


class RowBuffer:
    """A layer's features in the row being painted, (B, C) a column, zeros left of the picture.

    The columns that a dilated kernel sees lie side by side: those equal modulo the dilation are stored together. So
    `window[column]` (B, taps * C), taps from the left, is a view that a matrix product reads without a copy, and made
    once for all rows.
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


class Painter(Protocol):
    """A network's caches for one call; never kept on the model."""

    pixels: RowBuffer
    """The row being painted: the driver writes each value, in [-1, 1], as it is drawn."""

    def begin(self, row: int) -> None:
        """All that the row's features owe to rows above."""
        ...

    def advance(self, column: int) -> Tensor:
        """This pixel's last features (B, C), from the pixels to its left and its colours painted so far."""
        ...

    def logits(self, features: Tensor) -> Tensor:
        """(B, colours * levels)."""
        ...

    def end(self, row: int) -> None:
        """Keep the finished row for the rows below."""
        ...

    def given(self, row: int, values: Tensor) -> None:
        """Take in a row (B, colours, W) that need not be painted, at once."""
        ...


def adjusted(logits: Tensor, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
    """Logits (B, levels) as `draw` uses them: divided by the temperature, and but for the k likeliest -infinity."""
    if temperature != 1:
        logits = logits / temperature
    if top_k is not None and top_k < logits.shape[1]:
        least = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    return logits


def draw(logits: Tensor, uniform: Tensor, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
    """A level for each row of logits (B, levels), by where uniform (B, 1) falls in the cumulative distribution.

    Below temperature 1 likely levels become likelier; with `top_k` only the k likeliest are left. int64 (B,).
    """
    cumulative = adjusted(logits, temperature, top_k).softmax(1).cumsum(1)
    # Times the total, which may be rounded to just below 1; `right`: a level of probability 0 is never drawn.
    level = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return level.squeeze(1).clamp_(max=logits.shape[1] - 1)


def check_knobs(temperature: float, top_k: int | None, levels: int) -> None:
    """Raise ConfigError where a knob of sampling is out of its range."""
    if not 0.01 <= temperature <= 100:
        raise ConfigError(f"temperature = {temperature} is not allowed: choose 0.01 to 100, 1 as the model learned it")
    if top_k is not None and not 1 <= top_k <= levels:
        raise ConfigError(f"top_k = {top_k} is not allowed: choose 1 to {levels}, or none for all levels")


@torch.inference_mode()
def paint(
    painter: Painter,
    canvas: Tensor,
    known: Tensor,
    uniform: Tensor,
    values: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> Iterator[int]:
    """Fill `canvas` (B, colours, H, W) in place where `known` (B, H, W) is false; yields each row that was painted.

    `uniform` is shaped as the canvas, one number in [0, 1) a value: so a canvas that is filled in two parts is filled
    as in one. `values` (levels,) are what the levels look like. Stop by not asking for the next row.
    """
    _, colours, height, width = canvas.shape
    levels = len(values)
    # Whether all pictures, or none, are known at a pixel decides what is computed: asked once, not 784 times.
    everywhere, nowhere = known.all(0).tolist(), (~known).all(0).tolist()
    uniform = uniform.permute(2, 3, 1, 0).unsqueeze(-1).contiguous()
    for row in range(height):
        if all(everywhere[row]):
            painter.given(row, canvas[:, :, row])
            continue
        painter.begin(row)
        for column in range(width):
            pixel = painter.pixels.column[column]
            if not nowhere[row][column]:
                pixel.copy_(canvas[:, :, row, column])
            if everywhere[row][column]:
                painter.advance(column)
                continue
            for colour in range(colours):
                logits = painter.logits(painter.advance(column))
                if colours > 1:
                    logits = logits[:, colour * levels : (colour + 1) * levels]
                value = values[draw(logits, uniform[row, column, colour], temperature, top_k)]
                if not nowhere[row][column]:
                    value = torch.where(known[:, row, column], pixel[:, colour], value)
                pixel[:, colour] = value
        canvas[:, :, row] = painter.pixels.row()
        painter.end(row)
        yield row
