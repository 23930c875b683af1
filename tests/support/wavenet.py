"""A small WaveNet and its conditions."""

from __future__ import annotations

from typing import Any

import torch

from genmodels import registry
from genmodels.capabilities import Condition

CONDITIONAL = {"conditional": True, "speaker": True}


def small_wavenet(**settings: Any) -> Any:
    """A small network whose weights are large enough for its levels to differ."""
    torch.manual_seed(0)
    shape = {"sample_rate": 8000, "clip_samples": 60, "num_classes": 3, "num_speakers": 2}
    small = {"levels": 16, "channels": 6, "skip_channels": 10, "layers": 3, "stacks": 2}
    model = registry.get("wavenet").build(**{**shape, **small, **settings})
    for parameter in model.parameters():
        parameter.data.mul_(2)
    return model.requires_grad_(False).eval()


def condition(n: int) -> Condition:
    return {"label": torch.arange(n) % 3, "speaker": torch.arange(n) % 2}
