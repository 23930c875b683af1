"""What a data set is: DataConfig chooses one, DataSpec says what it provides. No torch, no data is read here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from genmodels.config import Frozen

Split = Literal["train", "test"]


class DataConfig(Frozen):
    """The choice of a data set, as recipes and `--data` make it."""

    name: str = Field("digits", min_length=1, max_length=200, description="name of the data set")


class DataSpec(Frozen):
    """What a data set provides; stored with every run, so a model knows what it was trained on."""

    name: str
    title: str
    provides: tuple[str, ...] = Field(description="batch keys: image, label, ...")
    image_shape: tuple[int, int, int] | None = Field(None, description="channels, height, width")
    num_classes: int = 0
    classes: tuple[str, ...] = ()
    train_size: int = Field(ge=1, description="examples to train on; an epoch is this many")
    test_size: int = Field(0, ge=0)
    target: tuple[float, ...] | None = Field(
        None, description="where all examples are noisy copies of one picture: that picture, 0 to 1"
    )
    licence: str
    source: str
    download_mb: float = Field(0, description="what fetching it costs; 0 where nothing is fetched")


@dataclass(frozen=True)
class Arrays:
    """One split in memory: images uint8 (N, C, H, W), labels int64 (N,)."""

    images: np.ndarray
    labels: np.ndarray
