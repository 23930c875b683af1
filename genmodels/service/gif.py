"""GIF animations, encoded in a separate process.

Quantising a frame to 256 colours takes 16 ms, during which Pillow holds the interpreter's lock: in this process every
frame would delay all interactive requests. The process takes 0.1 s to start.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from genmodels.service import fair_queue

_ENCODER = Path(__file__).with_name("gif_encoder.py")


def encode(frames: Iterable[Image.Image], *, one_palette: bool = False, **options: Any) -> bytes:
    """The frames, all of one size and mode, as a GIF. `options` are those of Pillow's `save`, such as `duration`.

    Frames are sent one by one, so an iterator needs memory for one frame only. `one_palette` uses the last frame's
    palette for all frames, because changing palettes flicker.
    """
    ticket = fair_queue.held()
    process = subprocess.Popen(
        [sys.executable, "-I", str(_ENCODER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # the encoder has ended; its message is read below
            for index, frame in enumerate(frames):
                if index == 0:
                    header = {"mode": frame.mode, "size": frame.size, "one_palette": one_palette, "options": options}
                    process.stdin.write(json.dumps(header).encode() + b"\n")
                process.stdin.write(frame.tobytes())
        while True:
            try:
                encoded, complaint = process.communicate(timeout=fair_queue.POLL)
                break
            except subprocess.TimeoutExpired:
                if ticket is not None:
                    ticket.check()
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode:
        raise RuntimeError(f"the GIF encoder ended with {process.returncode}: {complaint.decode(errors='replace')}")
    return encoded
