"""What a data set is: DataConfig chooses one, DataSpec says what it provides. No torch, no data is read here."""

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
    """The choice of a data set, as recipes and `--data` make it. All but the name are for sets that can be sized."""

    name: str = Field("digits", min_length=1, max_length=200, description="name of the data set")
    path: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="the folder of pictures or of recordings, or the HDF5 file, of your own set",
    )
    path_b: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="the folder of the second kind of pictures, where path holds only the first",
    )
    size: int | None = Field(
        None,
        ge=4,
        le=MAX_SIDE,
        description="side of the pictures in pixels: cropped to a square at the centre, resized",
    )
    style: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="the picture to be painted like: a file, or the name of one in style_images of the data folder",
    )
    style_size: int | None = Field(
        None, ge=16, le=1024, description="longer side of that picture in pixels: larger gives coarser strokes"
    )
    channels: Literal[1, 3] | None = Field(None, description="1 for grey pictures, 3 for colour")
    side_by_side: bool | None = Field(
        None, description="each image holds one of A on its left half and one of B on its right, as those of pix2pix"
    )
    background: int | None = Field(
        None,
        ge=0,
        le=255,
        description="what transparent images are laid on: black, white, grey, or a grey level; empty for black",
    )
    limit: int | None = Field(
        None,
        ge=2,
        le=100_000_000,
        description="use at most this many pictures or recordings, drawn once by a fixed shuffle",
    )
    sample_rate: int | None = Field(
        None, ge=2_000, le=48_000, description="samples a second that recordings are brought to; empty for 8,000"
    )
    clip_seconds: float | None = Field(
        None, ge=0.1, le=60, description="longer recordings are cut into equal pieces of at most this; empty for 2"
    )

    @field_validator("path", "path_b")
    @classmethod
    def _absolute(cls, path: str | None) -> str | None:
        # The worker that trains has another working directory than the shell a job is submitted from.
        return None if path is None else os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111

    @field_validator("background", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return BACKGROUNDS.get(value.strip().lower(), value) if isinstance(value, str) else value

    @field_validator("style")
    @classmethod
    def _file_or_name(cls, style: str | None) -> str | None:
        # A bare word is looked up in the data folder by whoever reads it; a path is this shell's.
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
    sample_rate: int | None = Field(None, ge=1_000, le=48_000, description="of recordings: samples a second")
    clip_samples: int | None = Field(None, ge=16, description="of recordings: samples that almost all stay within")
    speakers: tuple[str, ...] = Field((), description="of recordings: who speaks, in the order of their numbers")
    pairs: int = Field(
        0, ge=0, description="of sets of two kinds of pictures: image_a and image_b in an epoch, the larger kind once"
    )
    target: tuple[float, ...] | None = Field(
        None, description="where all examples are noisy copies of one picture: that picture, 0 to 1"
    )
    licence: str
    source: str
    download_mb: float = Field(0, description="what fetching it costs; 0 where nothing is fetched")
    notes: tuple[str, ...] = Field((), description="of own sets: files left out and why, classes without images")

    @property
    def num_speakers(self) -> int:
        return len(self.speakers)


@dataclass(frozen=True)
class Arrays:
    """One split in memory: images uint8 (N, C, H, W), labels int64 (N,); of two kinds, 0 is A and 1 is B.

    `style` uint8 (1, C, h, w) is the picture to be painted like, where the set has one.
    """

    images: np.ndarray
    labels: np.ndarray
    style: np.ndarray | None = None


@dataclass(frozen=True)
class Recordings:
    """One split of recordings in memory, end to end: no sample is spent on padding.

    samples int16 (total,); ends int64 (N,), where in it each recording ends; labels and speakers int64 (N,); closes
    bool (N,), whether it ends there by itself, and not because a longer one was cut.
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
        """From one int16 (T,) a recording; without `closes` none of them was cut."""
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
    """Raise DataError where `count` pictures of `shape` are more than one process should hold."""
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

    `test` (bool, (count,)) marks the test examples where the set says which they are; else the last tenth of a fixed
    shuffle is held out. `limit` keeps the first so many of that shuffle. `labels` int64 (count,): a class of which all
    images would be held out is trained on instead, if another image is left to test with.
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
    kept = held_out & np.isin(labels, labels[~held_out])
    if not kept.any():
        spare = np.flatnonzero(np.bincount(labels)[labels] > 1)
        if not len(spare):
            return held_out
        kept[spare[-1]] = True
    return kept
