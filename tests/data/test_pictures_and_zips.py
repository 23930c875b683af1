"""Untrusted image files and zips: every format and mode is read, and what is refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genmodels.data.formats import image_files, zip_files
from genmodels.data.own import hdf5, packing, sources
from genmodels.errors import DataError
from tests.support.picture_files import BLUE, GREEN, RED, ROOT, claimed_png, encoded, plain, zipped


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_every_format_is_read(kind: str) -> None:
    pixels = image_files.decode(encoded(plain(RED), kind, **({"lossless": True} if kind == "WEBP" else {})), 8, 3)
    assert pixels.shape == (3, 8, 8)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.array(RED)[:, None, None]).max() <= 3


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (plain((120,), mode="L"), (120, 120, 120)),
        (plain((200, 0, 0, 0), mode="RGBA"), (0, 0, 0)),
        (plain((200, 100, 0, 128), mode="RGBA"), (100, 50, 0)),
        (plain((200, 128), mode="LA"), (100, 100, 100)),
        (plain(RED).quantize(4), RED),
        (plain((1,), mode="1"), (255, 255, 255)),
        (Image.fromarray(np.full((9, 9), 40_000, np.uint16)), (156, 156, 156)),
        (plain(GREEN, (1, 1)), GREEN),
        (plain(GREEN, (3000, 1)), GREEN),
    ],
    ids=["L", "transparent", "half", "LA", "palette", "bits", "16 bit", "one pixel", "a line"],
)
def test_every_mode_and_size_is_converted_to_colour(image: Image.Image, wanted: tuple[int, int, int]) -> None:
    pixels = image_files.decode(encoded(image), 6, 3)
    assert np.abs(pixels.astype(int) - np.array(wanted)[:, None, None]).max() <= 1


_SETTINGS = """
import io, sys, warnings
import numpy, pydantic  # these set filters of their own
from PIL import Image, ImageFile
before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders
own, large = bytes.fromhex(sys.argv[1]), sys.stdin.buffer.read()
for decoders in (image_files, image_decoders):
    decoders.decode_onto(own, 8, 3, (0,))
    decoders.decode_whole(own)
    decoders.decode_fitted(own, 16)
assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
warnings.simplefilter("error")
print(Image.open(io.BytesIO(large)).size)
"""


def test_decoding_does_not_change_the_settings_of_pillow() -> None:
    own, large = encoded(plain((7,), (16, 16), "L")), claimed_png(8_200, 8_200)
    done = subprocess.run([sys.executable, "-c", _SETTINGS, own.hex()], input=large, capture_output=True, cwd=ROOT)
    assert done.stdout.strip() == b"(8200, 8200)", done.stderr.decode()


def test_an_image_is_centre_cropped_and_rotated_to_its_exif_orientation() -> None:
    image = plain(RED, (60, 20))
    image.paste(GREEN, (20, 0, 40, 20))
    assert (image_files.decode(encoded(image), 8, 3)[1] > 200).all(), "only the green centre remains"
    upright = plain(RED, (16, 16))
    upright.paste(BLUE, (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate clockwise
    turned = image_files.decode(encoded(upright, "JPEG", quality=95, exif=exif), 16, 3)
    assert turned[2, :, 12:].min() > 150 > turned[2, :, :4].max(), "the blue top is now on the right"
    assert image_files.decode(encoded(upright), 16, 1).shape == (1, 16, 16)


def test_an_animation_gives_its_first_frame_and_a_large_photo_stays_sharp() -> None:
    frames = encoded(plain(RED), "GIF", save_all=True, append_images=[plain(BLUE)])
    assert image_files.decode(frames, 4, 3)[0].min() > 200
    # A chessboard of 100-pixel squares is still sharp after the JPEG decoder's own reduction.
    board = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((100, 100))).astype(np.uint8) * 255
    small = image_files.decode(encoded(Image.fromarray(board), "JPEG"), 64, 1)[0]
    assert np.abs(small[4::8, 4::8].astype(int) - board[50::100, 50::100]).max() < 20


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # Pillow's own, above 89 million pixels
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"this is text", "not a PNG, JPEG, WEBP, BMP, GIF, TIFF or AVIF"),
        (b"", "not a PNG"),
        (encoded(plain(), "TGA"), "not a PNG"),
        (encoded(plain(), "PPM"), "not a PNG"),
        (encoded(Image.effect_noise((64, 64), 50))[:900], "damaged"),
        (encoded(Image.effect_noise((64, 64), 50), "JPEG")[:900], "damaged"),
        (claimed_png(13_000, 13_000), "more than 64,000,000 pixels"),
        (claimed_png(9_000, 8_000), "more than 64,000,000 pixels"),
        (claimed_png(2**31 - 1, 2**31 - 1), "pixels"),
        (claimed_png(50, 50), "damaged"),
    ],
    ids=["text", "empty", "tga", "ppm", "half png", "half jpeg", "bomb", "warned bomb", "absurd", "no pixels"],
)
def test_a_bad_image_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        image_files.decode(raw, 8, 3)


def test_a_zip_is_packed_with_its_classes_and_other_files_are_skipped(tmp_path: Path) -> None:
    red, blue = encoded(plain(RED)), encoded(plain(BLUE))
    files = {f"all/{name}/{n}.png": raw for name, raw in (("a", red), ("b", blue)) for n in range(3)}
    files |= {"all/readme.txt": b"hello", "__MACOSX/all/a/._0.png": b"shadow", "all/b/text.png": b"text"}
    done = packing.pack(packing.open_source(zipped(tmp_path / "pets.zip", files)), tmp_path / "pets.h5", size=8)
    assert (done.count, done.shape, done.classes) == (6, (3, 8, 8), ("a", "b"))
    assert done.skipped == (
        "all/b/text.png: not a PNG, JPEG, WEBP, BMP, GIF, TIFF or AVIF picture; save it as one of these",
    )
    packed = hdf5.read_header(done.path)
    assert packed.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert packed.view()[4, 2].min() == BLUE[2]
    assert packed.title == "pets"


def test_a_zip_in_memory_is_a_source(tmp_path: Path) -> None:
    raw = {f"{n}.png": encoded(plain(RED)) for n in range(3)}
    archive = io.BytesIO(zipped(tmp_path / "x.zip", raw).read_bytes())
    source = sources.Zip(archive, zip_files.UPLOAD)
    assert packing.pack(source, tmp_path / "zip.h5", size=4, grey=True).shape == (1, 4, 4)


def test_a_zip_bomb_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {f"{n}.png": bytes(40_000_000) for n in range(3)})
    assert bomb.stat().st_size < 200_000
    with pytest.raises(DataError, match=r"bomb unpacks to 120 MB; the limit is 100 MB"):
        sources.Zip(bomb, zip_files.Limits(total_bytes=100_000_000))
    large = sources.Zip(zipped(tmp_path / "large.zip", {"a.png": bytes(image_files.MAX_FILE_BYTES + 1)}))
    with pytest.raises(DataError, match="larger than 64 MB"):
        large.read("a.png", 8, 3)


def test_a_zip_with_wrong_sizes_gives_no_more_than_it_claims(tmp_path: Path) -> None:
    path = zipped(tmp_path / "liar.zip", {"a.png": bytes(5_000_000), "b.png": encoded(plain())})
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<I", 5_000_000), struct.pack("<I", 50)))
    done = packing.pack(sources.Zip(path), tmp_path / "out.h5", size=8)
    assert done.count == 1
    assert "cannot be unpacked" in done.skipped[0]


@pytest.mark.slow
def test_a_zip_of_100_000_entries_is_refused_from_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(100_000):
            archive.writestr(zipfile.ZipInfo(f"{number}.png"), b"")
    with pytest.raises(DataError, match=r"holds 100,000 files; the limit is 50,000"):
        sources.Zip(path, zip_files.UPLOAD)
    with pytest.raises(DataError, match=r"directory is .* MB; the limit is 1,000 files"):
        sources.Zip(path, zip_files.Limits(entries=1_000))


def test_short_entries_are_counted_before_they_are_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "many.zip", {f"{number}": b"" for number in range(2_001)})
    with path.open("rb") as file:
        with pytest.raises(DataError, match=r"has 2,001 entries; the limit is 1,000 files"):
            zip_files.check_directory(file, zip_files.Limits(entries=1_000))
        zip_files.check_directory(file, zip_files.Limits(entries=1_001))


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "C:/evil.png", "a/../../evil.png", "..\\evil.png"])
def test_a_zip_that_points_outside_itself_is_refused(name: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "escape.zip", {name: encoded(plain())})
    with pytest.raises(DataError, match="points outside the archive"):
        sources.Zip(path)


def test_a_time_in_a_name_is_not_a_drive_letter(tmp_path: Path) -> None:
    path = zipped(tmp_path / "shots.zip", {"Screenshot 12:30.png": encoded(plain())})
    assert list(sources.Zip(path).names) == ["Screenshot 12:30.png"]


@pytest.mark.parametrize("raw", [b"", b"text", b"PK\5\6" + bytes(3), b"PK\3\4" + bytes(100), b"PK\5\6" + b"\xff" * 18])
def test_other_files_than_zips_are_refused(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"cannot be read as a zip|directory is"):
        sources.Zip(path)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    raw = bytearray(zipped(tmp_path / "x.zip", {"a.png": encoded(plain())}).read_bytes())
    raw[raw.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(raw)
    with pytest.raises(DataError, match="encrypted"):
        sources.Zip(tmp_path / "x.zip")
