"""Runs and downloads after the clock was set, or on a machine whose clock starts in 1970."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path

import pytest

import train_jobs
from genmodels.runs import catalog
from genmodels.runs.files import write_json
from genmodels.runs.folder import STATUS, RunFolder
from genmodels.system import processes
from pages.components import run_actions
from pages.components.model_choice import is_learning
from tests.support.runs import save_run

REPORT = {"phase": "training", "step": 10, "max_steps": 100}


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_run_is_still_training_after_the_clock_was_set(own_folders: Path, step: float) -> None:
    folder = RunFolder(save_run(own_folders, "vae", "mnist_vae_2d", "data.name=digits").path)
    if not processes.boot_id():
        pytest.skip("this system has no clock that cannot be set and no id of its start")
    folder.write_status(**REPORT)
    report = folder.status()
    write_json(folder.path / STATUS, {**report, "heartbeat": time.time() - step})
    assert is_learning(catalog.describe(folder.path))
    write_json(folder.path / STATUS, {**report, "heartbeat": time.time() - step, "monotonic": report["monotonic"] - 60})
    assert not is_learning(catalog.describe(folder.path))


def test_a_run_with_files_of_1970_can_be_downloaded(own_folders: Path) -> None:
    folder = RunFolder(save_run(own_folders, "vae", "mnist_vae_2d", "data.name=digits").path)
    for path in folder.files():
        os.utime(path, (60, 60))
    with run_actions._pack(train_jobs.job("vae"), ()) as packed, zipfile.ZipFile(packed) as archive:
        assert len(archive.namelist()) == len(list(folder.files()))
        assert archive.testzip() is None
