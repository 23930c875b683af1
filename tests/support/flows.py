"""The exact flow between two Gaussians; untrained flows that depend on class and time, and their images in sheets."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from genmodels import recipes
from genmodels.models.flow_matching import Block
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder
from tests.support.runs import SMALL_FLOW

MEAN, DEVIATION = 0.3, 0.5


class GaussianFlow(nn.Module):
    """The exact velocity between N(0, I) and N(MEAN, DEVIATION^2 I) along straight paths.

    x_t has mean t MEAN and variance s2 = (1 - t)^2 + t^2 DEVIATION^2, so v = MEAN + (d s2 / dt) / (2 s2) (x - t MEAN).
    """

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        t = t[:, None, None, None]
        s2 = (1 - t) ** 2 + t**2 * DEVIATION**2
        return MEAN + (t * DEVIATION**2 - (1 - t)) / s2 * (x - t * MEAN)


def depend_on_time_and_class(model: nn.Module) -> None:
    """Give the last layer of each block weights: a new block is its skip connection alone."""
    for module in model.modules():
        if isinstance(module, Block):
            nn.init.normal_(module.conv2.weight, std=0.1)


def save_flow(
    root: Path, name: str, *assignments: str, recipe: str = "mnist_flow", steps: tuple[int, ...] = (0, 10)
) -> RunFolder:
    """A small untrained flow of digits with different weights at each step.

    A new block is its skip connection alone, in which class and time have no effect: its last layer gets weights.
    """
    overrides = recipes.parse_overrides([*SMALL_FLOW, *assignments])
    spec = recipes.resolve(recipes.get(recipe), overrides=overrides)
    folder = RunFolder.create(root / name, spec)
    for step in steps:
        torch.manual_seed(step)
        model = checkpoint.build(spec.model_dump(mode="json"))
        for key, parameter in model.named_parameters():
            if key.endswith(("conv2.weight", "interval.2.weight")):
                nn.init.normal_(parameter, std=0.1)
        checkpoint.save(folder, step, model)
    return folder


def pictures(png: bytes, columns: int, rows: int) -> torch.Tensor:
    """(rows, columns, 28, 28), numbers from 0 to 255."""
    image = Image.open(io.BytesIO(png))
    assert image.size == (28 * columns, 28 * rows)
    return torch.tensor(list(image.tobytes())).view(rows, 28, columns, 28).transpose(1, 2)


def grey(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels in [-1, 1] as numbers from 0 to 255."""
    return pixels.clamp(-1, 1).add(1).mul(127.5).round().long().view(-1, 28, 28)


def assert_near(a: torch.Tensor, b: torch.Tensor, most: int = 1) -> None:
    """Equal but for rounding: in another batch the last bit of a sum may differ, in bfloat16 some of 256 levels."""
    difference = (a - b).abs().float()
    assert difference.max() <= most
    assert difference.mean() < 1
