"""Fixtures for tests of data sets."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root for this test."""
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"
