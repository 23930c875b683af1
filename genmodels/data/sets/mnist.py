"""MNIST: 60,000 + 10,000 handwritten digits (LeCun, Cortes, Burges), read from the idx files in place."""

from __future__ import annotations

from genmodels.data.sets.idx_set import IdxSet
from genmodels.data.spec import DataSpec

SPEC = DataSpec(
    name="mnist",
    title="MNIST handwritten digits",
    provides=("image", "label"),
    image_shape=(1, 28, 28),
    num_classes=10,
    classes=tuple("0123456789"),
    train_size=60_000,
    test_size=10_000,
    licence="CC BY-SA 3.0",
    source="Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits",
    download_mb=12,
)


DATASET = IdxSet(SPEC, "MNIST", "MNIST")
