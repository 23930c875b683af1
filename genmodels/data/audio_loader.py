"""Batches of recordings of similar length, which need little padding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from genmodels.data.loader import hash_seed
from genmodels.data.spec import Recordings
from genmodels.errors import DataError
from genmodels.model import Batch

_GROUP = 16  # batches that are sorted by length together: 5 % of spoken digits is padding then, half without sorting


class AudioLoader:
    """Training batches `audio` float32 (B, T) in [-1, 1], `length`, `label` and `speaker` int64 (B,), `closes` bool.

    T is the length of the longest recording. None is cut: a model would learn that words end at the cut.
    """

    def __init__(self, recordings: Recordings, batch_size: int, seed: int, device: torch.device) -> None:
        if batch_size > len(recordings):
            raise DataError(
                f"train.batch_size = {batch_size} is more than the {len(recordings):,} recordings that could be read; "
                f"choose 1 to {len(recordings):,}"
            )
        self.samples = torch.from_numpy(recordings.samples).to(device)
        self.starts = recordings.ends - recordings.lengths
        self.lengths = recordings.lengths
        self.labels, self.speakers = torch.from_numpy(recordings.labels), torch.from_numpy(recordings.speakers)
        self.closes = torch.from_numpy(recordings.closes)
        self.batch_size, self.seed, self.device = batch_size, seed, device
        self.steps_per_epoch = len(recordings) // batch_size
        self._epoch = -1
        self._batches: list[np.ndarray] = []

    def batch(self, step: int) -> Batch:
        """The batch that `step` (from 0) trains on; the last, partial batch of an epoch is dropped."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._batches, self._epoch = self._batches_of(epoch), epoch
        rows = self._batches[index]
        lengths = self.lengths[rows]
        audio = torch.zeros(len(rows), int(lengths.max()), device=self.device)
        for target, start, length in zip(audio, self.starts[rows], lengths, strict=True):
            target[:length] = self.samples[start : start + length]
        row_indices = torch.from_numpy(rows)

        def on_device(values: Tensor) -> Tensor:
            return values.to(self.device)

        return {
            "audio": audio.div_(32_768),
            "length": on_device(torch.from_numpy(lengths)),
            "label": on_device(self.labels[row_indices]),
            "speaker": on_device(self.speakers[row_indices]),
            "closes": on_device(self.closes[row_indices]),
        }

    def _batches_of(self, epoch: int) -> list[np.ndarray]:
        """A shuffle, sorted by length within groups, cut into batches, which are shuffled again."""
        rng = np.random.default_rng(hash_seed(self.seed, epoch))
        order = rng.permutation(len(self.lengths))[: self.steps_per_epoch * self.batch_size]
        group_size = _GROUP * self.batch_size
        groups = [order[start : start + group_size] for start in range(0, len(order), group_size)]
        ordered = np.concatenate([group[np.argsort(self.lengths[group], kind="stable")] for group in groups])
        batches = ordered.reshape(self.steps_per_epoch, self.batch_size)
        return list(batches[rng.permutation(self.steps_per_epoch)])
