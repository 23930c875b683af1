"""Every file of a folder or a zip is used, or counted with its reason."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from genmodels import data
from genmodels.data.formats import image_files
from genmodels.data.own import hdf5, packing
from genmodels.data.own.sources import Folder, Zip, group_images
from genmodels.errors import DataError
from tests.support.picture_files import BLUE, RED, ROOT, encoded, own, plain, write_files, zipped
from tests.support.preloaded import python

PNG = encoded(plain(RED))


# --------------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("JPEG", "jfif"), ("JPEG", "JFIF"), ("JPEG", "jpe"), ("TIFF", "tif"), ("TIFF", "TIFF"), ("AVIF", "avif"),
     ("PNG", "apng")],
)  # fmt: skip
def test_formats_that_browsers_cameras_and_scanners_save_are_read(kind: str, suffix: str, tmp_path: Path) -> None:
    files = {f"{n}.{suffix}": encoded(plain(BLUE, (20 + n, 20)), kind) for n in range(3)}
    done = packing.pack(packing.open_source(write_files(tmp_path / "x", files)), tmp_path / "x.h5", size=8)
    assert (done.count, dict(done.kinds)) == (3, {f".{suffix.lower()}": 3})
    assert np.abs(hdf5.read_header(done.path).view()[0].astype(int) - np.array(BLUE)[:, None, None]).max() <= 8


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_the_first_page_of_a_tiff_is_read_upright(compression: str) -> None:
    top = plain(RED, (32, 32))
    top.paste(BLUE, (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    pages = encoded(top, "TIFF", save_all=True, append_images=[plain((0, 0, 0), (32, 32))], compression=compression)
    assert image_files.decode(pages, 16, 3)[2, :4].min() > 150
    turned = encoded(top, "TIFF", exif=exif, compression=compression)
    found = image_files.decode(turned, 16, 3)
    assert found[2, :, 12:].min() > 150 > found[2, :, :4].max(), "the blue top is on the right"
    wide = encoded(plain(RED, (40, 20)), "TIFF", exif=exif, compression=compression)
    assert image_files.size_of(wide) == (20, 40)
    assert image_files.decode_whole(wide).shape == (40, 20, 3)


def test_a_tiff_whose_header_claims_too_much_is_refused() -> None:
    floats = Image.fromarray(np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20))
    with pytest.raises(DataError, match="floating-point numbers"):
        image_files.decode(encoded(floats, "TIFF"), 8, 3)
    raw = bytearray(encoded(plain(RED, (16, 16)), "TIFF"))
    wide = raw.index((256).to_bytes(2, "little") + (4).to_bytes(2, "little"))
    raw[wide + 8 : wide + 12] = (30_000).to_bytes(4, "little")
    length = raw.index((257).to_bytes(2, "little") + (4).to_bytes(2, "little"))
    raw[length + 8 : length + 12] = (30_000).to_bytes(4, "little")
    with pytest.raises(DataError, match=r"more than 64,000,000 pixels"):
        image_files.decode(bytes(raw), 8, 3)


def test_files_of_other_types_are_counted_with_a_remedy(tmp_path: Path) -> None:
    files = {f"a/{n}.png": PNG for n in range(2)} | {f"b/{n}.png": PNG for n in range(2)}
    files |= {"a/photo.HEIC": b"x", "b/inner.zip": b"PK", "notes.txt": b"x", "b/empty.png": b"", "a/raw.CR2": b"x"}
    done = packing.pack(packing.open_source(write_files(tmp_path / "x", files)), tmp_path / "x.h5", size=8)
    text = "\n".join(done.left_out.lines())
    assert "HEIC, which is not read here; export JPEG" in text
    assert "archives inside; unpack them first: b/inner.zip" in text
    assert "files of another kind (.txt): notes.txt" in text
    assert "camera raw files" in text
    assert done.skipped == ("b/empty.png: empty: the file has 0 bytes",)
    assert (done.count, done.left_out.count, done.classes) == (4, 4, ("a", "b"))
    assert set(done.left_out.lines()) < set(hdf5.read_header(done.path).notes)
    only = write_files(tmp_path / "only", {"1.heic": b"x"})
    with pytest.raises(DataError, match=r"only holds no pictures .*It holds: 1 left out: HEIC"):
        packing.pack(packing.open_source(only), tmp_path / "y.h5")


# --------------------------------------------------------------------- zips


def raw_zip(path: Path, entries: list[tuple[str, bytes]]) -> Path:
    """A zip with exactly these names, as other systems write them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in entries:
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, raw)
    return path


