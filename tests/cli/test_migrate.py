"""`python -m genmodels migrate`: a run folder as format 1 wrote it is refused by name, converted, and works."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from genmodels.cli.migrate import migrate_folder
from genmodels.config import Runtime
from genmodels.errors import CheckpointError
from genmodels.runs import catalog
from genmodels.runs.files import read_json, write_json
from genmodels.runs.folder import RunFolder, runs_root
from tests.support.command_line import run

FORMAT_1 = Path(__file__).parents[1] / "support" / "format_1"
PUBLISHED = Path(__file__).parents[2] / "checkpoints" / "mnist_pixelcnn_binary"


@pytest.fixture
def old() -> RunFolder:
    """The published checkpoint with config.json and metrics.json as they were published in format 1."""
    folder = runs_root() / "old's run"
    shutil.copytree(PUBLISHED, folder)
    for name in ("config.json", "metrics.json"):
        shutil.copy(FORMAT_1 / name, folder / name)
    return RunFolder(folder)


def test_an_old_run_is_reported_with_the_command_that_converts_it(old: RunFolder) -> None:
    assert old.name not in [info.name for info in catalog.list_checkpoints()]
    wanted = (
        r"old's run/config\.json has format version 1, this program reads 3\. Convert it: python -m genmodels migrate"
    )
    with pytest.raises(CheckpointError, match=wanted):
        catalog.load(old.name)
    done = run("sample", old.name, GENMODELS_RUNS=str(runs_root()))
    assert done.returncode == 1
    assert "python -m genmodels migrate" in done.stderr


@pytest.mark.parametrize("whole", [True, False])
def test_an_old_run_is_converted_in_place(old: RunFolder, whole: bool) -> None:
    weights = (old.step_path(old.steps()[-1]) / "model.safetensors").stat().st_mtime_ns
    done = run("migrate", str(runs_root() if whole else old.path))
    assert (done.returncode, done.stdout) == (0, "old's run: converted to format 3\n"), done.stderr
    for name in ("config.json", "metrics.json"):
        assert read_json(old.path / name) == read_json(PUBLISHED / name)
    assert (old.step_path(old.steps()[-1]) / "model.safetensors").stat().st_mtime_ns == weights
    seeded = [torch.Generator().manual_seed(1) for _ in range(2)]
    own, published = catalog.load(old.name), catalog.load(PUBLISHED.name)
    assert own.config.quantisation == "stochastic"
    assert torch.equal(own.sample(1, generator=seeded[0]), published.sample(1, generator=seeded[1]))  # type: ignore[operator]
    again = run("migrate", str(runs_root()))
    assert (again.returncode, again.stdout) == (0, "old's run: has format 3\n")


def test_an_interrupted_conversion_is_repeated(old: RunFolder) -> None:
    config = read_json(old.path / "config.json")
    assert migrate_folder(old.path)
    write_json(old.path / "config.json", config)
    assert migrate_folder(old.path)
    assert read_json(old.path / "metrics.json") == read_json(PUBLISHED / "metrics.json")


@pytest.mark.parametrize("case", read_json(FORMAT_1 / "settings" / "cases.json"), ids=lambda case: str(case["model"]))
def test_settings_get_their_new_names(case: dict[str, Any], tmp_path: Path) -> None:
    spec = {"model": case["model"], "config": case["settings"], "expect": case["expect"]}
    write_json(tmp_path / "config.json", {"format": 1, "spec": spec})
    assert migrate_folder(tmp_path)
    spec = read_json(tmp_path / "config.json")["spec"]
    assert (spec["family"], spec["model"]) == (case["model"], case["converted"])
    assert "config" not in spec
    assert set(spec["expect"]) == {"domains/a_as_b", "classes/fraction_3", "labels/agreement"}


def test_a_run_of_format_2_is_converted_too(tmp_path: Path) -> None:
    spec = {"model": "wavenet", "config": {"condition_dropout": 0.1}, "expect": {"classes/fraction_3": [0, 1]}}
    write_json(tmp_path / "config.json", {"format": 2, "spec": spec, "runtime": {"conv_products": False}})
    assert migrate_folder(tmp_path)
    config = read_json(tmp_path / "config.json")
    assert config["format"] == 3
    assert config["spec"] == {
        "family": "wavenet",
        "model": {"condition_dropout": 0.1},
        "expect": {"classes/fraction_3": [0, 1]},
    }


def test_events_get_their_new_names(old: RunFolder) -> None:
    shutil.copy(FORMAT_1 / "settings" / "events.jsonl", old.path)
    assert migrate_folder(old.path)
    started, changed = old.events()
    assert started == {
        "step": 0,
        "kind": "initialised_from",
        "name": "mnist_gan",
        "from_scratch": ["generator"],
        "time": 1,
    }
    assert changed == {"step": 3, "kind": "set", "path": "model.lr", "old": 1, "new": 2, "time": 2}


@pytest.mark.parametrize(("products", "kernels"), [(False, ()), (True, ("convolution",))])
def test_a_resumed_run_uses_the_kernels_it_was_trained_with(
    products: bool, kernels: tuple[str, ...], tmp_path: Path
) -> None:
    write_json(tmp_path / "config.json", {"format": 1, "spec": {}, "runtime": {"conv_products": products}})
    assert migrate_folder(tmp_path)
    runtime = Runtime.parse(RunFolder(tmp_path).runtime() or {})
    assert runtime.kernels == (*kernels, "dropout", "penalised_critic")


def test_what_cannot_be_converted_is_named_and_the_others_are_converted(old: RunFolder, tmp_path: Path) -> None:
    broken = runs_root() / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{half")
    newer = runs_root() / "newer"
    newer.mkdir()
    write_json(newer / "config.json", {"format": 4})
    done = run("migrate", str(runs_root()))
    assert done.returncode == 1
    assert "broken: not converted:" in done.stderr
    assert "newer: not converted:" in done.stderr
    assert "format version 4" in done.stderr
    assert "2 of 3 runs could not be converted" in done.stderr
    assert "old's run: converted" in done.stdout
    assert run("migrate", str(tmp_path / "nowhere")).returncode == 2
    (tmp_path / "empty").mkdir()
    assert "holds no run" in run("migrate", str(tmp_path / "empty")).stderr
