"""A drawn digit, and digits as tensors."""

from __future__ import annotations

import numpy as np
import torch

from tests.support.runs import pixels


def drawn_seven() -> np.ndarray:
    ink = np.zeros((140, 140), np.uint8)
    ink[30:42, 30:100] = ink[30:120, 88:100] = 255
    return ink


def to_digit(png: bytes) -> torch.Tensor:
    return torch.tensor(list(pixels(png))).view(1, 1, 28, 28)
