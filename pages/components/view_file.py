"""The view of a page inside a downloaded file: a JSON text under the key `genmodels`, which restores the view.

In a PNG it is an iTXt chunk, in a GIF a comment, in a WAV a comment (ICMT) in a list of information. It is inserted
into the file as it is, so no pixel and no sample changes.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

KEY = "genmodels"
MAX_TEXT = 16_384
"""Bytes of the JSON text; a longer one is not read."""
_PNG = b"\x89PNG\r\n\x1a\n"
_HEAD = f"{KEY}:".encode()
"""What a comment of a GIF or WAV begins with."""
_MAX_RIFF = 2**32 - 1


def embed(file: bytes, view: Mapping[str, Any]) -> bytes:
    """The PNG, GIF or WAV with `view` inside; the file itself if it is none of them, or if the view is too long."""
    text = json.dumps(view, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    if len(text) > MAX_TEXT:
        return file
    if file.startswith(_PNG):
        body = b"iTXt" + KEY.encode() + b"\0\0\0\0\0" + text
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        end = 8 + 12 + 13  # after the first chunk, IHDR
        return file[:end] + chunk + file[end:]
    if file.startswith((b"GIF87a", b"GIF89a")):
        comment = _HEAD + text
        parts = (comment[start : start + 255] for start in range(0, len(comment), 255))
        block = b"\x21\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
        end = _gif_header(file)
        return b"GIF89a" + file[6:end] + block + file[end:]
    if _is_wav(file):
        comment = _HEAD + text + b"\0"
        comment += b"\0" * (len(comment) % 2)  # a chunk begins at an even position
        chunk = b"LIST" + struct.pack("<I", len(comment) + 12) + b"INFOICMT" + struct.pack("<I", len(comment)) + comment
        size = struct.unpack_from("<I", file, 4)[0] + len(chunk)
        at = next((end for kind, _, end in _riff_chunks(file, 12, len(file)) if kind == b"fmt "), 12)
        return file[:4] + struct.pack("<I", min(size, _MAX_RIFF)) + file[8:at] + chunk + file[at:]
    return file


def read(file: bytes) -> dict[str, Any] | None:
    """The view inside a PNG, GIF or WAV; None if there is none, or if it is damaged."""
    texts = _png_texts(file) if file.startswith(_PNG) else _wav_texts(file) if _is_wav(file) else _gif_texts(file)
    text = next((text for text in texts if len(text) <= MAX_TEXT), None)
    if text is None:
        return None
    try:
        view = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return view if isinstance(view, dict) else None


def _png_texts(file: bytes) -> Iterator[bytes]:
    """The uncompressed iTXt texts under the key, up to the image data."""
    start, head = len(_PNG), KEY.encode() + b"\0\0\0"
    while start + 12 <= len(file):
        (length,) = struct.unpack_from(">I", file, start)
        kind, body = file[start + 4 : start + 8], file[start + 8 : start + 8 + min(length, MAX_TEXT + 1_000)]
        if kind == b"IDAT":
            return
        if kind == b"iTXt" and body.startswith(head):
            yield body[len(head) :].split(b"\0", 2)[-1]
        start += 12 + length


def _gif_header(file: bytes) -> int:
    """Bytes of signature, screen and global colour table."""
    flags = file[10] if len(file) > 10 else 0
    return 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)


def _gif_texts(file: bytes) -> Iterator[bytes]:
    """The comments that begin with the key, before the first image."""
    if not file.startswith((b"GIF87a", b"GIF89a")):
        return
    start = _gif_header(file)
    while file[start : start + 1] == b"\x21":
        label, text = file[start + 1 : start + 2], bytearray()
        start += 2
        while start < len(file) and (size := file[start]):
            text += file[start + 1 : start + 1 + size]
            start += 1 + size
            if len(text) > MAX_TEXT + 1_000:
                return
        start += 1
        if label == b"\xfe" and text.startswith(_HEAD):
            yield bytes(text[len(_HEAD) :])


def _is_wav(file: bytes) -> bool:
    return file.startswith(b"RIFF") and file[8:12] == b"WAVE"


def _wav_texts(file: bytes) -> Iterator[bytes]:
    """The comments that begin with the key, before the samples."""
    for kind, start, end in _riff_chunks(file, 12, len(file)):
        if kind == b"data":
            return
        if kind == b"LIST" and file[start : start + 4] == b"INFO":
            for name, first, last in _riff_chunks(file, start + 4, end):
                text = file[first : min(last, first + len(_HEAD) + MAX_TEXT + 2)]
                if name == b"ICMT" and text.startswith(_HEAD):
                    yield text[len(_HEAD) :].rstrip(b"\0")


def _riff_chunks(file: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk between two positions of the file, at most 100."""
    for _ in range(100):
        if start + 8 > min(end, len(file)):
            return
        (length,) = struct.unpack_from("<I", file, start + 4)
        yield file[start : start + 4], start + 8, min(end, start + 8 + length)
        start += 8 + length + length % 2
