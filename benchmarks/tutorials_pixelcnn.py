"""Gated PixelCNN as in a tutorial: masked kernels, float32, a full forward pass per pixel."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DILATIONS = (1, 2, 1, 4, 1, 2, 1)


class MaskedConvolution(nn.Conv2d):
    """A k x k convolution whose kernel is multiplied by a mask in each forward pass."""

    def __init__(self, before: int, after: int, mask: Tensor, dilation: int = 1) -> None:
        size = (mask.shape[0], mask.shape[1])
        padding = tuple(dilation * (side - 1) // 2 for side in size)
        super().__init__(before, after, size, padding=padding, dilation=dilation)  # type: ignore[arg-type]
        self.register_buffer("mask", mask[None, None])

    def forward(self, x: Tensor) -> Tensor:
        self.weight.data *= self.mask
        return super().forward(x)


def vertical(before: int, after: int, *, own_row: bool, dilation: int = 1) -> MaskedConvolution:
    mask = torch.ones(3, 3)
    mask[2 if own_row else 1 :] = 0
    return MaskedConvolution(before, after, mask, dilation)


def horizontal(before: int, after: int, *, own_pixel: bool, dilation: int = 1) -> MaskedConvolution:
    return MaskedConvolution(before, after, torch.tensor([[1.0, float(own_pixel), 0.0]]), dilation)


class TutorialLayer(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.vertical = vertical(channels, 2 * channels, own_row=True, dilation=dilation)
        self.horizontal = horizontal(channels, 2 * channels, own_pixel=True, dilation=dilation)
        self.link = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.residual = nn.Conv2d(channels, channels, 1)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        v = self.vertical(v)
        z = self.horizontal(h) + self.link(v)
        v_filter, v_gate = v.chunk(2, dim=1)
        h_filter, h_gate = z.chunk(2, dim=1)
        return torch.tanh(v_filter) * torch.sigmoid(v_gate), h + self.residual(
            torch.tanh(h_filter) * torch.sigmoid(h_gate)
        )


class TutorialPixelCNN(nn.Module):
    """64 channels, seven gated layers, 256 levels; images in [-1, 1]."""

    def __init__(self, channels: int = 64, levels: int = 256) -> None:
        super().__init__()
        self.vertical = vertical(1, channels, own_row=False)
        self.horizontal = horizontal(1, channels, own_pixel=False)
        self.layers = nn.ModuleList(TutorialLayer(channels, dilation) for dilation in DILATIONS)
        self.out = nn.Conv2d(channels, levels, 1)

    def forward(self, x: Tensor) -> Tensor:
        v, h = self.vertical(x), self.horizontal(x)
        for layer in self.layers:
            v, h = layer(v, h)
        logits: Tensor = self.out(F.elu(h))
        return logits


def training_rate(images: Tensor, steps: int, batch_size: int) -> float:
    """Images per second of the plain loop on uint8 (N, 1, H, W), after two steps for warm-up."""
    dataset = torch.utils.data.TensorDataset(images)
    loader = torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True, drop_last=True)
    model = TutorialPixelCNN()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    start, total = 0.0, 0.0
    for step, (batch,) in enumerate(loader):
        if step == 2:
            start = time.perf_counter()
        if step == steps + 2:
            break
        logits = model(batch.float() / 255 * 2 - 1)
        loss = F.cross_entropy(logits, batch.squeeze(1).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return steps * batch_size / (time.perf_counter() - start)


@torch.no_grad()
def sample(network: nn.Module, uniform: Tensor, pixels: int | None = None) -> Tensor:
    """Sample images (B, 1, H, W) with a full forward pass per pixel, or only their first `pixels`.

    Inverse transform sampling: the level whose cumulative probability interval contains the pixel's uniform number.
    """
    height, width = uniform.shape[2:]
    x = torch.full_like(uniform, -1.0)
    for place in range(height * width if pixels is None else pixels):
        row, column = divmod(place, width)
        probability = network(x)[:, :, row, column].softmax(1)
        cumulative = probability.cumsum(1)
        level = torch.searchsorted(cumulative, uniform[:, 0, row, column, None] * cumulative[:, -1:], right=True)
        x[:, 0, row, column] = level[:, 0].clamp(max=probability.shape[1] - 1) / (probability.shape[1] - 1) * 2 - 1
    return x
