"""Two unpaired image domains, A and B, from the user's folders or zip.

`path` is a folder or zip with `trainA trainB` and optional `testA testB`, the layout of CycleGAN's authors; or with two
folders; or with the same two in `train` and in `val`. Or `path` and `path_b` are one folder each. Or each image holds a
pair side by side (`side_by_side`). `valA` and `valB` are the test split if there are no `testA` and `testB`. If no
folder is a test split, a tenth of each domain is held out. The domains are also the classes 0 and 1, so a classifier
can be trained to tell them apart. Further training images of such a classifier, hard negatives, are read from `extra`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from genmodels.data.dataset import UserData
from genmodels.data.formats.background import Background
from genmodels.data.left_out import LeftOut
from genmodels.data.own import from_source
from genmodels.data.own.side_by_side import Halves
from genmodels.data.own.sources import Folder, Source, Zip, group_images, no_images
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split, check_memory, split_rows
from genmodels.errors import DataError

_FOLDERS = {
    f"{part}{'ab'[domain]}": (domain, part) for part in ("train", "test", "val") for domain in (0, 1)
}  # folder name: domain and split
_EXPECTED = (
    "pictures of two domains are expected: folders trainA and trainB (and testA, testB for testing), or two folders, "
    "one per domain; for pairs in one image, as in pix2pix, set data.side_by_side=true"
)


class Joined:
    """Several sources as one; the names of each one's images start with its key."""

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
class Domains:
    """A source whose images `names` belong to domain 0 or 1; `test` marks the test images if folders say which.

    `notes` says what else is in the source and is not used.
    """

    source: Source
    titles: tuple[str, str]
    domain: np.ndarray
    test: np.ndarray | None
    names: Sequence[str]
    notes: tuple[str, ...] = ()

    def rows(self, split: Split, limit: int | None) -> list[np.ndarray]:
        """The row numbers of each domain in the split; `limit` counts both, half each."""
        rows = []
        for domain in (0, 1):
            of_domain = np.flatnonzero(self.domain == domain)
            half = None if limit is None else max(2, limit // 2)
            test = None if self.test is None else self.test[of_domain]
            rows.append(of_domain[split_rows(len(of_domain), split, half, test)])
        return rows


class Unpaired(UserData):
    fields = ("path", "path_b", "size", "channels", "limit", "side_by_side", "background", "extra")

    def missing(self, config: DataConfig) -> str | None:
        if config.path is None:
            return (
                "data set 'unpaired' needs pictures of two domains: set data.path to a folder or zip with trainA and "
                "trainB, or data.path and data.path_b to one folder each, for example --set data.path=horses --set "
                "data.path_b=zebras"
            )
        if config.path_b is not None and config.side_by_side:
            return "data.side_by_side = true takes both domains from the images in data.path; set data.path_b=null"
        if config.path_b is None:
            exists = Path(config.path).is_dir() or Path(config.path).is_file()
            return None if exists else f"data.path = {config.path!r} is neither a folder nor a zip on this machine"
        for field, path in (("path", config.path), ("path_b", config.path_b)):
            if not Path(path).is_dir():
                return f"data.{field} = {path!r} is not a folder on this machine"
        return None

    def spec(self, config: DataConfig) -> DataSpec:
        """Counted from the file names; raises DataError."""
        return spec_of(self._domains(config), config)

    def load(self, config: DataConfig, split: Split, first: int | None = None) -> Arrays:
        """The split, decoded, both domains shuffled together; labels say which. Raises DataError."""
        return arrays_of(self._domains(config), config, split, first)

    def class_counts(self, config: DataConfig, split: Split) -> tuple[int, ...]:
        """Images of A and of B, counted from the file names."""
        return tuple(len(rows) for rows in self._domains(config).rows(split, config.limit))

    def _domains(self, config: DataConfig) -> Domains:
        path = self.path(config)
        if config.path_b is not None:
            pair = {"A": Folder(path), "B": Folder(Path(config.path_b))}
            for folder in pair.values():
                if not folder.names:
                    raise DataError(no_images(folder))
            return domains_of(Joined(f"{path.name} and {Path(config.path_b).name}", pair))
        source = Folder(path) if path.is_dir() else Zip(path)
        return domains_of(Halves(source) if config.side_by_side else source)


DATASET = Unpaired("unpaired")


def domains_of(source: Source, titles: tuple[str, str] | None = None) -> Domains:
    """Which of the source's images are A and which B; raises DataError if its folders do not say."""
    groups = group_images(source)
    marks = [_mark(name) for name in source.names]
    if {(0, "train"), (1, "train")} <= set(marks):
        return _cyclegan_layout(source, titles or ("A", "B"), marks)
    if len(groups.classes) != 2:
        folders = ", ".join(groups.classes[:8]) or "no folders"
        raise DataError(f"{source.title} has {folders}; {_EXPECTED}")
    notes = (*groups.notes, *groups.left_out.lines())
    return Domains(
        source, titles or (groups.classes[0], groups.classes[1]), groups.labels, groups.test, groups.names, notes
    )


def _cyclegan_layout(source: Source, titles: tuple[str, str], marks: list[tuple[int, str] | None]) -> Domains:
    """Domains by the folders of CycleGAN's authors; `valA` and `valB` are the test split if there is no `testA`."""
    held_out = "test" if any(mark is not None and mark[1] == "test" for mark in marks) else "val"
    left_out = LeftOut()
    left_out.update(source.left_out)
    names, domain, test = [], [], []
    for name, mark in zip(source.names, marks, strict=True):
        if mark is None:
            left_out.add(name, "images outside trainA, trainB, testA and testB")
        elif mark[1] not in ("train", held_out):
            left_out.add(name, "images in valA and valB, because testA and testB are the test split")
        else:
            names.append(name)
            domain.append(mark[0])
            test.append(mark[1] != "train")
    return Domains(source, titles, np.array(domain), np.array(test) if any(test) else None, names, left_out.lines())


def _mark(name: str) -> tuple[int, str] | None:
    """Domain and split of an image inside one of `_FOLDERS`, else None."""
    for part in PurePosixPath(name).parts[:-1]:
        if part.lower() in _FOLDERS:
            return _FOLDERS[part.lower()]
    return None


def spec_of(domains: Domains, config: DataConfig, default_size: int = from_source.DEFAULT_SIZE) -> DataSpec:
    """What the two domains provide; no image is opened. Raises DataError if they are too few or too large."""
    counts = {split: [len(rows) for rows in domains.rows(split, config.limit)] for split in ("train", "test")}
    shape = shape_of(config, default_size)
    check_memory(sum(counts["train"]), shape, domains.source.title)
    spec = DataSpec(
        name=config.name,
        title=domains.source.title,
        provides=("image", "label", "image_a", "image_b"),
        image_shape=shape,
        num_classes=2,
        classes=domains.titles,
        train_size=sum(counts["train"]),
        test_size=sum(counts["test"]),
        pairs=max(counts["train"]),
        licence=from_source.UNKNOWN_LICENCE,
        source=f"your own pictures: {domains.source.title}",
        notes=domains.notes,
    )
    return with_extra_counted(spec, config)


def with_extra_counted(spec: DataSpec, config: DataConfig) -> DataSpec:
    """`spec` with the images of `data.extra`, which has no pairs: it is for classifiers. Raises DataError."""
    if config.extra is None:
        return spec
    count = len(_extra(config.extra, spec.classes)[1])
    return spec.replace(provides=("image", "label"), pairs=0, train_size=spec.train_size + count)


def _extra(path: str, classes: Sequence[str]) -> tuple[Folder, list[str], np.ndarray]:
    """The folder of further training images, its images, and their classes int64 (N,); raises DataError."""
    if not Path(path).is_dir():
        raise DataError(
            f"data.extra = {path!r} is not a folder on this machine; make one with `python -m genmodels "
            "hard-negatives FOLDER TRANSLATOR`, or set data.extra=null"
        )
    folder = Folder(Path(path))
    of_class = {name: number for number, name in enumerate(classes)}
    labels = [of_class.get(PurePosixPath(name).parts[0], -1) for name in folder.names]
    if not labels or min(labels) < 0:
        strange = next((name for name, label in zip(folder.names, labels, strict=True) if label < 0), "no image")
        raise DataError(
            f"data.extra = {path!r} holds {strange}; images in the subfolders {' and '.join(classes)} are expected, "
            "one per class"
        )
    return folder, list(folder.names), np.array(labels, np.int64)


def arrays_of(
    domains: Domains, config: DataConfig, split: Split, first: int | None, default_size: int = from_source.DEFAULT_SIZE
) -> Arrays:
    """The split, decoded, in a fixed shuffle of both domains; raises DataError if more than a tenth is unreadable."""
    rows = np.random.default_rng(0).permutation(np.concatenate(domains.rows(split, config.limit)))[:first]
    channels, size, _ = shape_of(config, default_size)
    source = domains.source
    check_memory(len(rows), (channels, size, size), source.title)
    background = Background(config.background or 0)
    images, used, skipped = from_source.gather(source, [domains.names[row] for row in rows], size, channels, background)
    from_source.report_skipped(skipped, len(rows), f"{split} pictures in {source.title}")
    if split == "train" and first is None:
        from_source.report_notes(source.title, (*background.notes(), *domains.notes))
    labels = domains.domain[rows[used]].astype(np.int64)
    if config.extra is None or split != "train" or first is not None:
        return Arrays(images=images, labels=labels)
    folder, names, extra_labels = _extra(config.extra, domains.titles)
    extra, used, skipped = from_source.gather(folder, names, size, channels, background)
    from_source.report_skipped(skipped, len(names), f"further pictures in {folder.title}")
    return Arrays(np.concatenate([images, extra]), np.concatenate([labels, extra_labels[used]]))


def shape_of(config: DataConfig, default_size: int) -> tuple[int, int, int]:
    """Channels, height and width of the images."""
    size = config.size or default_size
    return (config.channels or 3, size, size)
