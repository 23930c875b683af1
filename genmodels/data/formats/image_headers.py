"""Checks of an image file's structure, made before a decoder sees it. They cost milliseconds and no memory.

Pillow reads all metadata into memory when it opens a file: 65,535 EXIF entries that point at the same 30 kB become
2 GB. A progressive JPEG costs a pass over all pixels per scan, and a scan may have ten bytes. These checks refuse
structures that no camera or program writes; the sandbox's limits apply to everything else.
"""

from __future__ import annotations

import re
import struct

from genmodels.errors import DataError

MAX_SCANS = 100  # libjpeg's own progressive script has 10, the most thorough optimisers some 60
MAX_SEGMENTS = 2_000  # of a JPEG; a colour profile has 255 at most
MAX_JUNK = 65_536  # bytes between a JPEG's segments
MAX_CHUNKS, MAX_OTHER_CHUNKS = 100_000, 2_000  # of a PNG: all, and those without pixels or frames
MAX_TEXT_BYTES = 4 * 2**20  # compressed text and profiles of a PNG; texts and extensions of a GIF
MAX_COMMENT_BYTES = 65_536
MAX_TAGS = 512  # entries of an EXIF directory; a camera writes some 20
MAX_EXIF_BYTES = 2 * 2**20
_REMEDY = "save it again without metadata"

_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # in entropy-coded data 0xFF is followed by 0 or a restart
_EXIF_UNITS = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)  # bytes per value of each TIFF type
_PIXEL_CHUNKS = (b"IDAT", b"fdAT", b"fcTL")
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf")


def check(raw: bytes) -> None:
    """Raise DataError if the file's structure is one that only a hostile or broken program writes."""
    if raw.startswith(b"\xff\xd8"):
        _check_jpeg(raw)
    elif raw.startswith(b"\x89PNG\r\n\x1a\n"):
        _check_png(raw)
    elif raw.startswith((b"GIF87a", b"GIF89a")):
        _check_gif(raw)
    elif raw.startswith(b"RIFF") and raw[8:12] == b"WEBP":
        _check_webp(raw)
    elif raw.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        _check_directory(raw, "TIFF")


def _check_jpeg(raw: bytes) -> None:
    at, scans, segments, junk = 2, 0, 0, 0
    exif = bytearray()
    while (marker_at := raw.find(b"\xff", at)) >= 0:
        junk += marker_at - at
        if junk > MAX_JUNK:
            raise DataError(f"it has more than {MAX_JUNK:,} bytes between its JPEG segments; {_REMEDY}")
        marker = raw[marker_at + 1 : marker_at + 2]
        if marker in (b"", b"\xd9"):  # the end; nothing after it is read
            break
        if marker in (b"\xff", b"\x00", b"\x01") or 0xD0 <= marker[0] <= 0xD8:  # without a length
            at = marker_at + (1 if marker == b"\xff" else 2)
            junk += 1
            continue
        segments += 1
        scans += marker == b"\xda"
        if segments > MAX_SEGMENTS:
            raise DataError(f"it has more than {MAX_SEGMENTS:,} JPEG segments; {_REMEDY}")
        if scans > MAX_SCANS:
            raise DataError(
                f"it is a progressive JPEG of more than {MAX_SCANS} scans, each a pass over all pixels; "
                "save it again as a baseline JPEG"
            )
        length = int.from_bytes(raw[marker_at + 2 : marker_at + 4], "big")
        body = raw[marker_at + 4 : marker_at + 2 + length]
        at = marker_at + 2 + max(2, length)
        if marker == b"\xe1" and body.startswith(b"Exif\0"):
            exif += body[6:]
        elif marker == b"\xe2" and body.startswith(b"MPF\0"):
            _check_exif(body[4:])
        elif marker == b"\xda":
            following = _NEXT_MARKER.search(raw, at)
            at = following.start() if following else len(raw)
    _check_exif(bytes(exif))


