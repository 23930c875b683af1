"""WaveNet as in a tutorial: Conv1d over (B, C, T), float32, a full forward pass per sample."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TutorialLayer(nn.Module):
    def __init__(self, channels: int, skip: int, dilation: int) -> None:
        super().__init__()
        self.pad = dilation
        self.filter = nn.Conv1d(channels, channels, 2, dilation=dilation)
        self.gate = nn.Conv1d(channels, channels, 2, dilation=dilation)
        self.residual = nn.Conv1d(channels, channels, 1)
        self.skip = nn.Conv1d(channels, skip, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        past = F.pad(x, (self.pad, 0))
        z = torch.tanh(self.filter(past)) * torch.sigmoid(self.gate(past))
        return x + self.residual(z), self.skip(z)


class TutorialWaveNet(nn.Module):
    """Codes int64 (B, T) -> logits (B, levels, T); the same layers and widths as the recipe, unconditional."""

    def __init__(self, dilations: tuple[int, ...], channels: int, skip: int, levels: int = 256) -> None:
        super().__init__()
        self.levels = levels
        self.first = nn.Conv1d(levels, channels, 2)
        self.layers = nn.ModuleList(TutorialLayer(channels, skip, dilation) for dilation in dilations)
        self.hidden = nn.Conv1d(skip, skip, 1)
        self.head = nn.Conv1d(skip, levels, 1)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.first(F.pad(F.one_hot(codes, self.levels).float().transpose(1, 2), (2, 0))[..., :-1])
        total = torch.zeros(())
        for layer in self.layers:
            x, skip = layer(x)
            total = total + skip
        logits: Tensor = self.head(F.relu(self.hidden(F.relu(total))))
        return logits


def train(model: TutorialWaveNet, optimizer: torch.optim.Optimizer, codes: Tensor) -> None:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(codes), codes)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    loss.item()


@torch.no_grad()
def generate(model: TutorialWaveNet, field: int, count: int) -> Tensor:
    """`count` samples after a receptive field of silence, each from the window before it."""
    codes = torch.full((1, field), 128)
    for _ in range(count):
        probability = model(codes[:, -field:])[0, :, -1].softmax(0)
        codes = torch.cat([codes, torch.multinomial(probability, 1)[None]], 1)
    return codes
