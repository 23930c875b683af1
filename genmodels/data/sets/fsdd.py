"""Free Spoken Digit Dataset: the ten digits, fifty times each, by six speakers; 8 kHz, one channel, 16 bits.

Recordings 0 to 4 of each digit and speaker are the test split, as its authors define it. The speakers' microphones
differ: the median peak is 0.47 for one and 0.03 for another, and a network takes such quiet words for silence. So each
recording is scaled to the same peak.
"""

from __future__ import annotations

import os
import re
import tarfile
import wave
from pathlib import Path

import numpy as np

from genmodels.data import transfer
from genmodels.data.dataset import Downloadable, FixedDataset
from genmodels.data.root import data_root
from genmodels.data.spec import DataConfig, DataSpec, Recordings, Split
from genmodels.errors import DataError
from genmodels.system import leftovers

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
"""Peak of each scaled recording, of 32,767: a tenth of headroom keeps generated recordings from clipping."""
_MAX_ARCHIVE, _MAX_FILE, _MAX_SECONDS = 40 * 2**20, 200_000, 10


class SpokenDigits(Downloadable, FixedDataset):
    def locate(self) -> Path | None:
        """The folder that holds all 3,000 files, or None."""
        root = data_root()
        for folder in (root / "fsdd", root / "fsdd" / "recordings", root / "recordings"):
            if (folder / "0_george_0.wav").is_file() and _names_in(folder) >= _NAMES:
                return folder
        return None

    def fetch(self) -> None:
        """Download the archive, at most 40 MB, and extract its recordings; raises DataError."""
        root = data_root()
        archive = root / ".fsdd.tar.gz"
        try:
            root.mkdir(parents=True, exist_ok=True)
            transfer.save(_URL, archive, most=_MAX_ARCHIVE)
            unpack(archive, root / "fsdd")
        except OSError as error:
            raise DataError(
                f"Free Spoken Digits could not be downloaded to {root}: {error}. Check the network and that the folder "
                f"is writable, or put the {len(_NAMES):,} files of its `recordings` into {root / 'fsdd'} yourself"
            ) from error
        finally:
            leftovers.discard(archive)

    def recordings(self, split: Split) -> Recordings:
        """All recordings of a split, digit by digit; raises DataError if a file is damaged."""
        folder = self.locate()
        assert folder is not None, "recordings are read after locate()"
        indices = range(_TEST) if split == "test" else range(_TEST, _EACH)
        clips, labels, speakers = [], [], []
        for digit in range(SPEC.num_classes):
            for speaker, name in enumerate(SPEC.speakers):
                for index in indices:
                    clips.append(_samples(folder / f"{digit}_{name}_{index}.wav"))
                    labels.append(digit)
                    speakers.append(speaker)
        return Recordings.of(clips, labels, speakers)

    def load_audio(self, config: DataConfig, split: Split) -> Recordings:
        return self.recordings(split)

    def class_counts(self, config: DataConfig, split: Split) -> tuple[int, ...]:
        return (self.size(split) // SPEC.num_classes,) * SPEC.num_classes


DATASET = SpokenDigits(SPEC)


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def unpack(archive: Path, folder: Path) -> None:
    """Extract the recordings, each by its name and up to 200 kB, and nothing else; raises DataError."""
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
            raise DataError(f"{archive} is incomplete: {absent:,} of {len(_NAMES):,} recordings are missing")
        folder.mkdir(exist_ok=True)
        for path in temporary.iterdir():
            os.replace(path, folder / path.name)
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{archive} is damaged: {error}. Fetch it again") from error
    finally:
        leftovers.discard(temporary)


def _samples(path: Path) -> np.ndarray:
    try:
        with wave.open(str(path)) as file:
            sound_format = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            count = file.getnframes()
            if sound_format != (SPEC.sample_rate, 1, 2) or not 0 < count <= _MAX_SECONDS * file.getframerate():
                raise wave.Error(
                    f"{sound_format[0]} Hz, {sound_format[1]} channels, {8 * sound_format[2]} bits, {count:,} samples"
                )
            raw = file.readframes(count)
            if len(raw) != 2 * count:
                raise wave.Error(f"cut off: {len(raw) // 2:,} of {count:,} samples")
            samples = np.frombuffer(raw, "<i2")
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(f"{path} is damaged, or not of this set: {error}. Remove it and fetch the set again") from error
    return scaled_to_peak(samples)


def scaled_to_peak(samples: np.ndarray) -> np.ndarray:
    """The recording, int16 (T,), scaled so that its peak is PEAK; silence stays silence."""
    loudest = max(1, int(np.abs(samples.astype(np.int32)).max(initial=0)))
    return np.rint(samples * (PEAK / loudest)).astype(np.int16)
