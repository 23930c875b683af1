"""Which past samples a model of sound listens to, measured by gradient."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch

from genmodels import checkpoint
from genmodels.capabilities import SupportsAudioReceptiveField
from genmodels.errors import CapabilityError
from genmodels.service.fair_queue import background
from genmodels.service.inference import ModelKey, model_of, run

_KEPT = 32  # of 16 kB each


_found: OrderedDict[ModelKey, np.ndarray] = OrderedDict()


def influence(name: str, step: int | None = None) -> np.ndarray:
    """How strongly each past sample moves the next one, newest last, its largest 1; one forward and backward pass.

    Kept until the step is written anew. Raises CapabilityError for a model that cannot tell.
    """

    def task() -> np.ndarray:
        model, key = model_of(name, step)
        if not isinstance(model, SupportsAudioReceptiveField):
            raise CapabilityError(f"{name} does not tell what it hears; choose a WaveNet")
        if key not in _found:
            _found[key] = _measured(key)
            while len(_found) > _KEPT:
                _found.popitem(last=False)
        return _found[key]

    with background():
        return run(task, divided=True)


def _measured(key: ModelKey) -> np.ndarray:
    # Loaded anew: weights made in inference mode, as those of the kept models, take no part in gradients.
    with torch.inference_mode(False):
        model = checkpoint.load_model(*key[:2])
        assert isinstance(model, SupportsAudioReceptiveField)
        found = model.receptive_field()
    array: np.ndarray = (found / found.max().clamp_min(1e-20)).numpy()
    return array
