"""The data sets `image_folder`, CIFAR-10 and CelebA; training on the user's images; the pack command."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import MemoryLoader
from genmodels.data.own import hdf5, packing, sources
from genmodels.data.own.layouts import layout
from genmodels.data.sets import celeba, cifar10
from genmodels.data.spec import Arrays, check_memory, split_rows
from genmodels.errors import ConfigError, DataError
from genmodels.runs.folder import RunFolder, runs_root
from genmodels.service import datasets
from genmodels.service.datasets import SheetRequest, splits
from genmodels.training import runner
from tests.conftest import small_spec
from tests.support.picture_files import GREEN, encoded, own, photos, plain
from tests.support.preloaded import python


@pytest.mark.parametrize(
    ("names", "classes", "labels", "test"),
    [
        (["a.png", "b.png"], (), [0, 0], None),
        (["x/a.png", "y/b.png"], ("x", "y"), [0, 1], None),
        (["top/deep/y/b.png", "top/deep/x/a.png"], ("x", "y"), [1, 0], None),
        (["only/a.png", "only/b.png"], (), [0, 0], None),
        (["x/a.png", "y/b.png", "c.png"], (), [0, 0, 0], None),
        (["x/one/a.png", "x/two/b.png", "y/c.png"], ("x", "y"), [0, 0, 1], None),
        (["train/x/a.png", "train/y/b.png", "val/x/c.png"], ("x", "y"), [0, 1, 0], [False, False, True]),
        (["train/a.png", "test/b.png"], (), [0, 0], [False, True]),
    ],
)
def test_folders_are_classes_and_splits(
    names: list[str], classes: tuple[str, ...], labels: list[int], test: list[bool] | None
) -> None:
    found = layout(names)
    assert (found.classes, found.labels.tolist()) == (classes, labels)
    assert (None if found.test is None else found.test.tolist()) == test


def test_too_many_classes_are_refused() -> None:
    with pytest.raises(DataError, match=r"1,001 folders.*limit is 1,000.*one folder"):
        layout([f"{number}/a.png" for number in range(1001)])


def test_the_split_is_fixed_complete_and_shuffled() -> None:
    train, test = split_rows(1000, "train"), split_rows(1000, "test")
    assert (len(train), len(test)) == (900, 100)
    assert sorted([*train, *test]) == list(range(1000))
    assert split_rows(1000, "train").tolist() == train.tolist() != sorted(train)
    assert (len(split_rows(1000, "train", 50)), len(split_rows(1000, "test", 50))) == (45, 5)
    assert (len(split_rows(2, "train")), len(split_rows(2, "test"))) == (1, 1)
    marked = np.arange(10) < 3
    assert sorted(split_rows(10, "test", test=marked)) == [0, 1, 2]
    with pytest.raises(DataError, match="at least 2"):
        split_rows(1, "train")


def test_an_image_folder_is_described_and_loaded(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    (folder / "cats" / "notes.txt").write_text("no picture")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "z.png").write_bytes(encoded(plain()))
    config = own(folder, "image_folder", size=16)
    spec = data.get_spec(config)
    assert (spec.image_shape, spec.classes, spec.train_size, spec.test_size) == ((3, 16, 16), ("cats", "dogs"), 11, 1)
    assert spec.licence == "yours: unknown to the studio"
    assert sum(data.class_counts(config)) == 11
    arrays = data.load(config)
    assert arrays.images.shape == (11, 3, 16, 16)
    assert [int(image[2].mean() > 128) for image in arrays.images] == arrays.labels.tolist(), "blue ones are dogs"
    assert data.load(config, first=3).images.tolist() == arrays.images[:3].tolist()
    grey = own(folder, "image_folder", size=8, channels=1, limit=4)
    assert data.load(grey).images.shape == (3, 1, 8, 8)


def test_a_few_unreadable_images_are_left_out_and_many_raise_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(40):
        (tmp_path / f"{number:02d}.png").write_bytes(encoded(plain()))
    bad = [f"{row:02d}.png" for row in split_rows(40, "train")[:5]]
    config = own(tmp_path, "image_folder", size=8)
    (tmp_path / bad[0]).write_text("text")
    assert len(data.load(config).images) == 35
    assert "1 of the 36 train pictures" in caplog.text
    assert f"{bad[0]}: not a PNG" in caplog.text
    for name in bad[1:]:
        (tmp_path / name).write_text("text")
    with pytest.raises(DataError, match=r"5 of the 36 .*Remove or convert"):
        data.load(config)


@pytest.mark.parametrize(
    ("settings", "error", "part"),
    [
        ({"name": "image_folder"}, DataError, "needs a folder of pictures: set data.path"),
        ({"name": "hdf5"}, DataError, "needs a file: set data.path"),
        ({"name": "image_folder", "path": "nowhere"}, DataError, "nowhere' is not a folder"),
        ({"name": "hdf5", "path": "nowhere.h5"}, DataError, "nowhere.h5' is not a file"),
        ({"name": "image_folder", "path": ".", "size": 3}, ConfigError, "data.size = 3"),
        ({"name": "image_folder", "path": ".", "channels": 2}, ConfigError, "data.channels = 2"),
        ({"name": "digits", "size": 32}, ConfigError, "data.size = 32 does not apply to data set 'digits'"),
        ({"name": "celeba", "path": "x"}, ConfigError, "uses size, limit; set data.path=null"),
        ({"name": "celeba", "size": 1024}, DataError, "smaller size, or a limit of at most 1,365"),
    ],
)
def test_an_invalid_setting_is_named(
    settings: dict[str, Any], error: type[Exception], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        data.get_spec(DataConfig.parse(settings, "data."))
    assert part in str(caught.value)


def test_paths_are_made_absolute_and_old_settings_still_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = DataConfig.parse({"name": "hdf5", "path": "faces.h5"})
    assert config.path == str(tmp_path / "faces.h5")
    assert DataConfig.parse(config.model_dump(mode="json")) == config
    assert DataConfig.parse({"name": "digits"}) == DataConfig()


def test_a_folder_with_fewer_than_two_images_raises_an_error(tmp_path: Path) -> None:
    config = own(tmp_path, "image_folder")
    with pytest.raises(DataError, match="holds no pictures"):
        data.get_spec(config)
    (tmp_path / "a.png").write_bytes(encoded(plain()))
    with pytest.raises(DataError, match="at least 2 pictures"):
        data.get_spec(config)


def test_a_set_larger_than_the_memory_limit_is_refused_before_reading() -> None:
    check_memory(1000, (3, 64, 64), "faces")
    with pytest.raises(DataError, match=r"faces: 400,000 pictures of 3x64x64 need 4.9 GB.*limit of at most 349,525"):
        check_memory(400_000, (3, 64, 64), "faces")
    arrays = Arrays(images=np.zeros((3, 1, 4, 4), np.uint8), labels=np.zeros(3, np.int64))
    import torch

    with pytest.raises(DataError, match=r"batch_size = 4 .* 3 pictures"):
        MemoryLoader(arrays, 4, 0, torch.device("cpu"))


@pytest.fixture
def thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 files of a tenth of the size: compressing 180 MB takes seconds."""
    monkeypatch.setattr(cifar10, "_PER_FILE", 1_000)


