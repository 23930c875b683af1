"""A source of images (folder, book's file) as a data set: described from its names, decoded when it is loaded."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from genmodels.data.formats.background import Background
from genmodels.data.left_out import printable
from genmodels.data.own.layouts import untrained
from genmodels.data.own.sources import GroupedImages, Source, group_images, read_all
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split, check_memory, split_rows
from genmodels.errors import DataError

DEFAULT_SIZE = 64
UNKNOWN_LICENCE = "yours: unknown to the studio"
_log = logging.getLogger(__name__)


def spec_of(source: Source, config: DataConfig) -> DataSpec:
    """What the source provides; no image is opened. Raises DataError if it is empty or too large."""
    groups = group_images(source)
    classes = groups.classes
    train_rows, test_rows = (_rows(groups, split, config.limit) for split in ("train", "test"))
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
        notes=notes_of(groups, train_rows, test_rows),
    )


def notes_of(groups: GroupedImages, train_rows: np.ndarray, test_rows: np.ndarray) -> tuple[str, ...]:
    """Notes for the user: files left out, classes without a training image, links."""
    labels = groups.labels[np.concatenate([train_rows, test_rows])]
    lines = untrained(groups.classes, labels, groups.labels[train_rows])
    return tuple(dict.fromkeys((*groups.notes, *lines, *groups.left_out.lines())))


def arrays_of(source: Source, config: DataConfig, split: Split, first: int | None) -> Arrays:
    """The split, decoded; unreadable images are left out and logged. Raises DataError if they are more than a tenth."""
    groups = group_images(source)
    rows = _rows(groups, split, config.limit)[:first]
    channels, size, _ = _shape(config)
    check_memory(len(rows), (channels, size, size), source.title)
    background = Background(config.background or 0)
    images, used, skipped = gather(source, [groups.names[row] for row in rows], size, channels, background)
    report_skipped(skipped, len(rows), f"{split} pictures in {source.title}")
    labels = groups.labels[rows[used]]
    if split == "train" and first is None:
        notes = notes_of(groups, rows[used], _rows(groups, "test", config.limit))
        report_notes(source.title, (*background.notes(), *notes))
    return Arrays(images=images, labels=labels)


def report_skipped(skipped: Sequence[str], count: int, what: str) -> None:
    """Log the images that were left out of `count`; raises DataError if they are more than a tenth."""
    if skipped:
        some = "; ".join(skipped[:5]) + (" ..." if len(skipped) > 5 else "")
        text = f"{len(skipped):,} of the {count:,} {what} cannot be used: {some}"
        if 10 * len(skipped) > count:
            raise DataError(f"{text}. Remove or convert them")
        _log.warning("%s", text)


def report_notes(title: str, notes: Sequence[str]) -> None:
    """Write the notes of a data set to the log of the training."""
    for line in notes:
        _log.warning("%s: %s", title, line)


def counts_of(source: Source, config: DataConfig, split: Split) -> tuple[int, ...]:
    """Images per class in the split; nothing is decoded."""
    groups = group_images(source)
    rows = _rows(groups, split, config.limit)
    classes = groups.classes
    return tuple(np.bincount(groups.labels[rows], minlength=len(classes)).tolist()) if classes else ()


def gather(
    source: Source, names: Sequence[str], size: int, channels: int, background: Background | None = None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Images uint8 (N, C, size, size), their indices in `names`, and the other names with the reason."""
    images = np.empty((len(names), channels, size, size), np.uint8)
    used: list[int] = []
    skipped: list[str] = []
    for row, (name, image) in enumerate(read_all(source, names, size, channels, background)):
        if isinstance(image, DataError):
            skipped.append(f"{printable(name)}: {image}")
        else:
            images[len(used)] = image
            used.append(row)
    return images[: len(used)], np.array(used, np.int64), skipped


def _rows(groups: GroupedImages, split: Split, limit: int | None) -> np.ndarray:
    return split_rows(len(groups.labels), split, limit, groups.test, groups.labels)


def _shape(config: DataConfig) -> tuple[int, int, int]:
    size = config.size or DEFAULT_SIZE
    return (config.channels or 3, size, size)
