"""GENMODELS_KERNELS selects the plain versions of all kernels."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def output(value: str | None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "GENMODELS_KERNELS"}
    environment |= {} if value is None else {"GENMODELS_KERNELS": value}
    command = [sys.executable, "-c", "from genmodels import kernels; print(kernels.ENABLED)"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("value", "enabled"), [(None, "True"), ("on", "True"), ("off", "False")])
def test_the_environment_switches_kernels(value: str | None, enabled: str) -> None:
    assert output(value).stdout.strip() == enabled


def test_another_value_is_refused() -> None:
    result = output("no")
    assert result.returncode != 0
    assert "GENMODELS_KERNELS='no' is not allowed: on (the default) or off" in result.stderr
