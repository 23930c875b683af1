"""Structures that only hostile or broken programs write are refused before decoding; files of cameras are not."""

from __future__ import annotations

import contextlib
import struct

import pytest
from PIL import Image

from genmodels.data.formats import image_files, image_headers
from genmodels.errors import DataError
from tests.support import bomb_files as bombs
from tests.support.picture_files import RED, encoded, plain

HOSTILE = {
    "png, entries": (bombs.png(bombs.chunk(b"eXIf", bombs.exif(600, 10))), "claims 600 entries, more than 512"),
    "png, big-endian": (bombs.png(bombs.chunk(b"eXIf", bombs.exif(600, 10, ">"))), "claims 600 entries"),
    "png, sizes": (bombs.png(bombs.chunk(b"eXIf", bombs.exif(400, 10_000))), "EXIF entries claim 4,000,000 bytes"),
    "png, BigTIFF": (bombs.png(bombs.chunk(b"eXIf", bombs.exif(400, 10, magic=43))), "BigTIFF"),
    "png, exif after the pixels": (
        bombs.png(after=bombs.chunk(b"eXIf", bombs.exif(600, 10))),
        "claims 600 entries, more than 512",
    ),
    "png, chunks": (bombs.png(bombs.chunk(b"abCd", b"") * 2_100), "more than 2,0.. PNG chunks"),
    "png, texts": (bombs.png(bombs.chunk(b"tEXt", b"k\0" + bytes(900_000)) * 5), "more than 4 MB of texts"),
    "jpeg, entries": (bombs.jpeg_exif(bombs.exif(600, 10)), "claims 600 entries"),
    "jpeg, several segments": (bombs.jpeg_exif(bombs.exif(500, 70_000)), "EXIF entries claim 35,000,000 bytes"),
    "jpeg, pages": (bombs.jpeg(bombs.segment(0xE2, b"MPF\0" + bombs.exif(600, 10))), "claims 600 entries"),
    "jpeg, segments": (bombs.jpeg(bombs.segment(0xFE, b"") * 2_100), "more than 2,000 JPEG segments"),
    "jpeg, junk": (bombs.jpeg(bytes(70_000)), "between its JPEG segments"),
    "jpeg, fill bytes": (bombs.jpeg(b"\xff" * 70_000), "between its JPEG segments"),
    "jpeg, scans": (bombs.jpeg_scans(64, 110), "progressive JPEG of more than 100 scans"),
    "gif, comment": (bombs.gif_comment(70_000), "GIF comment is longer than 65,536 bytes"),
    "gif, extension": (bombs.gif_comment(5 * 2**20, 0xFF), "more than 4 MB before its first frame"),
    "tiff, entries": (bombs.exif(600, 10), "TIFF data claims 600 entries"),
    "tiff, sizes": (bombs.exif(400, 10_000), "TIFF entries claim 4,000,000 bytes"),
    "tiff, BigTIFF": (bombs.exif(10, 10, magic=43), "BigTIFF"),
    "webp": (bombs.webp_exif(bombs.exif(600, 10)), "claims 600 entries"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_expensive_to_decode_is_refused_from_its_header(name: str) -> None:
    raw, reason = HOSTILE[name]
    with pytest.raises(DataError, match=reason):
        image_headers.check(raw)
    with pytest.raises(DataError, match=reason):
        image_files.decode(raw, 8, 3)


def test_files_of_cameras_and_programs_pass() -> None:
    tags = Image.Exif()
    tags[0x0112], tags[0x010E], tags[0x9286] = 6, "a description " * 100, b"\0" * 40_000
    image = plain(RED, (40, 30))
    written = [
        encoded(image, "JPEG", exif=tags, comment=b"holiday " * 1_000, icc_profile=bytes(200_000)),
        encoded(image, "JPEG", progressive=True, subsampling=0, exif=tags),
        encoded(image, "PNG", exif=tags, icc_profile=bytes(200_000)),
        encoded(image, "WEBP", exif=tags, icc_profile=bytes(200_000)),
        encoded(image, "GIF", comment=b"holiday " * 1_000),
        encoded(image, "BMP"),
        encoded(image, "TIFF", exif=tags, icc_profile=bytes(200_000)),
        encoded(image, "AVIF", exif=tags),
        # A phone's motion photo: a video after the end of the image, with bytes that look like markers.
        encoded(image, "JPEG") + b"\xff\xda\0\x08" * 1_000,
        # A thumbnail inside the metadata does not count as a scan.
        bombs.jpeg(bombs.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"\xff\xda" * 1_000)),
        encoded(image, "GIF", save_all=True, append_images=[plain((n, 0, 0), (40, 30)) for n in range(50)]),
        encoded(image, "PNG", save_all=True, append_images=[plain((n, 0, 0), (40, 30)) for n in range(50)]),
    ]
    for raw in written:
        image_headers.check(raw)
        assert image_files.decode(raw, 8, 3).shape == (3, 8, 8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_check_ends_on_every_damaged_file(kind: str) -> None:
    raw = encoded(Image.effect_noise((40, 30), 50).convert("RGB"), kind)
    for length in range(0, len(raw), 7):
        image_headers.check(raw[:length])
    for at in range(min(400, len(raw))):  # sizes beyond the end of the file
        with contextlib.suppress(DataError):
            image_headers.check(raw[:at] + struct.pack(">I", 0xFFFFFFF0) + raw[at + 4 :])
