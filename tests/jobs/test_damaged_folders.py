"""Damaged or hostile run and checkpoint folders: each is reported, costs little, and hides no other run."""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

import train_jobs
from genmodels import service
from genmodels.errors import CheckpointError, GenmodelsError
from genmodels.runs import catalog, checkpoint
from genmodels.runs.files import read_json
from genmodels.runs.folder import CARD, CONFIG, LOG, STATUS, runs_root
from tests.support.damaged_folders import (
    LAST,
    LFS,
    REFUSED,
    Damage,
    copied,
    linked,
    piped,
    written,
)


@pytest.mark.parametrize("case", REFUSED)
def test_each_is_refused_with_the_reason_at_little_cost(case: str) -> None:
    damage, text = REFUSED[case]
    copied(damage)
    copied(name="whole")
    process = psutil.Process()
    memory, cpu = process.memory_info().rss, time.process_time()
    with pytest.raises(GenmodelsError, match=text) as refusal:
        checkpoint.load_model(runs_root() / "mine")
    assert len(str(refusal.value)) < 2_000
    assert "whole" in {info.name for info in catalog.list_checkpoints()}
    jobs = {job.id: job for job in train_jobs.jobs()}
    assert jobs["whole"].state == "SUCCEEDED"
    if case.startswith("config") or case in ("wide", "many layers", "a million layers", "a latent vector of 10^9"):
        assert jobs["mine"].state == "FAILED"
        assert jobs["mine"].error
    assert service.render(service.Point(model="whole"), judged=False).png
    assert time.process_time() - cpu < 4
    assert process.memory_info().rss - memory < 500 * 2**20


@pytest.mark.parametrize("name", [STATUS, LOG, "metrics.jsonl", "events.jsonl", "control.jsonl"])
@pytest.mark.parametrize("damage", [piped, linked], ids=["pipe", "link"])
def test_a_pipe_or_a_link_instead_of_a_file_is_reported_as_damage(name: str, damage: Callable[[str], Damage]) -> None:
    folder = copied(damage(name))
    (job,) = train_jobs.jobs()
    assert job.state == "FAILED"
    assert name in str(job.error)
    reads = {
        LOG: folder.log_tail,
        "metrics.jsonl": folder.metrics,
        "events.jsonl": folder.events,
        "control.jsonl": lambda: folder.requests(0),
    }
    for other, read in reads.items():
        if other == name:
            with pytest.raises(CheckpointError, match=name):
                read()
        else:
            assert "a secret" not in str(read())
    assert "a secret" not in str(folder.status())
    assert not any(path.is_symlink() for path in folder.files())


def test_invalid_lines_of_metrics_and_events_are_refused_quickly() -> None:
    folder = copied()
    began = time.process_time()
    (folder.path / "events.jsonl").write_bytes(b"\n" * 2**26)
    with pytest.raises(CheckpointError, match=r"events\.jsonl.* larger than"):
        folder.events()
    for name, read in (("metrics.jsonl", lambda: folder.metrics()[0]), ("events.jsonl", folder.events)):
        (folder.path / name).write_bytes(b"x\n" * 2**20)
        with pytest.raises(CheckpointError, match=rf"{name}.* not JSON"):
            read()
        (folder.path / name).write_bytes(b'\n{"step": 1}\n{"st\n\n{"step": 2}\n')
        assert [line["step"] for line in read()] == [1, 2]
    assert time.process_time() - began < 4


def test_a_status_with_invalid_values_does_not_break_the_list() -> None:
    folder = copied()
    odd: tuple[Any, ...] = (None, True, "x", [], {}, float("nan"), float("inf"), -1, 10**400, 2**63)
    for value in odd:
        keys = ("heartbeat", "pid", "step", "max_steps", "phase", "error", "device", "steps_per_second", "seconds_left")
        (folder.path / STATUS).write_text(json.dumps(dict.fromkeys(keys, value)))
        assert [job.id for job in train_jobs.jobs()] == ["mine"]
    for raw in (b"null", b"[" * 100_000, b"\xff\xfe", b"", LFS):
        (folder.path / STATUS).write_bytes(raw)
        assert [job.id for job in train_jobs.jobs()] == ["mine"]


def test_invalid_metrics_card_and_capabilities_are_ignored() -> None:
    folder = copied(written(CARD, "# Größe".encode("latin-1")))
    assert catalog.describe(folder.path).card.startswith("# Gr")
    content = read_json(folder.path / CONFIG)
    for claimed in (["translation", "speech", 5, None], "latent", {"a": 1}, None):
        (folder.path / CONFIG).write_text(json.dumps({**content, "capabilities": claimed}))
        os.utime(folder.path / CONFIG, (1, hash(str(claimed)) % 10**6))
        assert not {"translation", "speech", "l"} & set(catalog.describe(folder.path).capabilities)
    for figures in ('{"metrics": {"a": "x"}}', '{"metrics": {"a": 1' + "0" * 400 + "}}", "null", "[]"):
        (folder.path / "metrics.json").write_text(figures)
        os.utime(folder.path / "metrics.json", (1, len(figures)))
        assert catalog.list_checkpoints()
        with pytest.raises(CheckpointError, match=r"metrics\.json"):
            catalog.describe(folder.path)


def test_invalid_names_of_steps_and_previews_are_ignored() -> None:
    folder = copied()
    for name in ("step-" + "9" * 30, "step-00001²", "step-000001\n", "step-0000001"):
        (folder.path / name).mkdir()
    (folder.path / "step-000001").symlink_to("/etc")
    assert folder.steps() == [LAST]
    (folder.path / "previews").mkdir()
    for name in ("²", "9" * 30, "000001", "5", "0000006"):
        (folder.path / "previews" / f"{name}.png").write_bytes(b"\x89PNG")
    assert [step for step, _ in folder.previews()] == [1]
    with pytest.raises(CheckpointError, match="not a PNG image"):
        folder.preview(1)
    folder.preview_path(1).write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 13_000, 13_000))
    with pytest.raises(CheckpointError, match="13,000 x 13,000 pixels"):
        folder.preview(1)
    folder.preview_path(1).write_bytes(LFS)
    with pytest.raises(CheckpointError, match="git lfs pull"):
        folder.preview(1)


@pytest.mark.slow
def test_every_published_checkpoint_passes_the_checks() -> None:
    published = [info for info in catalog.list_checkpoints() if info.published]
    assert len(published) >= 38
    for info in published:
        assert not checkpoint.load_model(info.path).training
