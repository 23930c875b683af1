"""Fashion-MNIST: 60,000 + 10,000 images of clothing in MNIST's format (Xiao, Rasul, Vollgraf 2017)."""

from __future__ import annotations

from pathlib import Path

from genmodels.data.sets.idx_set import IdxSet
from genmodels.data.spec import DataSpec

SPEC = DataSpec(
    name="fashion_mnist",
    title="Fashion-MNIST clothing",
    provides=("image", "label"),
    image_shape=(1, 28, 28),
    num_classes=10,
    classes=(
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    train_size=60_000,
    test_size=10_000,
    licence="MIT",
    source="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747",
    download_mb=31,
)
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # from the package dataset-fashion-mnist


DATASET = IdxSet(SPEC, "FashionMNIST", "Fashion-MNIST", (_DEBIAN,))
