"""Uploaded data sets: what is accepted, what is refused, and that no partial files remain."""

from __future__ import annotations

import io
import os
import signal
import struct
import threading
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from PIL import Image

from genmodels import data, recipes
from genmodels.data import upload, uploaded_sets
from genmodels.data.own import hdf5
from genmodels.errors import ConfigError, DataError, GenmodelsError, UnknownNameError
from genmodels.service import datasets
from genmodels.service.datasets import SheetRequest, Upload, UploadSettings
from tests.support.hostile_hdf5 import write_hostile_hdf5
from tests.support.picture_files import BLUE, RED, book, claimed_png, encoded, packed_photos, plain, zipped

pytestmark = pytest.mark.usefixtures("root")


def upload_of(name: str, raw: bytes | Path) -> Upload:
    raw = raw.read_bytes() if isinstance(raw, Path) else raw
    return Upload(name, io.BytesIO(raw), len(raw))


def upload_set(*uploads: Upload, title: str = "My set", size: int = 16, **settings: object) -> datasets.UploadReport:
    return datasets.upload(uploads, UploadSettings.parse({"title": title, "size": size, **settings}))


def nothing_is_left(root: Path) -> bool:
    return uploaded_sets.names() == () and [path for path in root.rglob("*") if path.is_file()] == []


# --------------------------------------------------------------------- accepted


def test_files_become_a_set_and_each_file_left_out_is_named(root: Path) -> None:
    seen: list[tuple[int, int]] = []
    files = [
        upload_of("red.png", encoded(plain(RED, (40, 30)))),
        upload_of("red.png", encoded(plain(BLUE, (9, 9)), "JPEG", quality=95)),
        upload_of("grey.webp", encoded(plain((120,), mode="L"), "WEBP", lossless=True)),
        upload_of("half.png", encoded(plain((200, 100, 0, 128), mode="RGBA"))),
        upload_of("dot.png", encoded(plain(BLUE, (1, 1)))),
        upload_of("text.png", b"this is text"),
        upload_of("bomb.png", claimed_png(13_000, 13_000)),
        upload_of("cut.png", encoded(plain())[:60]),
    ]
    report = datasets.upload(
        files, UploadSettings(title="  Übung 1! ", size=16, licence="CC0"), lambda *at: seen.append(at)
    )
    assert (report.name, report.count, report.shape, report.classes) == ("übung-1", 5, (3, 16, 16), ())
    assert seen[-1] == (8, 8)
    skipped = dict(line.split(": ", 1) for line in report.skipped)
    assert set(skipped) == {"text.png", "bomb.png", "cut.png"}
    assert "not a PNG" in skipped["text.png"]
    assert "64,000,000 pixels" in skipped["bomb.png"]
    assert "damaged" in skipped["cut.png"]
    packed = hdf5.read_header(uploaded_sets.path_of("übung-1"))
    pictures = {tuple(image.mean((1, 2)).round().astype(int)) for image in packed.view()}
    assert {RED, (120, 120, 120), (100, 50, 0)} <= pictures, "both files named red.png, and every mode"
    assert (packed.title, packed.licence, packed.offset is not None) == ("Übung 1!", "CC0", True)
    assert [path.name for path in (root / "own").iterdir()] == ["übung-1.h5"]


def test_the_folders_of_a_zip_are_classes_and_splits(tmp_path: Path) -> None:
    files = {
        f"deep/er/{split}/{kind}/{n}.png": encoded(plain(colour, (5 + n, 30)))
        for split in ("train", "test")
        for kind, colour in (("cat", RED), ("dog", BLUE))
        for n in range(3)
    }
    files |= {"deep/er/readme.txt": b"hello", "__MACOSX/deep/._0.png": b"shadow"}
    report = upload_set(upload_of("pets.zip", zipped(tmp_path / "x.zip", files)), title="Pets", grey=True)
    assert (report.count, report.shape, report.classes, report.others) == (12, (1, 16, 16), ("cat", "dog"), 2)
    assert datasets.class_counts("pets") == {"train": (3, 3), "test": (3, 3)}
    assert datasets.find("pets").spec == data.get_spec(uploaded_sets.config_of("pets"))


