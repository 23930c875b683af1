"""Groups files by their folders: which folders are classes, and which hold the training and the test split.

The rules follow the layouts of public data sets: `train` next to `test` or `val`, `training_set` next to `test_set`,
`seg_train` next to `seg_test`, each perhaps nested once more in itself, with the classes below. A few files next to the
folders do not change the layout: they are left out, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from genmodels.data.left_out import printable
from genmodels.errors import DataError

MAX_CLASSES = 1_000
_TRAIN = frozenset(("train", "training", "trn", "tr", "trainval"))
_TEST = frozenset(
    ("test", "testing", "tests", "tst", "val", "valid", "validation", "validate", "validating", "dev", "devel",
     "development", "eval", "evaluation", "evaluate", "evaluating", "holdout", "heldout")
)  # fmt: skip
# Words next to `train` and `test` in a folder's name without meaning: train_set and test_images belong together.
_FILLERS = frozenset(
    ("set", "sets", "data", "dataset", "split", "part", "folder", "files", "images", "image", "imgs", "img",
     "pictures", "photos", "pics", "samples", "jpg", "jpeg", "png")
)  # fmt: skip
_COMPOUND = re.compile(rf"({'|'.join(sorted(_TRAIN | _TEST, key=len, reverse=True))})({'|'.join(sorted(_FILLERS))})")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")
_NO_CLASS = "files outside the class folders, so without a class; move them into a class folder"
_NO_TEST_CLASS = "test files outside the class folders, so without a class; move them into class folders"
_NO_SPLIT = "files outside the folders of the training and test split; move them into one of these"

Parts = dict[int, tuple[str, ...]]  # by row: the folders below the current level, and the file


@dataclass(frozen=True)
class Layout:
    """How files are grouped by their folders."""

    classes: tuple[str, ...]
    labels: np.ndarray  # int64 (N,): the class, -1 for a file that is left out; without classes 0
    test: np.ndarray | None  # bool (N,) if folders say which files are the test split
    left_out: Mapping[int, str] = field(default_factory=dict)  # reason by row
    notes: tuple[str, ...] = ()


def layout(names: Sequence[str]) -> Layout:
    """Group files by their names. The folders at the top are classes if there are at least two and they hold three
    quarters of the files.

    Folders called train and test, or similar, are splits, with the classes below. A single folder that holds
    everything is skipped.
    """
    every: Parts = {row: PurePosixPath(name).parts for row, name in enumerate(names)}
    parts, outside = _enter(every)
    marks = _split_marks(parts)
    if len(set(marks.values())) == 1:  # all test or all train: no split, whatever the names
        parts, marks = {row: part[1:] if part[0] in marks else part for row, part in parts.items()}, {}
    if marks:
        return _with_splits(len(names), parts, marks)
    heads = _heads(parts)
    inside = [row for row, part in parts.items() if len(part) > 1]
    if len(heads) < 2:
        return _without_classes(len(names), None, {})
    if 4 * len(inside) < 3 * len(names):
        return _without_classes(len(names), None, {}, (_few_inside(len(names) - len(inside), len(inside), heads),))
    left_out = dict.fromkeys((*outside, *(row for row in parts if len(parts[row]) == 1)), _NO_CLASS)
    labels, classes = _labels(len(names), {row: parts[row][0] for row in inside}, {head: head for head in heads})
    return _classed(classes, labels, _splits_inside(parts, inside, len(names)), left_out)


def _with_splits(count: int, parts: Parts, marks: Mapping[str, bool]) -> Layout:
    inside = {row: part for row, part in parts.items() if len(part) > 1 and part[0] in marks}
    left_out = dict.fromkeys((row for row in range(count) if row not in inside), _NO_SPLIT)
    test = np.zeros(count, bool)
    test[[row for row, part in inside.items() if marks[part[0]]]] = True
    train_parts: Parts = {row: part[1:] for row, part in inside.items() if not test[row]}
    test_parts: Parts = {row: part[1:] for row, part in inside.items() if test[row]}
    train_heads, test_heads = _heads(train_parts), _heads(test_parts)
    same = train_heads == test_heads
    train_parts, _ = _enter(train_parts, frozenset() if same else test_heads)
    test_parts, _ = _enter(test_parts, frozenset() if same else train_heads)
    heads = [row for row, part in train_parts.items() if len(part) > 1]
    names = _merged(_heads(train_parts), _heads(test_parts))
    trained = sum(not test[row] for row in inside)
    if len(set(names.values())) < 2:
        return _without_classes(count, test, left_out)
    if 4 * len(heads) < 3 * trained:
        return _without_classes(count, test, left_out, (_few_inside(trained - len(heads), len(heads), names),))
    classed = {row: part[0] for row, part in (train_parts | test_parts).items() if len(part) > 1}
    left_out |= {row: _NO_TEST_CLASS if test[row] else _NO_CLASS for row in inside if row not in classed}
    labels, classes = _labels(count, classed, names)
    return _classed(classes, labels, test, left_out)


def _few_inside(outside: int, inside: int, heads: Iterable[str]) -> str:
    """Why the folders are not classes: too many files are outside them."""
    some = ", ".join(repr(printable(head)) for head in sorted(heads)[:3])
    return f"no classes: {outside:,} files are outside the folders {some}, which hold {inside:,}"


def _without_classes(
    count: int, test: np.ndarray | None, left_out: Mapping[int, str], notes: tuple[str, ...] = ()
) -> Layout:
    labels = np.zeros(count, np.int64)
    labels[list(left_out)] = -1
    return Layout((), labels, test, left_out, notes)


def _classed(classes: tuple[str, ...], labels: np.ndarray, test: np.ndarray | None, left_out: dict[int, str]) -> Layout:
    used = labels >= 0
    if test is not None and not (test & used).any():
        test = None
    return Layout(classes, labels, test, left_out)


def untrained(classes: Sequence[str], labels: np.ndarray, trained: np.ndarray) -> tuple[str, ...]:
    """A line if classes have no training image: `labels` of all images, `trained` of the training images."""
    counts, trained_counts = (np.bincount(which, minlength=len(classes)) for which in (labels, trained))
    absent = np.flatnonzero(trained_counts == 0) if classes else ()
    if not len(absent):
        return ()
    some = ", ".join(f"{classes[row]!r} (test images: {counts[row]:,})" for row in absent[:5])
    which = "class has" if len(absent) == 1 else "classes have"
    more = ", ..." if len(absent) > 5 else ""
    return (f"{len(absent):,} {which} no training image, so a model cannot learn it: {some}{more}",)


def _labels(count: int, heads: Mapping[int, str], names: Mapping[str, str]) -> tuple[np.ndarray, tuple[str, ...]]:
    classes = sorted({names[head] for head in heads.values()})
    if len(classes) > MAX_CLASSES:
        raise DataError(
            f"{len(classes):,} folders would be as many classes; the limit is {MAX_CLASSES:,}. "
            "Put files without classes into one folder"
        )
    index = {name: row for row, name in enumerate(classes)}
    labels = np.full(count, -1, np.int64)
    for row, head in heads.items():
        labels[row] = index[names[head]]
    return labels, tuple(map(printable, classes))


def _merged(train: frozenset[str], test: frozenset[str]) -> dict[str, str]:
    """Class per folder: `Cat` in train and `cat` in test are one class, unless a split has both."""
    if any(len({head.casefold() for head in heads}) < len(heads) for heads in (train, test)):
        return {head: head for head in train | test}
    known = {head.casefold(): head for head in test} | {head.casefold(): head for head in train}
    return {head: known[head.casefold()] for head in train | test}


def _heads(parts: Parts) -> frozenset[str]:
    return frozenset(part[0] for part in parts.values() if len(part) > 1)


def _enter(parts: Parts, stop: frozenset[str] = frozenset()) -> tuple[Parts, list[int]]:
    """Descend while a single folder, not in `stop`, holds most files; also returns the rows of the files outside it."""
    outside: list[int] = []
    while True:
        inside = {row: part for row, part in parts.items() if len(part) > 1}
        heads = {part[0] for part in inside.values()}
        if len(heads) != 1 or heads & stop or 2 * len(inside) <= len(parts):
            return parts, outside
        outside += [row for row in parts if row not in inside]
        parts = {row: part[1:] for row, part in inside.items()}


def _split_marks(parts: Parts) -> dict[str, bool]:
    """The folders at the top that are splits: True for test. Empty if there are none, or they hold few of the files."""
    groups: dict[tuple[str, ...], dict[str, bool]] = {}
    heads = _heads(parts)
    for head in heads:
        mark = split_of(head)
        if mark is not None:
            groups.setdefault(mark[1], {})[head] = mark[0]
    pairs = [group for group in groups.values() if len(set(group.values())) == 2]
    marks = {head: mark for group in groups.values() for head, mark in group.items()}
    trained = [head for head, mark in marks.items() if not mark]
    if not pairs and len(trained) == 1 and trained[0] in groups.get((), {}) and marks.keys() == heads:
        pairs = [marks]  # one training and several test splits: `Training`, `PublicTest`, `PrivateTest`
    if len(pairs) == 1:
        covered = sum(len(part) > 1 and part[0] in pairs[0] for part in parts.values())
        return pairs[0] if 2 * covered > len(parts) else {}
    only = next(iter(groups.values()), {})
    # Only folders of one split, such as `test` and `val`, and no file outside them.
    alone = len(groups) == 1 and len(heads) == len(only) > 1 and all(len(part) > 1 for part in parts.values())
    return only if alone and not pairs else {}


def words_of(name: str) -> list[str]:
    """The words of a name in lower case, without digits: `XTrain` and `x_train` are x and train."""
    return [match.lower() for match in _WORD.findall(name)]


def split_of(folder: str) -> tuple[bool, tuple[str, ...]] | None:
    """Whether the folder's name says test (True) or train (False), and its other words; None if it says neither."""
    text = re.sub(r"(held|hold)[-_ ]?out", "holdout", folder, flags=re.IGNORECASE)
    text = re.sub(r"train[-_ ]?val(?![a-z])", "trainval", text, flags=re.IGNORECASE)  # both splits, used for training
    words: list[str] = []
    for word in words_of(text):
        compound = _COMPOUND.fullmatch(word)
        words += compound.groups() if compound else (word,)
    kinds = [word in _TEST for word in words if word in _TRAIN | _TEST]
    if len(kinds) != 1:
        return None
    return kinds[0], tuple(word for word in words if word not in _TRAIN | _TEST | _FILLERS)


def _splits_inside(parts: Parts, rows: Iterable[int], count: int) -> np.ndarray | None:
    """The test files if each class folder is divided, `cat/train` and `cat/test`, else None."""
    marks: dict[str, tuple[bool, tuple[str, ...]] | None] = {}
    test = np.zeros(count, bool)
    for row in rows:
        part = parts[row]
        if len(part) < 3:
            return None
        if part[1] not in marks:
            marks[part[1]] = split_of(part[1])
        mark = marks[part[1]]
        if mark is None:
            return None
        test[row] = mark[0]
    return test if 0 < np.count_nonzero(test) < len([*rows]) else None
