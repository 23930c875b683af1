"""Image decoding on a server: fewer pixels allowed, a few files at a time, bounded memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders
from genmodels.errors import DataError
from genmodels.images import drawing
from tests.support.picture_files import BLUE, RED, ROOT, claimed_png, encoded, plain

Decode = Callable[[bytes], object]
SERVED: dict[str, Decode] = {
    "whole": lambda raw: image_decoders.decode_whole(raw),
    "fitted": lambda raw: image_decoders.decode_fitted(raw, 64),
    "onto": lambda raw: image_decoders.decode_onto(raw, 8, 3, (0,)),
}


@pytest.mark.parametrize("name", SERVED)
def test_uploads_have_a_smaller_pixel_limit_that_fits_any_phone(name: str) -> None:
    with pytest.raises(DataError, match="5001 x 5000 is more than 25,000,000 pixels; scale it down"):
        SERVED[name](claimed_png(5001, 5000))
    with pytest.raises(DataError, match="more than 25,000,000 pixels"):
        SERVED[name](claimed_png(20_000, 20_000))
    for width, height in ((4032, 3024), (5712, 4284)):  # what the header claims is let through, and then found wanting
        with pytest.raises(DataError, match="damaged"):
            SERVED[name](claimed_png(width, height))
    SERVED[name](encoded(plain(RED, (40, 30))))
    with pytest.raises(DataError, match="damaged"):
        image_files.decode_whole(claimed_png(5001, 5000))
    for sides in ((65_536, 9), (9, 65_536)):
        with pytest.raises(DataError, match="a side has at most 65,535"):
            SERVED[name](claimed_png(*sides))


def test_decodings_wait_for_each_other_and_a_long_wait_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    raw, done = encoded(plain(RED, (40, 30))), threading.Event()
    waiting = threading.Thread(target=lambda: (image_decoders.decode_whole(raw), done.set()))
    with contextlib.ExitStack() as others:
        for _ in range(image_decoders.AT_ONCE):
            others.enter_context(image_decoders._places.place(0))
        waiting.start()
        assert not done.wait(0.2)
        image_files.decode_whole(raw)
        monkeypatch.setattr(image_decoders, "MAX_WAIT", 0.05)
        for decode in SERVED.values():
            with pytest.raises(image_decoders.BusyError, match="too many pictures are being read now; try again"):
                decode(raw)
    assert done.wait(10)
    waiting.join()
    with pytest.raises(DataError, match="damaged"):  # what fails lets the next one in
        image_decoders.decode_whole(claimed_png(50, 50))
    SERVED["whole"](raw)


_PEAK = """
import sys
from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders
def figure(name):
    return int(open("/proc/self/status").read().split(name)[1].split()[0]) / 1024
raw = sys.stdin.buffer.read()
image_files._pillow()
before = figure("VmRSS:")
pixels = image_files.DECODERS["whole"](raw, most=image_decoders.SERVED_PIXELS)
print(figure("VmHWM:") - before)
del pixels
before = figure("VmRSS:")
assert image_decoders.decode_whole(raw).size > 0
print(figure("VmRSS:") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
@pytest.mark.parametrize("kind", ["16 bit", "transparent", "palette"])
def test_a_small_file_takes_little_memory(kind: str) -> None:
    """25 million pixels need one or four bytes each when decoded, the same for the result, and a strip of both."""
    image = {
        "16 bit": lambda: Image.fromarray(np.full((5000, 5000), 40_000, np.uint16)),
        "transparent": lambda: Image.new("RGBA", (5000, 5000), (9, 8, 7, 100)),
        "palette": lambda: Image.new("P", (5000, 5000), 3),
    }[kind]()
    raw = encoded(image, compress_level=1)
    assert len(raw) < 500_000
    found = subprocess.run([sys.executable, "-c", _PEAK], input=raw, capture_output=True, cwd=ROOT, check=True)
    decoding, kept = map(float, found.stdout.split())
    assert decoding < 260
    assert kept < 50, "the server keeps nothing of what the sandbox needed"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_strips_and_rotations_give_pillows_own_pixels(orientation: int, mode: str) -> None:
    y, x = np.mgrid[:700, :300]
    channels = [x % 256, y % 256, (x + y) % 256, (x * y) % 255][: len(mode)]
    image = Image.fromarray(np.stack(channels, 2).astype(np.uint8).squeeze())
    exif = Image.Exif()
    exif[0x0112] = orientation
    raw = encoded(image, exif=exif)
    rotation = image_files._rotation(orientation)
    upright = image if rotation is None else image.transpose(rotation)
    wanted = np.asarray(upright if mode == "RGBA" else upright.convert("RGB"))
    assert np.array_equal(image_files.decode_whole(raw), wanted)


def test_an_uploaded_drawing_is_decoded_once_for_both_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = image_decoders.decode

    def counted(task: str, raw: bytes, **arguments: Any) -> np.ndarray:
        asked.append(task)
        return original(task, raw, **arguments)

    monkeypatch.setattr(image_decoders, "decode", counted)
    half = plain((*BLUE, 128), (40, 40), "RGBA")
    drawing.from_file(encoded(half))
    assert asked == ["onto"]
    black, white = image_files.decode_onto(encoded(half), 8, 1, (0, 255))
    assert np.array_equal(black, image_files.decode(encoded(half), 8, 1, background=0))
    assert np.array_equal(white, image_files.decode(encoded(half), 8, 1, background=255))
    assert white.min() > black.max()