def test_an_uploaded_packed_file_is_written_again(tmp_path: Path) -> None:
    path = packed_photos(tmp_path, licence="CC0")
    with h5py.File(path, "a") as file:
        file["passenger"] = np.arange(1000)
    report = upload_set(upload_of("any name.h5", path), title="Photos")
    assert (report.count, report.shape, report.classes) == (12, (3, 8, 8), ("cats", "dogs"))
    old, new = hdf5.read_header(path), hdf5.read_header(uploaded_sets.path_of("photos"))
    assert np.array_equal(old.view(), new.view())
    assert np.array_equal(old.labels, new.labels)
    assert (new.title, new.licence) == ("Photos", "CC0")
    with h5py.File(new.path) as file:
        assert set(file) == {"images", "labels"}


def test_a_chunked_file_and_the_books_faces_are_accepted(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 1, 6, 6), np.uint8)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("images", data=images, chunks=(7, 1, 6, 6), compression="gzip")
    upload_set(upload_of("x.h5", tmp_path / "x.h5"), title="Chunked")
    assert np.array_equal(hdf5.read_header(uploaded_sets.path_of("chunked")).view(), images)
    report = upload_set(upload_of("faces.h5py", book(tmp_path / "book.h5")), title="Faces")
    assert (report.count, report.shape) == (12, (3, 16, 16))
    assert [int(image.mean()) for image in hdf5.read_header(uploaded_sets.path_of("faces")).view()] == [
        20 * n for n in range(12)
    ]


# --------------------------------------------------------------------- refused


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["external storage", "external link", "soft link", "virtual", "absurd shape", "absurd chunks", "group"]
)
def test_a_hostile_hdf5_file_leaves_nothing(kind: str, tmp_path: Path, root: Path) -> None:
    write_hostile_hdf5(tmp_path / "evil.h5", kind)
    with pytest.raises(DataError, match=r"`images`"):
        upload_set(upload_of("evil.h5", tmp_path / "evil.h5"))
    assert nothing_is_left(root)


def test_an_hdf5_file_that_unpacks_to_too_many_bytes_is_refused(tmp_path: Path, root: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("images", data=np.zeros((60_000, 1, 4, 4), np.uint8), chunks=True, compression="gzip")
    with pytest.raises(DataError, match=r"60,000 pictures.*the limit is 50,000 pictures"):
        upload_set(upload_of("x.h5", tmp_path / "x.h5"))
    assert nothing_is_left(root)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [900, 1_200, 1_500, 2_000, 3_000])
