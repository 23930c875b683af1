"""A folder of the user's recordings, of any length, sample rate and format; its subfolders are classes.

WAV, FLAC, OGG (also Opus), MP3 and AIFF. Long recordings are cut into clips. A subprocess decodes them once (20 hours
of compressed sound in a small file must not end the training); the result, 16-bit mono at the requested sample rate,
is cached below the data root. A file that changes is decoded again.
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

from genmodels.data.dataset import UserData
from genmodels.data.formats import audio_files
from genmodels.data.left_out import printable
from genmodels.data.own.from_source import UNKNOWN_LICENCE, report_notes, report_skipped
from genmodels.data.own.layouts import Layout, layout
from genmodels.data.own.scan import list_files
from genmodels.data.own.sources import join_suffixes
from genmodels.data.root import data_root
from genmodels.data.sandbox.recordings import Decoded, decode_folder
from genmodels.data.spec import DataConfig, DataSpec, Recordings, Split
from genmodels.errors import ConfigError, DataError
from genmodels.system import leftovers

DEFAULT_RATE, DEFAULT_SECONDS = 8_000, 2.0
MAX_FILES = 20_000
MAX_FILE_SECONDS = 3_600.0
MAX_SAMPLES = 300_000_000  # 600 MB; ten hours at 8,000 samples per second
MAX_CLIP = 480_000  # samples of a clip; all layers' outputs for one clip are held in memory
_SPLITS: tuple[Split, ...] = ("train", "test")
_MAX_CACHED, _CACHE_VERSION = 3, 1
_decoding = threading.Lock()  # a second request for the same folder waits and then finds it cached


@dataclass(frozen=True)
class _Clips:
    """Where each clip starts and ends in all the samples, and its class: int64 (N,) each."""

    start: np.ndarray
    end: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class _Folder:
    """The files of a folder, none of them opened; `clip` is the number of samples of the longest clip."""

    path: Path
    names: tuple[str, ...]
    groups: Layout
    rate: int
    clip: int

    @property
    def classes(self) -> tuple[str, ...]:
        return self.groups.classes

    @classmethod
    def of(cls, path: Path, config: DataConfig) -> _Folder:
        """The folder at `path`; raises ConfigError or DataError."""
        rate, seconds = config.sample_rate or DEFAULT_RATE, config.clip_seconds or DEFAULT_SECONDS
        if round(rate * seconds) > MAX_CLIP:
            raise ConfigError(
                f"data.clip_seconds = {seconds:g} at data.sample_rate = {rate:,} makes clips of {rate * seconds:,.0f} "
                f"samples; at most {MAX_CLIP:,} are allowed: choose at most {MAX_CLIP / rate:g} seconds"
            )
        files = list_files(path, audio_files.SUFFIXES, MAX_FILES, "recordings")
        left_out, names = files.left_out, files.names
        if not names:
            others = "; ".join(left_out.lines())
            raise DataError(
                f"{path} holds no recordings (files ending in {join_suffixes(audio_files.SUFFIXES)})"
                + (f". It holds: {others}" if others else "")
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

    def clips(self, split: Split, ends: np.ndarray, rows: np.ndarray) -> _Clips:
        """The split's clips, file by file; `ends` and `rows` as in `Decoded`. Raises DataError if there are none."""
        starts, labels = np.concatenate([[0], ends[:-1]]), self.groups.labels[rows]
        counts = -(-(ends - starts) // self.clip)  # equal clips, no short remainder
        held_out = self._held_out(rows, labels, counts)
        clips: list[tuple[int, int, int]] = []
        for start, end, label, count, test in zip(starts, ends, labels, counts, held_out, strict=True):
            cuts = np.linspace(start, end, count + 1).round().astype(np.int64)
            chosen = slice(count - test, None) if split == "test" else slice(0, count - test)
            clips += [(a, b, int(label)) for a, b in zip(cuts[:-1][chosen], cuts[1:][chosen], strict=True)]
        if not clips:
            raise DataError(
                f"a data set needs at least 2 recordings, one to train on and one to test with; {self.path} has "
                f"{int(counts.sum())} that can be used. Add more, or cut them smaller with data.clip_seconds (now "
                f"{self.clip / self.rate:g})"
            )
        absent = set(range(len(self.classes))) - {label for _, _, label in clips} if split == "train" else set()
        if absent:
            raise DataError(
                f"{self.path}: no recording of {self.classes[min(absent)]!r} is left to train on; add some, or remove "
                "that folder"
            )
        return _Clips(*np.array(clips, np.int64).T)

    def _held_out(self, rows: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """How many clips of each file are in the test split, counted from the file's end.

        If folders mark the test split, all clips of its files. Otherwise all clips of the last tenth of each class's
        files in a fixed shuffle, so that no file is in both splits; of a class with one file, the last tenth.
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
    """Row numbers of `limit` files, sorted: round-robin over the classes and splits, by a fixed shuffle."""
    labels = groups.labels if groups.test is None else 2 * groups.labels + groups.test
    least = len(np.unique(labels))
    if limit < least:
        what = "classes" if groups.test is None else "classes in their splits"
        raise DataError(f"data.limit = {limit} leaves out some of the {least} {what}; choose {least} or more")
    order = np.random.default_rng(0).permutation(len(labels))
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        rank[rows] = np.arange(len(rows))
    rows = order[np.argsort(rank[order], kind="stable")][:limit]
    return np.sort(rows)


class AudioFolder(UserData):
    fields = ("path", "limit", "sample_rate", "clip_seconds")

    def missing(self, config: DataConfig) -> str | None:
        if config.path is None:
            return (
                "data set 'audio_folder' needs a folder of recordings (WAV, FLAC, OGG, MP3 or AIFF): set data.path, "
                "for example --set data.path=recordings"
            )
        return None if Path(config.path).is_dir() else f"data.path = {config.path!r} is not a folder on this machine"

    def spec(self, config: DataConfig) -> DataSpec:
        """What the folder holds, decoded unless it is in the cache; raises DataError."""
        folder = _Folder.of(self.path(config), config)
        decoded = _decoded(folder, samples=False)
        train, test = (folder.clips(split, decoded.ends, decoded.rows) for split in _SPLITS)
        longest = max(int((clips.end - clips.start).max()) for clips in (train, test))
        return DataSpec(
            name=config.name,
            title=printable(folder.path.name),
            provides=("audio", "label") if folder.classes else ("audio",),
            num_classes=len(folder.classes),
            classes=folder.classes,
            train_size=len(train.start),
            test_size=len(test.start),
            sample_rate=folder.rate,
            clip_samples=longest,
            licence=UNKNOWN_LICENCE,
            source=f"your own recordings: {printable(folder.path.name)}",
            notes=folder.groups.notes,
        )

    def load_audio(self, config: DataConfig, split: Split) -> Recordings:
        """The split, file by file; unreadable files are logged, and raise DataError if they are more than a tenth."""
        folder = _Folder.of(self.path(config), config)
        decoded = _decoded(folder, samples=True)
        clips = folder.clips(split, decoded.ends, decoded.rows)
        if split == "train":
            report_notes(folder.path.name, folder.groups.notes)
        samples = [decoded.samples[start:end] for start, end in zip(clips.start, clips.end, strict=True)]
        return Recordings.of(samples, clips.label.tolist(), [0] * len(samples), np.isin(clips.end, decoded.ends))

    def class_counts(self, config: DataConfig, split: Split) -> tuple[int, ...]:
        """Clips per class."""
        folder = _Folder.of(self.path(config), config)
        decoded = _decoded(folder, samples=False)
        labels = folder.clips(split, decoded.ends, decoded.rows).label
        return tuple(np.bincount(labels, minlength=len(folder.classes)).tolist()) if folder.classes else ()


DATASET = AudioFolder("audio_folder")


# --------------------------------------------------------------------- cache of decoded folders


def _decoded(folder: _Folder, *, samples: bool) -> Decoded:
    """The decoded files, from the cache if they are there; without `samples`, only their lengths."""
    with _decoding:
        cache = _cache_path(folder)
        decoded = _read_cache(cache, samples)
        if decoded is None:
            decoded = decode_folder(folder.path, folder.names, folder.rate, seconds=MAX_FILE_SECONDS, most=MAX_SAMPLES)
            _write_cache(cache, decoded)
    if samples or 10 * len(decoded.skipped) > len(folder.names):
        report_skipped(decoded.skipped, len(folder.names), f"recordings in {folder.path.name}")
    return decoded


def _cache_path(folder: _Folder) -> Path:
    """Named by a hash of the files' names, sizes and times: if one changes, all are decoded again."""
    digest = hashlib.sha256(json.dumps([_CACHE_VERSION, str(folder.path), folder.rate]).encode())
    for name in folder.names:
        try:
            stat = (folder.path / name).stat()
            digest.update(json.dumps([name, stat.st_size, stat.st_mtime_ns]).encode())
        except OSError:  # the decoder reports why
            digest.update(json.dumps([name]).encode())
    return data_root() / "decoded" / f"{digest.hexdigest()[:32]}.npz"


def _read_cache(path: Path, samples: bool) -> Decoded | None:
    """The cached arrays; None if there are none or the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            decoded = Decoded(
                file["samples"] if samples else np.empty(0, np.int16),
                file["ends"],
                file["rows"],
                tuple(json.loads(str(file["skipped"]))),
            )
        os.utime(path)  # the least recently used ones are removed first
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return decoded


def _write_cache(path: Path, decoded: Decoded) -> None:
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
                    samples=decoded.samples,
                    ends=decoded.ends,
                    rows=decoded.rows,
                    skipped=np.array(json.dumps(decoded.skipped)),
                )
                file.flush()
                os.replace(file.name, path)
            except BaseException:
                leftovers.discard(Path(file.name))
                raise
        old = sorted(path.parent.glob("*.npz"), key=lambda other: other.stat().st_mtime)
        for other in old[:-_MAX_CACHED]:
            other.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path.parent}, the cache of decoded recordings, could not be written: {error.strerror or error}. Free "
            "some space, or set GENMODELS_DATA to a folder that can be written"
        ) from error
