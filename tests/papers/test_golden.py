"""Golden numbers: published checkpoints compute what they computed when they were stored, and so does training."""

from __future__ import annotations

import pytest

from genmodels import registry
from genmodels.runs import catalog
from tests.support.golden_numbers import COUNT, computed, stored


@pytest.mark.slow
def test_checkpoints_compute_the_stored_numbers() -> None:
    golden, now = stored("checkpoints"), computed("checkpoints")
    assert set(golden) == set(now) == {info.name for info in catalog.list_checkpoints() if info.published}
    for name, outputs in golden.items():
        assert set(now[name]) == set(outputs) != set(), name
        for output, numbers in outputs.items():
            assert len(numbers) == COUNT
            assert now[name][output] == pytest.approx(numbers, rel=1e-5, abs=1e-5), f"{name}: {output}"


@pytest.mark.slow
def test_six_training_steps_have_the_stored_metrics() -> None:
    golden, now = stored("training"), computed("training")
    assert set(golden) == set(now) == set(registry.names())
    for name, steps in golden.items():
        assert len(steps) == 6
        for number, (before, after) in enumerate(zip(steps, now[name], strict=True), 1):
            assert set(before) == set(after) != set(), name
            for metric, value in before.items():
                assert after[metric] == pytest.approx(value, rel=1e-3, abs=1e-3), f"{name}: {metric} of step {number}"
