"""Images in .npz files: labels and splits are read, sizes are limited, nothing is unpickled."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genmodels.data.formats import zip_files
from genmodels.data.own import hdf5, packing
from genmodels.data.own.array_source import to_bytes
from genmodels.errors import DataError
from tests.support.array_files import images_of, npz, pack

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (30, 28, 28), np.uint8)
LABELS = np.arange(30) % 10


# --------------------------------------------------------------------- .npz


@pytest.mark.parametrize(
    ("arrays", "split", "classes"),
    [
        ({"x_train": IMAGES[:20], "y_train": LABELS[:20], "x_test": IMAGES[20:], "y_test": LABELS[20:]}, 10, 10),
        ({"train_images": IMAGES[:20], "train_labels": LABELS[:20, None], "val_images": IMAGES[20:25],
          "val_labels": LABELS[20:25, None], "test_images": IMAGES[25:], "test_labels": LABELS[25:, None]}, 10, 10),
        ({"images": IMAGES[..., None], "labels": LABELS.astype(np.uint8)}, None, 10),
        ({"X": IMAGES.reshape(30, 784), "y": LABELS}, None, 10),
        ({"arr_0": IMAGES, "arr_1": LABELS}, None, 10),
        ({"arr_0": IMAGES[:, None] / 255.0}, None, 0),
        ({"XTrain": IMAGES[:20].astype(np.float32), "XTest": IMAGES[20:].astype(np.float32)}, 10, 0),
        ({"data": np.asfortranarray(IMAGES), "target": LABELS}, None, 10),
    ],
    ids=["keras", "medmnist", "images", "flat", "unnamed", "floats", "camel", "fortran"],
)  # fmt: skip
def test_every_naming_of_npz_arrays_is_read(
    arrays: dict[str, np.ndarray], split: int | None, classes: int, tmp_path: Path
) -> None:
    (tmp_path / "x.npz").write_bytes(npz(**arrays))
    done = pack(tmp_path / "x.npz")
    packed = hdf5.read_header(done.path)
    assert (done.count, len(done.classes), done.left_out.count) == (30, classes, 0)
    assert (None if packed.test is None else int(packed.test.sum())) == split
    found = packed.view()[:, 0]
    assert {image.tobytes() for image in found} == {image.tobytes() for image in IMAGES}
    if classes:
        by_image = {image.tobytes(): int(label) for image, label in zip(IMAGES, LABELS, strict=True)}
        assert [by_image[image.tobytes()] for image in found] == packed.labels.tolist()


def test_colour_class_names_and_unused_arrays(tmp_path: Path) -> None:
    colour = RANDOM.integers(0, 256, (9, 8, 8, 3), np.uint8)
    raw = npz(
        images=colour, labels=np.arange(9) % 3, class_names=np.array(["cat", "dog", "été"]), weights=np.ones(5),
        notes=np.array("text"), lost=np.array([{"a": 1}], dtype=object),
    )  # fmt: skip
    (tmp_path / "x.npz").write_bytes(raw)
    done = pack(tmp_path / "x.npz", size=8, grey=False)
    assert done.classes == ("cat", "dog", "été")
    assert np.array_equal(images_of(done).transpose(0, 2, 3, 1), colour)
    text = "\n".join(done.left_out.lines())
    assert "arrays that are neither images nor the labels of images: x.npz: weights, x.npz: notes" in text
    assert "arrays of Python objects, which are never unpickled" in text
    planes = npz(data=colour.transpose(0, 3, 1, 2).reshape(9, 192))
    (tmp_path / "flat.npz").write_bytes(planes)
    assert np.array_equal(images_of(pack(tmp_path / "flat.npz", size=8, grey=False)).transpose(0, 2, 3, 1), colour)


def test_scalars_empty_arrays_and_macos_files_are_skipped(tmp_path: Path) -> None:
    raw = npz(x_train=IMAGES, y_train=LABELS, classes=np.int64(10), x_test=IMAGES[:0], y_test=LABELS[:0])
    (tmp_path / "x.npz").write_bytes(raw)
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("__MACOSX/._x_train.npy", b"resource fork")
    done = pack(tmp_path / "x.npz")
    assert (done.count, done.classes, done.left_out.ignored) == (30, tuple("0123456789"), 1)
    assert sorted(*done.left_out.reasons.values()) == ["x.npz: classes", "x.npz: x_test", "x.npz: y_test"]


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/tmp/genmodels-was-unpickled"),))


def header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    raw = io.BytesIO()
    np.lib.format.write_array_header_1_0(raw, {"descr": dtype, "fortran_order": False, "shape": shape})
    return raw.getvalue()


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (header((1_000_000, 1_000, 1_000)) + bytes(50), "claims shape"),
        (header((-5, 28, 28)) + bytes(50), "claims shape"),
        (header((10, 28, 28)) + bytes(50), "claims shape"),
        (header((1,), "|O") + pickle.dumps([_Evil()]), "has no array of images"),
        (b"\x93NUMPY\x01\x00\xff\xff{" + b"(" * 60_000, "cannot be read as .npz"),
        (b"\x93NUMPY\x09\x00", "version"),
        (b"no array", "cannot be read as .npz"),
        (b"", "cannot be read as .npz"),
        (b"\x93NUMPY\x01\x00" + struct.pack("<H", 3_000) + b"(" * 3_000, "cannot be read as .npz"),
        (header((4, 2)) + bytes(8), "has no array of images"),
        (header((3, 8, 8), "<f4") + np.full(192, np.nan, "<f4").tobytes(), "values from nan"),
        (header((3, 8, 8), "<f4") + np.full(192, 1e9, "<f4").tobytes(), "0 to 255, 0 to 1 or -1 to 1 are expected"),
        (header((3, 8, 8), "<i4") + np.full(192, -7, "<i4").tobytes(), "values from -7"),
        (header((3, 8, 8), "<f4") + np.linspace(-0.42, 2.82, 192, dtype="<f4").tobytes(), "values from -0.42 to 2.82"),
    ],
)
def test_a_hostile_or_useless_npz_is_refused(entry: bytes, reason: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("arr_0.npy", entry)
    with pytest.raises(DataError, match=reason):
        pack(tmp_path / "x.npz")
    assert not Path("/tmp/genmodels-was-unpickled").exists()


def test_an_npz_bomb_is_refused_from_its_directory(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("arr_0.npy", header((30_000, 28, 28)) + bytes(30_000 * 784))
    assert (tmp_path / "x.npz").stat().st_size < 100_000
    with pytest.raises(DataError, match="limit is"):
        packing.open_source(tmp_path / "x.npz", zip_files.Limits(total_bytes=1_000_000))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.array([-1.0, 0.0, 1.0]), [0, 128, 255]),
        (np.array([-1e-6, 0.5, 1.0001]), [0, 128, 255]),
        (np.array([-1.001, 0.0, 1.0001], np.float16), [0, 128, 255]),
        (np.array([-1e-4, 100.4, 255.0003]), [0, 100, 255]),
        (np.array([0.0, 100.4, 255.0]), [0, 100, 255]),
        (np.array([0, 32_896, 65_535], np.uint16), [0, 128, 255]),
        (np.array([0, 1, 1], np.uint8), [0, 255, 255]),
        (np.array([False, True, True]), [0, 255, 255]),
        (np.array([0, 200, 255], np.int64), [0, 200, 255]),
    ],
)
def test_the_value_range_decides_the_scaling(values: np.ndarray, wanted: list[int]) -> None:
    assert to_bytes(values.reshape(3, 1, 1), "x").ravel().tolist() == wanted
