"""`python -m genmodels` as a user runs it."""

from __future__ import annotations

import subprocess

from tests.support.preloaded import python


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "genmodels", *words, env=env)
