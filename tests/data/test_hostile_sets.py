"""Hostile images in an upload: each is left out with the reason, the others are packed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from genmodels.data.sandbox import image_decoders
from genmodels.data.sandbox.image_decoders import Decoders
from genmodels.data.sandbox.image_processes import Child, Limits
from genmodels.errors import DataError
from genmodels.service import datasets
from genmodels.service.datasets import Upload, UploadSettings
from tests.support import bomb_files as bombs
from tests.support.picture_files import BLUE, RED, encoded, plain, zipped

pytestmark = pytest.mark.usefixtures("root")

GOOD = encoded(plain(RED, (40, 30)))


def test_each_hostile_image_is_left_out_with_its_reason(tmp_path: Path) -> None:
    files = {
        "a.png": GOOD,
        "entries.png": bombs.png(bombs.chunk(b"eXIf", bombs.exif(2_000, 30_000))),
        "scans.jpg": bombs.jpeg_scans(512, 200),
        "comment.gif": bombs.gif_comment(100_000),
        "memory.png": bombs.png(width=7_990, height=8_000, colour=4),
        "zeros.png": GOOD + bytes(3_000_000),
        "b.png": encoded(plain(BLUE, (40, 30))),
    }
    raw = zipped(tmp_path / "set.zip", files).read_bytes()
    report = datasets.upload([Upload("set.zip", io.BytesIO(raw), len(raw))], UploadSettings(title="hostile", size=16))
    assert report.count == 2
    reasons = dict(line.split(": ", 1) for line in report.skipped)
    assert reasons.keys() == files.keys() - {"a.png", "b.png"}
    for name, reason in (
        ("entries.png", "claims 2,000 entries"),
        ("scans.jpg", "more than 100 scans"),
        ("comment.gif", "GIF comment is longer"),
        ("memory.png", "needs more memory"),
        ("zeros.png", "more than 200 to 1"),
    ):
        assert reason in reasons[name]


def test_an_image_over_the_cpu_limit_does_not_affect_the_others() -> None:
    decoders = Decoders(Limits(cpu_seconds=0.1, wall_seconds=60))
    first = decoders.decode_onto(GOOD, 8, 3, (0,))
    for _ in range(2):
        with pytest.raises(DataError, match="takes more than"):
            decoders.decode_onto(bombs.costly(), 8, 3, (0,))
        assert np.array_equal(decoders.decode_onto(GOOD, 8, 3, (0,)), first)


def test_a_process_is_reused_and_then_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = Child

    def counted(limits: Limits, requests: int) -> Child:
        made.append(requests)
        return original(limits, requests)

    monkeypatch.setattr(image_decoders, "_REQUESTS", 3)
    monkeypatch.setattr(image_decoders, "Child", counted)
    decoders = Decoders()
    for _ in range(7):
        decoders.decode_onto(GOOD, 8, 3, (0,))
        with pytest.raises(DataError, match="not a PNG"):
            decoders.decode_onto(b"text", 8, 3, (0,))
    assert made == [3] * 5