def _check_png(raw: bytes) -> None:
    at, count, others, text = 8, 0, 0, 0
    while at + 8 <= len(raw):
        length, kind = struct.unpack_from(">I4s", raw, at)
        if kind == b"IEND":
            return
        count += 1
        others += kind not in _PIXEL_CHUNKS
        text += length if kind in _TEXT_CHUNKS else 0
        if count > MAX_CHUNKS or others > MAX_OTHER_CHUNKS:
            raise DataError(f"it has more than {min(count, others):,} PNG chunks; {_REMEDY}")
        if text > MAX_TEXT_BYTES:
            raise DataError(f"it has more than {MAX_TEXT_BYTES >> 20} MB of texts and profiles; {_REMEDY}")
        if kind == b"eXIf":
            _check_exif(raw[at + 8 : at + 8 + length])
        at += 12 + length


def _check_gif(raw: bytes) -> None:
    """Up to the first frame, which is the only one that is decoded."""
    if len(raw) < 13:
        return
    at = 13 + _colour_table(raw[10])
    comment = other = 0
    while at + 2 <= len(raw) and raw[at] != 0x2C:
        if raw[at] != 0x21:  # Pillow skips stray bytes one by one
            at, other = at + 1, other + 1
        else:
            is_comment = raw[at + 1] == 0xFE
            at += 2
            while at < len(raw) and raw[at]:
                comment += raw[at] if is_comment else 0
                other += 0 if is_comment else raw[at]
                at += 1 + raw[at]
                if comment > MAX_COMMENT_BYTES:
                    raise DataError(f"its GIF comment is longer than {MAX_COMMENT_BYTES:,} bytes; {_REMEDY}")
            at += 1
        if other > MAX_TEXT_BYTES:
            raise DataError(f"it has more than {MAX_TEXT_BYTES >> 20} MB before its first frame; {_REMEDY}")


def _colour_table(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _check_webp(raw: bytes) -> None:
    at, count = 12, 0
    while at + 8 <= len(raw):
        kind, length = struct.unpack_from("<4sI", raw, at)
        count += 1
        if count > MAX_CHUNKS:
            raise DataError(f"it has more than {MAX_CHUNKS:,} WebP chunks; {_REMEDY}")
        if kind == b"EXIF":
            _check_exif(raw[at + 8 : at + 8 + length])
        at += 8 + length + length % 2


def _check_exif(block: bytes) -> None:
    if len(block) > MAX_EXIF_BYTES:
        raise DataError(f"its EXIF data has {len(block):,} bytes, more than {MAX_EXIF_BYTES:,}; {_REMEDY}")
    _check_directory(block.removeprefix(b"Exif\0\0"), "EXIF")


def _check_directory(block: bytes, what: str) -> None:
    """Refuse a TIFF directory that makes more of its bytes than there are: entries may all point at the same data."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 10:
        return
    magic, start = struct.unpack_from(f"{order}HI", block, 2)
    if magic == 43:
        raise DataError(f"its {what} data is in the BigTIFF format, which is not read here; {_REMEDY}")
    if start + 2 > len(block):
        return
    (tags,) = struct.unpack_from(f"{order}H", block, start)
    if tags > MAX_TAGS:
        raise DataError(f"its {what} data claims {tags:,} entries, more than {MAX_TAGS}; {_REMEDY}")
    entries = block[start + 2 : start + 2 + 12 * tags]
    entries = entries[: len(entries) // 12 * 12]
    total = 0
    for _tag, kind, count, _where in struct.iter_unpack(f"{order}HHII", entries):
        size = count * (_EXIF_UNITS[kind] if kind < len(_EXIF_UNITS) else 1)
        total += size if 4 < size <= len(block) else 0  # what lies outside the block is not read
    if total > 2 * len(block) + 65_536:
        raise DataError(f"its {what} entries claim {total:,} bytes in a block of {len(block):,}; {_REMEDY}")
