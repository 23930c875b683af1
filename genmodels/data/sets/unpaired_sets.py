"""Unpaired image domains: sets of CycleGAN's authors (arXiv 1703.10593), and two flowers with a free licence.

An archive such as `horse2zebra.zip` is read in place, never unpacked; an unpacked folder is read too.
"""

from __future__ import annotations

import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from genmodels.data import transfer
from genmodels.data.dataset import Downloadable
from genmodels.data.formats import image_files
from genmodels.data.own import unpaired
from genmodels.data.own.sources import Folder, Source, Zip
from genmodels.data.root import data_root
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split
from genmodels.errors import DataError
from genmodels.system import leftovers

_AUTHORS = "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets"
_FLOWERS = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
_PHOTOS = "none stated, photographs from Flickr; for research"
_MAX_ARCHIVE, _MAX_UNPACKED = 512 * 2**20, 1024 * 2**20


@dataclass(frozen=True)
class _Known:
    title: str
    domains: tuple[str, str]
    counts: tuple[int, int, int, int]  # train A, train B, test A, test B
    megabytes: float
    licence: str
    source: str
    size: int = 256  # side of its images in pixels


_SETS = {
    "horse2zebra": _Known(
        "Horses and zebras",
        ("horse", "zebra"),
        (1067, 1334, 120, 140),
        117,
        "ImageNet's photographs: non-commercial research and education only",
        "J.-Y. Zhu et al., arXiv 1703.10593: ImageNet's synsets wild horse and zebra",
    ),
    "apple2orange": _Known(
        "Apples and oranges",
        ("apple", "orange"),
        (995, 1019, 266, 248),
        78,
        "ImageNet's photographs: non-commercial research and education only",
        "J.-Y. Zhu et al., arXiv 1703.10593: ImageNet's synsets apple and navel orange",
    ),
    "summer2winter_yosemite": _Known(
        "Yosemite in summer and in winter",
        ("summer", "winter"),
        (1231, 962, 309, 238),
        133,
        _PHOTOS,
        "J.-Y. Zhu et al., arXiv 1703.10593: photographs of Yosemite from Flickr, by date",
    ),
    "monet2photo": _Known(
        "Monet's paintings and photographs",
        ("Monet", "photograph"),
        (1072, 6287, 121, 751),
        305,
        "paintings public domain; " + _PHOTOS,
        "J.-Y. Zhu et al., arXiv 1703.10593: paintings from WikiArt, landscapes from Flickr",
    ),
    "facades": _Known(
        "Facades and their labels",
        ("facade", "labels"),
        (400, 400, 106, 106),
        35,
        "none stated; for research, cite Tylecek 2013",
        "J.-Y. Zhu et al., arXiv 1703.10593: the CMP Facade Database, R. Tylecek 2013",
    ),
    "daisy2sunflower": _Known(
        "Daisies and sunflowers",
        ("daisy", "sunflower"),
        (570, 630, 63, 69),
        229,
        "CC BY 2.0, each photograph by its author on Flickr",
        "TensorFlow's flower_photos: two of its five classes",
        128,
    ),
}
_FLOWER_FOLDERS = ("daisy", "sunflowers")


