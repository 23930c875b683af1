"""A run is imported from the zip that the Runs page offers; any other zip is refused and leaves nothing."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest

import train_jobs
from genmodels.errors import CheckpointError, PublicModeError
from genmodels.runs import catalog
from genmodels.runs.folder import runs_root
from pages.components.run_actions import _pack
from tests.support.runs import save_run
from train_jobs import JobError, importing


@pytest.fixture
def packed(tmp_path: Path) -> bytes:
    """The download of a run that this machine no longer has."""
    folder = save_run(runs_root(), "mine", "mnist_gan", "data.name=digits", "model.generator_sizes=[8]")
    folder.append_metrics(10, {"loss/generator": 0.5})
    folder.request("stop")
    folder.write_status(phase="training", step=10, max_steps=10, device="cpu", error=None)  # by this living process
    with _pack(train_jobs.job("mine"), ()) as file:
        raw = file.read()
    folder.path.rename(tmp_path / "moved")
    return raw


def changed(raw: bytes, drop: str = "", **files: bytes) -> io.BytesIO:
    """The zip without the files that end with `drop` (if any), with further files in its folder."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(target, "w") as archive:
        for entry in source.infolist():
            if not drop or not entry.filename.endswith(drop):
                archive.writestr(entry, source.read(entry))
        for name, content in files.items():
            archive.writestr(name, content)
    return target


def refused(file: io.BytesIO, words: str, error: type[Exception] = JobError) -> None:
    before = sorted(path.name for path in runs_root().iterdir())
    with pytest.raises(error, match=words):
        train_jobs.import_run(file)
    assert sorted(path.name for path in runs_root().iterdir()) == before, "nothing is left behind"


def test_a_downloaded_run_is_imported_as_it_was(packed: bytes) -> None:
    job = train_jobs.import_run(io.BytesIO(packed))
    assert (job.id, job.state, job.step) == ("mine", "STOPPED", 10), "its process belongs to the other copy"
    assert job.folder.metrics()[0][0]["loss/generator"] == 0.5
    assert catalog.load("mine").config.generator_sizes == (8,)
    assert not (job.folder.path / "control.jsonl").exists()
    assert train_jobs.import_run(io.BytesIO(packed)).id == "mine-2", "a second import does not replace the first"


@pytest.mark.parametrize(
    "name",
    ["../evil", "mine/../../evil", "/etc/passwd", "mine/weights.pkl", "mine/step-000010/model.pt", "mine/.hidden",
     "mine\\evil", "other/config.json", "mine/previews/../../x.png", "mine/inputs/..", "mine/inputs/a/b", "loose.txt"],
)  # fmt: skip
def test_a_file_that_is_no_file_of_a_run_is_refused(packed: bytes, tmp_path: Path, name: str) -> None:
    refused(changed(packed, **{name: b"x"}), "is no file of a run")
    assert not [*tmp_path.rglob("*evil*")]


def test_links_and_pipes_are_refused(packed: bytes) -> None:
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR):
        entry = zipfile.ZipInfo("mine/inputs/link")
        entry.external_attr = (kind | 0o777) << 16
        file = changed(packed)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(entry, "/etc/passwd")
        refused(file, "is no file of a run")


def test_limits_hold(packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "LIMITS", importing.Limits(entries=3, total_bytes=2**30))
    refused(io.BytesIO(packed), "files")
    monkeypatch.setattr(importing, "LIMITS", importing.Limits(entries=100, total_bytes=20_000))
    refused(io.BytesIO(packed), "unpacked")
    monkeypatch.setattr(importing, "MAX_ZIP_BYTES", 1_000)
    refused(io.BytesIO(packed), "more than the")


def test_sizes_are_counted_and_not_believed(packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "LIMITS", importing.Limits(entries=100, total_bytes=2**20))
    file = changed(packed, **{"mine/worker.log": bytes(3 * 2**20)})
    raw = file.getvalue().replace((3 * 2**20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    refused(io.BytesIO(raw), "unpacked|damaged|not a zip")


def test_damaged_runs_and_other_files_are_refused(packed: bytes) -> None:
    refused(io.BytesIO(b"no zip" * 100), "not a zip")
    refused(io.BytesIO(packed[:2_000]), "not a zip")
    refused(changed(packed, drop="config.json"), "no mine/config.json")
    refused(changed(packed, drop="step-000010/model.safetensors"), "has no weights", CheckpointError)
    config = json.loads(zipfile.ZipFile(io.BytesIO(packed)).read("mine/config.json"))
    other = {"mine/config.json": json.dumps({**config, "format": 99}).encode()}
    refused(changed(packed, drop="config.json", **other), "format version 99", CheckpointError)
    weights = {"mine/step-000010/model.safetensors": os.urandom(64)}
    refused(changed(packed, drop="step-000010/model.safetensors", **weights), "damaged", CheckpointError)


def test_a_public_server_imports_nothing(packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    refused(io.BytesIO(packed), "public", PublicModeError)
