"""The registry: all data sets by name."""

from __future__ import annotations

from genmodels.data.dataset import Dataset
from genmodels.data.own import audio_folder, hdf5_set, image_folder, style_pair, unpaired
from genmodels.data.sets import (
    celeba,
    cifar10,
    digits,
    digits2inverted,
    fashion_mnist,
    fsdd,
    fsdd_spectrograms,
    mnist,
    pattern_1010,
    stacked_digits,
    striped_digits,
    tones,
    unpaired_sets,
)
from genmodels.errors import UnknownNameError

NAMED: tuple[Dataset, ...] = (
    digits.DATASET,
    mnist.DATASET,
    fashion_mnist.DATASET,
    cifar10.DATASET,
    celeba.DATASET,
    pattern_1010.DATASET,
    digits2inverted.DATASET,
    striped_digits.DATASET,
    *stacked_digits.DATASETS,
    *unpaired_sets.DATASETS,
    tones.DATASET,
    fsdd.DATASET,
    fsdd_spectrograms.DATASET,
)
"""Data sets that a name alone chooses, the default first."""
OWN_SOUND: tuple[Dataset, ...] = (audio_folder.DATASET,)
OWN: tuple[Dataset, ...] = (image_folder.DATASET, hdf5_set.DATASET, unpaired.DATASET, style_pair.DATASET, *OWN_SOUND)
"""The user's data, at `data.path`."""
_BY_NAME = {dataset.name: dataset for dataset in (*NAMED, *OWN)}


def find(name: str) -> Dataset:
    """The data set of this name; raises UnknownNameError."""
    if name not in _BY_NAME:
        raise UnknownNameError("data set", name, _BY_NAME)
    return _BY_NAME[name]
