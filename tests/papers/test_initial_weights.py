"""Fine-tuning: a training that starts from another run's weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from genmodels import data, recipes, registry
from genmodels.data.loader import loader_for
from genmodels.errors import CheckpointError, ConfigError
from genmodels.model import Model
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder, runs_root
from genmodels.runs.initial_weights import source_of
from genmodels.training import estimate, runner, tune
from tests.conftest import small_spec
from train_jobs.spec import make_spec

QUICK = ("train.max_steps=4", "train.batch_size=16", "train.ema_decay=0.9", "train.save_every=2")


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run called `first`, trained for four steps."""
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    folder = RunFolder.create(runs_root() / "first", small_spec("dcgan", *QUICK))
    runner.train_folder(folder, device="cpu")
    return folder


def fine_tuned(*settings: str, name: str = "second") -> RunFolder:
    folder = RunFolder.create(runs_root() / name, small_spec("dcgan", *QUICK, "train.initial_weights=first", *settings))
    runner.train_folder(folder, device="cpu")
    return folder


def parts(folder: RunFolder, step: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    path = folder.step_path(step)
    return load_file(path / "model.safetensors"), load_file(path / "training_nets.safetensors")


def test_it_starts_from_the_averaged_weights_and_the_discriminator(first: RunFolder) -> None:
    second = fine_tuned("train.seed=7")
    (average, nets), (loaded, own) = parts(first, 4), parts(second, 0)
    learned = [
        key for key in average if not key.endswith("num_batches_tracked")
    ]  # that counts the other training's steps
    assert all(torch.equal(average[key], loaded[key]) for key in learned)
    discriminator = [key for key in nets if key.startswith("discriminator.")]
    assert discriminator
    assert all(torch.equal(nets[key], own[key]) for key in discriminator)
    raw = {key: value for key, value in own.items() if key.startswith("raw.")}
    assert raw
    assert all(torch.equal(value, average[key.removeprefix("raw.")]) for key, value in raw.items())
    assert any(not torch.equal(value, loaded[key]) for key, value in parts(second, 4)[0].items()), (
        "the weights did not change"
    )
    (event,) = second.events()
    recorded = {key: event[key] for key in ("kind", "step", "name", "at", "from_scratch", "extended")}
    assert recorded == {
        "kind": "initialised_from",
        "step": 0,
        "name": "first",
        "at": 4,
        "from_scratch": [],
        "extended": [],
    }
    assert second.config()["initial"]["name"] == "first"
    assert second.config()["initial"]["step"] == 4


def test_missing_weights_and_other_shapes_are_initialised_from_scratch(first: RunFolder) -> None:
    for step in first.steps():
        checkpoint.strip(first.step_path(step), training_nets=False, half=True)
    fresh = RunFolder.create(runs_root() / "fresh", small_spec("dcgan", *QUICK, "model.latent_dim=5"))
    runner.train_folder(fresh, device="cpu")
    second = fine_tuned("model.latent_dim=5")
    average = load_file(first.step_path(4) / "model.safetensors")
    (loaded, own), (initial, others) = parts(second, 0), parts(fresh, 0)
    assert second.events()[0]["from_scratch"] == ["discriminator", "generator"]
    resized = [key for key in average if average[key].shape != loaded[key].shape]
    assert resized
    same = [key for key in average if key not in resized and not key.endswith("num_batches_tracked")]
    assert all(torch.equal(average[key].float(), loaded[key].float()) for key in same)
    # the same initial weights as a run of the same seed from scratch
    assert all(torch.equal(loaded[key], initial[key]) for key in resized)
    assert all(torch.equal(own[key], others[key]) for key in own if key.startswith("discriminator."))


def translator(**settings: Any) -> Any:
    torch.manual_seed(0)
    small = {"resnet_channels": 4, "residual_blocks": 1, "discriminator_channels": [4]}
    return registry.get("cyclegan").build(**{"image_shape": (3, 16, 16), **small, **settings})


def saved(model: Model, path: Path) -> Path:
    """`step-000003/` of a run of that model."""
    return checkpoint.save(RunFolder.create(path, small_spec("cyclegan")), 3, model)


def test_attention_adds_a_mask_channel_and_keeps_the_colour_channels(tmp_path: Path) -> None:
    before = translator()
    for parameter in before.parameters():
        parameter.data.add_(0.01)
    after = translator(attention=True)
    own = {key: value.clone() for key, value in after.state_dict().items()}
    scratch, extended = checkpoint.take_weights(after, saved(before, tmp_path / "run"))
    assert scratch == []
    assert extended == [
        f"generator_{direction}.{len(after.generator_ab) - 2}.{part}"
        for direction in ("ab", "ba")
        for part in ("bias", "weight")
    ]
    loaded, source = after.state_dict(), before.state_dict()
    for key in extended:
        assert torch.equal(loaded[key][:3], source[key])
        assert torch.equal(loaded[key][3:], own[key][3:])
    assert all(torch.equal(loaded[key], source[key]) for key, _ in before.named_parameters() if key not in extended)


def test_image_pools_are_not_copied(tmp_path: Path) -> None:
    """A pool marked as full whose images have another size would return black ones."""
    before = translator(pool_size=4)
    before.pool_a.exchange(torch.ones(4, 3, 16, 16))
    after = translator(pool_size=4, image_shape=(3, 32, 32))
    assert checkpoint.take_weights(after, saved(before, tmp_path / "run")) == ([], [])
    assert after.pool_a.filled == 0
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(after.pool_a.exchange(images), images)


def test_resuming_continues_without_the_source_weights(first: RunFolder) -> None:
    whole, cut = fine_tuned(name="whole"), fine_tuned(name="cut")
    cut.remove_step(4)
    shutil.rmtree(first.path)  # not needed for resuming
    runner.train_folder(cut, device="cpu")
    assert all(torch.equal(value, parts(cut, 4)[0][key]) for key, value in parts(whole, 4)[0].items())
    assert [event["kind"] for event in cut.events()] == ["initialised_from", "resume"]


def test_weights_of_which_none_fits_are_refused(first: RunFolder) -> None:
    model = checkpoint.build(small_spec("gan", *QUICK).model_dump())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match="none of its weights has the name and the shape"):
        checkpoint.take_weights(model, first.step_path(4))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("recipe", "name", "error", "message"),
    [
        ("mnist_dcgan", "nothing", ConfigError, r"train\.initial_weights = 'nothing': unknown checkpoint"),
        ("mnist_dcgan", "mnist_gan", ConfigError, "is of the family 'gan', not 'dcgan'"),
        ("mnist_dcgan", "empty", ConfigError, "has no saved step yet"),
        ("mnist_flow_few_steps", "mnist_gan", ConfigError, "'gan', not 'mean_flow' or 'flow_matching'"),
        ("mnist_flow", "few", ConfigError, "'mean_flow', not 'flow_matching'"),
        ("mnist_dcgan", "../mnist_dcgan", ConfigError, "train.initial_weights"),
        ("mnist_dcgan", "..", ConfigError, "train.initial_weights"),
    ],
)
def test_a_submission_with_invalid_initial_weights_is_refused(
    recipe: str, name: str, error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    RunFolder.create(runs_root() / "empty", small_spec("dcgan", *QUICK))
    RunFolder.create(runs_root() / "few", small_spec("mean_flow"))
    with pytest.raises(error, match=message):
        make_spec(recipe, "quick", [f"train.initial_weights={name}"])


def test_the_command_of_a_run_shorter_than_its_recipe_allows() -> None:
    """A run whose recipe has more warm-up steps than the run has steps."""
    changes = ["data.name=digits2inverted", "data.size=null", "model.generator_warmup=0", "train.max_steps=5"]
    spec = make_spec("horse2zebra_projected_128", None, changes)
    assert "--set train.max_steps=5" in recipes.command_of(spec)


def test_the_command_of_a_run_names_its_initial_weights() -> None:
    spec = make_spec("mnist_dcgan", "quick", ["train.initial_weights=mnist_dcgan"])
    assert "--set train.initial_weights=mnist_dcgan" in recipes.command_of(spec)


NEW_PARTS = {"mnist_flow_few_steps": {f"network.interval.{n}.{part}" for n in (0, 2) for part in ("weight", "bias")}}
"""Weights of a recipe's model that its initial weights, of another family, do not have."""


def test_initial_weights_of_recipes_are_published_and_fit() -> None:
    found = set()
    for name in recipes.names():
        recipe = recipes.get(name)
        for preset in (None, *recipe.presets):
            merged = recipes.merge(recipe, preset)
            initial = merged["train"].get("initial_weights")
            if initial is None:
                continue
            found.add((name, preset))
            source, step = source_of(initial, recipe.family)
            data = source.spec().data_spec
            filled = {"image_shape": data.image_shape, "num_classes": data.num_classes}
            model = registry.get(recipe.family).build(**{**merged["model"], **filled})
            scratch, extended = checkpoint.take_weights(model, source.step_path(step))
            new = {key for key in scratch if key.split(".")[0] not in model.training_only}
            assert new == NEW_PARTS.get(name, set()), name
            assert extended == [], name
    assert {("horse2zebra_projected_128", "further"), ("mnist_flow_few_steps", None)} <= found


def test_a_run_with_other_initial_weights_has_no_expected_metrics() -> None:
    plain, fine_tuned = (
        make_spec("mnist_dcgan", None, ["data.name=digits", *settings])
        for settings in ([], ["train.initial_weights=mnist_dcgan"])
    )
    assert plain.expect == fine_tuned.expect == {}, "other data have no expected metrics either"
    own = recipes.get("mnist_dcgan")
    assert recipes._expected(own, None, recipes.merge(own)) == own.expect
    changed = recipes.merge(own, None, {"train": {"initial_weights": "mnist_dcgan"}})
    assert recipes._expected(own, None, changed) == {}


def test_steps_are_timed_after_the_discriminator_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warm-up steps are several times as fast as those that follow."""
    timed: list[int] = []
    cls = registry.get("cyclegan")
    real = cls.training_step
    monkeypatch.setattr(cls, "training_step", lambda self, *args: (timed.append(args[2]), real(self, *args))[1])
    spec = small_spec("cyclegan", "model.discriminator_warmup=1000", "train.max_steps=2000", "train.batch_size=2")
    estimate.estimate_seconds(spec)
    assert timed
    assert min(timed) >= 1000
    timed.clear()
    arrays = data.load(spec.data)
    loader = loader_for(cls.Config.batch_keys, arrays, 2, 0, torch.device("cpu"))
    tune._seconds_per_step(spec, tune.Runtime(), loader, torch.device("cpu"), budget=0.0)
    assert len(timed) >= 6
    assert min(timed) >= 1000