def test_a_damaged_hdf5_file_is_refused_or_read_correctly_and_never_crashes(
    damage: int, tmp_path: Path, root: Path
) -> None:
    path = packed_photos(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[damage % len(raw) : damage % len(raw) + 40] = np.random.default_rng(damage).bytes(40)
    try:
        report = upload_set(upload_of("x.h5", bytes(raw)))
    except DataError:
        assert nothing_is_left(root)
    else:
        assert report.count == 12


@pytest.mark.slow
def test_100_000_entries_bombs_and_path_traversal_are_refused(tmp_path: Path, root: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(100_000):
            archive.writestr(zipfile.ZipInfo(f"{number}.png"), b"")
    with pytest.raises(DataError, match=r"holds 100,000 files; the limit is 50,000"):
        upload_set(upload_of("many.zip", tmp_path / "many.zip"))
    bomb = zipped(tmp_path / "bomb.zip", {"a.png": bytes(3_000_000)}).read_bytes()
    bomb = bomb.replace(struct.pack("<I", 3_000_000), struct.pack("<I", 3_000_000_000))
    with pytest.raises(DataError, match=r"unpacks to 3,000 MB; the limit is 2,147 MB"):
        upload_set(upload_of("bomb.zip", bomb))
    with pytest.raises(DataError, match="points outside the archive"):
        upload_set(upload_of("out.zip", zipped(tmp_path / "out.zip", {"../../evil.png": encoded(plain())})))
    nested = zipped(tmp_path / "nested.zip", {"inner.zip": zipped(tmp_path / "in.zip", {"a.png": b""}).read_bytes()})
    with pytest.raises(DataError, match="holds no pictures"):
        upload_set(upload_of("nested.zip", nested))
    assert nothing_is_left(root)


@pytest.mark.parametrize(
    ("uploads", "reason"),
    [
        ([], "nothing was uploaded"),
        ([("a.zip", b"this is text")], "neither a zip nor an HDF5 file"),
        ([("a.h5", b"")], "neither a zip nor an HDF5 file"),
        ([("a.zip", b"PK\5\6" + b"\xff" * 18)], "directory is"),
        ([("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(2_000))], "cannot be read as HDF5"),
        ([("a.zip", b"PK"), ("b.zip", b"PK")], "2 archives at once"),
        ([("a.png", encoded(plain())), ("b.zip", b"PK")], "'b.zip' is among pictures"),
        ([("a.png", encoded(plain()))], "needs at least 2 pictures"),
        ([("a.png", encoded(plain())), ("b.png", b"text")], r"has 1 that can be used. Left out: b.png: not a PNG"),
        ([("a.png", b"text"), ("b.png", b"")], "none of the 2 pictures"),
        ([(f"{n}.png", b"") for n in range(5_001)], "5,001 files are too many"),
    ],
)
def test_an_unusable_upload_is_refused_with_the_reason(
    uploads: list[tuple[str, bytes]], reason: str, tmp_path: Path, root: Path
) -> None:
    with pytest.raises(DataError, match=reason):
        upload_set(*(upload_of(*item) for item in uploads))
    assert nothing_is_left(root)


def test_files_of_other_types_among_images_are_counted_and_skipped(root: Path) -> None:
    files = [(f"{n}.png", encoded(plain())) for n in range(4)]
    files += [("Thumbs.db", b"x"), ("notes.txt", b"x"), ("photo.HEIC", b"x"), ("empty.jpg", b"")]
    report = upload_set(*(upload_of(*item) for item in files))
    assert (report.count, report.others, report.skipped) == (4, 3, ("empty.jpg: empty: the file has 0 bytes",))
    assert any("HEIC, which is not read here; export JPEG" in line for line in report.left_out)
    assert set(report.left_out) <= set(datasets.find("my-set").spec.notes)  # type: ignore[union-attr]
    assert report.count + len(report.skipped) + report.others == len(files)
    with pytest.raises(DataError, match=r"'a\.heic' cannot be used: HEIC, which is not read here; export JPEG"):
        upload.kind_of([upload_of("a.heic", b"x")])


def test_an_upload_over_the_size_limit_is_refused_before_reading() -> None:
    with pytest.raises(DataError, match=r"600 MB are too much at once; the limit is 500 MB"):
        upload.kind_of([Upload(f"{n}.png", io.BytesIO(), 300 * 2**20) for n in range(2)])


@pytest.mark.parametrize("title", ["mnist", "Fashion MNIST", "hdf5", "...", "a\nb", "x" * 61, " "])
def test_an_unusable_name_is_refused_before_anything_is_written(title: str, root: Path) -> None:
    with pytest.raises(ConfigError):
        upload_set(upload_of("a.png", encoded(plain())), upload_of("b.png", encoded(plain())), title=title)
    assert nothing_is_left(root)


def test_a_set_is_not_overwritten_and_can_be_removed(root: Path) -> None:
    pair = [("a.png", encoded(plain())), ("b.png", encoded(plain()))]
    upload_set(*(upload_of(*item) for item in pair), title="My cats")
    with pytest.raises(ConfigError, match="'my-cats' already"):
        upload_set(*(upload_of(*item) for item in pair), title="my CATS!")
    for name in ("../own/my-cats", "/etc/passwd", "..", "mnist"):
        with pytest.raises(UnknownNameError):
            datasets.remove(name)
    datasets.remove("my-cats")
    assert nothing_is_left(root)


def test_a_subprocess_that_hangs_or_exceeds_its_memory_is_ended(root: Path) -> None:
    files = [upload_of(f"{n}.png", encoded(plain())) for n in range(3)]
    with pytest.raises(DataError, match=r"no progress for 0\.01 seconds"):
        upload.pack(files, UploadSettings(title="x"), silence_seconds=0.01)
    # Far below what Python needs on any machine.
    with pytest.raises(DataError, match=r"crashed the program that reads it .* 0\.0 GB of memory"):
        upload.pack(files, UploadSettings(title="x"), memory=2**20)
    assert nothing_is_left(root)
    assert upload.pack(files, UploadSettings(title="x")).count == 3


def test_a_crash_of_the_subprocess_is_reported(root: Path) -> None:
    """The process is killed by a signal, as by a crash of the HDF5 library."""

    before = psutil.Process().children()

    def kill(done: int, total: int) -> None:
        (reader,) = [child for child in psutil.Process().children() if child not in before]
        reader.send_signal(signal.SIGSEGV)

    raw = encoded(Image.effect_noise((1200, 1200), 80))
    files = [upload_of(f"{n}.png", raw) for n in range(60)]
    with pytest.raises(DataError, match=r"exit code -11"):
        datasets.upload(files, UploadSettings(title="x", size=256), kill)
    assert nothing_is_left(root)


def test_the_subprocess_ends_with_the_page_that_waits_for_it(root: Path) -> None:
    """Streamlit ends a script by an exception from any of its calls, such as the progress bar's."""

    class Rerun(BaseException):
        pass

    def leave(done: int, total: int) -> None:
        raise Rerun

    before = psutil.Process().children()
    with pytest.raises(Rerun):
        datasets.upload([upload_of(f"{n}.png", encoded(plain())) for n in range(3)], UploadSettings(title="x"), leave)
    assert psutil.Process().children() == before
    assert nothing_is_left(root)


def test_only_one_set_is_packed_at_a_time() -> None:
    held, go = threading.Event(), threading.Event()

    def wait(done: int, total: int) -> None:
        held.set()
        assert go.wait(30)

    files = [upload_of(f"{n}.png", encoded(plain())) for n in range(3)]
    first = threading.Thread(target=datasets.upload, args=(files, UploadSettings(title="one"), wait))
    first.start()
    assert held.wait(30)
    with pytest.raises(DataError, match="another set is being packed"):
        datasets.upload(files, UploadSettings(title="two"))
    go.set()
    first.join()
    assert uploaded_sets.names() == ("one",)


def test_a_public_server_accepts_and_deletes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [upload_of(f"{n}.png", encoded(plain())) for n in range(3)]
    datasets.upload(files, UploadSettings(title="mine"))
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    with pytest.raises(GenmodelsError, match="uploading pictures is switched off"):
        datasets.upload(files, UploadSettings(title="two"))
    with pytest.raises(GenmodelsError, match="deleting a data set is switched off"):
        datasets.remove("mine")
    assert uploaded_sets.names() == ("mine",)


def test_an_unwritable_folder_raises_an_error(root: Path) -> None:
    root.write_text("a file where the folder of data sets should be")
    with pytest.raises(DataError, match=r"could not be written: .* set GENMODELS_DATA"):
        upload_set(*(upload_of(f"{n}.png", encoded(plain())) for n in range(2)))
    assert datasets.listing()[-1].name == data.names()[-1]


def test_temporary_folders_of_an_ended_server_are_removed(root: Path) -> None:
    old, young = root / "own" / ".upload-old", root / "own" / ".upload-young"
    for path in (old, young):
        path.mkdir(parents=True)
        (path / "upload.h5").write_bytes(b"x")
    os.utime(old, (time.time() - 90_000,) * 2)
    upload_set(*(upload_of(f"{n}.png", encoded(plain())) for n in range(2)))
    assert not old.exists()
    assert young.exists()


# --------------------------------------------------------------------- browsing


def test_samples_are_paged_shuffled_and_filtered() -> None:
    first = datasets.sheet(SheetRequest(name="digits"))
    real = data.load(data.DataConfig(), "train")
    assert (len(first.tiles), first.count, first.pages, first.partial) == (datasets.TILES, 4_500, 94, False)
    assert [tile.label for tile in first.tiles] == [str(label) for label in real.labels[: datasets.TILES]]
    second = datasets.sheet(SheetRequest(name="digits", page=1))
    assert second.tiles[0].number == datasets.TILES
    shuffled = [datasets.sheet(SheetRequest(name="digits", shuffle=seed)).tiles for seed in (5, 5, 6)]
    assert shuffled[0] == shuffled[1] != shuffled[2]
    sevens = datasets.sheet(SheetRequest(name="digits", split="test", label=7, page=999))
    counts = datasets.class_counts("digits")
    assert (sevens.count, sevens.page, sevens.pages) == (counts["test"][7], sevens.pages - 1, sevens.pages)
    assert {tile.label for tile in sevens.tiles} == {"7"}
    assert sum(counts["train"]) == 4_500
    with pytest.raises(ConfigError, match="label = 10 does not exist"):
        datasets.sheet(SheetRequest(name="digits", label=10))
    with pytest.raises(ConfigError):
        SheetRequest.parse({"name": "digits", "page": -1})


def test_the_mean_of_a_class_is_its_mean() -> None:
    real = data.load(data.DataConfig(), "train")
    means = datasets.mean_images("digits")
    assert [tile.label for tile in means] == list("0123456789")
    three = np.asarray(Image.open(io.BytesIO(means[3].image)))
    assert np.abs(three - real.images[real.labels == 3].mean((0, 1))).max() <= 0.5
    assert sum(tile.number for tile in means) == 4_500


def test_a_set_replaced_or_damaged_on_disk_is_noticed(root: Path) -> None:
    for colour in (RED, BLUE):
        upload_set(*(upload_of(f"{n}.png", encoded(plain(colour))) for n in range(4)), title="same", size=16)
        sheet = datasets.sheet(SheetRequest(name="same"))
        assert Image.open(io.BytesIO(sheet.tiles[0].image)).getpixel((3, 3)) == colour
        assert sheet.count == 3
        if colour is RED:
            datasets.remove("same")
    uploaded_sets.path_of("same").write_bytes(b"not HDF5")
    entry = datasets.find("same")
    assert entry.spec is None
    assert "cannot be read as HDF5" in str(entry.problem)
    with pytest.raises(DataError, match="cannot be read as HDF5"):
        datasets.sheet(SheetRequest(name="same"))
    assert entry in datasets.listing(), "it stays in the list, so that it can be deleted"


def test_training_on_an_uploaded_set_is_resolved_from_its_path() -> None:
    upload_set(*(upload_of(f"{n}.png", encoded(plain())) for n in range(20)), title="tiny", size=16)
    path = str(uploaded_sets.path_of("tiny"))
    spec = recipes.resolve(
        recipes.get("mnist_vae_20"),
        preset="quick",
        overrides={"data": {"name": "hdf5", "path": path}, "train": {"batch_size": 18}},
    )
    assert spec.model["image_shape"] == [3, 16, 16]
    assert (spec.data_spec.train_size, spec.data_spec.title) == (18, "tiny")
