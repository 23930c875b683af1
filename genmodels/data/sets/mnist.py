"""MNIST: 60,000 + 10,000 handwritten digits (LeCun, Cortes, Burges), read from the idx files in place."""

from __future__ import annotations

from pathlib import Path

from genmodels.data import idx
from genmodels.data.spec import Arrays, DataSpec, Split

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


def _folders() -> tuple[Path, ...]:
    from genmodels.data import data_root

    return (data_root() / "MNIST" / "raw",)


def located() -> str | None:
    """The folder that holds all four files, or None."""
    return idx.located(_folders())


def download() -> None:
    """Fetch with torchvision; raises DataError."""
    from genmodels.data import data_root

    idx.fetch("MNIST", data_root(), "MNIST")


def load(split: Split) -> Arrays:
    """Images uint8 (N, 1, 28, 28) and labels int64 (N,); raises DataError where a file is damaged."""
    return idx.load(_folders(), SPEC, split)
