"""Fixtures for tests of pages."""

from __future__ import annotations

import pytest

from genmodels.training import estimate


@pytest.fixture(autouse=True)
def short_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times one round of steps for the Train page's estimate; tests/training/test_estimate.py tests its precision."""
    monkeypatch.setattr(estimate, "BUDGET_S", 0.0)
