"""The speech sampler is compiled after a server's start, and given up when the server ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_START = """
import time, psutil
from genmodels.sampling import samples_compiled
from pages.server import lifespan

def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)

lifespan._WARM_UP_AFTER = 0.01
me = psutil.Process()
assert not samples_compiled.compiled()
"""
_COMPILED = """
with lifespan.warmed_up_speech():
    until(samples_compiled.compiled)
"""
_OFF = """
import os, threading
os.environ["GENMODELS_WARM_UP"] = "off"
with lifespan.warmed_up_speech():
    assert "warm-up" not in [thread.name for thread in threading.enumerate()]
"""
_ENDED = """
assert samples_compiled.cached() is False
with lifespan.warmed_up_speech():
    until(me.children)
    (child,) = me.children()
    until(lambda: child.nice() >= 10)
until(lambda: not me.children())
assert samples_compiled.cached() is False, "the process was ended before it had compiled"
assert not samples_compiled.compiled()
"""


@pytest.mark.slow
@pytest.mark.parametrize("script", [_COMPILED, _ENDED, _OFF], ids=["compiled", "ended", "off"])
def test_the_sampler_is_compiled_after_the_start_until_the_end(script: str, tmp_path: Path) -> None:
    """In a process of its own: in this one it may be compiled already. Nothing is on disk in the second case."""
    environment = {**os.environ, "GENMODELS_WARM_UP": ""}
    empty = {"NUMBA_CACHE_DIR": str(tmp_path)} if script is _ENDED else {}
    done = subprocess.run(
        [sys.executable, "-c", _START + script], cwd=ROOT, env={**environment, **empty}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
