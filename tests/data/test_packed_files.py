"""Packing and reading HDF5 files: packed ones, the book's, those of other programs, and hostile ones."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from genmodels import data
from genmodels.data.own import hdf5, packing, sources
from genmodels.data.spec import split_rows
from genmodels.errors import ConfigError, DataError
from tests.support.hostile_hdf5 import write_hostile_hdf5
from tests.support.picture_files import book, encoded, own, packed_photos, plain, zipped


def test_a_packed_file_equals_the_folder(tmp_path: Path) -> None:
    path = packed_photos(tmp_path, licence="CC0")
    config, folder = own(path), own(tmp_path / "photos", "image_folder", size=8)
    spec = data.get_spec(config)
    assert (spec.classes, spec.train_size, spec.test_size, spec.licence) == (("cats", "dogs"), 11, 1, "CC0")
    for split in ("train", "test"):
        one, other = data.load(config, split), data.load(folder, split)  # type: ignore[arg-type]
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.labels, other.labels)
    assert data.class_counts(config) == data.class_counts(folder)
    assert len(data.load(own(path, limit=5), first=2).images) == 2
    assert list(tmp_path.glob(".*")) == [], "no temporary file is left"


def test_the_split_of_the_folders_is_stored(tmp_path: Path) -> None:
    files = {f"{split}/{n}.png": encoded(plain()) for split in ("train", "val") for n in range(4)}
    path = packing.pack(sources.Zip(zipped(tmp_path / "x.zip", files)), tmp_path / "x.h5", size=8).path
    spec = data.get_spec(own(path))
    assert (spec.train_size, spec.test_size) == (4, 4)
    assert hdf5.read_header(path).rows(np.array([0])).flags.writeable


def test_chunked_and_compressed_files_of_other_programs_are_read(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 1, 6, 6), np.uint8)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("images", data=images, chunks=(7, 1, 6, 6), compression="gzip", shuffle=True)
    packed = hdf5.read_header(tmp_path / "x.h5")
    rows = split_rows(50, "train")
    assert np.array_equal(packed.rows(rows), images[rows])
    assert np.array_equal(data.load(own(tmp_path / "x.h5")).images, images[rows])
    with pytest.raises(DataError, match="pack the pictures again"):
        packed.view()


def test_texts_are_stored_and_variable_length_strings_are_not_read(tmp_path: Path) -> None:
    files = {f"{name}/{n}.png": encoded(plain()) for name in ("猫", "chien été") for n in range(2)}
    path = packing.pack(
        sources.Zip(zipped(tmp_path / "x.zip", files), title="bêtes"), tmp_path / "x.h5", size=8, licence="© moi"
    ).path
    packed = hdf5.read_header(path)
    assert (packed.title, packed.licence, set(packed.classes)) == ("bêtes", "© moi", {"猫", "chien été"})
    with h5py.File(path, "a") as file:
        file.attrs["licence"] = "a string of variable length"
    assert hdf5.read_header(path).licence == "yours: unknown to the studio"


def test_settings_that_do_not_fit_a_packed_file_are_named(tmp_path: Path) -> None:
    path = packed_photos(tmp_path)
    assert data.get_spec(own(path, size=8, channels=3)).image_shape == (3, 8, 8)
    with pytest.raises(ConfigError, match=r"data.size = 64 does not fit photos.h5, which was packed with 8"):
        data.get_spec(own(path, size=64))
    with pytest.raises(ConfigError, match=r"data.channels = 1"):
        data.get_spec(own(path, channels=1))


def test_packing_overwrites_nothing_and_leaves_no_partial_file(tmp_path: Path) -> None:
    path = packed_photos(tmp_path)
    before = path.read_bytes()
    source = packing.open_source(tmp_path / "photos")
    with pytest.raises(ConfigError, match=r"exists already.*--force"):
        packing.pack(source, path)
    with pytest.raises(ConfigError, match=r"does not end in \.h5"):
        packing.pack(source, tmp_path / "x.png")
    with pytest.raises(ConfigError, match="does not exist"):
        packing.pack(source, tmp_path / "no" / "x.h5")
    with pytest.raises(DataError, match="none of the 1 pictures"):
        packing.pack(sources.Zip(zipped(tmp_path / "x.zip", {"a.png": b"text"})), path, overwrite=True)
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == {"photos.h5", "x.zip"}
    seen: list[tuple[int, int]] = []
    done = packing.pack(source, path, overwrite=True, limit=5, on_progress=lambda *at: seen.append(at))
    assert (done.count, seen[-1]) == (5, (5, 5))


def test_the_books_faces_are_read_and_packed(tmp_path: Path) -> None:
    path = book(tmp_path / "celeba_aligned_small.h5py")
    spec = data.get_spec(own(path))
    assert (spec.image_shape, spec.train_size, spec.test_size, spec.classes) == ((3, 64, 64), 11, 1, ())
    arrays = data.load(own(path, size=16))
    assert sorted(int(image.mean()) for image in arrays.images) == sorted(
        int(20 * number) for number in split_rows(12, "train")
    )
    done = packing.pack(packing.open_source(path), tmp_path / "faces.h5", size=16)
    assert [int(image.mean()) for image in hdf5.read_header(done.path).view()] == [20 * number for number in range(12)]


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("external storage", "keeps its data in other files"),
        ("external link", "link to elsewhere"),
        ("soft link", "link to elsewhere"),
        ("dangling link", "link to elsewhere"),
        ("virtual", "keeps its data in other files"),
        ("absurd shape", "but the file holds"),
        ("absurd chunks", "but the file holds"),
        ("large chunk", "chunks of more than 256 MB"),
        ("floats", "holds float64; uint8"),
        ("axes", "axes were expected"),
        ("channels", "1 or 3, height, width"),
        ("group", "is a group"),
        ("labels", "`labels` reach 3, there are 2 classes"),
        ("label count", "3 entries for 4 pictures"),
        ("classes", "not a list of at most 1,000 names"),
        ("version", "format version 99"),
        ("nothing", "neither a dataset `images` nor a group"),
        ("book link", "link to elsewhere"),
        ("text", "axes were expected"),
    ],
)
def test_a_hostile_hdf5_file_is_refused_unread(kind: str, part: str, tmp_path: Path) -> None:
    path = tmp_path / "evil.h5"
    write_hostile_hdf5(path, kind)
    with pytest.raises(DataError) as caught:
        data.get_spec(own(path))
    assert part in str(caught.value)


@pytest.mark.parametrize("kind", ["external", "link", "shape", "type"])
def test_a_hostile_image_in_the_books_layout_is_not_read(kind: str, tmp_path: Path) -> None:
    path = book(tmp_path / "book.h5", 11)
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(range(256)) * 20)
    with h5py.File(path, "a") as file:
        group = file["img_align_celeba"]
        if kind == "external":
            group.create_dataset("evil.jpg", (10, 10, 3), np.uint8, external=[(str(secret), 0, 300)])
        elif kind == "link":
            group["evil.jpg"] = h5py.SoftLink("/img_align_celeba/0.jpg")
        elif kind == "shape":
            group.create_dataset("evil.jpg", (200_000, 200_000, 3), np.uint8)
        else:
            group["evil.jpg"] = np.zeros((10, 10, 3))
    done = packing.pack(packing.open_source(path), tmp_path / "out.h5", size=8)
    assert done.count == 11
    assert len(done.skipped) == 1
    assert done.skipped[0].startswith("evil.jpg: ")


@pytest.mark.parametrize("keep", [0, 7, 300, 900, -10])
def test_a_truncated_or_other_file_raises_an_error(keep: int, tmp_path: Path) -> None:
    path = packed_photos(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"photos\.h5 (cannot be read as HDF5|is cut off)"):
        data.load(own(path))
