"""Images in .npz, CSV and idx files: labels and splits are read, sizes are limited, nothing is unpickled."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genmodels import data
from genmodels.data import DataConfig, uploaded_sets
from genmodels.data.formats import zip_files
from genmodels.data.own import hdf5, packing
from genmodels.errors import DataError
from genmodels.service import datasets
from genmodels.service.datasets import Upload, UploadSettings
from tests.support.array_files import images_of, npz, pack
from tests.support.picture_files import encoded, own, plain, write_files, zipped
from tests.support.preloaded import python

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (30, 28, 28), np.uint8)
LABELS = np.arange(30) % 10


def csv(images: np.ndarray, labels: np.ndarray | None, header: str = "", end: str = "\n") -> bytes:
    rows = images.reshape(len(images), -1).astype(int)
    table = rows if labels is None else np.column_stack([labels, rows])
    return (header + end.join(",".join(map(str, row)) for row in table) + end).encode()


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


# --------------------------------------------------------------------- CSV


def test_the_csv_files_of_the_gan_book_give_labels_and_splits(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mnist", {
        "mnist_train.csv": csv(IMAGES[:20], LABELS[:20]), "mnist_test.csv": csv(IMAGES[20:], LABELS[20:]),
    })  # fmt: skip
    result = pack(folder)
    assert (result.count, result.classes, dict(result.kinds)) == (
        30,
        tuple("0123456789"),
        {".csv": 30},
    )
    packed = hdf5.read_header(result.path)
    assert packed.test is not None
    order = np.argsort(packed.test, kind="stable")
    assert np.array_equal(packed.view()[order][:, 0], IMAGES)
    assert packed.labels[order].tolist() == LABELS.tolist()
    spec = data.get_spec(own(result.path))
    assert (spec.train_size, spec.test_size) == (20, 10)


@pytest.mark.parametrize(
    "raw",
    [
        csv(IMAGES, LABELS),
        csv(IMAGES, LABELS, end="\r\n"),
        csv(IMAGES, LABELS, "label," + ",".join(f"pixel{n}" for n in range(784)) + "\n"),
        csv(IMAGES, LABELS, "﻿0," + ",".join(f"0.{n}" for n in range(784)) + "\n\n"),
        csv(IMAGES, LABELS).rstrip(b"\n"),
        csv(IMAGES, LABELS).replace(b",", b'","').replace(b"\n", b'"\n"').rstrip(b'"').join([b'"', b""]),
    ],
    ids=["plain", "windows", "kaggle", "numbers for a header", "no last newline", "quoted"],
)
def test_every_csv_dialect_is_read(raw: bytes, tmp_path: Path) -> None:
    for name, content in (("x.csv", raw), ("x.csv.gz", gzip.compress(raw))):
        (tmp_path / name).write_bytes(content)
        result = pack(tmp_path / name)
        assert (result.count, result.left_out.count, len(result.classes)) == (30, 0, 10)
        assert np.array_equal(images_of(result)[:, 0], IMAGES)


def test_csv_with_the_label_last_without_labels_and_with_colour(tmp_path: Path) -> None:
    header = ",".join(f"pixel{n:04}" for n in range(784)) + ",label\n"
    rows = np.column_stack([IMAGES.reshape(30, -1), LABELS])
    (tmp_path / "last.csv").write_text(header + "\n".join(",".join(map(str, row)) for row in rows))
    assert np.array_equal(images_of(pack(tmp_path / "last.csv"))[:, 0], IMAGES)
    (tmp_path / "none.csv").write_bytes(csv(IMAGES, None))
    result = pack(tmp_path / "none.csv")
    assert (result.classes, result.count) == ((), 30)
    colour = RANDOM.integers(0, 256, (6, 28, 28, 3), np.uint8)
    (tmp_path / "rgb.csv").write_bytes(csv(colour, np.arange(6) % 2))
    found = images_of(pack(tmp_path / "rgb.csv", grey=False))
    assert np.array_equal(found.transpose(0, 2, 3, 1), colour)


def test_every_csv_line_is_used_or_counted(tmp_path: Path) -> None:
    lines = csv(IMAGES, LABELS).split(b"\n")[:-1]
    lines[3] = lines[3][:40]
    lines[7] = b"7," + lines[7].split(b",", 2)[2].join([b"256,", b""])
    lines[9] = b"x" + lines[9][1:]
    lines[11] = b"1,-5," + lines[11].split(b",", 2)[2]
    (tmp_path / "x.csv").write_bytes(b"\n".join(lines))
    result = pack(tmp_path / "x.csv")
    assert result.count + result.left_out.count == 30
    text = "\n".join(result.left_out.lines())
    assert "lines with another number of values than the first line: x.csv: line 4" in text
    assert "not grey levels from 0 to 255: x.csv: line 10, x.csv: line 8, x.csv: line 12" in text
    assert np.array_equal(images_of(result)[:3, 0], IMAGES[:3])


@pytest.mark.parametrize("damaged", [b"x", b"", b"4.5", b"300"])
def test_a_damaged_first_line_is_not_a_header(damaged: bytes, tmp_path: Path) -> None:
    lines = csv(IMAGES, LABELS).split(b"\n")[:-1]
    label, _, rest = lines[0].split(b",", 2)
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbf" + b"\n".join([b",".join((label, damaged, rest)), *lines[1:]]))
    result = pack(tmp_path / "x.csv")
    assert (result.count, *result.left_out.reasons.values()) == (29, ["x.csv: line 1"])


def test_numeric_column_names_and_a_byte_order_mark_are_recognised(tmp_path: Path) -> None:
    names = "label," + ",".join(map(str, range(784))) + "\n"
    for header in (names, ""):
        (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbf" + csv(IMAGES, LABELS, header))
        result = pack(tmp_path / "x.csv")
        assert (result.count, result.left_out.count) == (30, 0)


def test_a_file_without_images_does_not_affect_the_others(tmp_path: Path) -> None:
    files = {
        "train.csv": csv(IMAGES, LABELS), "sample_submission.csv": b"ImageId,Label\n1,0\n", "empty.csv": b"",
        "broken.npz": b"PK",
    }  # fmt: skip
    result = pack(write_files(tmp_path / "x", files))
    assert (result.count, result.classes) == (30, tuple("0123456789"))
    assert sorted(name for names in result.left_out.reasons.values() for name in names) == sorted(
        {*files} - {"train.csv"}
    )
    assert any("has 2 values per line" in reason for reason in result.left_out.reasons)
    with pytest.raises(DataError, match="has 2 values per line"):
        pack(write_files(tmp_path / "y", {"sample_submission.csv": files["sample_submission.csv"]}))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "holds no image"),
        (
            csv(IMAGES, LABELS).replace(b",", b".5,"),
            r"holds no image \(\d+ left out: lines with values that are not grey",
        ),
        (b"name,age\nAnna,5\n", "has 2 values per line"),
        (b"1,2,3\n", "has 3 values per line"),
        (b"label," + b",".join([b"x"] * 784) + b"\n", "holds no image"),
        (bytes(6_000_000), "line of more than 1 MB"),
        (b"\xff\xfe1,2\n", "values per line"),
    ],
)
def test_a_csv_without_images_names_the_expected_format(raw: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(raw)
    with pytest.raises(DataError, match=reason):
        pack(tmp_path / "x.csv")


def test_a_csv_that_unpacks_to_too_many_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0\n" * 500_000))
    assert (tmp_path / "x.csv.gz").stat().st_size < 100_000
    with pytest.raises(DataError, match="unpacks to more than 10 MB"):
        packing.open_source(tmp_path / "x.csv.gz", zip_files.Limits(total_bytes=10_000_000))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(csv(IMAGES, LABELS))[:-500])
    with pytest.raises(DataError, match=r"cut\.csv\.gz cannot be read"):
        pack(tmp_path / "cut.csv.gz")


# --------------------------------------------------------------------- idx


def idx_files(names: tuple[str, str, str, str]) -> dict[str, bytes]:
    parts = (IMAGES[:20], LABELS[:20].astype(np.uint8), IMAGES[20:], LABELS[20:].astype(np.uint8))
    return {name: gzip.compress(idx(part)) if name.endswith(".gz") else idx(part)
            for name, part in zip(names, parts, strict=True)}  # fmt: skip


NAMES = ("train-images{}3-ubyte", "train-labels{}1-ubyte", "t10k-images{}3-ubyte", "t10k-labels{}1-ubyte")


@pytest.mark.parametrize("form", ["-idx", ".idx", "-idx gz", ".idx gz", "nested"])
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_idx_files_of_every_naming_are_packed(form: str, kind: str, tmp_path: Path) -> None:
    names = [name.format(form.removesuffix(" gz") if form != "nested" else "-idx") for name in NAMES]
    names = [f"{name}/{name}" if form == "nested" else name + ".gz" * form.endswith("gz") for name in names]
    files = idx_files((names[0], names[1], names[2], names[3]))
    path = write_files(tmp_path / "x", files) if kind == "folder" else zipped(tmp_path / "x.zip", files)
    result = pack(path)
    packed = hdf5.read_header(result.path)
    assert (result.count, result.classes, result.left_out.count) == (30, tuple("0123456789"), 0)
    assert packed.test is not None
    assert int(packed.test.sum()) == 10


def test_a_second_copy_of_idx_files_is_counted_once(tmp_path: Path) -> None:
    one = idx_files(tuple(name.format(".idx") for name in NAMES))  # type: ignore[arg-type]
    other = idx_files(tuple(f"{name.format('-idx')}/{name.format('-idx')}" for name in NAMES))  # type: ignore[arg-type]
    result = pack(write_files(tmp_path / "archive", one | other | {"readme.txt": b"x"}))
    assert result.count == 30
    assert {reason: len(names) for reason, names in result.left_out.reasons.items()} == {
        "copies of another file of the same split": 4, "files of another kind (.txt)": 1,
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["short", "long", "claim", "magic", "none", "flat", "lost labels", "fewer labels"])
def test_a_damaged_idx_file_is_named(damage: str, tmp_path: Path) -> None:
    raw = idx(IMAGES)
    files = {"train-images-idx3-ubyte": raw, "train-labels-idx1-ubyte": idx(LABELS.astype(np.uint8))}
    if damage == "short":
        files["train-images-idx3-ubyte"] = raw[:-1]
    elif damage == "long":
        files["train-images-idx3-ubyte"] = gzip.compress(raw + b"x")
    elif damage == "claim":
        files["train-images-idx3-ubyte"] = raw[:4] + b"\xff" * 12 + raw[16:]
    elif damage == "magic":
        files["train-images-idx3-ubyte"] = b"\0\0\x0d\3" + raw[4:]
    elif damage in ("none", "flat"):
        files["train-images-idx3-ubyte"] = idx(IMAGES[:0] if damage == "none" else IMAGES[:, :0])
        files.pop("train-labels-idx1-ubyte")
    elif damage == "lost labels":
        files.pop("train-images-idx3-ubyte")
    else:
        files["train-labels-idx1-ubyte"] = idx(LABELS[:7].astype(np.uint8))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte|labels without images"):
        pack(write_files(tmp_path / "x", files))


def test_a_damaged_idx_file_inside_a_zip_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("train-images-idx3-ubyte", idx(IMAGES))
    raw = (tmp_path / "x.zip").read_bytes()
    at = raw.index(IMAGES[3].tobytes())
    (tmp_path / "x.zip").write_bytes(raw[:at] + bytes(784) + raw[at + 784 :])
    with pytest.raises(DataError, match="train-images-idx3-ubyte cannot be read: Bad CRC-32"):
        pack(tmp_path / "x.zip")


@pytest.mark.parametrize("form", [".idx", "nested"])
def test_mnist_is_found_by_the_file_names_of_kaggle(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    raw = tmp_path / "MNIST" / "raw"
    shapes = {"train": 60_000, "t10k": 10_000}
    for name in NAMES:
        part, what = name.split("-")[0], "images" in name
        array = np.zeros((shapes[part], 28, 28) if what else shapes[part], np.uint8)
        plain_name = name.format("-idx")
        write_files(raw, {name.format(".idx") if form == ".idx" else f"{plain_name}/{plain_name}": idx(array)})
    assert data.missing(DataConfig(name="mnist")) is None
    assert data.load(DataConfig(name="mnist"), "test").images.shape == (10_000, 1, 28, 28)


# --------------------------------------------------------------------- upload, folders, command line


def upload_files(files: dict[str, bytes], **settings: Any) -> datasets.UploadReport:
    uploads = [Upload(name, io.BytesIO(raw), len(raw)) for name, raw in files.items()]
    return datasets.upload(uploads, UploadSettings.parse({"title": "Mine", "size": 28, "grey": True, **settings}))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "npz", "zip of csv", "zip of npz", "idx"])
def test_every_format_can_be_uploaded(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    tables = {"mnist_train.csv": csv(IMAGES[:20], LABELS[:20]), "mnist_test.csv": csv(IMAGES[20:], LABELS[20:])}
    arrays = npz(x_train=IMAGES[:20], y_train=LABELS[:20], x_test=IMAGES[20:], y_test=LABELS[20:])
    files = {
        "csv": tables,
        "npz": {"mnist.npz": arrays},
        "zip of csv": {"x.zip": zipped(tmp_path / "x.zip", tables).read_bytes()},
        "zip of npz": {"x.zip": zipped(tmp_path / "x.zip", {"deep/mnist.npz": arrays}).read_bytes()},
        "idx": idx_files(tuple(name.format(".idx") for name in NAMES)),  # type: ignore[arg-type]
    }[kind]
    report = upload_files(files)
    assert (report.count, report.shape, len(report.classes)) == (30, (1, 28, 28), 10)
    assert datasets.class_counts("mine")["test"] == (1,) * 10
    assert {image.tobytes() for image in hdf5.read_header(uploaded_sets.path_of("mine")).view()} == {
        image.tobytes() for image in IMAGES
    }


def test_with_image_files_tables_are_left_out_and_counted(tmp_path: Path) -> None:
    files = {f"{n}.png": encoded(plain()) for n in range(3)} | {"labels.csv": b"a,b\n1,2\n"}
    for path in (write_files(tmp_path / "x", files), zipped(tmp_path / "x.zip", files)):
        result = pack(path)
        assert (result.count, result.left_out.count) == (3, 1)
        assert "tables or arrays, which `python -m genmodels pack` reads if there are no" in result.left_out.lines()[0]


def test_training_on_a_folder_of_tables_names_the_pack_command(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "x", {"mnist_train.csv": csv(IMAGES, LABELS)})
    with pytest.raises(DataError, match=r"holds no pictures.*`python -m genmodels pack` reads.*mnist_train\.csv"):
        data.get_spec(own(folder, "image_folder"))


def test_the_command_packs_tables(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(npz(images=IMAGES, labels=LABELS))
    done = python("-m", "genmodels", "pack", str(tmp_path / "x.npz"), str(tmp_path / "x.h5"), "--size", "28", "--grey")
    assert done.returncode == 0, done.stderr
    assert "30 images of 1x28x28 in 10 classes, 0 left out" in done.stdout
    assert "files used: 30 .npz" in done.stdout
