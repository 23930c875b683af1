"""A folder of your own recordings, of any lengths, rates and formats; folders inside it are classes.

WAV, FLAC, OGG (also Opus), MP3 and AIFF. Long recordings are cut into pieces. They are decoded once, in a process of
its own (20 hours of compressed sound in a small file must not take the training with it), and kept below the data
folder as what a model learns from: 16 bits, one channel, the wanted rate. A file that changes is decoded again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genmodels import leftovers
from genmodels.data import recording
from genmodels.data.decoding import Decoded, decode_folder
from genmodels.data.from_source import UNKNOWN_LICENCE, report_notes, report_skipped
from genmodels.data.layouts import Layout, layout
from genmodels.data.left_out import shown
from genmodels.data.scan import files_below
from genmodels.data.sources import endings
from genmodels.data.spec import DataConfig, DataSpec, Recordings, Split
from genmodels.errors import ConfigError, DataError

FIELDS = ("path", "limit", "sample_rate", "clip_seconds")
DEFAULT_RATE, DEFAULT_SECONDS = 8_000, 2.0
MAX_FILES = 20_000
MAX_FILE_SECONDS = 3_600.0
MAX_SAMPLES = 300_000_000  # 600 MB; ten hours at 8,000 samples a second
MAX_CLIP = 480_000  # samples of a piece; all layers' outputs for one are held in memory
_SPLITS: tuple[Split, ...] = ("train", "test")
_KEPT, _VERSION = 3, 1  # decoded folders, and the way they are written
_decoding = threading.Lock()  # who asks for the same folder meanwhile finds it ready


def problem(config: DataConfig) -> str | None:
    """None where the folder is there, else one sentence."""
    if config.path is None:
        return (
            "data set 'audio_folder' needs a folder of recordings (WAV, FLAC, OGG, MP3 or AIFF): set data.path, "
            "for example --set data.path=recordings"
        )
    return None if Path(config.path).is_dir() else f"data.path = {config.path!r} is not a folder on this machine"


def spec(config: DataConfig) -> DataSpec:
    """What is in the folder, decoded where that has not been done yet; raises DataError."""
    folder = _Folder.of(config)
    decoded = _read(folder, samples=False)
    train, test = (folder.pieces(split, decoded.ends, decoded.rows) for split in _SPLITS)
    longest = max(int((piece.end - piece.start).max()) for piece in (train, test))
    return DataSpec(
        name=config.name,
        title=shown(folder.path.name),
        provides=("audio", "label") if folder.classes else ("audio",),
        num_classes=len(folder.classes),
        classes=folder.classes,
        train_size=len(train.start),
        test_size=len(test.start),
        sample_rate=folder.rate,
        clip_samples=longest,
        licence=UNKNOWN_LICENCE,
        source=f"your own recordings: {shown(folder.path.name)}",
        notes=folder.groups.notes,
    )


def read(config: DataConfig, split: Split, first: int | None) -> Recordings:
    """The split, file by file; unreadable files are left out and named in the log, above a tenth raise DataError."""
    folder = _Folder.of(config)
    decoded = _read(folder, samples=True)
    pieces = folder.pieces(split, decoded.ends, decoded.rows).first(first)
    if split == "train" and first is None:
        report_notes(folder.path.name, folder.groups.notes)
    clips = [decoded.samples[start:end] for start, end in zip(pieces.start, pieces.end, strict=True)]
    return Recordings.of(clips, pieces.label.tolist(), [0] * len(clips), np.isin(pieces.end, decoded.ends))


def class_counts(config: DataConfig, split: Split) -> tuple[int, ...]:
    """Pieces of each class."""
    folder = _Folder.of(config)
    decoded = _read(folder, samples=False)
    labels = folder.pieces(split, decoded.ends, decoded.rows).label
    return tuple(np.bincount(labels, minlength=len(folder.classes)).tolist()) if folder.classes else ()


@dataclass(frozen=True)
class _Pieces:
    """Where in all the samples each piece begins and ends, and its class: int64 (N,) each."""

    start: np.ndarray
    end: np.ndarray
    label: np.ndarray

    def first(self, count: int | None) -> _Pieces:
        return _Pieces(self.start[:count], self.end[:count], self.label[:count])


@dataclass(frozen=True)
class _Folder:
    """The files that a training uses, none of them opened."""

    path: Path
    names: tuple[str, ...]
    groups: Layout
    rate: int
    clip: int

    @property
    def classes(self) -> tuple[str, ...]:
        return self.groups.classes

    @classmethod
    def of(cls, config: DataConfig) -> _Folder:
        missing = problem(config)
        if missing or config.path is None:
            raise DataError(missing or "")
        rate, seconds = config.sample_rate or DEFAULT_RATE, config.clip_seconds or DEFAULT_SECONDS
        if round(rate * seconds) > MAX_CLIP:
            raise ConfigError(
                f"data.clip_seconds = {seconds:g} at data.sample_rate = {rate:,} makes pieces of {rate * seconds:,.0f} "
                f"samples; at most {MAX_CLIP:,} are allowed: choose at most {MAX_CLIP / rate:g} seconds"
            )
        path = Path(config.path)
        found = files_below(path, recording.SUFFIXES, MAX_FILES, "recordings")
        left_out, names = found.left_out, found.names
        if not names:
            there = "; ".join(left_out.lines())
            raise DataError(
                f"{path} holds no recordings (files ending in {endings(recording.SUFFIXES)})"
                + (f". It holds: {there}" if there else "")
            )
        groups = layout(names)
        for row, reason in groups.left_out.items():
            left_out.add(names[row], reason)
        used = np.flatnonzero(groups.labels >= 0)
        names = [names[row] for row in used.tolist()]
        test = None if groups.test is None else groups.test[used]
        groups = Layout(groups.classes, groups.labels[used], test, notes=(*groups.notes, *left_out.lines()))
        if config.limit is not None and config.limit < len(names):
            rows = _spread(groups, config.limit)
            names = [names[row] for row in rows]
            test = None if groups.test is None else groups.test[rows]
            groups = Layout(groups.classes, groups.labels[rows], test, notes=groups.notes)
        return cls(path, tuple(names), groups, rate, round(rate * seconds))

    def pieces(self, split: Split, ends: np.ndarray, rows: np.ndarray) -> _Pieces:
        """The split's, file by file; `ends` and `rows` say what was decoded. Raises DataError where one is empty."""
        starts, labels = np.concatenate([[0], ends[:-1]]), self.groups.labels[rows]
        counts = -(-(ends - starts) // self.clip)  # equal pieces: none is a short rest
        held_out = self._held_out(rows, labels, counts)
        found: list[tuple[int, int, int]] = []
        for start, end, label, count, test in zip(starts, ends, labels, counts, held_out, strict=True):
            cuts = np.linspace(start, end, count + 1).round().astype(np.int64)
            chosen = slice(count - test, None) if split == "test" else slice(0, count - test)
            found += [(a, b, int(label)) for a, b in zip(cuts[:-1][chosen], cuts[1:][chosen], strict=True)]
        if not found:
            raise DataError(
                f"a data set needs at least 2 recordings, one to train on and one to test with; {self.path} has "
                f"{int(counts.sum())} that can be used. Add more, or cut them smaller with data.clip_seconds (now "
                f"{self.clip / self.rate:g})"
            )
        absent = set(range(len(self.classes))) - {label for _, _, label in found} if split == "train" else set()
        if absent:
            raise DataError(
                f"{self.path}: no recording of {self.classes[min(absent)]!r} is left to train on; add some, or remove "
                "that folder"
            )
        return _Pieces(*np.array(found, np.int64).T)

    def _held_out(self, rows: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """How many pieces of each file are held out to test with, from its end: all, none, or of an only file some.

        Of each class the last tenth of its files, by a fixed shuffle, so that no file is in both splits; where folders
        say which are the test split, those.
        """
        test = self.groups.test
        if test is not None and 0 < np.count_nonzero(test[rows]) < len(rows):
            return np.where(test[rows], counts, 0)
        shuffled = np.random.default_rng(0).permutation(len(self.names))[rows]
        held_out = np.zeros_like(counts)
        for label in np.unique(labels):
            of_class = np.flatnonzero(labels == label)
            if len(of_class) > 1:
                last = of_class[np.argsort(shuffled[of_class])][-max(1, len(of_class) // 10) :]
                held_out[last] = counts[last]
            elif counts[of_class[0]] > 1:
                held_out[of_class] = max(1, counts[of_class[0]] // 10)
        return held_out


def _spread(groups: Layout, limit: int) -> np.ndarray:
    """Row numbers of `limit` files, in order: by a fixed shuffle, in turn of each class and split."""
    labels = groups.labels if groups.test is None else 2 * groups.labels + groups.test
    kinds = len(np.unique(labels))
    if limit < kinds:
        what = "classes" if groups.test is None else "classes in their splits"
        raise DataError(f"data.limit = {limit} leaves out some of the {kinds} {what}; choose {kinds} or more")
    order = np.random.default_rng(0).permutation(len(labels))
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        turn[rows] = np.arange(len(rows))
    rows = order[np.argsort(turn[order], kind="stable")][:limit]
    return np.sort(rows)


# --------------------------------------------------------------------- what was decoded before


def _read(folder: _Folder, *, samples: bool) -> Decoded:
    """What the files hold, decoded now or before; without `samples` only how long they are."""
    with _decoding:
        kept = _kept_at(folder)
        found = _from(kept, samples)
        if found is None:
            found = decode_folder(folder.path, folder.names, folder.rate, seconds=MAX_FILE_SECONDS, most=MAX_SAMPLES)
            _keep(kept, found)
    if samples or 10 * len(found.skipped) > len(folder.names):
        report_skipped(found.skipped, len(folder.names), f"recordings in {folder.path.name}")
    return found


def _kept_at(folder: _Folder) -> Path:
    """Named by the files' names, sizes and times: where one changes, all are decoded anew."""
    from genmodels.data import data_root

    digest = hashlib.sha256(json.dumps([_VERSION, str(folder.path), folder.rate]).encode())
    for name in folder.names:
        try:
            stat = (folder.path / name).stat()
            digest.update(json.dumps([name, stat.st_size, stat.st_mtime_ns]).encode())
        except OSError:  # the decoder says why
            digest.update(json.dumps([name]).encode())
    return data_root() / "decoded" / f"{digest.hexdigest()[:32]}.npz"


def _from(path: Path, samples: bool) -> Decoded | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = Decoded(
                file["samples"] if samples else np.empty(0, np.int16),
                file["ends"],
                file["rows"],
                tuple(json.loads(str(file["skipped"]))),
            )
        os.utime(path)  # the oldest ones are removed first
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return found


def _keep(path: Path, found: Decoded) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        leftovers.sweep(path.parent, ".*")
        with (
            leftovers.at_work(path.parent),
            tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file,
        ):
            try:
                np.savez(
                    file,
                    samples=found.samples,
                    ends=found.ends,
                    rows=found.rows,
                    skipped=np.array(json.dumps(found.skipped)),
                )
                file.flush()
                os.replace(file.name, path)
            except BaseException:
                leftovers.discard(Path(file.name))
                raise
        old = sorted(path.parent.glob("*.npz"), key=lambda other: other.stat().st_mtime)
        for other in old[:-_KEPT]:
            other.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path.parent}, where decoded recordings are kept, could not be written: {error.strerror or error}. Free "
            "some space, or set GENMODELS_DATA to a folder that can be written"
        ) from error
