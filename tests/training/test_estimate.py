"""The time estimate of the Train page: correct on a busy machine, expires, is never an error."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import train_jobs
from genmodels import registry
from genmodels.recipes import Spec
from genmodels.runs import checkpoint
from genmodels.training import estimate
from tests.support.pages import app_at

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    estimate._seconds_of_step.cache_clear()
    yield
    estimate._seconds_of_step.cache_clear()


def cpu_seconds_of_steps(spec: Spec, steps: int = 10) -> float:
    """CPU seconds of a step of the real training with its own batch size, without the first two."""
    model = checkpoint.build(spec.model_dump()).train()
    optimizers = model.configure_optimizers()
    images = torch.rand(spec.train.batch_size, *spec.data_spec.image_shape) * 2 - 1
    batch = {"image": images, "label": torch.zeros(len(images), dtype=torch.int64)}
    for step in range(steps + 2):
        if step == 2:
            before = time.thread_time()
        model.training_step(batch, optimizers, step)
    return (time.thread_time() - before) / steps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "assignments"),
    [
        ("mnist_vae_20", ["train.batch_size=1000"]),
        ("wgan", ["train.batch_size=64"]),
    ],
)
def test_the_first_estimate_on_a_busy_machine_is_of_the_right_size(recipe: str, assignments: list[str]) -> None:
    spec = train_jobs.make_spec(recipe, None, [*assignments, "train.max_steps=100"], "digits")
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        found = estimate.estimate_seconds(spec)
        assert found is not None
        assert 1 / 4 < found / (100 * cpu_seconds_of_steps(spec)) < 4
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_settings_that_diverge_on_random_data_are_timed_too() -> None:
    given = ["model.lr=1", "train.batch_size=1000", "train.max_steps=100"]
    found = estimate.of(train_jobs.make_spec("mnist_vae_20", None, given, "digits"))
    assert found.failure is None
    assert found.seconds is not None


@pytest.mark.parametrize(("kept", "times"), [(0.0, 2), (300.0, 1)])
def test_an_estimate_expires(kept: float, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "KEPT_S", kept)
    probes: list[str] = []
    time_step = estimate._time_step
    monkeypatch.setattr(estimate, "_time_step", lambda *given: (probes.append(""), time_step(*given))[1])
    spec = train_jobs.make_spec("mnist_vae_20", None, ["train.batch_size=4"], "digits")
    for _ in range(2):
        assert estimate.estimate_seconds(spec) is not None
    assert len(probes) == times


def test_the_generators_step_of_a_wgan_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of five steps train the critic only: the fastest step says nothing about the mean."""
    spec = train_jobs.make_spec("wgan", None, ["model.n_critic=5", "train.max_steps=1"], "digits")
    clock = [0.0]
    monkeypatch.setattr(time, "thread_time", lambda: clock[0])
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def step(_self: object, _batch: object, _optimizers: object, number: int) -> dict[str, Any]:
        clock[0] += 10.0 if (number + 1) % 5 == 0 else 1.0
        return {}

    monkeypatch.setattr(registry.get("wgan"), "training_step", step)
    monkeypatch.setattr(estimate, "MAX_STEP_S", 1e9)
    assert estimate.estimate_seconds(spec) == pytest.approx(14 / 5)


def test_a_trial_step_that_fails_is_a_mild_note_on_the_train_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("this trial fails")

    monkeypatch.setattr(registry.get("vae"), "training_step", fail)
    app = app_at("train")
    app.query_params["recipe"] = "mnist_vae_20"
    app.query_params["data"] = "digits"
    app.run()
    assert not app.exception
    assert not app.error
    assert [metric.value for metric in app.metric if metric.label == "Time"] == ["unknown"]
    assert any("this trial fails" in note.value and "may still work" in note.value for note in app.caption)
    start = next(button for button in app.button if button.key == "train_start")
    assert not start.disabled


@pytest.mark.slow
@pytest.mark.parametrize("family", ["cgan", "wgan", "wgan_gp"])
def test_a_batch_of_one_is_refused_on_the_train_page_without_a_traceback(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "BUDGET_S", 0.0)  # the time itself is tested above
    app = app_at("train")
    app.query_params["recipe"] = family
    app.query_params["data"] = "digits"
    app.run()
    next(field for field in app.number_input if field.key == "train_train_batch_size").set_value(1).run()
    assert not app.exception
    assert any("train.batch\\_size = 1" in box.value or "train.batch_size = 1" in box.value for box in app.error)
    assert next(button for button in app.button if button.key == "train_start").disabled
