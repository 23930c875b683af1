"""Small hostile image files, with metadata and scans that are expensive to decode."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    extra: bytes = b"", width: int = 8, height: int = 8, depth: int = 8, colour: int = 2, after: bytes = b""
) -> bytes:
    """A PNG of zeros, which compress to almost nothing, with further chunks before the pixels."""
    row = 1 + width * {0: 1, 2: 3, 4: 2, 6: 4}[colour] * depth // 8
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(row)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return _PNG + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + after + chunk(b"IEND", b"")


@cache
def costly() -> bytes:
    """A PNG of 0.2 MB whose decoding takes half a second of processor time."""
    return png(width=4_990, height=5_000, depth=16, colour=6)


def exif(entries: int, size: int, order: str = "<", magic: int = 42) -> bytes:
    """A TIFF directory whose entries all point at the same `size` bytes."""
    at = 10 + 12 * entries + 4
    directory = b"".join(struct.pack(f"{order}HHII", 0x1000 + n & 0xFFFF, 7, size, at) for n in range(entries))
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", magic, 8)
    return head + struct.pack(f"{order}H", entries) + directory + bytes(4 + size)


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(extra: bytes = b"", side: int = 16) -> bytes:
    """A JPEG with further segments before its own."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), 128).save(buffer, "JPEG")
    raw = buffer.getvalue()
    return raw[:2] + extra + raw[2:]


def jpeg_exif(block: bytes) -> bytes:
    return jpeg(b"".join(segment(0xE1, b"Exif\0\0" + block[at : at + 60_000]) for at in range(0, len(block), 60_000)))


def jpeg_scans(side: int, scans: int) -> bytes:
    """A progressive grey JPEG with so many further scans, each with only end-of-block codes."""
    buffer = io.BytesIO()
    Image.new("L", (side, side), 128).save(buffer, "JPEG", progressive=True)
    raw = buffer.getvalue()
    table = segment(0xC4, bytes([0x10, 1, *[0] * 15, 0xE0]))
    left, bits = ((side + 7) // 8) ** 2, ""
    while left > 0:
        run = max(16_384, min(left, 32_767))
        bits += "0" + format(run - 16_384, "014b")
        left -= run
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    scan = segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + data
    return raw[: raw.rfind(b"\xff\xd9")] + table + scan * scans + b"\xff\xd9"


def gif_comment(size: int, label: int = 0xFE) -> bytes:
    buffer = io.BytesIO()
    Image.new("P", (8, 8)).save(buffer, "GIF")
    raw = buffer.getvalue()
    at = 13 + (3 * 2 ** ((raw[10] & 7) + 1) if raw[10] & 0x80 else 0)
    return raw[:at] + bytes([0x21, label]) + (b"\xff" + b"A" * 255) * (size // 256) + b"\0" + raw[at:]


def webp_exif(block: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "WEBP", exif=block)
    return buffer.getvalue()
