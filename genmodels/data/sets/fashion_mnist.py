"""Fashion-MNIST: 60,000 + 10,000 pictures of clothing in MNIST's format (Xiao, Rasul, Vollgraf 2017)."""

from __future__ import annotations

from pathlib import Path

from genmodels.data import idx
from genmodels.data.spec import Arrays, DataSpec, Split

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
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist


def _folders() -> tuple[Path, ...]:
    from genmodels.data import data_root

    return (data_root() / "FashionMNIST" / "raw", _DEBIAN)


def located() -> str | None:
    """The folder that holds all four files, or None."""
    return idx.located(_folders())


def download() -> None:
    """Fetch with torchvision; raises DataError."""
    from genmodels.data import data_root

    idx.fetch("FashionMNIST", data_root(), "Fashion-MNIST")


def load(split: Split) -> Arrays:
    """Images uint8 (N, 1, 28, 28) and labels int64 (N,); raises DataError where a file is damaged."""
    return idx.load(_folders(), SPEC, split)
