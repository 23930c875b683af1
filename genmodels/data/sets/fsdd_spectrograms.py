"""Spectrograms of the spoken digits, 32 bands by 32 columns: for a classifier, and to show recordings as images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genmodels.data.dataset import Downloadable, FixedImages
from genmodels.data.sets import fsdd
from genmodels.data.spec import Arrays, Recordings, Split

SPEC = fsdd.SPEC.replace(
    name="fsdd_spectrograms",
    title="Free Spoken Digits as spectrograms",
    provides=("image", "label"),
    image_shape=(1, 32, 32),
    sample_rate=None,
    clip_samples=None,
    speakers=(),
)


class Spectrograms(Downloadable, FixedImages):
    def locate(self) -> Path | None:
        return fsdd.DATASET.locate()

    def fetch(self) -> None:
        fsdd.DATASET.fetch()

    def read(self, split: Split) -> Arrays:
        """Images uint8 (N, 1, 32, 32) and digits int64 (N,), in an order that mixes the classes."""
        order = np.random.default_rng(0).permutation(self.size(split))
        arrays = to_spectrograms(fsdd.DATASET.recordings(split), fsdd.SPEC.sample_rate or 0)
        return Arrays(arrays.images[order], arrays.labels[order])


DATASET = Spectrograms(SPEC)


def to_spectrograms(recordings: Recordings, sample_rate: int) -> Arrays:
    """Each recording's spectrogram, stretched over its own length: uint8 (N, 1, 32, 32). 0.3 ms each.

    Silence at both ends is trimmed, as before the reference classifier evaluates generated recordings.
    """
    import torch

    from genmodels.data.loader import to_uint8
    from genmodels.signal.audio import spectrogram, trim

    clips = (torch.from_numpy(recordings.clip(index)) for index in range(len(recordings)))
    images = torch.cat([to_uint8(spectrogram(trim(clip, sample_rate)[None], sample_rate)) for clip in clips])
    return Arrays(images.numpy(), recordings.labels)
