"""Recordings as pictures: 32 bands by 32 columns, for a classifier of spoken digits and for looking at a set."""

from __future__ import annotations

import numpy as np

from genmodels.data.sets import fsdd
from genmodels.data.sets.fsdd import located
from genmodels.data.spec import Arrays, Recordings, Split

__all__ = ["SPEC", "download", "load", "located", "of"]

SPEC = fsdd.SPEC.replace(
    name="fsdd_spectrograms",
    title="Free Spoken Digits as spectrograms",
    provides=("image", "label"),
    image_shape=(1, 32, 32),
    sample_rate=None,
    clip_samples=None,
    speakers=(),
)


def download() -> None:
    """Fetch the recordings; raises DataError."""
    fsdd.download()


def load(split: Split) -> Arrays:
    """Images uint8 (N, 1, 32, 32) and digits int64 (N,), in an order that mixes the classes."""
    order = np.random.default_rng(0).permutation(SPEC.train_size if split == "train" else SPEC.test_size)
    arrays = of(fsdd.load(split), fsdd.SPEC.sample_rate or 0)
    return Arrays(arrays.images[order], arrays.labels[order])


def of(recordings: Recordings, sample_rate: int) -> Arrays:
    """Each recording's spectrogram, stretched over its own length: uint8 (N, 1, 32, 32). 0.3 ms each.

    Silence at the ends is cut off, as it is before the judge hears what a model has drawn.
    """
    import torch

    from genmodels.data.loader import to_uint8
    from genmodels.signal.audio import spectrogram, trim

    clips = (torch.from_numpy(recordings.clip(index)) for index in range(len(recordings)))
    images = torch.cat([to_uint8(spectrogram(trim(clip, sample_rate)[None], sample_rate)) for clip in clips])
    return Arrays(images.numpy(), recordings.labels)
