"""`python -m genmodels` as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.picture_files import ROOT


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "genmodels", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **env},
        check=False,
    )