class UnpairedSet(Downloadable):
    """A set of CycleGAN's authors: a zip, or a folder of the same layout."""

    fields = ("size", "channels", "limit", "extra")

    def __init__(self, name: str, known: _Known) -> None:
        super().__init__(name)
        self.known = known

    @property
    def terms(self) -> str:
        return self.known.licence

    def spec(self, config: DataConfig) -> DataSpec:
        """Counted if the set is there, else as its authors describe it; raises DataError."""
        known = self.known
        facts = {"title": known.title, "licence": known.licence, "source": known.source, "download_mb": known.megabytes}
        if self.locate():
            return unpaired.spec_of(self._domains(), config, known.size).replace(**facts)
        train_a, train_b, test_a, test_b = known.counts
        described = DataSpec(
            name=config.name,
            provides=("image", "label", "image_a", "image_b"),
            image_shape=unpaired.shape_of(config, known.size),
            num_classes=2,
            classes=known.domains,
            train_size=train_a + train_b,
            test_size=test_a + test_b,
            pairs=max(train_a, train_b),
            **facts,
        )
        return unpaired.with_extra_counted(described, config)

    def load(self, config: DataConfig, split: Split, first: int | None = None) -> Arrays:
        """The split, decoded, both domains shuffled together: about a millisecond per image. Raises DataError."""
        return unpaired.arrays_of(self._domains(), config, split, first, self.known.size)

    def class_counts(self, config: DataConfig, split: Split) -> tuple[int, ...]:
        """Images per domain, counted from the file names."""
        return tuple(len(rows) for rows in self._domains().rows(split, config.limit))

    def locate(self) -> Path | None:
        """The folder or the zip of the set, or None."""
        folder, archive = data_root() / self.name, data_root() / f"{self.name}.zip"
        if all((folder / part).is_dir() for part in ("trainA", "trainB")):
            return folder
        return archive if archive.is_file() else None

    @property
    def url(self) -> str:
        return f"{_AUTHORS}/{self.name}.zip"

    def fetch(self) -> None:
        """Download the set into the data root; raises DataError."""
        root = data_root()
        file = self.url.rsplit("/", 1)[1]
        # Renamed when it is complete: the next start must not find a partial download.
        temporary = root / f".{file}.part"
        try:
            root.mkdir(parents=True, exist_ok=True)
            transfer.save(self.url, temporary)
            self.install(temporary, root)
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{self.known.title} could not be downloaded to {root}: {error}. Check the network and that the folder "
                f"is writable, or put {file} there yourself"
            ) from error
        finally:
            leftovers.discard(temporary)

    def install(self, archive: Path, root: Path) -> None:
        """Put a downloaded archive in its place, if it holds the two domains; raises DataError otherwise."""
        self._check_size(archive)
        unpaired.domains_of(Zip(archive, title=f"{self.name}.zip"))
        os.replace(archive, root / f"{self.name}.zip")

    def _check_size(self, archive: Path) -> None:
        if archive.stat().st_size > _MAX_ARCHIVE:
            raise DataError(f"{archive} is larger than {_MAX_ARCHIVE >> 20} MB, so it is not {self.name}; remove it")

    def _domains(self) -> unpaired.Domains:
        return unpaired.domains_of(self._source(self._path()), self.known.domains)

    def _path(self) -> Path:
        path = self.locate()
        if path is None:
            raise DataError(f"{self.known.title} is not there any more; fetch it again")
        return path

    def _source(self, path: Path) -> Source:
        return Zip(path) if path.is_file() else Folder(path)


class Flowers(UnpairedSet):
    """Two of the five classes of TensorFlow's flower photographs, unpacked to a folder."""

    @property
    def url(self) -> str:
        return _FLOWERS

    def locate(self) -> Path | None:
        for folder in (data_root() / "flower_photos", data_root() / "flowers"):
            for below in (folder, folder / "train"):
                if all((below / flower).is_dir() for flower in _FLOWER_FOLDERS):
                    return folder
        return None

    def install(self, archive: Path, root: Path) -> None:
        """Extract the two folders: regular files only, each bounded; raises DataError."""
        self._check_size(archive)
        total = 0
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    total += member.size
                    if total > _MAX_UNPACKED:
                        raise DataError(
                            f"{archive} unpacks to more than {_MAX_UNPACKED >> 20} MB; it is not the flowers"
                        )
                    if not member.isreg() or not _is_flower(member.name) or member.size > image_files.MAX_FILE_BYTES:
                        continue
                    stream = tar.extractfile(member)
                    assert stream is not None  # a regular file has one
                    _, flower, name = Path(member.name).parts
                    target = root / "flower_photos" / flower / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    part = target.with_name(f".{target.name}.tmp")
                    part.write_bytes(stream.read(image_files.MAX_FILE_BYTES))
                    os.replace(part, target)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise DataError(f"{archive} is damaged: {error}. Remove it and fetch it again") from error
        if self.locate() is None:
            raise DataError(f"{archive} holds no folders {' and '.join(_FLOWER_FOLDERS)}; remove it and fetch it again")

    def _source(self, path: Path) -> Source:
        """The two folders, which may be inside `train` and `val`."""
        if not (path / "train").is_dir():
            return unpaired.Joined("flowers", {flower: Folder(path / flower) for flower in _FLOWER_FOLDERS})
        parts = {
            split: {flower: Folder(path / split / flower) for flower in _FLOWER_FOLDERS} for split in ("train", "val")
        }
        return unpaired.Joined("flowers", {split: unpaired.Joined(split, folders) for split, folders in parts.items()})


def _is_flower(name: str) -> bool:
    """Whether the archive's entry is `flower_photos/daisy/NAME.jpg`, or of the sunflowers."""
    parts = Path(name).parts
    return len(parts) == 3 and parts[0] == "flower_photos" and parts[1] in _FLOWER_FOLDERS and name.endswith(".jpg")


DATASETS = tuple((Flowers if name == "daisy2sunflower" else UnpairedSet)(name, known) for name, known in _SETS.items())
