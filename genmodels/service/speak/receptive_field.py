"""Influence of past samples on the next one, measured by gradient."""

from __future__ import annotations

import numpy as np
import torch

from genmodels.capabilities import SupportsAudioReceptiveField
from genmodels.errors import CapabilityError
from genmodels.runs import checkpoint
from genmodels.service.cache import LRU
from genmodels.service.fair_queue import background
from genmodels.service.inference import ModelKey, model_of, run

_influences: LRU[ModelKey, np.ndarray] = LRU(32)  # of 16 kB each


def influence(name: str, step: int | None = None) -> np.ndarray:
    """Gradient magnitude of the next sample for each past sample, newest last, scaled to a maximum of 1.

    Takes one forward and backward pass; cached until the step is rewritten. Raises CapabilityError if the model does
    not support it.
    """

    def task() -> np.ndarray:
        model, key = model_of(name, step)
        if not isinstance(model, SupportsAudioReceptiveField):
            raise CapabilityError(f"{name} has no receptive field to measure; choose a WaveNet")
        return _influences.get_or_compute(key, lambda: _measured(key))

    with background():
        return run(task, divided=True)


def _measured(key: ModelKey) -> np.ndarray:
    # Loaded again: weights created in inference mode, such as those of cached models, have no gradients.
    with torch.inference_mode(False):
        model = checkpoint.load_model(*key[:2])
        assert isinstance(model, SupportsAudioReceptiveField)
        gradient = model.receptive_field()
    influences: np.ndarray = (gradient / gradient.max().clamp_min(1e-20)).numpy()
    return influences
