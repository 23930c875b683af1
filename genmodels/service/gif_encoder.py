"""A process that encodes one GIF: frames come in on stdin, the file goes out on stdout. `gif.encode` starts it.

First a line of JSON: mode and size of all frames, the options of Pillow's `save`, and whether one palette, that of the
last frame, is used for all. Then the frames' raw pixels, one after the other.
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
    # Pillow reads `append_images` twice only if it is a list; chained, each frame is read once, when it is encoded.
    first.save(buffer, "GIF", save_all=True, append_images=itertools.chain(frames), **header["options"])
    sys.stdout.buffer.write(buffer.getvalue())


if __name__ == "__main__":
    main()
