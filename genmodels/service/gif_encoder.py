"""Encodes one GIF in a process that `gif.encode` starts: frames on stdin, the file on stdout.

The first line is JSON: mode and size of all frames, options of Pillow's `save`, and whether all frames use the palette
of the last one. The frames' raw pixels follow.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from PIL import Image

_NICE = 10


def _frames(source: BinaryIO, mode: str, size: tuple[int, int]) -> Iterator[Image.Image]:
    length = len(Image.new(mode, size).tobytes())
    while raw := source.read(length):
        yield Image.frombytes(mode, size, raw)


def _one_palette(frames: list[Image.Image]) -> list[Image.Image]:
    palette = frames[-1].quantize(256, dither=Image.Dither.NONE)
    return [frame.quantize(palette=palette) for frame in frames]


def main() -> None:
    os.nice(_NICE)  # interactive requests go first
    source = sys.stdin.buffer
    header: dict[str, Any] = json.loads(source.readline())
    frames = _frames(source, header["mode"], tuple(header["size"]))
    if header["one_palette"]:
        frames = iter(_one_palette(list(frames)))
    first = next(frames)
    buffer = io.BytesIO()
    # Pillow reads a list of `append_images` twice, but an iterator once, frame by frame.
    first.save(buffer, "GIF", save_all=True, append_images=itertools.chain(frames), **header["options"])
    sys.stdout.buffer.write(buffer.getvalue())


if __name__ == "__main__":
    main()
