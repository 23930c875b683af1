"""What a run was made with: versions of packages and the project's commit."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from importlib import metadata

from genmodels.system.paths import CHECKOUT, PROJECT


def versions() -> dict[str, str]:
    """Versions of the packages that affect results, read from package metadata without importing them."""
    versions = {"python": sys.version.split()[0]}
    for package in ("torch", "numpy", "safetensors"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


@cache
def git_commit() -> str | None:
    """The project's commit, or None outside a checkout."""
    if not CHECKOUT:  # an environment may lie in another project's repository
        return None
    try:
        command = ["git", "-C", str(PROJECT), "rev-parse", "HEAD"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None
