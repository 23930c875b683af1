"""Two kinds of pictures, A and B, of which nothing says what belongs together: two folders, or a zip of two.

One folder or zip with `trainA trainB` and, if they are there, `testA testB`, as the authors of CycleGAN lay them out;
or one that holds two folders, or `train` and `val` with the same two; or two folders of your own, `path` and `path_b`;
or pairs side by side in one image (`side_by_side`), of which each half is one image. `valA` and `valB` are for testing
if there are no `testA` and `testB`. Where nothing says what is for testing, a tenth of each kind is held out. The kinds
are classes 0 and 1 as well, so a classifier can be trained to tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from genmodels.data import from_source
from genmodels.data.background import Background
from genmodels.data.left_out import LeftOut
from genmodels.data.side_by_side import Halves
from genmodels.data.sources import Folder, Source, Zip, grouped, no_images
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split, check_memory, split_rows
from genmodels.errors import DataError

FIELDS = ("path", "path_b", "size", "channels", "limit", "side_by_side", "background")
_LAID_OUT = {
    f"{part}{'ab'[kind]}": (kind, part) for part in ("train", "test", "val") for kind in (0, 1)
}  # folder: kind and part
_EXPECTED = (
    "two kinds of pictures are expected: folders trainA and trainB (and testA, testB for testing), or two folders, one "
    "a kind; for pairs in one image, as pix2pix has them, set data.side_by_side=true"
)


class Joined:
    """Several sources as one: each one's pictures are found below its own name."""

    def __init__(self, title: str, parts: Mapping[str, Source]) -> None:
        self.title, self._parts = title, parts
        self.names: Sequence[str] = [f"{key}/{name}" for key, part in parts.items() for name in part.names]
        self.left_out = LeftOut()
        for key, part in parts.items():
            self.left_out.update(part.left_out, f"{key}/")

    def read(self, name: str, size: int, channels: int, background: Background | None = None) -> np.ndarray:
        key, _, inner = name.partition("/")
        return self._parts[key].read(inner, size, channels, background)


@dataclass(frozen=True)
class Kinds:
    """A source whose images `names` are of kind 0 or 1; `test` marks the test images if the folders say which.

    `notes` says what else lies in the source and is not used.
    """

    source: Source
    titles: tuple[str, str]
    kind: np.ndarray
    test: np.ndarray | None
    names: Sequence[str]
    notes: tuple[str, ...] = ()

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
    if config.path_b is not None and config.side_by_side:
        return "data.side_by_side = true takes both kinds from the images in data.path; set data.path_b=null"
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
                raise DataError(no_images(folder))
        return kinds_of(Joined(f"{path.name} and {Path(config.path_b).name}", pair))
    source = Folder(path) if path.is_dir() else Zip(path)
    return kinds_of(Halves(source) if config.side_by_side else source)


def kinds_of(source: Source, titles: tuple[str, str] | None = None) -> Kinds:
    """Which of the source's pictures are A and which B; raises DataError where its folders do not say."""
    groups = grouped(source)
    marks = [_laid_out(name) for name in source.names]
    if {(0, "train"), (1, "train")} <= set(marks):
        return _laid_out_kinds(source, titles or ("A", "B"), marks)
    if len(groups.classes) != 2:
        found = ", ".join(groups.classes[:8]) or "no folders"
        raise DataError(f"{source.title} has {found}; {_EXPECTED}")
    notes = (*groups.notes, *groups.left_out.lines())
    return Kinds(
        source, titles or (groups.classes[0], groups.classes[1]), groups.labels, groups.test, groups.names, notes
    )


def _laid_out_kinds(source: Source, titles: tuple[str, str], marks: list[tuple[int, str] | None]) -> Kinds:
    """By the folders of CycleGAN's authors; `valA` and `valB` are for testing if there are no `testA` and `testB`."""
    held_out = "test" if any(mark is not None and mark[1] == "test" for mark in marks) else "val"
    left_out = LeftOut()
    left_out.update(source.left_out)
    names, kind, test = [], [], []
    for name, mark in zip(source.names, marks, strict=True):
        if mark is None:
            left_out.add(name, "images outside trainA, trainB, testA and testB")
        elif mark[1] not in ("train", held_out):
            left_out.add(name, "images in valA and valB, as testA and testB are there to test with")
        else:
            names.append(name)
            kind.append(mark[0])
            test.append(mark[1] != "train")
    return Kinds(source, titles, np.array(kind), np.array(test) if any(test) else None, names, left_out.lines())


def _laid_out(name: str) -> tuple[int, str] | None:
    """(kind, part) by the folder that says so, if one does."""
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
        notes=kinds.notes,
    )


def arrays_of(
    kinds: Kinds, config: DataConfig, split: Split, first: int | None, default_size: int = from_source.DEFAULT_SIZE
) -> Arrays:
    """The split decoded, both kinds mixed by a fixed shuffle; more than a tenth unreadable raise DataError."""
    rows = np.random.default_rng(0).permutation(np.concatenate(kinds.rows(split, config.limit)))[:first]
    channels, size, _ = shape_of(config, default_size)
    source = kinds.source
    check_memory(len(rows), (channels, size, size), source.title)
    background = Background(config.background or 0)
    images, kept, skipped = from_source.gather(source, [kinds.names[row] for row in rows], size, channels, background)
    from_source.report_skipped(skipped, len(rows), f"{split} pictures in {source.title}")
    if split == "train" and first is None:
        from_source.report_notes(source.title, (*background.notes(), *kinds.notes))
    return Arrays(images=images, labels=kinds.kind[rows[kept]].astype(np.int64))


def shape_of(config: DataConfig, default_size: int) -> tuple[int, int, int]:
    """Channels, height and width of the pictures."""
    size = config.size or default_size
    return (config.channels or 3, size, size)
