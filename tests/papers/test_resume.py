"""Stop, save, resume in a new process: the same weights as never having stopped, for every family."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from genmodels.errors import CheckpointError, ConfigError
from genmodels.runs.folder import RunFolder
from tests.conftest import FAMILIES, small_spec
from tests.support.training import train


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "runtime"),
    [
        *((name, {}) for name in FAMILIES),
        ("cnn_classifier", {"channels_last": True}),
        ("gan", {"kernels": ["dropout"]}),
        ("wgan_gp", {"kernels": ["convolution", "penalised_critic"], "precision": "bf16"}),
    ],
)
def test_three_steps_and_three_more_are_six(name: str, runtime: dict[str, Any], tmp_path: Path) -> None:
    spec = small_spec(name, "train.max_steps=6", "train.log_every=1", "train.ema_decay=0.9", "train.batch_size=16")
    whole, halves = (RunFolder.create(tmp_path / part, spec) for part in ("whole", "halves"))
    if runtime:
        for folder in (whole, halves):
            folder.set_runtime({"threads": 1, **runtime})
    assert train((halves, 3), (whole, 0)) == ["stopped", "finished"]
    assert halves.steps()[-1] == 3
    assert train((halves, 0)) == ["finished"]
    for file in ("model.safetensors", "training_nets.safetensors", "resume.safetensors"):
        one, two = (load_file(folder.step_path(6) / file) for folder in (whole, halves))
        assert one.keys() == two.keys()
        different = [key for key in one if not torch.equal(one[key], two[key])]
        assert different == [], f"{file}: {different}"
    points = [[{k: v for k, v in line.items() if k != "time"} for line in f.metrics()[0]] for f in (whole, halves)]
    assert points[0] == points[1], "the curves of both must be the same, without gap or duplicate"
    assert [event["kind"] for event in halves.events()] == ["resume"]


def test_a_knob_turned_before_a_crash_is_turned_again(tmp_path: Path) -> None:
    """The run died after the turn and before the next checkpoint: replaying it gives the same weights."""
    from genmodels.training import runner

    spec = small_spec("vae", "train.max_steps=6", "train.batch_size=16", "train.save_every=2")
    results = []
    for crash in (False, True):
        folder = RunFolder.create(tmp_path / f"crash-{crash}", spec)
        folder.add_event(3, "set", path="model.lr", old=1e-3, new=0.05)
        if crash:
            first = RunFolder.create(tmp_path / "first", spec)
            first.add_event(3, "set", path="model.lr", old=1e-3, new=0.05)
            _replaying(first)
            (tmp_path / "first" / "step-000002").rename(folder.step_path(2))
            folder.set_runtime(first.runtime() or {})
            assert runner.train_folder(folder, device="cpu") == "finished"
        else:
            _replaying(folder)
        results.append(load_file(folder.step_path(6) / "model.safetensors"))
    assert all(torch.equal(value, results[1][key]) for key, value in results[0].items())


def _replaying(folder: RunFolder) -> None:
    """Train from step 0 with the knob's event in force, as if it had been turned live."""
    from genmodels.training import runner
    from genmodels.training.trainer import Trainer

    fit = Trainer.fit

    def with_events(self: Trainer, stop: object = None) -> str:
        self._replay = folder.events()
        return fit(self, stop)  # type: ignore[arg-type]

    Trainer.fit = with_events  # type: ignore[method-assign, assignment]
    try:
        assert runner.train_folder(folder, device="cpu") == "finished"
    finally:
        Trainer.fit = fit  # type: ignore[method-assign]


def test_requests_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """set, save, sample and stop, as the Runs page sends them; a refusal is an event, not the end."""
    from genmodels.training import recorder, runner, trainer

    monkeypatch.setattr(trainer, "_POLL_SECONDS", -1.0)
    folder = RunFolder.create(tmp_path / "run", small_spec("vae", "train.max_steps=50", "train.preview_every=1000"))
    asked = iter(
        [
            {"action": "set", "path": "model.lr", "value": 0.01},
            {"action": "set", "path": "model.lr", "value": -1},
            {"action": "set", "path": "model.latent_dim", "value": 3},
            {"action": "save"},
            {"action": "sample"},
            {"action": "stop"},
        ]
    )
    original = recorder.FolderRecorder.requests

    def requests(self: recorder.FolderRecorder) -> list[dict[str, object]]:
        folder.request(**next(asked, {"action": "stop"}))
        return original(self)

    monkeypatch.setattr(recorder.FolderRecorder, "requests", requests)
    assert runner.train_folder(folder, device="cpu") == "stopped"
    events = folder.events()
    assert [event["kind"] for event in events] == ["set", "refused", "refused", "save"]
    assert (events[0]["old"], events[0]["new"]) == (1e-3, 0.01)
    assert "greater than 0" in events[1]["reason"]
    assert "cannot be changed while training" in events[2]["reason"]
    assert folder.status()["phase"] == "stopped"
    assert folder.steps()[-1] == folder.status()["step"] == 5
    assert [step for step, _ in folder.previews()] == [0, 4]


