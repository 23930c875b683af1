"""Partial files: those of ended processes are removed, those of running ones are not; clean-up hides no error."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import train_jobs
from genmodels import data
from genmodels.data.own import packing
from genmodels.errors import DataError
from genmodels.runs.folder import RunFolder
from genmodels.system import leftovers
from tests.conftest import small_spec
from tests.support.job_processes import PROJECT
from train_jobs import make_spec, submission
from train_jobs.store import Store

ENDED = 4_000_000  # above the largest pid that Linux gives by default, so no process has it


def made(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_text("half")
    return path


def test_folders_of_killed_submissions_and_deletions_are_removed_by_the_next_listing(own_folders: Path) -> None:
    job_id = submission.enter(make_spec("pattern_1010_gan"))
    assert Store().cancel(job_id)
    left = [made(own_folders / name) for name in (".new-0a1b", ".trash-0a1b", f".trash-{ENDED}")]
    living = made(own_folders / f".new-{os.getpid()}")
    others = made(own_folders / ".notes")
    assert [job.id for job in train_jobs.jobs()] == [job_id]
    assert [path for path in left if path.exists()] == []
    assert living.exists()
    assert others.exists()


def test_a_public_server_removes_nothing(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = made(own_folders / ".trash-0a1b")
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    train_jobs.jobs()
    assert left.exists()


def test_nothing_is_removed_while_another_process_works_in_the_folder(tmp_path: Path) -> None:
    left = made(tmp_path / ".new-0a1b")
    program = (
        "import sys; from pathlib import Path; from genmodels.system import leftovers\n"
        "with leftovers.at_work(Path(sys.argv[1])): print('at work', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "at work\n"
        leftovers.sweep(tmp_path, ".new-*")
        assert left.exists()
        other.kill()
    leftovers.sweep(tmp_path, ".new-*")
    assert not left.exists()


def test_a_reused_pid_protects_nothing(tmp_path: Path) -> None:
    old, young = made(tmp_path / f".tmp-old-{os.getpid()}"), made(tmp_path / f".tmp-young-{os.getpid()}")
    os.utime(old, (1e9, 1e9))  # before this process started
    leftovers.sweep(tmp_path, ".tmp-*")
    assert not old.exists()
    assert young.exists()


def test_a_training_removes_partial_files_from_its_folder_first(tmp_path: Path) -> None:
    from genmodels.training import runner

    folder = RunFolder.create(tmp_path / "run", small_spec("vae", "train.max_steps=1"))
    made(folder.path / f".tmp-step-000007-{ENDED}")
    made(folder.path / f".trash-3-{ENDED}")
    (folder.path / f".status.json.{ENDED}").write_text("{")
    (folder.path / f".metrics.jsonl.{ENDED}").write_text("{")
    (folder.path / "previews").mkdir()
    (folder.path / "previews" / "000007.tmp").write_bytes(b"half")
    kept = made(folder.path / ".damaged-000007-1")
    assert runner.train_folder(folder, device="cpu") == "finished"
    hidden = [path for path in folder.path.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]
    assert hidden == [kept], "a damaged checkpoint was renamed, for inspection"


def test_files_of_a_killed_publication_are_removed_or_restored(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    made(root / f".tmp-new-{ENDED}")
    made(root / "replaced")
    made(root / f".trash-replaced-{ENDED}")
    lost = made(root / f".trash-taken-away-{ENDED}")
    leftovers.sweep(root, ".tmp-*", ".trash-*", rescue=leftovers.put_back)
    assert sorted(path.name for path in root.iterdir()) == ["replaced", "taken-away"]
    assert (root / "taken-away" / "file").read_text() == "half"
    assert not lost.exists()


def test_files_of_a_killed_download_or_packing_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    for name in (f".fsdd-{ENDED}", "flower_photos/daisy"):
        made(tmp_path / name)
    for name in (".fsdd.tar.gz", ".horse2zebra.zip.part", "flower_photos/daisy/.1.jpg.tmp"):
        (tmp_path / name).write_bytes(b"half")
    with pytest.raises(DataError, match="could not be downloaded"):
        data.download("facades")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flower_photos"]
    assert [path.name for path in (tmp_path / "flower_photos/daisy").iterdir()] == ["file"]

    from PIL import Image

    (tmp_path / "images").mkdir()
    for index in range(2):
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / f"{index}.png")
    left, other = tmp_path / f".x.h5.{ENDED}.tmp", tmp_path / f".y.h5.{ENDED}.tmp"
    for path in (left, other):
        path.write_bytes(b"half")
    packing.pack(packing.open_source(tmp_path / "images"), tmp_path / "x.h5", size=16)
    assert not left.exists()
    assert other.exists(), "it belongs to another file and is removed when that one is packed"


REMOVERS = {"unlink", "rmdir", "rmtree", "remove", "removedirs"}


def unguarded_removals(tree: ast.AST) -> list[int]:
    """Lines in `finally` blocks and re-raising handlers where removing a file may raise another error."""
    found = []
    for node in ast.walk(tree):
        blocks = [node.finalbody] if isinstance(node, ast.Try) else []
        if isinstance(node, ast.ExceptHandler) and any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
            blocks.append(node.body)
        for block in blocks:
            for call in [inner for statement in block for inner in ast.walk(statement)]:
                if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                    continue
                ignores = any(keyword.arg == "ignore_errors" for keyword in call.keywords)
                if call.func.attr in REMOVERS and not ignores:
                    found.append(call.lineno)
    return found


def test_clean_up_code_removes_files_only_with_functions_that_do_not_raise() -> None:
    assert unguarded_removals(ast.parse("try:\n    f()\nfinally:\n    path.unlink(missing_ok=True)\n")) == [4]
    found = [
        f"{path.relative_to(PROJECT)}:{line}"
        for package in ("genmodels", "train_jobs", "pages")
        for path in sorted((PROJECT / package).rglob("*.py"))
        for line in unguarded_removals(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == [], (
        "use genmodels.system.leftovers.discard: an error in clean-up would replace the one for the user"
    )


def test_a_temporary_folder_that_cannot_be_removed_hides_no_error() -> None:
    """`with TemporaryDirectory(...)` raises at its end unless `ignore_cleanup_errors` is set."""
    found = [
        str(path.relative_to(PROJECT))
        for package in ("genmodels", "train_jobs", "pages")
        for path in sorted((PROJECT / package).rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "TemporaryDirectory"
        and not any(keyword.arg == "ignore_cleanup_errors" for keyword in call.keywords)
    ]
    assert found == []
