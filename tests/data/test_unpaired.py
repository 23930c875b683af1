"""Two unpaired image domains: layouts, what is refused, and batches."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import UnpairedLoader, loader_for
from genmodels.data.sets import unpaired_sets
from genmodels.data.spec import Arrays
from genmodels.errors import ConfigError, DataError
from tests.support.picture_files import BLUE, RED, encoded, own, plain, write_files, zipped

RED_FILE, BLUE_FILE = encoded(plain(RED)), encoded(plain(BLUE, (9, 33)), "JPEG")

SETS = {dataset.name: dataset for dataset in unpaired_sets.DATASETS}


def laid_out(train_a: int = 3, train_b: int = 5, test: int = 2) -> dict[str, bytes]:
    counts = {"trainA": train_a, "trainB": train_b, "testA": test, "testB": test}
    return {
        f"set/{part}/{number}.jpg": RED_FILE if part[-1] == "A" else BLUE_FILE
        for part, count in counts.items()
        for number in range(count)
    }


def blue(arrays: Arrays) -> list[int]:
    return [int(image[2].mean() > 128) for image in arrays.images]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_the_authors_layout_is_read_from_a_folder_or_a_zip(kind: str, tmp_path: Path) -> None:
    files = laid_out() | {"set/readme.png/note.txt": b"hello", "set/other.jpg": BLUE_FILE}
    path = write_files(tmp_path / "x", files) if kind == "folder" else zipped(tmp_path / "x.zip", files)
    config = own(path, "unpaired", size=8)
    spec = data.get_spec(config)
    assert spec.provides == ("image", "label", "image_a", "image_b")
    assert (spec.train_size, spec.test_size, spec.pairs, spec.classes) == (8, 4, 5, ("A", "B"))
    assert data.class_counts(config) == (3, 5)
    for split, count in (("train", 8), ("test", 4)):
        arrays = data.load(config, split)  # type: ignore[arg-type]
        assert arrays.images.shape == (count, 3, 8, 8)
        assert blue(arrays) == arrays.labels.tolist()
    assert len(data.load(config, first=2).images) == 2


def test_two_folders_or_a_folder_of_two(tmp_path: Path) -> None:
    files = {f"{name}/{n}.png": raw for name, raw in (("cats", RED_FILE), ("dogs", BLUE_FILE)) for n in range(20)}
    root = write_files(tmp_path / "pets", files)
    beside = own(root, "unpaired", size=4)
    apart = own(root / "cats", "unpaired", path_b=str(root / "dogs"), size=4)
    assert data.get_spec(beside).classes == ("cats", "dogs")
    for config in (beside, apart):
        assert (data.get_spec(config).train_size, data.get_spec(config).test_size) == (36, 4)
        arrays = data.load(config)
        assert blue(arrays) == arrays.labels.tolist()
    limited = data.load(beside.replace(limit=10))
    assert np.bincount(limited.labels).tolist() == [4, 4]
    grey = data.load(beside.replace(channels=1))
    assert grey.images.shape == (36, 1, 4, 4)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_the_validation_folders_are_the_test_split_if_there_is_no_other(kind: str, tmp_path: Path) -> None:
    files = {name.replace("test", "val"): raw for name, raw in laid_out().items()} | {"set/logo.jpg": RED_FILE}
    path = write_files(tmp_path / "x", files) if kind == "folder" else zipped(tmp_path / "x.zip", files)
    spec = data.get_spec(own(path, "unpaired", size=8))
    assert (spec.train_size, spec.test_size) == (8, 4)
    assert spec.notes == ("1 left out: images outside trainA, trainB, testA and testB: set/logo.jpg",)
    both = laid_out() | {f"set/val{kind}/{n}.jpg": RED_FILE for kind in "AB" for n in range(7)}
    spec = data.get_spec(own(write_files(tmp_path / "y", both), "unpaired", size=8))
    assert (spec.train_size, spec.test_size) == (8, 4)
    assert spec.notes[0].startswith("14 left out: images in valA and valB, because testA and testB are the test split")


def side_by_side(size: tuple[int, int] = (40, 20), mode: str = "RGB") -> bytes:
    """Red on the left, blue on the right."""
    image = plain((*RED, 255)[: len(mode)], size, mode)
    image.paste((*BLUE, 255)[: len(mode)], (size[0] // 2, 0, *size))
    if mode == "RGBA":
        image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    return encoded(image)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_pairs_in_one_image_are_split_into_both_domains(kind: str, tmp_path: Path) -> None:
    counts = {"train": 12, "val": 2, "test": 3}
    files = {f"facades/{part}/{n}.png": side_by_side() for part, count in counts.items() for n in range(count)}
    files |= {"facades/readme.txt": b"x"}
    path = write_files(tmp_path / "x", files) if kind == "folder" else zipped(tmp_path / "x.zip", files)
    config = own(path, "unpaired", size=8, side_by_side=True)
    spec = data.get_spec(config)
    assert (spec.classes, spec.train_size, spec.test_size, spec.pairs) == (("A", "B"), 24, 10, 12)
    assert spec.notes == ("1 left out: files of another kind (.txt): facades/readme.txt",)
    assert data.class_counts(config) == (12, 12)
    for split, count in (("train", 24), ("test", 10)):
        arrays = data.load(config, split)  # type: ignore[arg-type]
        assert len(arrays.images) == count
        assert blue(arrays) == arrays.labels.tolist()
        assert np.ptp(arrays.images, axis=(2, 3)).max() == 0, "no pixel of the other half"
    batch = loader_for(("image_a", "image_b"), data.load(config), 4, 0, torch.device("cpu")).batch(0)
    assert batch["image_a"][:, 0].min() > 0.9 > -0.9 > batch["image_b"][:, 0].max()
    with pytest.raises(DataError, match=r"x has no folders; .*set data\.side_by_side=true"):
        data.get_spec(config.replace(side_by_side=None))


def test_an_image_that_is_not_a_pair_is_left_out_and_transparency_gets_the_background(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {f"{n}.png": side_by_side(mode="RGBA") for n in range(30)} | {"square.png": side_by_side((20, 20))}
    config = own(write_files(tmp_path / "x", files), "unpaired", size=8, side_by_side=True, background="white")
    images = data.load(config)
    assert (images.images[images.labels == 0][:, 1] == 255).all()
    data.load(config, "test")
    assert "square.png: 20 x 20 pixels are not two images side by side" in caplog.text
    assert "images have transparency; laid on white" in caplog.text
    with pytest.raises(DataError, match=r"data\.side_by_side = true takes both domains .* set data\.path_b=null"):
        data.get_spec(config.replace(path_b=str(tmp_path)))


def test_missing_or_unsuitable_folders_raise_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path to a folder or zip with trainA and trainB"):
        data.load(DataConfig(name="unpaired"))
    with pytest.raises(DataError, match=r"data\.path = .*neither a folder nor a zip"):
        data.load(own(tmp_path / "none", "unpaired"))
    with pytest.raises(DataError, match=r"data\.path_b = .* is not a folder"):
        data.load(own(tmp_path, "unpaired", path_b=str(tmp_path / "none")))
    with pytest.raises(DataError, match="holds no pictures"):
        data.load(own(tmp_path, "unpaired"))
    (tmp_path / "empty").mkdir()
    one = write_files(tmp_path / "one", {"a.png": RED_FILE, "b.png": RED_FILE})
    with pytest.raises(DataError, match="empty holds no pictures"):
        data.get_spec(own(one, "unpaired", path_b=str(tmp_path / "empty")))
    with pytest.raises(DataError, match=r"one has no folders; pictures of two domains are expected: folders trainA"):
        data.get_spec(own(one, "unpaired"))
    three = write_files(tmp_path / "three", {f"{name}/{n}.png": RED_FILE for name in "abc" for n in range(2)})
    with pytest.raises(DataError, match="three has a, b, c; pictures of two domains"):
        data.get_spec(own(three, "unpaired"))
    with pytest.raises(ConfigError, match=r"data\.path_b = .* does not apply to data set 'digits'"):
        data.get_spec(DataConfig(name="digits", path_b="x"))


def test_a_few_damaged_images_are_left_out_and_many_raise_an_error(tmp_path: Path) -> None:
    files = laid_out(15, 15)
    root = write_files(tmp_path / "x", files | {"set/trainA/text.jpg": b"text"})
    assert np.bincount(data.load(own(root, "unpaired", size=4)).labels).tolist() == [15, 15]
    write_files(root, {f"set/trainB/{n}.jpg": RED_FILE[:30] for n in range(5)})
    with pytest.raises(DataError, match=r"6 of the 31 train pictures in x cannot be used: .*Remove or convert"):
        data.load(own(root, "unpaired", size=4))


def test_hostile_and_invalid_zips_are_refused(tmp_path: Path) -> None:
    escape = zipped(tmp_path / "escape.zip", laid_out() | {"../evil.jpg": RED_FILE})
    with pytest.raises(DataError, match="points outside the archive"):
        data.get_spec(own(escape, "unpaired"))
    (tmp_path / "text.zip").write_bytes(b"text")
    with pytest.raises(DataError, match="cannot be read as a zip"):
        data.get_spec(own(tmp_path / "text.zip", "unpaired"))


# -------------------------------------------------------------------- named sets


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_named_set_is_found_unpacked_or_as_the_authors_zip(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    config = DataConfig(name="horse2zebra", size=8)
    assert data.get_spec(config).pairs == 1334
    with pytest.raises(DataError, match=r"python -m genmodels download horse2zebra.*--data digits2inverted"):
        data.load(config)
    files = {name.replace("set/", "horse2zebra/"): raw for name, raw in laid_out().items()}
    if kind == "folder":
        write_files(tmp_path, files)
    else:
        SETS["horse2zebra"].install(zipped(tmp_path / ".horse2zebra.zip.part", files), tmp_path)
    spec = data.get_spec(config)
    assert (spec.pairs, spec.train_size, spec.classes) == (5, 8, ("horse", "zebra"))
    assert "ImageNet" in spec.licence
    arrays = data.load(config)
    assert blue(arrays) == arrays.labels.tolist()
    assert data.download("horse2zebra") == str(tmp_path / ("horse2zebra" if kind == "folder" else "horse2zebra.zip"))


def test_a_downloaded_archive_is_checked_before_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    part = tmp_path / ".facades.zip.part"
    part.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"facades\.zip cannot be read as a zip"):
        SETS["facades"].install(part, tmp_path)
    zipped(part, {"a/one.png": RED_FILE})
    with pytest.raises(DataError, match="pictures of two domains are expected"):
        SETS["facades"].install(part, tmp_path)
    with part.open("wb") as file:
        file.truncate(unpaired_sets._MAX_ARCHIVE + 1)
    with pytest.raises(DataError, match="larger than 512 MB"):
        SETS["facades"].install(part, tmp_path)
    assert data.missing(DataConfig(name="facades")) is not None


def test_only_the_flowers_are_extracted_from_their_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "root"))
    files = {f"flower_photos/{name}/{n}.jpg": raw for name, raw in (("daisy", RED_FILE), ("sunflowers", BLUE_FILE),
             ("roses", RED_FILE)) for n in range(12)}  # fmt: skip
    files |= {"flower_photos/daisy/../../../evil.jpg": RED_FILE, "/daisy/evil.jpg": RED_FILE}
    archive = tmp_path / "flowers.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
        link = tarfile.TarInfo("flower_photos/daisy/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    SETS["daisy2sunflower"].install(archive, tmp_path / "root")
    assert sorted(path.name for path in (tmp_path / "root" / "flower_photos").iterdir()) == ["daisy", "sunflowers"]
    assert not list(tmp_path.rglob("evil.jpg"))
    assert not list(tmp_path.rglob("link.jpg"))
    config = DataConfig(name="daisy2sunflower", size=8)
    assert data.class_counts(config) == (11, 11)
    assert blue(data.load(config)) == data.load(config).labels.tolist()
    monkeypatch.setattr(unpaired_sets, "_MAX_UNPACKED", 1000)
    with pytest.raises(DataError, match="unpacks to more than"):
        SETS["daisy2sunflower"].install(archive, tmp_path / "root")
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(DataError, match="damaged"):
        SETS["daisy2sunflower"].install(archive, tmp_path / "root")


# ------------------------------------------------------------------- batches


def numbered(count_a: int, count_b: int) -> Arrays:
    labels = np.array([0] * count_a + [1] * count_b)
    values = np.concatenate([np.arange(count_a), 100 + np.arange(count_b)]).astype(np.uint8)
    return Arrays(images=np.broadcast_to(values[:, None, None, None], (len(labels), 1, 2, 2)).copy(), labels=labels)


def ids(batch: torch.Tensor) -> list[int]:
    return [round(float(picture.mean() + 1) * 127.5) for picture in batch]


def test_batches_are_a_function_of_seed_and_step_and_domains_are_shuffled_independently() -> None:
    loader, other = (UnpairedLoader(numbered(6, 10), 2, 3, torch.device("cpu")) for _ in range(2))
    assert loader.steps_per_epoch == 5
    forward = [(ids(b["image_a"]), ids(b["image_b"])) for b in map(loader.batch, range(30))]
    backward = [(ids(b["image_a"]), ids(b["image_b"])) for b in map(other.batch, reversed(range(30)))]
    assert forward == backward[::-1]
    a, b = ([number for pair in forward for number in pair[kind]] for kind in (0, 1))
    for start in range(0, 60, 6):
        assert sorted(a[start : start + 6]) == list(range(6)), "each once per shuffle"
    for start in range(0, 60, 10):
        assert sorted(b[start : start + 10]) == list(range(100, 110))
    assert a[:6] != a[6:12]
    assert len({(x, y) for x, y in zip(a, b, strict=True)}) > 30, "pairs change"
    different = UnpairedLoader(numbered(6, 10), 2, 4, torch.device("cpu"))
    assert [ids(different.batch(step)["image_b"]) for step in range(5)] != [pair[1] for pair in forward[:5]]


def test_a_batch_may_span_shuffles_and_be_larger_than_a_domain() -> None:
    loader = loader_for(("image_a", "image_b"), numbered(2, 7), 5, 0, torch.device("cpu"))
    batch = loader.batch(1)
    assert batch["image_a"].shape == batch["image_b"].shape == (5, 1, 2, 2)
    assert set(ids(batch["image_a"])) == {0, 1}
    with pytest.raises(DataError, match=r"batch_size = 8 does not fit the 2 and 7 pictures"):
        UnpairedLoader(numbered(2, 7), 8, 0, torch.device("cpu"))
    with pytest.raises(DataError, match="0 and 7 pictures"):
        UnpairedLoader(numbered(0, 7), 2, 0, torch.device("cpu"))
