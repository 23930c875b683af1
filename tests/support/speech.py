"""Untrained models of sound, and what they generate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genmodels.service import speak
from tests.support.runs import save_run

SMALL = ("model.channels=4", "model.skip_channels=8", "model.layers=3", "model.stacks=2")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    save_run(tmp_path / "runs", "voice", "tones_wavenet", *SMALL)
    save_run(tmp_path / "runs", "mute", "tones_wavenet", *SMALL, "model.conditional=false", "model.speaker=false")
    save_run(tmp_path / "runs", "pictures", "mnist_vae_2d", "data.name=digits")
    return tmp_path / "runs"


def generated(generation: speak.Generation) -> np.ndarray:
    generation.wait(60)
    assert generation.problem == ""
    assert generation.finished
    return generation.samples
