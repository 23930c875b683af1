"""Two kinds of pictures, A and B, of which nothing says what belongs together: two folders, or a zip of two.

One folder or zip with `trainA trainB` and, if they are there, `testA testB`, as the authors of CycleGAN lay them out;
or one that holds two folders, or `train` and `val` with the same two; or two folders of your own, `path` and `path_b`.
Where nothing says what is for testing, a tenth of each kind is held out. The kinds are classes 0 and 1 as well, so a
classifier can be trained to tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from genmodels.data import from_source
from genmodels.data.sources import Folder, Source, Zip, layout
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split, check_memory, split_rows
from genmodels.errors import DataError

FIELDS = ("path", "path_b", "size", "channels", "limit")
_LAID_OUT = {"traina": (0, False), "trainb": (1, False), "testa": (0, True), "testb": (1, True)}
_EXPECTED = (
    "two kinds of pictures are expected: folders trainA and trainB (and testA, testB for testing), or two folders, one "
    "a kind"
)


class Joined:
    """Several sources as one: each one's pictures are found below its own name."""

    def __init__(self, title: str, parts: Mapping[str, Source]) -> None:
        self.title, self._parts = title, parts
        self.names: Sequence[str] = [f"{key}/{name}" for key, part in parts.items() for name in part.names]

    def read(self, name: str, size: int, channels: int) -> np.ndarray:
        key, _, inner = name.partition("/")
        return self._parts[key].read(inner, size, channels)


@dataclass(frozen=True)
class Kinds:
    """A source whose pictures are of kind 0 or 1; `test` marks the test pictures where the folders say which."""

    source: Source
    titles: tuple[str, str]
    kind: np.ndarray
    test: np.ndarray | None

    def rows(self, split: Split, limit: int | None) -> list[np.ndarray]:
        """The row numbers of both kinds in the split; `limit` counts both, half each."""
        found = []
        for kind in (0, 1):
            of_kind = np.flatnonzero(self.kind == kind)
            half = None if limit is None else max(2, limit // 2)
            test = None if self.test is None else self.test[of_kind]
            found.append(of_kind[split_rows(len(of_kind), split, half, test)])
        return found


def problem(config: DataConfig) -> str | None:
    """None where the folders are there, else one sentence."""
    if config.path is None:
        return (
            "data set 'unpaired' needs two kinds of pictures: set data.path to a folder or zip with trainA and trainB, "
            "or data.path and data.path_b to one folder each, for example --set data.path=horses --set "
            "data.path_b=zebras"
        )
    if config.path_b is None:
        there = Path(config.path).is_dir() or Path(config.path).is_file()
        return None if there else f"data.path = {config.path!r} is neither a folder nor a zip on this machine"
    for field, path in (("path", config.path), ("path_b", config.path_b)):
        if not Path(path).is_dir():
            return f"data.{field} = {path!r} is not a folder on this machine"
    return None


def spec(config: DataConfig) -> DataSpec:
    """Counted from the file names; raises DataError."""
    return spec_of(_opened(config), config)


def read(config: DataConfig, split: Split, first: int | None) -> Arrays:
    """The split, decoded, both kinds mixed; labels say which. Raises DataError."""
    return arrays_of(_opened(config), config, split, first)


def class_counts(config: DataConfig, split: Split) -> tuple[int, ...]:
    """Pictures of A and of B, counted from the file names."""
    return tuple(len(rows) for rows in _opened(config).rows(split, config.limit))


def _opened(config: DataConfig) -> Kinds:
    missing = problem(config)
    if missing or config.path is None:
        raise DataError(missing or "")
    path = Path(config.path)
    if config.path_b is not None:
        pair = {"A": Folder(path), "B": Folder(Path(config.path_b))}
        for folder in pair.values():
            if not folder.names:
                raise DataError(f"{folder.path} holds no pictures (files ending in png, jpg, jpeg, webp, bmp or gif)")
        return kinds_of(Joined(f"{path.name} and {Path(config.path_b).name}", pair))
    return kinds_of(Folder(path) if path.is_dir() else Zip(path))


def kinds_of(source: Source, titles: tuple[str, str] | None = None) -> Kinds:
    """Which of the source's pictures are A and which B; raises DataError where its folders do not say."""
    if not source.names:
        raise DataError(f"{source.title} holds no pictures (files ending in png, jpg, jpeg, webp, bmp or gif)")
    laid_out = [_laid_out(name) for name in source.names]
    marks = {mark for mark in laid_out if mark is not None}
    if {(0, False), (1, False)} <= marks:
        source = _Part(source, [name for name, mark in zip(source.names, laid_out, strict=True) if mark is not None])
        kept = [mark for mark in laid_out if mark is not None]
        test = np.array([mark[1] for mark in kept])
        return Kinds(source, titles or ("A", "B"), np.array([mark[0] for mark in kept]), test if test.any() else None)
    groups = layout(source.names)
    if len(groups.classes) != 2:
        found = ", ".join(groups.classes[:8]) or "no folders"
        raise DataError(f"{source.title} has {found}; {_EXPECTED}")
    return Kinds(source, titles or (groups.classes[0], groups.classes[1]), groups.labels, groups.test)


class _Part:
    """Some of a source's pictures."""

    def __init__(self, source: Source, names: list[str]) -> None:
        self.title, self._source = source.title, source
        self.names: Sequence[str] = names

    def read(self, name: str, size: int, channels: int) -> np.ndarray:
        return self._source.read(name, size, channels)


def _laid_out(name: str) -> tuple[int, bool] | None:
    """(kind, whether for testing) by the folder that says so, if one does."""
    for part in PurePosixPath(name).parts[:-1]:
        if part.lower() in _LAID_OUT:
            return _LAID_OUT[part.lower()]
    return None


def spec_of(kinds: Kinds, config: DataConfig, default_size: int = from_source.DEFAULT_SIZE) -> DataSpec:
    """What the two kinds provide; no picture is opened. Raises DataError where they are too few or too large."""
    counts = {split: [len(rows) for rows in kinds.rows(split, config.limit)] for split in ("train", "test")}
    shape = shape_of(config, default_size)
    check_memory(sum(counts["train"]), shape, kinds.source.title)
    return DataSpec(
        name=config.name,
        title=kinds.source.title,
        provides=("image", "label", "image_a", "image_b"),
        image_shape=shape,
        num_classes=2,
        classes=kinds.titles,
        train_size=sum(counts["train"]),
        test_size=sum(counts["test"]),
        pairs=max(counts["train"]),
        licence=from_source.UNKNOWN_LICENCE,
        source=f"your own pictures: {kinds.source.title}",
    )


def arrays_of(
    kinds: Kinds, config: DataConfig, split: Split, first: int | None, default_size: int = from_source.DEFAULT_SIZE
) -> Arrays:
    """The split decoded, both kinds mixed by a fixed shuffle; more than a tenth unreadable raise DataError."""
    rows = np.random.default_rng(0).permutation(np.concatenate(kinds.rows(split, config.limit)))[:first]
    channels, size, _ = shape_of(config, default_size)
    source = kinds.source
    check_memory(len(rows), (channels, size, size), source.title)
    images, kept, skipped = from_source.gather(source, [source.names[row] for row in rows], size, channels)
    from_source.report_skipped(skipped, len(rows), f"{split} pictures in {source.title}")
    return Arrays(images=images, labels=kinds.kind[rows[kept]].astype(np.int64))


def shape_of(config: DataConfig, default_size: int) -> tuple[int, int, int]:
    """Channels, height and width of the pictures."""
    size = config.size or default_size
    return (config.channels or 3, size, size)
