"""A source of pictures (folder, book's file) as a data set: described by counting, decoded when it is loaded."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from genmodels.data.sources import Source, layout, read_all
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split, check_memory, split_rows
from genmodels.errors import DataError

DEFAULT_SIZE = 64
UNKNOWN_LICENCE = "yours: unknown to the studio"
_log = logging.getLogger(__name__)


def spec_of(source: Source, config: DataConfig) -> DataSpec:
    """What the source provides; no picture is opened. Raises DataError where it is empty or too large."""
    if not source.names:
        raise DataError(f"{source.title} holds no pictures (files ending in png, jpg, jpeg, webp, bmp or gif)")
    classes, labels, test = _grouped(source)
    train_rows, test_rows = (split_rows(len(labels), split, config.limit, test) for split in ("train", "test"))
    shape = _shape(config)
    check_memory(len(train_rows), shape, source.title)
    return DataSpec(
        name=config.name,
        title=source.title,
        provides=("image", "label") if classes else ("image",),
        image_shape=shape,
        num_classes=len(classes),
        classes=classes,
        train_size=len(train_rows),
        test_size=len(test_rows),
        licence=UNKNOWN_LICENCE,
        source=f"your own pictures: {source.title}",
    )


def arrays_of(source: Source, config: DataConfig, split: Split, first: int | None) -> Arrays:
    """The split decoded; unreadable pictures are left out and named in the log, more than a tenth raise DataError."""
    _, labels, test = _grouped(source)
    rows = split_rows(len(labels), split, config.limit, test)[:first]
    channels, size, _ = _shape(config)
    check_memory(len(rows), (channels, size, size), source.title)
    images, kept, skipped = gather(source, [source.names[row] for row in rows], size, channels)
    report_skipped(skipped, len(rows), f"{split} pictures in {source.title}")
    return Arrays(images=images, labels=labels[rows[kept]])


def report_skipped(skipped: Sequence[str], count: int, what: str) -> None:
    """Name pictures that were left out of `count` in the log; more than a tenth raise DataError."""
    if skipped:
        some = "; ".join(skipped[:5]) + (" ..." if len(skipped) > 5 else "")
        text = f"{len(skipped):,} of the {count:,} {what} cannot be used: {some}"
        if 10 * len(skipped) > count:
            raise DataError(f"{text}. Remove or convert them")
        _log.warning("%s", text)


def counts_of(source: Source, config: DataConfig, split: Split) -> tuple[int, ...]:
    """Pictures of each class in the split, by folder; nothing is decoded."""
    classes, labels, test = _grouped(source)
    rows = split_rows(len(labels), split, config.limit, test)
    return tuple(np.bincount(labels[rows], minlength=len(classes)).tolist()) if classes else ()


def gather(source: Source, names: Sequence[str], size: int, channels: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Images uint8 (N, C, size, size), which of `names` they are, and the others with the reason."""
    images = np.empty((len(names), channels, size, size), np.uint8)
    kept: list[int] = []
    skipped: list[str] = []
    for row, (name, picture) in enumerate(read_all(source, names, size, channels)):
        if isinstance(picture, DataError):
            skipped.append(f"{name}: {picture}")
        else:
            images[len(kept)] = picture
            kept.append(row)
    return images[: len(kept)], np.array(kept, np.int64), skipped


def _grouped(source: Source) -> tuple[tuple[str, ...], np.ndarray, np.ndarray | None]:
    groups = layout(source.names)
    return groups.classes, groups.labels, groups.test


def _shape(config: DataConfig) -> tuple[int, int, int]:
    size = config.size or DEFAULT_SIZE
    return (config.channels or 3, size, size)
