"""Free Spoken Digit Dataset: the ten digits, fifty times each, by six speakers; 8 kHz, one channel, 16 bits.

Recordings 0 to 4 of each digit and speaker are the test split, as its authors have it. The speakers' microphones
differ: the usual peak is 0.47 of one and 0.03 of another, whose words a network takes for silence that goes on. So each
recording is brought to the same peak.
"""

from __future__ import annotations

import os
import re
import tarfile
import urllib.error
import urllib.request
import wave
from pathlib import Path

import numpy as np

from genmodels import leftovers
from genmodels.data.spec import DataConfig, DataSpec, Recordings, Split
from genmodels.errors import DataError

SPEC = DataSpec(
    name="fsdd",
    title="Free Spoken Digits",
    provides=("audio", "label", "speaker"),
    num_classes=10,
    classes=tuple("0123456789"),
    train_size=2_700,
    test_size=300,
    sample_rate=8_000,
    clip_samples=8_000,
    speakers=("george", "jackson", "lucas", "nicolas", "theo", "yweweler"),
    licence="CC BY-SA 4.0",
    source="Z. Jackson, C. Souza, J. Flaks, Y. Pan, H. Nicolas, A. Thite: Free Spoken Digit Dataset, "
    "doi 10.5281/zenodo.1342401",
    download_mb=16,
)
_URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz"
_EACH, _TEST = 50, 5
_NAMES = frozenset(
    f"{digit}_{speaker}_{index}.wav" for digit in SPEC.classes for speaker in SPEC.speakers for index in range(_EACH)
)
PEAK = 29_490
"""Of each recording, of 32,767: a tenth is left, so that what is learned is not clipped when it is drawn."""
_MAX_ARCHIVE, _MAX_FILE, _MAX_SECONDS = 40 * 2**20, 200_000, 10
_TIMEOUT = 30.0


def _folders() -> tuple[Path, ...]:
    from genmodels.data import data_root

    root = data_root()
    return (root / "fsdd", root / "fsdd" / "recordings", root / "recordings")


def located() -> str | None:
    """The folder that holds all 3,000 files, or None."""
    for folder in _folders():
        if (folder / "0_george_0.wav").is_file() and _names_in(folder) >= _NAMES:
            return str(folder)
    return None


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def download() -> None:
    """Fetch the archive and take its recordings out; raises DataError. At most 40 MB are read."""
    from genmodels.data import data_root

    root = data_root()
    archive = root / ".fsdd.tar.gz"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(_URL, timeout=_TIMEOUT) as answer, archive.open("wb") as file:
            while block := answer.read(2**20):
                if file.tell() + len(block) > _MAX_ARCHIVE:
                    raise DataError(f"{_URL} sends more than {_MAX_ARCHIVE >> 20} MB: it is not the archive expected")
                file.write(block)
        unpack(archive, root / "fsdd")
    except (OSError, urllib.error.URLError) as error:
        raise DataError(
            f"Free Spoken Digits could not be downloaded to {root}: {error}. Check the network and that the folder is "
            f"writable, or put the {len(_NAMES):,} files of its `recordings` into {root / 'fsdd'} yourself"
        ) from error
    finally:
        leftovers.discard(archive)


def unpack(archive: Path, folder: Path) -> None:
    """Take the recordings out of an archive, each by its name and up to 200 kB, and nothing else; raises DataError."""
    temporary = folder.with_name(f".fsdd-{os.getpid()}")
    try:
        temporary.mkdir(parents=True)
        with tarfile.open(archive) as tar:
            for member in tar:
                name = re.split(r"[\\/]", member.name)[-1]
                if name not in _NAMES or not member.isreg():
                    continue
                stream = tar.extractfile(member) if member.size <= _MAX_FILE else None
                if stream is None:
                    raise DataError(f"{archive} is refused: {name} has {member.size:,} bytes, {_MAX_FILE:,} at most")
                (temporary / name).write_bytes(stream.read(_MAX_FILE))
        absent = len(_NAMES - _names_in(temporary))
        if absent:
            raise DataError(f"{archive} is not whole: {absent:,} of {len(_NAMES):,} recordings are missing")
        folder.mkdir(exist_ok=True)
        for path in temporary.iterdir():
            os.replace(path, folder / path.name)
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{archive} is damaged: {error}. Fetch it again") from error
    finally:
        leftovers.discard(temporary)


def load(split: Split) -> Recordings:
    """All recordings of a split, digit by digit; raises DataError where a file is damaged."""
    found = located()
    assert found is not None, "load() is called after located()"
    indices = range(_TEST) if split == "test" else range(_TEST, _EACH)
    clips, labels, speakers = [], [], []
    for digit in range(SPEC.num_classes):
        for speaker, name in enumerate(SPEC.speakers):
            for index in indices:
                clips.append(_samples(Path(found) / f"{digit}_{name}_{index}.wav"))
                labels.append(digit)
                speakers.append(speaker)
    return Recordings.of(clips, labels, speakers)


def class_counts(config: DataConfig, split: Split) -> tuple[int, ...]:
    """The same number of each digit."""
    return ((SPEC.train_size if split == "train" else SPEC.test_size) // SPEC.num_classes,) * SPEC.num_classes


def _samples(path: Path) -> np.ndarray:
    try:
        with wave.open(str(path)) as file:
            form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            count = file.getnframes()
            if form != (SPEC.sample_rate, 1, 2) or not 0 < count <= _MAX_SECONDS * file.getframerate():
                raise wave.Error(f"{form[0]} Hz, {form[1]} channels, {8 * form[2]} bits, {count:,} samples")
            raw = file.readframes(count)
            if len(raw) != 2 * count:
                raise wave.Error(f"cut off: {len(raw) // 2:,} of {count:,} samples")
            samples = np.frombuffer(raw, "<i2")
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(f"{path} is damaged, or not of this set: {error}. Remove it and fetch the set again") from error
    return brought_to_peak(samples)


def brought_to_peak(samples: np.ndarray) -> np.ndarray:
    """int16 (T,), the same recording as loud as 16 bits allow, less a tenth; silence stays silence."""
    loudest = max(1, int(np.abs(samples.astype(np.int32)).max(initial=0)))
    return np.rint(samples * (PEAK / loudest)).astype(np.int16)
