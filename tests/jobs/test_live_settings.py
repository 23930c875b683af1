"""Live settings, changed on the command line while a model trains, as the pages do it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import train_jobs
from genmodels import registry
from genmodels.config import live_fields
from genmodels.errors import ConfigError
from train_jobs import Job, JobError


@pytest.fixture
def endless(own_folders: Path) -> Iterator[Job]:
    """A training that runs until it is stopped."""
    changes = ["train.max_steps=100000000", "train.precision=fp32", "train.compile=off", "run.threads=1"]
    job = train_jobs.submit(train_jobs.make_spec("pattern_1010_gan", None, changes))
    end = time.monotonic() + 30
    while train_jobs.job(job.id).phase != "training":
        assert time.monotonic() < end, train_jobs.job(job.id)
        time.sleep(0.05)
    yield job
    if train_jobs.job(job.id).active:
        train_jobs.stop(job.id)


def set_(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "train_jobs", "set", *arguments], capture_output=True, text=True)


@pytest.mark.slow
def test_a_change_is_applied_and_recorded(endless: Job) -> None:
    before = train_jobs.settings_now(endless)
    done = set_(endless.id, "model.generator_lr=0.5")
    assert (done.returncode, done.stdout) == (0, f"model.generator_lr from {before['generator_lr']:g} to 0.5\n")
    end = time.monotonic() + 20
    while train_jobs.settings_now(endless)["generator_lr"] != 0.5:
        assert time.monotonic() < end, endless.folder.events()
        time.sleep(0.05)
    again = set_(endless.id, "model.generator_lr=0.5")
    assert "nothing changed" in again.stdout
    assert sum(event["kind"] == "set" for event in endless.folder.events()) == 1


@pytest.mark.slow
def test_an_invalid_change_is_refused_and_changes_nothing(endless: Job) -> None:
    for arguments, message in (
        (["train.max_steps=5"], "train.* cannot be changed while training"),
        (["model.hidden=5"], "model.hidden cannot be changed while 'gan' trains; these can: model."),
        (["model.generator_lr=0.5", "model.discriminator_lr=7"], "model.discriminator_lr = 7"),
        (["generator_lr"], "is not understood"),
    ):
        done = set_(endless.id, *arguments)
        assert done.returncode == 2, done
        assert message in done.stderr
    with pytest.raises(ConfigError, match=r"model\.nonsense"):
        train_jobs.update(endless.id, {"nonsense": 1.0})
    train_jobs.stop(endless.id)
    end = time.monotonic() + 30
    while train_jobs.job(endless.id).active and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(event["kind"] in ("set", "refused") for event in endless.folder.events())
    with pytest.raises(JobError, match="only a running training"):
        train_jobs.update(endless.id, {"generator_lr": 0.5})


def test_every_family_lists_its_live_settings() -> None:
    live = {name: live_fields(registry.config_class(name)) for name in registry.names()}
    assert {"generator_lr", "discriminator_lr", "cycle_weight"} <= set(live["cyclegan"])
    assert "image_shape" not in live["cyclegan"]
