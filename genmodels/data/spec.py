"""DataConfig chooses a data set, DataSpec says what it provides, Arrays and Recordings hold its examples."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from genmodels.config import MAX_SIDE, Frozen
from genmodels.errors import DataError

Split = Literal["train", "test"]
MAX_ARRAY_BYTES = 4 * 2**30
BACKGROUNDS = {"black": 0, "white": 255, "grey": 128, "gray": 128}


class DataConfig(Frozen):
    """The choice of a data set in recipes and `--data`. Each set uses some of the fields (`Dataset.fields`)."""

    name: str = Field("digits", min_length=1, max_length=200, description="name of the data set")
    path: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="folder of images or recordings, or HDF5 file, with your own data",
    )
    path_b: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="folder with the images of domain B, if path holds only those of domain A",
    )
    extra: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="folder of further training images for a classifier, one subfolder per class, such as hard "
        "negatives; the test split does not use them",
    )
    size: int | None = Field(
        None,
        ge=4,
        le=MAX_SIDE,
        description="side of the images in pixels: they are centre-cropped to a square and resized",
    )
    style: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="style image: a file, or the name of one in style_images of the data folder",
    )
    style_size: int | None = Field(
        None, ge=16, le=1024, description="longer side of the style image in pixels: larger gives coarser strokes"
    )
    channels: Literal[1, 3] | None = Field(None, description="1 for grey images, 3 for colour")
    side_by_side: bool | None = Field(
        None, description="each image is a pair, domain A in its left half and B in its right, as in pix2pix"
    )
    background: int | None = Field(
        None,
        ge=0,
        le=255,
        description="background of transparent images: black, white, grey, or a grey level; empty for black",
    )
    limit: int | None = Field(
        None,
        ge=2,
        le=100_000_000,
        description="use at most this many images or recordings, the first of a fixed shuffle",
    )
    sample_rate: int | None = Field(
        None, ge=2_000, le=48_000, description="sample rate in Hz to which recordings are resampled; empty for 8,000"
    )
    clip_seconds: float | None = Field(
        None, ge=0.1, le=60, description="longer recordings are cut into equal clips of at most this; empty for 2"
    )

    @field_validator("path", "path_b", "extra")
    @classmethod
    def _absolute(cls, path: str | None) -> str | None:
        # The training worker has another working directory than the shell that submits the job.
        return None if path is None else os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111

    @field_validator("background", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return BACKGROUNDS.get(value.strip().lower(), value) if isinstance(value, str) else value

    @field_validator("style")
    @classmethod
    def _file_or_name(cls, style: str | None) -> str | None:
        # A bare name is looked up in the data root when it is read; a path belongs to this shell.
        is_path = style is not None and (os.sep in style or os.path.isfile(style))  # noqa: PTH113
        return cls._absolute(style) if is_path else style


class DataSpec(Frozen):
    """What a data set provides; stored with every run, so a model knows what it was trained on."""

    name: str
    title: str
    provides: tuple[str, ...] = Field(description="batch keys: image, label, image_a, image_b, ...")
    image_shape: tuple[int, int, int] | None = Field(None, description="channels, height, width")
    num_classes: int = 0
    classes: tuple[str, ...] = ()
    train_size: int = Field(ge=1, description="examples to train on; an epoch is this many")
    test_size: int = Field(0, ge=0)
    sample_rate: int | None = Field(None, ge=1_000, le=48_000, description="of recordings: sample rate in Hz")
    clip_samples: int | None = Field(None, ge=16, description="of recordings: length in samples that few exceed")
    speakers: tuple[str, ...] = Field((), description="of recordings: speakers, in the order of their indices")
    pairs: int = Field(
        0, ge=0, description="of two image domains: pairs (image_a, image_b) per epoch, the size of the larger domain"
    )
    target: tuple[float, ...] | None = Field(
        None, description="if all examples are noisy copies of one image: that image, 0 to 1"
    )
    licence: str
    source: str
    download_mb: float = Field(0, description="size of the download; 0 if none is needed")
    notes: tuple[str, ...] = Field((), description="of the user's data: files left out and why, classes without images")

    @property
    def num_speakers(self) -> int:
        return len(self.speakers)


@dataclass(frozen=True)
class Arrays:
    """One split in memory: images uint8 (N, C, H, W), labels int64 (N,); of two domains, 0 is A and 1 is B.

    `style` uint8 (1, C, h, w) is the style image, if the set has one. `masks` uint8 (N, 1, H, W) are object masks, if
    the model's settings ask for them: 255 on the objects.
    """

    images: np.ndarray
    labels: np.ndarray
    style: np.ndarray | None = None
    masks: np.ndarray | None = None


@dataclass(frozen=True)
class Recordings:
    """One split of recordings in memory, concatenated without padding.

    samples int16 (total,); ends int64 (N,), the end of each recording in `samples`; labels and speakers int64 (N,);
    closes bool (N,), False if the recording was cut out of a longer one that goes on.
    """

    samples: np.ndarray
    ends: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray
    closes: np.ndarray

    @classmethod
    def of(
        cls,
        clips: Sequence[np.ndarray],
        labels: Sequence[int],
        speakers: Sequence[int],
        closes: np.ndarray | None = None,
    ) -> Recordings:
        """From one int16 (T,) array per recording; without `closes`, none was cut."""
        ends = np.cumsum([len(clip) for clip in clips], dtype=np.int64)
        closes = np.ones(len(clips), bool) if closes is None else closes
        return cls(np.concatenate(clips), ends, np.array(labels, np.int64), np.array(speakers, np.int64), closes)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def lengths(self) -> np.ndarray:
        """Samples of each recording, int64 (N,)."""
        return np.diff(self.ends, prepend=0)

    def clip(self, index: int) -> np.ndarray:
        """One recording as float32 (T,) in [-1, 1)."""
        start = self.ends[index - 1] if index else 0
        clip: np.ndarray = self.samples[start : self.ends[index]].astype(np.float32) / 32_768
        return clip


def check_memory(count: int, shape: tuple[int, ...], what: str) -> None:
    """Raise DataError if `count` images of `shape` need more than MAX_ARRAY_BYTES."""
    needed = count * math.prod(shape)
    if needed > MAX_ARRAY_BYTES:
        fitting = MAX_ARRAY_BYTES // math.prod(shape)
        raise DataError(
            f"{what}: {count:,} pictures of {'x'.join(map(str, shape))} need {needed / 1e9:,.1f} GB of memory; the "
            f"limit is {MAX_ARRAY_BYTES / 1e9:.1f} GB. Choose a smaller size, or a limit of at most {fitting:,}"
        )


def split_rows(
    count: int,
    split: Split,
    limit: int | None = None,
    test: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """Row numbers of a split of `count` examples, in an order that mixes the classes.

    `test` (bool, (count,)) marks the test examples if the set defines them; else the last tenth of a fixed shuffle is
    held out. `limit` keeps the first examples of that shuffle. `labels` int64 (count,): a class of which all
    images would be held out is trained on instead, if another image remains in the test split.
    """
    if count < 2:
        raise DataError(f"a data set needs at least 2 pictures, one to train on and one to test with; found {count}")
    order: np.ndarray = np.random.default_rng(0).permutation(count)[:limit]
    held_out = np.arange(len(order)) >= len(order) - max(1, len(order) // 10)
    if test is not None and 0 < np.count_nonzero(test[order]) < len(order):
        held_out = test[order]
    elif labels is not None:
        held_out = _with_every_class_trained(labels[order], held_out)
    rows: np.ndarray = order[held_out == (split == "test")]
    return rows


def _with_every_class_trained(labels: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    test = held_out & np.isin(labels, labels[~held_out])
    if not test.any():
        spare = np.flatnonzero(np.bincount(labels)[labels] > 1)
        if not len(spare):
            return held_out
        test[spare[-1]] = True
    return test
