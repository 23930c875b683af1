"""Run and checkpoint folders that are damaged or hostile: each is named, costs little, and hides no other."""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file, save_file

import train_jobs
from genmodels import catalog, checkpoint, service
from genmodels.errors import CheckpointError, GenmodelsError
from genmodels.runfolder import CARD, CONFIG, LOG, STATUS, RunFolder, read_json, runs_root
from tests.support.browser import ROOT

SOURCE = ROOT / "checkpoints" / "mnist_vae_2d"
LAST = RunFolder(SOURCE).steps()[-1]
SECRET = '{"step": 1, "kind": "a secret"}'
Damage = Callable[[Path], None]


def copied(damage: Damage | None = None, name: str = "mine") -> RunFolder:
    """A run of the user's: a published checkpoint's config and newest weights."""
    folder = RunFolder(runs_root() / name)
    shutil.copytree(RunFolder(SOURCE).step_path(LAST), folder.step_path(LAST))
    shutil.copy(SOURCE / CONFIG, folder.path)
    if damage:
        damage(folder.path)
    return folder


def weights_of(path: Path) -> Path:
    return next(path.glob("step-*/model.safetensors"))


def weights(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Damage:
    def damage(path: Path) -> None:
        target = weights_of(path)
        changed = change(load_file(target))
        target.unlink()
        save_file(changed, target)

    return damage


def raw_weights(raw: bytes) -> Damage:
    return lambda path: weights_of(path).write_bytes(raw) and None


def config(**changes: Any) -> Damage:
    def damage(path: Path) -> None:
        content = json.loads((path / CONFIG).read_text())
        content["spec"]["config"].update(changes)
        (path / CONFIG).write_text(json.dumps(content))

    return damage


def written(name: str, raw: bytes) -> Damage:
    return lambda path: (path / name).write_bytes(raw) and None


def piped(name: str) -> Damage:
    def damage(path: Path) -> None:
        (path / name).unlink(missing_ok=True)
        os.mkfifo(path / name)

    return damage


def linked(name: str) -> Damage:
    def damage(path: Path) -> None:
        (path / name).unlink(missing_ok=True)
        secret = runs_root().parent / "secret.txt"
        secret.write_text(SECRET + "\n")
        (path / name).symlink_to(secret)

    return damage


def header(tensors: dict[str, Any]) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


STEP = f"step-{LAST:06d}"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
MANY_KEYS = header({f"k{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(200_000)})
REFUSED = {
    "empty": (raw_weights(b""), "damaged"),
    "header of 100 MB": (raw_weights(struct.pack("<Q", 99_000_000) + b"{}"), "claims 99,000,000 bytes"),
    "header nested": (raw_weights(struct.pack("<Q", 100_000) + b"[" * 100_000), "damaged"),
    "header of null": (raw_weights(struct.pack("<Q", 4) + b"null"), "does not describe tensors"),
    "200,000 tensors": (raw_weights(MANY_KEYS), "its header claims"),
    "not finite": (weights(lambda w: {k: np.full_like(v, np.nan) for k, v in w.items()}), "not finite"),
    "infinite": (weights(lambda w: {k: np.full_like(v, np.inf) for k, v in w.items()}), "not finite"),
    "other shapes": (weights(lambda w: {k: v.reshape(-1) for k, v in w.items()}), "do not belong together"),
    "too few": (weights(lambda w: dict(list(w.items())[1:])), "does not fit its config: lacks"),
    "too many": (weights(lambda w: {**w, "../../x": np.zeros(3, np.float32)}), "has unknown"),
    "a config of gigabytes": (config(hidden_sizes=[8192] * 4), "do not belong together"),
    "an image of 1024": (config(image_shape=[3, 1024, 1024]), "do not belong together"),
    "wide": (config(hidden_sizes=[65_536] * 3), "less than or equal to 8192"),
    "a million layers": (config(hidden_sizes=[1] * 1_000_000), "larger than"),
    "many layers": (config(hidden_sizes=[1] * 100_000), "hidden_sizes = "),
    "a latent vector of 10^9": (config(latent_dim=10**9), "less than or equal to 1024"),
    "config nested": (written(CONFIG, b"[" * 200_000), "nested"),
    "config nested a little less": (written(CONFIG, b"[" * 900 + b"]" * 900), "nested"),
    "config null": (written(CONFIG, b"null"), "format version None"),
    "config spec null": (written(CONFIG, b'{"format": 2, "spec": null}'), "damaged"),
    "config in Latin-1": (written(CONFIG, '{"format": "ä"}'.encode("latin-1")), "cannot be read"),
    "config of 50 MB": (written(CONFIG, b'{"x":"' + b"a" * 50_000_000 + b'"}'), "larger than"),
    "config a pipe": (piped(CONFIG), "not a regular file"),
    "config a link": (linked(CONFIG), "outside of its folder"),
    "config a pointer": (written(CONFIG, LFS), "git lfs pull"),
    "weights a pipe": (piped(f"{STEP}/model.safetensors"), "not a regular file"),
    "weights a link": (linked(f"{STEP}/model.safetensors"), "outside of its folder"),
    "weights a pointer": (raw_weights(LFS), "git lfs pull"),
    "critics a pipe": (piped(f"{STEP}/training_nets.safetensors"), "not a regular file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_is_refused_with_its_cause_and_costs_little(case: str) -> None:
    damage, said = REFUSED[case]
    copied(damage)
    copied(name="whole")
    process = psutil.Process()
    memory, cpu = process.memory_info().rss, time.process_time()
    with pytest.raises(GenmodelsError, match=said) as refusal:
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
def test_a_file_that_is_none_is_named_as_the_runs_damage(name: str, damage: Callable[[str], Damage]) -> None:
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


def test_lines_that_are_no_points_and_no_events_are_refused_soon() -> None:
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


def test_a_status_with_odd_values_does_not_break_the_list() -> None:
    folder = copied()
    odd: tuple[Any, ...] = (None, True, "x", [], {}, float("nan"), float("inf"), -1, 10**400, 2**63)
    for value in odd:
        keys = ("heartbeat", "pid", "step", "max_steps", "phase", "error", "device", "steps_per_second", "seconds_left")
        (folder.path / STATUS).write_text(json.dumps(dict.fromkeys(keys, value)))
        assert [job.id for job in train_jobs.jobs()] == ["mine"]
    for raw in (b"null", b"[" * 100_000, b"\xff\xfe", b"", LFS):
        (folder.path / STATUS).write_bytes(raw)
        assert [job.id for job in train_jobs.jobs()] == ["mine"]


def test_figures_a_card_and_capabilities_that_are_none() -> None:
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


def test_names_of_steps_and_previews_that_are_none() -> None:
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


def test_every_published_checkpoint_passes_the_checks() -> None:
    published = [info for info in catalog.list_checkpoints() if info.published]
    assert len(published) >= 38
    for info in published:
        assert not checkpoint.load_model(info.path).training
