"""Moving average of the weights, against its recurrence by hand, in checkpoints, previews and samples."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from genmodels.model import Model
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder
from genmodels.training import recorder, runner
from tests.conftest import small_spec

STEPS, DECAY = 12, 0.5
# step / (step + 10) during warm-up; the configured decay from step 10 on
DECAYS = (1 / 11, 2 / 12, 3 / 13, 4 / 14, 5 / 15, 6 / 16, 7 / 17, 8 / 18, 9 / 19, 0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, dict[int, dict[str, Tensor]]]:
    """A DCGAN trained for a few steps, each saved, and the model's weights at each preview."""
    spec = small_spec(
        "dcgan",
        f"train.max_steps={STEPS}",
        f"train.ema_decay={DECAY}",
        "train.batch_size=16",
        "train.save_every=1",
        "train.preview_every=1",
        "train.keep_last=20",
        "model.generator_lr=0.01",
    )
    folder = RunFolder.create(tmp_path_factory.mktemp("average") / "run", spec)
    previewed: dict[int, dict[str, Tensor]] = {}
    preview = recorder.FolderRecorder.preview

    def recorded(self: recorder.FolderRecorder, step: int, model: Model) -> None:
        previewed[step] = {key: value.clone() for key, value in model.state_dict().items()}
        assert not model.training
        preview(self, step, model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder.FolderRecorder, "preview", recorded)
        assert runner.train_folder(folder, device="cpu") == "finished"
    return folder, previewed


def saved(folder: RunFolder, step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The generator's floating-point weights: (moving average, trained weights)."""
    sampled = load_file(folder.step_path(step) / "model.safetensors")
    trained = load_file(folder.step_path(step) / "training_nets.safetensors")
    raw = {key.removeprefix("raw."): value for key, value in trained.items() if key.startswith("raw.")}
    return {key: sampled[key] for key in raw}, raw


def test_each_checkpoint_has_the_average_of_all_steps_before(
    trained: tuple[RunFolder, dict[int, dict[str, Tensor]]],
) -> None:
    folder, _ = trained
    average, raw = saved(folder, 0)
    assert all(torch.equal(average[key], raw[key]) for key in raw), "it starts at the initial weights"
    assert any(key.endswith("running_mean") for key in raw), "statistics of batch normalisation are averaged, too"
    assert not any(key.startswith("discriminator") for key in raw), "only the generator is averaged"
    assert len(DECAYS) == STEPS
    for step, decay in enumerate(DECAYS, start=1):
        stored, raw = saved(folder, step)
        average = {key: decay * average[key] + (1 - decay) * raw[key] for key in raw}
        for key, value in average.items():
            torch.testing.assert_close(stored[key], value, rtol=1e-5, atol=1e-7, msg=f"{key} at step {step}")
        assert any(not torch.allclose(stored[key], raw[key], rtol=1e-3) for key in raw), (
            "the average differs from the newest weights"
        )


def test_previews_and_samples_use_the_average(
    trained: tuple[RunFolder, dict[int, dict[str, Tensor]]], tmp_path: Path
) -> None:
    folder, previewed = trained
    assert sorted(previewed) == list(range(STEPS + 1))
    for step, weights in previewed.items():
        average, _ = saved(folder, step)
        assert all(torch.equal(weights[key], average[key]) for key in average), f"preview of step {step}"
    average, raw = saved(folder, STEPS)
    model = checkpoint.load_model(folder.path)
    loaded = model.state_dict()
    assert all(torch.equal(loaded[key], average[key]) for key in average)
    newest = checkpoint.build(folder.config()["spec"]).eval()
    checkpoint.load_weights(newest, folder.step_path(STEPS), raw=True)
    assert all(torch.equal(newest.state_dict()[key], raw[key]) for key in raw), "training resumes from these"
    with torch.inference_mode():
        samples = [one.sample(4, generator=torch.Generator().manual_seed(0)) for one in (model, newest)]  # type: ignore[operator]
    assert not torch.allclose(*samples, atol=1e-3)
