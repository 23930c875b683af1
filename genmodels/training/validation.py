"""Loss on held-out data during a training: one fixed batch of the test split, without an effect on the training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from genmodels import data, registry
from genmodels.data.audio_loader import AudioLoader
from genmodels.data.loader import loader_for
from genmodels.model import Batch, Model
from genmodels.recipes import Spec

PREFIX = "validation/"
"""Before the name of the training metric that is computed on held-out data."""
_FEWEST, _MOST = 100, 256  # images: fewer are noise, more cost time at every preview
_SEED = 0


def applies_to(model: Model) -> bool:
    """Whether the family has a loss that can be computed without an update."""
    return type(model).validation_metrics is not Model.validation_metrics


def batch_of(spec: Spec, device: torch.device) -> Batch | None:
    """The same held-out examples at every step: 100 to 256 images, or one batch of recordings; None without any."""
    size = spec.data_spec.test_size
    if size < 1:
        return None
    if spec.data_spec.sample_rate is not None:
        return AudioLoader(data.load_audio(spec.data, "test"), min(size, spec.train.batch_size), _SEED, device).batch(0)
    keys = registry.config_class(spec.family).batch_keys
    count = min(size, _MOST, max(_FEWEST, spec.train.batch_size))
    return loader_for(keys, data.load(spec.data, "test"), count, _SEED, device).batch(0)


def metrics_of(model: Model, batch: Batch, step: int) -> dict[str, float]:
    """The held-out metrics, named `validation/<training metric>`, of a model in eval mode.

    Noise is the same at every step, and the random state of the training is restored.
    """
    with _fixed_noise(model.device), torch.no_grad():
        metrics = model.validation_metrics(batch, step)
    return {PREFIX + name: float(value) for name, value in metrics.items()}


@contextmanager
def _fixed_noise(device: torch.device) -> Iterator[None]:
    own = torch.get_rng_state()
    module = {"cuda": torch.cuda, "mps": torch.mps}.get(device.type)
    other = None if module is None else module.get_rng_state()
    torch.manual_seed(_SEED)
    try:
        yield
    finally:
        torch.set_rng_state(own)
        if module is not None and other is not None:
            module.set_rng_state(other)
