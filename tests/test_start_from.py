"""A training that begins with the weights of another one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from conftest import small_spec
from safetensors.torch import load_file, save_file

from genmodels import checkpoint, run_training
from genmodels.errors import CheckpointError, ConfigError, UnknownNameError
from genmodels.runfolder import RunFolder, runs_root
from train_jobs.spec import make_spec

QUICK = ("train.max_steps=4", "train.batch_size=16", "train.ema_decay=0.9", "train.save_every=2")


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run called `first`, trained for four steps."""
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    folder = RunFolder.create(runs_root() / "first", small_spec("dcgan", *QUICK))
    run_training.train_folder(folder, device="cpu")
    return folder


def begun(*settings: str, name: str = "second") -> RunFolder:
    folder = RunFolder.create(runs_root() / name, small_spec("dcgan", *QUICK, "train.start_from=first", *settings))
    run_training.train_folder(folder, device="cpu")
    return folder


def parts(folder: RunFolder, step: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    path = folder.step_path(step)
    return load_file(path / "model.safetensors"), load_file(path / "training_nets.safetensors")


def test_it_begins_with_what_the_other_sampled_and_its_discriminator(first: RunFolder) -> None:
    second = begun("train.seed=7")
    (average, nets), (taken, own) = parts(first, 4), parts(second, 0)
    assert all(torch.equal(average[key], taken[key]) for key in average)
    discriminator = [key for key in nets if key.startswith("discriminator.")]
    assert discriminator
    assert all(torch.equal(nets[key], own[key]) for key in discriminator)
    raw = {key: value for key, value in own.items() if key.startswith("raw.")}
    assert raw
    assert all(torch.equal(value, average[key.removeprefix("raw.")]) for key, value in raw.items())
    assert any(not torch.equal(value, taken[key]) for key, value in parts(second, 4)[0].items()), "it did not learn on"
    (event,) = second.events()
    assert (event["kind"], event["step"], event["name"], event["at"], event["anew"]) == (
        "started_from",
        0,
        "first",
        4,
        [],
    )


def test_what_is_lacking_or_of_another_size_begins_anew(first: RunFolder) -> None:
    for step in first.steps():
        checkpoint.strip(first.step_path(step), training_nets=False, half=True)
    fresh = RunFolder.create(runs_root() / "fresh", small_spec("dcgan", *QUICK, "model.latent_dim=5"))
    run_training.train_folder(fresh, device="cpu")
    second = begun("model.latent_dim=5")
    average = load_file(first.step_path(4) / "model.safetensors")
    (taken, own), (untaught, others) = parts(second, 0), parts(fresh, 0)
    anew = second.events()[0]["anew"]
    resized = [key for key in average if average[key].shape != taken[key].shape]
    assert resized
    assert set(anew) == {*resized, *(key for key in own if key.startswith("discriminator."))}
    assert all(torch.equal(average[key].float(), taken[key].float()) for key in average if key not in resized)
    # the same seed, the same first weights as without it
    assert all(torch.equal(taken[key], untaught[key]) for key in resized)
    assert all(torch.equal(own[key], others[key]) for key in own if key.startswith("discriminator."))


def test_a_layer_with_more_outputs_takes_those_there_are(first: RunFolder) -> None:
    """A mask beside the colours: the colours are known already."""
    model = checkpoint.build(small_spec("dcgan", *QUICK).model_dump())
    given = load_file(first.step_path(4) / "model.safetensors")
    key = next(key for key, value in given.items() if value.dim() == 4)
    own = model.state_dict()[key].clone()
    save_file({k: v[:-1] if k == key else v for k, v in given.items()}, first.step_path(4) / "model.safetensors")
    assert key in checkpoint.take_weights(model, first.step_path(4))
    found = model.state_dict()[key]
    assert torch.equal(found[:-1], given[key][:-1])
    assert torch.equal(found[-1], own[-1])


def test_resuming_goes_on_and_does_not_begin_again(first: RunFolder) -> None:
    whole, cut = begun(name="whole"), begun(name="cut")
    cut.remove_step(4)
    shutil.rmtree(first.path)  # not needed any more
    run_training.train_folder(cut, device="cpu")
    assert all(torch.equal(value, parts(cut, 4)[0][key]) for key, value in parts(whole, 4)[0].items())
    assert [event["kind"] for event in cut.events()] == ["started_from", "resume"]


def test_weights_none_of_which_fit_are_refused(first: RunFolder) -> None:
    model = checkpoint.build(small_spec("gan", *QUICK).model_dump())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match="none of its weights fits these settings"):
        checkpoint.take_weights(model, first.step_path(4))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("recipe", "name", "error", "message"),
    [
        ("mnist_dcgan", "nothing", UnknownNameError, "nothing"),
        ("mnist_dcgan", "mnist_gan", ConfigError, "is of the family 'gan', and this is 'dcgan'"),
        ("mnist_dcgan", "empty", ConfigError, "has saved no step yet"),
        ("mnist_dcgan", "../mnist_dcgan", ConfigError, "train.start_from"),
    ],
)
def test_a_submission_says_what_cannot_be_begun_with(
    recipe: str, name: str, error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    RunFolder.create(runs_root() / "empty", small_spec("dcgan", *QUICK))
    with pytest.raises(error, match=message):
        make_spec(recipe, "quick", [f"train.start_from={name}"])


def test_the_command_of_a_run_names_what_it_began_with() -> None:
    from genmodels import recipes

    spec = make_spec("mnist_dcgan", "quick", ["train.start_from=mnist_dcgan"])
    assert "--set train.start_from=mnist_dcgan" in recipes.command_of(spec)
