"""CelebA: 202,599 aligned faces (Liu, Luo, Wang, Tang 2015), cropped to the centre square and resized.

Its terms forbid redistribution, so each user downloads it from its authors. Read from torchvision's layout,
`celeba/img_align_celeba/000001.jpg` and so on; the official splits follow from the numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genmodels.data.dataset import Downloadable
from genmodels.data.own import from_source
from genmodels.data.own.sources import Folder
from genmodels.data.root import data_root
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split, check_memory
from genmodels.errors import DataError

_TERMS = "CelebA is for non-commercial research only and may not be redistributed; fetching it means agreeing to that"
_NUMBERS = {"train": range(1, 162_771), "test": range(182_638, 202_600)}  # between them: the validation split
_DEFAULT_SIZE = 64


class CelebA(Downloadable):
    fields = ("size", "limit")

    @property
    def terms(self) -> str:
        return _TERMS

    def locate(self) -> Path | None:
        """The folder of the images if the first and the last image are there, else None."""
        ends = (_NUMBERS["train"][0], _NUMBERS["test"][-1])
        return _folder() if all((_folder() / _name(number)).is_file() for number in ends) else None

    def fetch(self) -> None:
        """Download with torchvision, which needs the package gdown; raises DataError."""
        from torchvision.datasets import CelebA

        root = data_root()
        try:
            root.mkdir(parents=True, exist_ok=True)
            CelebA(root, download=True)
        except (OSError, RuntimeError, ImportError) as error:
            raise DataError(
                f"CelebA could not be downloaded to {root}: {error}. Its server often refuses: fetch "
                f"img_align_celeba.zip from the authors' page in a browser and unpack it to {_folder()}. {_TERMS}"
            ) from error

    def spec(self, config: DataConfig) -> DataSpec:
        """Known without the data; raises DataError if this size and limit need too much memory."""
        shape = _shape(config)
        train, test = (len(_numbers(config, split)) for split in ("train", "test"))
        check_memory(train, shape, "CelebA")
        return DataSpec(
            name=self.name,
            title="CelebA faces",
            provides=("image",),
            image_shape=shape,
            train_size=train,
            test_size=test,
            licence="non-commercial research only, not to be redistributed",
            source="Z. Liu, P. Luo, X. Wang, X. Tang: Deep Learning Face Attributes in the Wild, ICCV 2015",
            download_mb=1_440,
        )

    def load(self, config: DataConfig, split: Split, first: int | None = None) -> Arrays:
        """The split, decoded: about a millisecond per image. A packed file (`pack`) starts faster."""
        self.spec(config)
        names = [_name(number) for number in _numbers(config, split)[:first]]
        images, _, skipped = from_source.gather(Folder(_folder()), names, _shape(config)[1], 3)
        if skipped:
            raise DataError(
                f"{len(skipped):,} of CelebA's pictures in {_folder()} are missing or damaged, first {skipped[0]}. "
                "Unpack the archive again"
            )
        return Arrays(images=images, labels=np.zeros(len(images), np.int64))


def _folder() -> Path:
    return data_root() / "celeba" / "img_align_celeba"


def _numbers(config: DataConfig, split: Split) -> np.ndarray:
    """The numbers of a split's images in a fixed shuffle; nine tenths of a limit go to the training split."""
    numbers = np.random.default_rng(0).permutation(np.array(_NUMBERS[split]))
    if config.limit is None:
        return numbers
    held_out = max(1, config.limit // 10)
    return numbers[: held_out if split == "test" else config.limit - held_out]


def _name(number: int) -> str:
    return f"{number:06d}.jpg"


def _shape(config: DataConfig) -> tuple[int, int, int]:
    size = config.size or _DEFAULT_SIZE
    return (3, size, size)


DATASET = CelebA("celeba")