def test_a_windows_zip_has_its_classes_and_no_hidden_copies(tmp_path: Path) -> None:
    entries = [(f"photos\\{kind}\\", b"") for kind in ("cats", "dogs")]
    for kind in ("cats", "dogs"):
        entries += [(f"photos\\{kind}\\{n}.png", PNG) for n in range(5)]
        entries += [(f"photos\\{kind}\\__MACOSX\\._{n}.png", b"\0") for n in range(5)]
        entries += [(f"photos\\{kind}\\Thumbs.db", b"x"), (f"photos\\{kind}\\DESKTOP.INI", b"x")]
    done = packing.pack(Zip(raw_zip(tmp_path / "w.zip", entries)), tmp_path / "w.h5", size=8)
    assert (done.count, done.classes, done.skipped) == (10, ("cats", "dogs"), ())
    assert (done.left_out.count, done.left_out.ignored) == (0, 14)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_links_and_duplicates_in_a_zip_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a/1.png", "a/1.png", "b/1.png", "B/1.png"):
            archive.writestr(zipfile.ZipInfo(name), PNG)
        link = zipfile.ZipInfo("b/link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "1.png")
    source = Zip(path)
    assert list(source.names) == ["B/1.png", "a/1.png", "b/1.png"]
    assert {reason: len(names) for reason, names in source.left_out.reasons.items()} == {
        "entries that a later one of the same name replaces": 1,
        "links, which are not followed in a zip; zip the files themselves": 1,
    }


def test_utf_8_names_without_the_flag_are_decoded_as_utf_8(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "mac.zip", [("XXXXX/1.png", PNG), ("b/1.png", PNG)])
    path.write_bytes(path.read_bytes().replace(b"XXXXX", "été".encode()))
    assert group_images(Zip(path)).classes == ("b", "été")
    dos = raw_zip(tmp_path / "dos.zip", [("XXX/1.png", PNG), ("b/1.png", PNG)])
    dos.write_bytes(dos.read_bytes().replace(b"XXX", "été".encode("cp437")))
    assert group_images(Zip(dos)).classes == ("b", "été")
    assert packing.pack(Zip(dos), tmp_path / "dos.h5", size=8).count == 2


# --------------------------------------------------------------------- links and names in folders


def test_links_are_followed_inside_the_folder_and_counted_if_they_leave_or_loop(tmp_path: Path) -> None:
    root = write_files(tmp_path / "x", {f"{kind}/{n}.png": PNG for kind in ("cat", "dog") for n in range(4)})
    outside = write_files(tmp_path / "outside", {"1.png": PNG, "more/2.png": PNG})
    (root / "bird").symlink_to("cat")
    (root / "cat" / "up").symlink_to("..")
    (root / "dog" / "away").symlink_to(outside)
    (root / "dog" / "linked.png").symlink_to(outside / "1.png")
    (root / "dog" / "gone.png").symlink_to("nothing.png")
    (root / "dog" / "self.png").symlink_to("self.png")
    os.mkfifo(root / "cat" / "pipe.png")
    source = Folder(root)
    assert len(source.names) == 4 + 4 + 4 + 1
    text = "\n".join(source.left_out.lines())
    for part in ("links to folders outside", "form a loop", "links to missing files", "pipes"):
        assert part in text
    assert "links inside a linked folder" in text, "bird/up"
    groups = group_images(source)
    assert groups.classes == ("bird", "cat", "dog")
    assert groups.notes == ("1 images are links to files outside the folder",)


def test_names_that_are_not_utf_8_are_used_and_shown(tmp_path: Path) -> None:
    root = tmp_path / "x"
    for kind in (b"caf\xe9", b"th\xe9"):
        names = (os.fsdecode(kind + b"/\xff%d.png" % number) for number in range(3))
        write_files(root, {name: PNG if number else b"text" for number, name in enumerate(names)})
    (root / "bad\n\x1b[31mname.txt").write_text("x")
    done = subprocess.run(
        [sys.executable, "-m", "genmodels", "pack", str(root), str(tmp_path / "x.h5"), "--size", "8"],
        capture_output=True, cwd=ROOT, check=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert b"4 images of 3x8x8 in 2 classes, 3 left out" in done.stdout
    assert b"left out caf\\xe9/\\xff0.png: not a PNG" in done.stderr
    assert b"\x1b" not in done.stderr
    assert hdf5.read_header(tmp_path / "x.h5").classes == ("caf\\xe9", "th\\xe9")
    spec = data.get_spec(own(root, "image_folder", size=8))
    assert spec.classes == ("caf\\xe9", "th\\xe9")


# --------------------------------------------------------------------- every file is accounted for


def generated(seed: int) -> dict[str, bytes]:
    """A realistic tree of files, deterministic for a seed."""
    rng = random.Random(seed)
    roots = rng.choice((("",), ("deep/",), ("a/b/c/",)))
    splits = rng.choice((("",), ("train/", "test/"), ("Training/", "Testing/"), ("seg_train/seg_train/", "seg_test/")))
    kinds = rng.choice((("",), ("cat/", "dog/"), ("cat/", "dog/", ".hidden/"), ("cat/", "dog/", "__MACOSX/")))
    names = ("{}.png", "{}.PNG", "{}.jpg", "{}.jfif", "{}.tif", "{}.heic", "{}.txt", "._{}.png", "Thumbs.db", "{}.zip")
    files = {}
    for root in roots:
        for part in splits:
            for kind in kinds:
                for number in range(rng.randrange(1, 7)):
                    name = rng.choice(names).format(number)
                    files[f"{root}{part}{kind}{name}"] = rng.choice((PNG, PNG, PNG, b"text", b""))
    for stray in rng.sample(("cover.png", "README.md", "deep/x.png", ".DS_Store", "train/readme.png"), 2):
        files[stray] = PNG
    return files


@pytest.mark.parametrize("kind", ["folder", "zip", "windows"])
def test_every_file_is_used_or_left_out(kind: str, tmp_path: Path) -> None:
    packed = 0
    for seed in range(40):
        files = generated(seed)
        place = tmp_path / str(seed)
        if kind == "folder":
            source: Folder | Zip = Folder(write_files(place, files))
        elif kind == "zip":
            source = Zip(zipped(place.with_suffix(".zip"), files))
        else:
            entries = [(name.replace("/", "\\"), raw) for name, raw in files.items()]
            source = Zip(raw_zip(place.with_suffix(".zip"), entries))
        try:
            done = packing.pack(source, place.with_suffix(".h5"), size=4)
        except DataError as error:
            if "none of the" not in str(error) and "holds no pictures" not in str(error):
                raise
            continue
        packed += 1
        accounted = done.count + len(done.skipped) + done.left_out.count + done.left_out.ignored
        assert accounted == len(files), (seed, sorted(files), done)
        assert sum(done.kinds.values()) == done.count
        with h5py.File(done.path) as file:
            assert len(file["images"]) == done.count
        if isinstance(source, Folder):
            spec = data.get_spec(own(place, "image_folder", size=4)) if done.count > 1 else None
            assert spec is None or set(done.left_out.lines()) <= set(spec.notes)
    assert packed > 25


def test_the_command_reports_used_and_left_out_files(tmp_path: Path) -> None:
    files = {f"{kind}/{n}.{suffix}": PNG for kind in "ab" for n in range(2) for suffix in ("png", "jfif")}
    root = write_files(tmp_path / "x", files | {"a/1.heic": b"", "logo.png": PNG, ".DS_Store": b""})
    done = python("-m", "genmodels", "pack", str(root), str(tmp_path / "x.h5"), "--size", "8")
    assert done.returncode == 0, done.stderr
    assert "8 images of 3x8x8 in 2 classes, 2 left out" in done.stdout
    assert "files used: 4 .jfif, 4 .png" in done.stdout
    assert "1 left out: HEIC" in done.stderr
    assert "1 left out: files outside the class folders, so without a class; move" in done.stderr
    assert "1 hidden or system files ignored" in done.stderr


def test_images_beyond_the_limit_are_reported(tmp_path: Path) -> None:
    root = write_files(tmp_path / "x", {f"{n}.png": PNG for n in range(9)})
    done = packing.pack(packing.open_source(root), tmp_path / "x.h5", size=8, limit=5)
    assert (done.count, done.notes) == (5, ("4 images beyond the limit of 5 are not in it",))


def test_a_training_logs_the_files_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_files(tmp_path / "x", {f"{kind}/{n}.png": PNG for kind in "ab" for n in range(5)} | {"x.heic": b""})
    data.load(own(root, "image_folder", size=8))
    assert "x: 1 left out: HEIC, which is not read here" in caplog.text


def test_a_zip_in_memory_reports_the_files_left_out() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", "x")
    with pytest.raises(DataError, match=r"holds no pictures .*files of another kind \(\.txt\): a\.txt"):
        group_images(Zip(archive))