def cifar_archive(path: Path, short: str = "") -> Path:
    record = np.zeros((1_000, 3073), np.uint8)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for index, name in enumerate((*cifar10._FILES["train"], *cifar10._FILES["test"])):
            record[:, 0] = np.arange(1_000) % 10
            record[:, 1:1025] = 40 * index  # the red channel comes first
            raw = record.tobytes()[: 1000 if name == short else None]
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
        evil = tarfile.TarInfo("../evil.txt")
        tar.addfile(evil, io.BytesIO())
    return path


@pytest.mark.usefixtures("thousands")
def test_cifar10_is_extracted_by_name_and_read_without_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    monkeypatch.setenv("GENMODELS_DATA", str(root))
    root.mkdir()
    (root / "cifar-10-batches-py").mkdir()
    (root / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert "python -m genmodels download cifar10" in str(data.missing(DataConfig(name="cifar10")))
    cifar10.unpack(cifar_archive(tmp_path / "x.tar.gz"), root)
    assert not (tmp_path / "evil.txt").exists()
    train, test = (data.load(DataConfig(name="cifar10"), split) for split in ("train", "test"))  # type: ignore[arg-type]
    assert (train.images.shape, test.images.shape) == ((5_000, 3, 32, 32), (1_000, 3, 32, 32))
    assert train.images[1_000:1_002, :, 0, 0].tolist() == [[40, 0, 0]] * 2
    assert train.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    (root / "cifar-10-batches-bin" / "data_batch_3.bin").write_bytes(b"short")
    with pytest.raises(DataError, match=r"data_batch_3\.bin is damaged: 3,073,000 bytes"):
        data.load(DataConfig(name="cifar10"))


@pytest.mark.usefixtures("thousands")
def test_a_damaged_cifar10_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"test_batch\.bin is no file of 3,073,000 bytes"):
        cifar10.unpack(cifar_archive(tmp_path / "x.tar.gz", short="test_batch.bin"), tmp_path)
    (tmp_path / "y.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="fetch it again"):
        cifar10.unpack(tmp_path / "y.tar.gz", tmp_path)


def test_cifar10_as_image_files_is_counted_by_name_and_decoded_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    spec = cifar10.SPEC.model_copy(update={"train_size": 600, "test_size": 20})
    monkeypatch.setattr(cifar10.DATASET, "fixed_spec", spec)
    monkeypatch.setattr(splits, "DECODED", 100)
    raw = {
        name: encoded(plain((20 * row, 255 - 20 * row, 0), (32, 32))) for row, name in enumerate(cifar10.SPEC.classes)
    }
    for split, count in (("train", 60), ("test", 2)):
        for name, picture in raw.items():
            (tmp_path / "cifar10" / split / name).mkdir(parents=True)
            for number in range(count):
                (tmp_path / "cifar10" / split / name / f"{number:04d}.png").write_bytes(picture)
    opened: list[str] = []
    read = sources.Folder.read

    def counted(folder: sources.Folder, name: str, size: int, channels: int) -> np.ndarray:
        opened.append(name)
        return read(folder, name, size, channels)

    monkeypatch.setattr(sources.Folder, "read", counted)
    config = DataConfig(name="cifar10")
    datasets.prepare("cifar10")
    assert datasets.class_counts("cifar10") == {"train": (60,) * 10, "test": (2,) * 10}
    assert data.class_counts(config) == (60,) * 10
    assert datasets.page_count(SheetRequest(name="cifar10")) == 13
    assert not opened, "counting uses the names only"
    page = datasets.sheet(SheetRequest(name="cifar10", label=3, page=1))
    assert ({tile.label for tile in page.tiles}, len(page.tiles), page.count) == ({"cat"}, 12, 60)
    assert (len(opened), {Path(name).parent.name for name in opened}) == (12, {"cat"})
    assert sum(mean.number for mean in datasets.mean_images("cifar10")) == 100
    assert len(set(opened[12:])) == 100, "at most so many are decoded"
    opened.clear()
    first = data.load(config, first=30)
    assert len(opened) == 30
    assert first.images[:, 0, 16, 16].tolist() == (20 * first.labels).tolist(), "each image has its own label"
    assert data.load(config).images[:30].tolist() == first.images.tolist()
    shown = np.asarray(Image.open(io.BytesIO(datasets.sheet(SheetRequest(name="cifar10")).tiles[5].image)))
    assert shown.transpose(2, 0, 1).tolist() == first.images[5].tolist()
    (tmp_path / "cifar10" / "train" / "cat" / "0007.png").write_bytes(b"text")
    with pytest.raises(DataError, match=r"1 pictures in .*cat/0007\.png: not a PNG.*Fetch it again"):
        data.load(config)
    (tmp_path / "cifar10" / "train" / "cat" / "0007.png").unlink()
    with pytest.raises(DataError, match=r"holds 599 pictures in 10 classes; 600"):
        data.load(config, first=1)


def test_celeba_names_its_terms_and_reads_torchvisions_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    config = DataConfig(name="celeba", size=16, limit=20)
    problem = str(data.missing(config))
    assert "non-commercial research only" in problem
    assert "download celeba" in problem
    spec = data.get_spec(config)
    assert (spec.image_shape, spec.train_size, spec.test_size) == ((3, 16, 16), 18, 2)
    assert data.get_spec(DataConfig(name="celeba")).train_size == 162_770
    assert data.get_spec(DataConfig(name="celeba")).test_size == 19_962
    folder = tmp_path / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    numbers = [1, 202_599, *celeba._numbers(config, "train"), *celeba._numbers(config, "test")]
    for number in numbers:
        (folder / f"{number:06d}.jpg").write_bytes(encoded(plain(GREEN, (178, 218)), "JPEG"))
    assert data.load(config).images.shape == (18, 3, 16, 16)
    assert data.load(config, "test").images[:, 1].min() > 200
    (folder / f"{numbers[5]:06d}.jpg").unlink()
    with pytest.raises(DataError, match=r"missing or damaged.*Unpack the archive again"):
        data.load(config)


@pytest.mark.parametrize("name", ["image_folder", "hdf5"])
def test_a_vae_trains_on_the_users_images(name: str, tmp_path: Path) -> None:
    folder = photos(tmp_path, 10)
    path = (
        folder if name == "image_folder" else packing.pack(packing.open_source(folder), tmp_path / "x.h5", size=8).path
    )
    size = "data.size=8" if name == "image_folder" else "data.size=null"
    spec = small_spec("vae", f"data.name={name}", f"data.path={path}", size, "train.max_steps=6", "train.batch_size=4")
    assert spec.model["image_shape"] == [3, 8, 8]
    run = RunFolder.create(runs_root() / "own-1", spec)
    assert runner.train_folder(run, device="cpu") == "finished"
    assert run.steps()[-1] == 6
    assert run.spec().data.path == str(path)
    assert run.preview_path(6).is_file()


def pack_command(*words: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "genmodels", "pack", *words)


def test_the_pack_command_and_its_exit_codes(tmp_path: Path) -> None:
    folder, out = photos(tmp_path), tmp_path / "out.h5"
    (folder / "cats" / "bad.png").write_text("text")
    done = pack_command(str(folder), str(out), "--size", "16", "--grey", "--licence", "mine")
    assert done.returncode == 0, done.stderr
    assert "12 images of 1x16x16 in 2 classes, 1 left out" in done.stdout
    assert f"--data hdf5 --set data.path={out}" in done.stdout
    assert "left out cats/bad.png: not a PNG" in done.stderr
    assert hdf5.read_header(out).licence == "mine"
    for words, code, part in (
        ((str(folder), str(out)), 2, "--force"),
        ((str(folder), str(out), "--size", "2"), 2, "--size"),
        ((str(tmp_path / "none"), str(tmp_path / "b.h5")), 1, "does not exist"),
        ((str(out), str(tmp_path / "b.h5")), 1, "no group `img_align_celeba`"),
        ((str(folder / "cats" / "bad.png"), str(tmp_path / "b.h5")), 1, "cannot be read as a zip"),
    ):
        failed = pack_command(*words)
        assert (failed.returncode, part in failed.stderr) == (code, True), failed.stderr
        assert "Traceback" not in failed.stderr
