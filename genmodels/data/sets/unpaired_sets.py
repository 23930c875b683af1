"""Two kinds of pictures by name: sets of CycleGAN's authors (arXiv 1703.10593), and a pair of flowers of free licence.

An archive is read in place, `horse2zebra.zip`, and never unpacked; a folder that somebody has unpacked is taken too.
"""

from __future__ import annotations

import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from genmodels import leftovers
from genmodels.data import pictures, unpaired
from genmodels.data.sources import Folder, Source, Zip
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split
from genmodels.errors import DataError

FIELDS = ("size", "channels", "limit")
_AUTHORS = "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets"
_FLOWERS = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
_PHOTOS = "none stated, photographs from Flickr; for research"
_MAX_ARCHIVE, _MAX_UNPACKED = 512 * 2**20, 1024 * 2**20


@dataclass(frozen=True)
class _Named:
    title: str
    kinds: tuple[str, str]
    counts: tuple[int, int, int, int]  # train A, train B, test A, test B
    megabytes: float
    licence: str
    source: str
    size: int = 256  # of its pictures: no more is to be had


_SETS = {
    "horse2zebra": _Named(
        "Horses and zebras",
        ("horse", "zebra"),
        (1067, 1334, 120, 140),
        117,
        "ImageNet's photographs: non-commercial research and education only",
        "J.-Y. Zhu et al., arXiv 1703.10593: ImageNet's synsets wild horse and zebra",
    ),
    "apple2orange": _Named(
        "Apples and oranges",
        ("apple", "orange"),
        (995, 1019, 266, 248),
        78,
        "ImageNet's photographs: non-commercial research and education only",
        "J.-Y. Zhu et al., arXiv 1703.10593: ImageNet's synsets apple and navel orange",
    ),
    "summer2winter_yosemite": _Named(
        "Yosemite in summer and in winter",
        ("summer", "winter"),
        (1231, 962, 309, 238),
        133,
        _PHOTOS,
        "J.-Y. Zhu et al., arXiv 1703.10593: photographs of Yosemite from Flickr, by date",
    ),
    "monet2photo": _Named(
        "Monet's paintings and photographs",
        ("Monet", "photograph"),
        (1072, 6287, 121, 751),
        305,
        "paintings public domain; " + _PHOTOS,
        "J.-Y. Zhu et al., arXiv 1703.10593: paintings from WikiArt, landscapes from Flickr",
    ),
    "facades": _Named(
        "Facades and their labels",
        ("facade", "labels"),
        (400, 400, 106, 106),
        35,
        "none stated; for research, cite Tylecek 2013",
        "J.-Y. Zhu et al., arXiv 1703.10593: the CMP Facade Database, R. Tylecek 2013",
    ),
    "daisy2sunflower": _Named(
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


def problem(config: DataConfig) -> str | None:
    """None where the set is there, else one sentence."""
    from genmodels.data import how_to_get

    return None if _located(config.name) else how_to_get(config, _SETS[config.name].licence)


def spec(config: DataConfig) -> DataSpec:
    """Counted where the set is there, else as its authors describe it; raises DataError."""
    known = _SETS[config.name]
    facts = {"title": known.title, "licence": known.licence, "source": known.source, "download_mb": known.megabytes}
    if _located(config.name):
        return unpaired.spec_of(_opened(config.name), config, known.size).replace(**facts)
    train_a, train_b, test_a, test_b = known.counts
    return DataSpec(
        name=config.name,
        provides=("image", "label", "image_a", "image_b"),
        image_shape=unpaired.shape_of(config, known.size),
        num_classes=2,
        classes=known.kinds,
        train_size=train_a + train_b,
        test_size=test_a + test_b,
        pairs=max(train_a, train_b),
        **facts,
    )


def read(config: DataConfig, split: Split, first: int | None) -> Arrays:
    """The split, decoded, both kinds mixed: about a millisecond a picture. Raises DataError."""
    return unpaired.arrays_of(_opened(config.name), config, split, first, _SETS[config.name].size)


def class_counts(config: DataConfig, split: Split) -> tuple[int, ...]:
    """Pictures of each kind, counted from the file names."""
    return tuple(len(rows) for rows in _opened(config.name).rows(split, config.limit))


def fetch(name: str) -> Path:
    """Download the set into `data_root()` and return where it lies; raises DataError."""
    found = _located(name)
    if found:
        return found
    from torchvision.datasets.utils import download_url

    from genmodels.data import data_root

    root = data_root()
    url = _FLOWERS if name == "daisy2sunflower" else f"{_AUTHORS}/{name}.zip"
    file = url.rsplit("/", 1)[1]
    # Renamed when it is whole: a broken download must not be found at the next start.
    temporary = root / f".{file}.part"
    try:
        root.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        download_url(url, str(root), temporary.name)
        take(name, temporary, root)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{_SETS[name].title} could not be downloaded to {root}: {error}. Check the network and that the folder is "
            f"writable, or put {file} there yourself"
        ) from error
    finally:
        leftovers.discard(temporary)
    return _opened_at(name)


def take(name: str, archive: Path, root: Path) -> None:
    """Make a fetched archive the set's own, once it is seen to hold the two kinds; raises DataError."""
    if archive.stat().st_size > _MAX_ARCHIVE:
        raise DataError(f"{archive} is larger than {_MAX_ARCHIVE >> 20} MB, so it is not {name}; remove it")
    if name == "daisy2sunflower":
        _unpack_flowers(archive, root)
    else:
        unpaired.kinds_of(Zip(archive, title=f"{name}.zip"))
        os.replace(archive, root / f"{name}.zip")


def _unpack_flowers(archive: Path, root: Path) -> None:
    """The two folders of the five, files only, each bounded, under names of our own making."""
    total = 0
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                total += member.size
                if total > _MAX_UNPACKED:
                    raise DataError(f"{archive} unpacks to more than {_MAX_UNPACKED >> 20} MB; it is not the flowers")
                parts = Path(member.name).parts
                wanted = len(parts) == 3 and parts[0] == "flower_photos" and parts[1] in _FLOWER_FOLDERS
                wanted = wanted and parts[2].endswith(".jpg")
                if not wanted or not member.isreg() or member.size > pictures.MAX_FILE_BYTES:
                    continue
                stream = tar.extractfile(member)
                assert stream is not None  # of a regular file there is one
                target = root / "flower_photos" / parts[1] / Path(parts[2]).name
                target.parent.mkdir(parents=True, exist_ok=True)
                part = target.with_name(f".{target.name}.tmp")
                part.write_bytes(stream.read(pictures.MAX_FILE_BYTES))
                os.replace(part, target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f"{archive} is damaged: {error}. Remove it and fetch it again") from error
    if _located("daisy2sunflower") is None:
        raise DataError(f"{archive} holds no folders {' and '.join(_FLOWER_FOLDERS)}; remove it and fetch it again")


def _located(name: str) -> Path | None:
    """The folder or the zip of a set, or None."""
    from genmodels.data import data_root

    root = data_root()
    if name == "daisy2sunflower":
        for folder in (root / "flower_photos", root / "flowers"):
            for below in (folder, folder / "train"):
                if all((below / flower).is_dir() for flower in _FLOWER_FOLDERS):
                    return folder
        return None
    folder, archive = root / name, root / f"{name}.zip"
    if all((folder / part).is_dir() for part in ("trainA", "trainB")):
        return folder
    return archive if archive.is_file() else None


def _opened_at(name: str) -> Path:
    found = _located(name)
    if found is None:
        raise DataError(f"{_SETS[name].title} is not there any more; fetch it again")
    return found


def _opened(name: str) -> unpaired.Kinds:
    path, kinds = _opened_at(name), _SETS[name].kinds
    if name == "daisy2sunflower":
        return unpaired.kinds_of(_flowers(path), kinds)
    return unpaired.kinds_of(Zip(path) if path.is_file() else Folder(path), kinds)


def _flowers(path: Path) -> Source:
    """The two classes of five: split into `train` and `val`, or not."""
    if not (path / "train").is_dir():
        return unpaired.Joined("flowers", {flower: Folder(path / flower) for flower in _FLOWER_FOLDERS})
    parts = {split: {flower: Folder(path / split / flower) for flower in _FLOWER_FOLDERS} for split in ("train", "val")}
    return unpaired.Joined("flowers", {split: unpaired.Joined(split, folders) for split, folders in parts.items()})