def test_a_published_checkpoint_cannot_be_resumed_and_says_so(tmp_path: Path) -> None:
    from genmodels.runs import checkpoint
    from genmodels.training import runner

    folder = RunFolder.create(tmp_path / "run", small_spec("vae", "train.max_steps=4"))
    runner.train_folder(folder, device="cpu")
    checkpoint.strip(folder.step_path(4), training_nets=True)
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        runner.train_folder(folder, device="cpu")
    assert "cannot be resumed" in folder.status()["error"]
    with pytest.raises(ConfigError, match="not on this machine"):
        runner.train_folder(folder, device="cuda:99")


def test_a_damaged_newest_checkpoint_is_set_aside_and_the_older_one_resumed(tmp_path: Path) -> None:
    from genmodels.training import runner

    folder = RunFolder.create(tmp_path / "run", small_spec("vae", "train.max_steps=6", "train.save_every=2"))
    runner.train_folder(folder, device="cpu")
    # cloned: what load_file gives is the file itself, mapped, and the file is about to be cut
    whole = {key: value.clone() for key, value in load_file(folder.step_path(6) / "model.safetensors").items()}
    weights = folder.step_path(6) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert runner.train_folder(folder, device="cpu") == "finished"
    assert [event["kind"] for event in folder.events()] == ["damaged", "resume"]
    assert folder.events()[1]["step"] == 4
    assert all(torch.equal(value, whole[key]) for key, value in load_file(weights).items())
    assert len(list(folder.path.glob(".damaged-*"))) == 1


def test_a_broken_weight_is_never_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genmodels.errors import DivergedError
    from genmodels.training import runner
    from genmodels.training.trainer import Trainer

    after = Trainer._after_step

    def poison(self: Trainer, metrics: dict[str, torch.Tensor]) -> None:
        if self.step == 4:
            with torch.no_grad():
                next(self.model.parameters())[0] = float("inf")
        after(self, metrics)

    monkeypatch.setattr(Trainer, "_after_step", poison)
    folder = RunFolder.create(tmp_path / "run", small_spec("vae", "train.max_steps=6", "train.save_every=2"))
    with pytest.raises(DivergedError, match="last checkpoint is intact"):
        runner.train_folder(folder, device="cpu")
    assert folder.steps() == [0, 2]
    assert folder.status()["phase"] == "failed"


def test_lines_that_are_no_objects_are_passed_over(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", small_spec("vae", "train.max_steps=2"))
    (folder.path / "control.jsonl").write_text('5\nnull\n{"action": "save"}\n{"half')
    assert folder.requests(0)[0] == [{"action": "save"}]
    (folder.path / "status.json").write_text("null")
    assert folder.status() == {}


@pytest.mark.parametrize("saved", [False, True])
def test_a_run_killed_before_its_second_checkpoint_logs_step_0_once(tmp_path: Path, saved: bool) -> None:
    """Killed after the first preview: before the first checkpoint was whole, or after it and before the second one."""
    from genmodels.training import runner

    spec = small_spec("gan", "train.max_steps=4", "train.batch_size=16", "train.log_every=1", "train.save_every=4")
    whole, killed = (RunFolder.create(tmp_path / name, spec) for name in ("whole", "killed"))
    assert runner.train_folder(whole, device="cpu") == "finished"
    killed.append_metrics(0, {"preview/diversity": 0.5, "preview/diversity_data": 0.7})
    if saved:
        killed.set_runtime(whole.runtime() or {})
        shutil.copytree(whole.step_path(0), killed.step_path(0))
        killed.append_metrics(1, {"loss/generator": 0.5})
    else:
        killed.add_event(0, "initialised_from", name="other")
    assert runner.train_folder(killed, device="cpu") == "finished"
    logged = [[line["step"] for line in folder.metrics()[0]] for folder in (whole, killed)]
    assert logged[0].count(0) == 1, "a GAN's first preview logs its diversity"
    assert logged[1] == logged[0]
    assert [event["kind"] for event in killed.events()] == (["resume"] if saved else [])
    weights = [load_file(folder.step_path(4) / "model.safetensors") for folder in (whole, killed)]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_a_preview_on_request_adds_no_second_line_for_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genmodels.training import recorder, runner, trainer

    monkeypatch.setattr(trainer, "_POLL_SECONDS", -1.0)
    folder = RunFolder.create(tmp_path / "run", small_spec("gan", "train.max_steps=50", "train.preview_every=1"))
    asked = iter([{"action": "sample"}, {"action": "sample"}, {"action": "stop"}, {"action": "sample"}])
    original = recorder.FolderRecorder.requests

    def requests(self: recorder.FolderRecorder) -> list[dict[str, object]]:
        folder.request(**next(asked, {"action": "stop"}))
        return original(self)

    monkeypatch.setattr(recorder.FolderRecorder, "requests", requests)
    assert runner.train_folder(folder, device="cpu") == "stopped"
    assert runner.train_folder(folder, device="cpu") == "stopped"
    steps = [line["step"] for line in folder.metrics()[0] if "preview/diversity" in line]
    assert steps == sorted(set(steps))
    assert len(steps) > 2
