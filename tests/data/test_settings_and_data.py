"""Recipes, overrides and data sets: what they resolve to, and the messages for a user's mistakes."""

from __future__ import annotations

import gzip
import itertools
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels import data, recipes, registry
from genmodels.config import RunConfig, TrainConfig, text_fields
from genmodels.data import DataConfig
from genmodels.data.loader import MemoryLoader, hash_seed, to_float, to_uint8
from genmodels.errors import ConfigError, DataError, GenmodelsError, UnknownNameError
from genmodels.recipes import parse_overrides, resolve


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_resolves_with_every_preset(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.source
    assert recipe.expect
    assert "quick" in recipe.presets
    for preset in (None, *recipe.presets):
        # `digits` instead of MNIST: the resolved settings do not depend on a download.
        on_digits = {"data": {"name": "digits"}} if recipe.data["name"] == "mnist" else {}
        changes = recipe.presets[preset] if preset else {}
        chosen = recipes.merge(recipe, preset)["data"]
        if not on_digits and data.missing(DataConfig.parse(chosen)):
            # A set that is not downloaded: its image shape is known, and the settings have to fit it.
            side = chosen.get("size", 32)
            settings = {**recipe.model, **changes.get("model", {}), "image_shape": (3, side, side), "num_classes": 10}
            registry.config_class(recipe.family).parse(settings)
            continue
        spec = resolve(recipe, preset=preset, overrides=on_digits)
        assert spec.train.max_steps is not None
        assert spec.train.max_epochs is None
        assert list(spec.model["image_shape"] or ()) == list(spec.data_spec.image_shape or ())
        assert recipes.Spec.parse(spec.model_dump(mode="json")) == spec


def test_the_texts_settings_are_the_recipes() -> None:
    pattern = resolve(recipes.get("pattern_1010_gan"))
    assert (pattern.train.max_steps, pattern.train.batch_size) == (10_000, 1)
    assert pattern.model["generator_sizes"] == pattern.model["discriminator_sizes"] == [3]
    vae = resolve(recipes.get("mnist_vae_20"), overrides={"data": {"name": "digits"}})
    assert (vae.model["hidden_sizes"], vae.model["latent_dim"], vae.train.batch_size) == ([400], 20, 128)
    assert vae.train.max_steps == 30 * (4500 // 128)
    gan = resolve(recipes.get("mnist_gan"), overrides={"data": {"name": "digits"}})
    assert (gan.model["latent_dim"], gan.model["leaky_slope"], gan.model["layer_norm"]) == (100, 0.02, True)
    assert gan.train.max_steps == 4 * 4500


def test_the_text_of_the_dcgan_keeps_no_average() -> None:
    on_digits = {"data": {"name": "digits"}}
    assert resolve(recipes.get("mnist_dcgan"), overrides=on_digits).train.ema_decay == 0.9995
    spec = resolve(recipes.get("mnist_dcgan"), preset="text", overrides=on_digits)
    assert (spec.train.ema_decay, spec.train.batch_size, spec.train.max_steps) == (None, 100, 50_000)
    expected = {
        "latent_dim": 64, "generator_channels": [256, 128, 64], "generator_strides": [1, 2, 2], "generator_kernel": 5,
        "upsample": "transposed", "generator_activation": "leaky_relu", "generator_norm": "batch",
        "discriminator_channels": [64, 128], "discriminator_strides": [2, 2], "discriminator_kernel": 5,
        "discriminator_norm": "none", "dropout": 0.3, "beta1": 0.5, "generator_lr": 2e-4, "discriminator_lr": 2e-4,
        "lr_end": 1, "label_smoothing": 0, "augment": "none", "flip": False, "init_std": None,
    }  # fmt: skip
    assert {key: spec.model[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("recipe", "shown"),
    [
        ("mnist_cgan_onehot", ("LayerNorm", "sigmoid", "Adam 1e-4", "batch 1,", "Adam 5e-4", "beta1 0.5", "tanh")),
        ("mnist_cgan_embedding", ("names neither optimizer nor length", "dropout 0.4", "Adam 2e-4", "batch 64")),
        ("mnist_cgan_product", ("momentum 0.8", "latent 64", "50,000 steps", "dropout 0.4", "before LeakyReLU")),
    ],
)
def test_a_source_tells_what_differs_from_the_text(recipe: str, shown: tuple[str, ...]) -> None:
    source, train = recipes.get(recipe).source, recipes.get(recipe).train
    for part in (*shown, f"{train['max_epochs']} epochs", f"batch {train['batch_size']}"):
        assert part in source


@pytest.mark.parametrize("shape", [(0, 28, 28), (2, 28, 28), (7, 28, 28), (3, 0, 28), (1, 28, -4), (3, 4000, 4000)])
@pytest.mark.parametrize("family", ["vae", "dcgan", "cnn_classifier", "cyclegan"])
def test_an_invalid_image_shape_is_refused(family: str, shape: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.config_class(family).parse({"image_shape": shape}, "model.")
    for part in (f"model.image_shape = {shape}", "1 or 3 channels", "1 to 1,024 pixels", "data.size"):
        assert part in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 1, 4), (3, 218, 178), (3, 1024, 1024), (1, 28, 28)])
def test_patterns_and_large_images_are_valid_shapes(shape: tuple[int, int, int]) -> None:
    assert registry.config_class("gan").parse({"image_shape": shape}).image_shape == shape


def test_pooling_after_the_last_convolution_is_refused() -> None:
    settings = registry.config_class("cnn_classifier")
    with pytest.raises(ConfigError, match=r"pool_after = \[2, 4\] .* channels has 2\. Name convolutions 1 to 2 only"):
        settings.parse({"channels": [4, 4], "pool_after": [2, 4]})
    settings.parse({"channels": [4, 4], "pool_after": [1, 2]})
    settings.parse({"channels": [4], "pool_after": []})


def test_a_darknet_has_a_maximum_width() -> None:
    settings = registry.config_class("darknet")
    message = (
        r"channels = 512 doubled by each of the 8 groups .* 131,072 channels; at most 4,096 are allowed: choose fewer"
    )
    with pytest.raises(ConfigError, match=message):
        settings.parse({"channels": 512, "groups": [1] * 8})
    with pytest.raises(ConfigError, match=r"channels = 513 is not allowed"):
        settings.parse({"channels": 513})
    with pytest.raises(ConfigError, match=r"4,112 channels"):
        settings.parse({"channels": 257, "groups": [0] * 4})
    settings.parse({"channels": 256, "groups": [0] * 4})


@pytest.mark.parametrize("field", ["shift", "cutout"])
def test_darknet_augmentation_has_limits(field: str) -> None:
    settings = registry.config_class("darknet")
    with pytest.raises(ConfigError, match=rf"{field} = 8 is as large as the images: choose a smaller one"):
        settings.parse({"image_shape": [3, 8, 12], "groups": [1], "shift": 0, field: 8})
    settings.parse({"image_shape": [3, 8, 12], "groups": [1], "shift": 0, field: 7})


@pytest.mark.parametrize(
    ("assignments", "parts"),
    [
        (["train.batch_size=0"], ("train.batch_size = 0", "greater than or equal to 1", "examples in one batch")),
        (["train.batch_size=5000"], ("train.batch_size = 5000", "4,500", "choose 1 to 4,500")),
        (["model.lr=fast"], ("model.lr = 'fast'", "number")),
        (["model.kl_weight=-1"], ("model.kl_weight = -1", "greater than or equal to 0")),
        (["model.hidden_sizes=[]"], ("model.hidden_sizes", "at least 1")),
        (["model.sizes=[3]"], ("unknown setting 'model.sizes'", "model.hidden_sizes")),
        (["train.max_steps=10", "train.max_epochs=2"], ("exactly one of train.max_steps",)),
        (["train.compile=perhaps"], ("train.compile = 'perhaps'", "'auto', 'on' or 'off'")),
        (["run.device=tpu"], ("run.device = 'tpu'",)),
        (["model.image_shape=[3,32,32]"], ("(3, 32, 32)", "(1, 28, 28)", "digits")),
        (["model.num_classes=7"], ("model.num_classes = 7", "10")),
        (["data.name=mnits"], ("unknown data set 'mnits'", "did you mean 'mnist'?")),
        (["learning_rate=3"], ("SECTION.FIELD=VALUE", "train.max_steps=500")),
        (["model.lr"], ("SECTION.FIELD=VALUE",)),
    ],
)
def test_a_mistake_names_field_value_range_and_next_step(assignments: list[str], parts: tuple[str, ...]) -> None:
    with pytest.raises(GenmodelsError) as caught:
        resolve(recipes.family("vae"), overrides=parse_overrides(assignments))
    for part in parts:
        assert part in str(caught.value)


def test_values_are_read_as_json_and_words_stay_words() -> None:
    found = parse_overrides(
        ["model.lr=1e-3", "train.compile=off", "train.keep_steps=[0, 5]", "train.ema_decay=null", "data.name=mnist"]
    )
    assert found == {
        "model": {"lr": 0.001},
        "train": {"compile": "off", "keep_steps": [0, 5], "ema_decay": None},
        "data": {"name": "mnist"},
    }


TEXT_FIELDS = [
    (section, field)
    for section, settings in (("data", DataConfig), ("train", TrainConfig), ("run", RunConfig))
    for field in sorted(text_fields(settings))
]


@pytest.mark.parametrize(("section", "field"), TEXT_FIELDS)
@pytest.mark.parametrize("text", ["2024", "007", "1e3", "true", "[1]", "{}", "-0", "NaN", "a b", "[" * 9_000])
def test_a_text_setting_is_not_converted(section: str, field: str, text: str) -> None:
    assert parse_overrides([f"{section}.{field}={text}"])[section][field] == text
    assert parse_overrides([f"{section}.{field}={json.dumps(text)}"])[section][field] == text
    assert parse_overrides([f"{section}.{field}=null"])[section][field] is None


def test_the_text_settings_are_those_of_names_and_paths() -> None:
    assert {("data", "path"), ("data", "name"), ("run", "name"), ("train", "initial_weights")} <= set(TEXT_FIELDS)
    assert not {("run", "threads"), ("train", "seed"), ("data", "size"), ("train", "ema_decay")} & set(TEXT_FIELDS)


@pytest.mark.parametrize("name", ["2024", "1e3", "true", "my pictures", "it's $HOME; `id` \\"])
def test_a_folder_or_run_of_any_name_is_trained_on_and_its_command_reads_back(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for index in range(12):
        Image.new("RGB", (16, 16), (index, 0, 0)).save(folder / f"{index}.png")
    words = ["data.name=image_folder", f"data.path={folder}", "train.max_steps=1", "train.batch_size=2"]
    spec = resolve(recipes.family("vae"), overrides=parse_overrides([*words, f"run.name={name}"]))
    assert (spec.data.path, spec.run.name) == (str(folder), name)
    command = shlex.split(recipes.command_of(spec))
    settings = [value for word, value in itertools.pairwise(command) if word == "--set"]
    assert resolve(recipes.family("vae"), overrides=parse_overrides(settings)).data == spec.data


def test_the_error_for_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mnist_gan'"):
        recipes.get("mnist_gn")
    with pytest.raises(UnknownNameError, match="known: quick"):
        resolve(recipes.get("pattern_1010_gan"), preset="slow")


def test_missing_mnist_is_an_error_at_submission_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"python -m genmodels download mnist.*--data digits"):
        resolve(recipes.get("mnist_vae_20"))


@pytest.mark.parametrize("name", ["portraits_dcgan_64", "flowers_dcgan_64", "bedrooms_wgan_64"])
def test_a_recipe_for_the_users_images_requires_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--set data\.path=photos"):
        resolve(recipes.get(name))
    for index in range(80):
        Image.new("RGB", (70, 90), (index, 0, 0)).save(tmp_path / f"{index}.png")
    spec = resolve(recipes.get(name), overrides=parse_overrides([f"data.path={tmp_path}"]))
    assert spec.model["image_shape"] == [3, 64, 64]
    assert spec.data_spec.train_size == 72


@pytest.mark.parametrize("damage", ["short", "not gzip", "header"])
def test_damaged_mnist_is_named(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for stem in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        content = b"\0" * 100 if damage == "short" else b"\0\0\x08\x03" + b"\xff" * 12
        (raw / f"{stem}-ubyte.gz").write_bytes(content if damage == "not gzip" else gzip.compress(content))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz .*fetch it again"):
        data.load(DataConfig(name="mnist"))


@pytest.mark.parametrize("name", data.names())
def test_every_data_set_matches_its_spec(name: str) -> None:
    config = DataConfig(name=name)
    problem = data.missing(config)
    if problem:
        pytest.skip(problem)
    spec = data.get_spec(config)
    for split, size in (("train", spec.train_size), ("test", spec.test_size)):
        if spec.sample_rate is not None:
            recordings = data.load_audio(config, split)  # type: ignore[arg-type]
            assert len(recordings) == len(recordings.labels) == len(recordings.speakers) == size
            assert set(np.unique(recordings.labels)) == set(range(spec.num_classes))
            assert set(np.unique(recordings.speakers)) == set(range(spec.num_speakers))
            assert recordings.lengths.min() > 0
            assert len(recordings.samples) == recordings.ends[-1]
            with pytest.raises(DataError, match="holds recordings, not pictures"):
                data.load(config)
            continue
        arrays = data.load(config, split)  # type: ignore[arg-type]
        assert arrays.images.shape == (size, *(spec.image_shape or ()))
        assert arrays.images.dtype == np.uint8
        assert arrays.labels.shape == (size,)
        if spec.num_classes:
            assert set(np.unique(arrays.labels)) == set(range(spec.num_classes))
    assert spec.licence
    assert spec.source


def test_batches_are_a_pure_function_of_seed_and_step() -> None:
    arrays = data.load(DataConfig(name="digits"))
    one, two = (MemoryLoader(arrays, 100, 3, torch.device("cpu")) for _ in range(2))
    wanted = one.batch(50)  # in the second epoch
    for step in range(3):
        two.batch(step)
    assert torch.equal(wanted["image"], two.batch(50)["image"])
    assert not torch.equal(wanted["image"], MemoryLoader(arrays, 100, 4, torch.device("cpu")).batch(50)["image"])
    epoch = torch.cat([one.batch(step)["label"] for step in range(one.steps_per_epoch)])
    assert torch.equal(torch.bincount(epoch), torch.bincount(torch.from_numpy(arrays.labels))), (
        "each example occurs once"
    )
    assert one.batch(0)["image"].min() >= -1
    assert one.batch(0)["image"].max() <= 1


def test_bytes_are_unchanged_after_conversion_to_float_and_back() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(values)), values)
    assert len({hash_seed(a, b) for a in range(50) for b in range(50)}) == 2500
    with pytest.raises(ConfigError):
        DataConfig.parse({"name": ""})


@pytest.mark.parametrize(
    ("recipe", "preset", "assignments"),
    [
        ("pattern_1010_gan", None, []),
        ("mnist_vae_20", "quick", ["train.max_steps=50", "model.lr=0.002", "data.name=digits"]),
        ("mnist_gan", "quick", ["train.batch_size=16", "model.generator_sizes=[64,64]", "train.compile=off"]),
        ("mnist_judge", "quick", []),
    ],
)
def test_a_spec_gives_the_command_that_reproduces_it(recipe: str, preset: str | None, assignments: list[str]) -> None:
    spec = resolve(recipes.get(recipe), preset=preset, overrides=parse_overrides(assignments))
    words = shlex.split(recipes.command_of(spec))
    assert words[:5] == ["python", "-m", "train_jobs", "submit", recipe]
    settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    again = resolve(recipes.get(recipe), preset=preset, overrides=parse_overrides(settings))
    assert again == spec
    assert bool(again.expect) == (recipe == "pattern_1010_gan"), "other data or lengths have no expected metrics"


def test_a_preset_has_its_own_expected_metrics_or_none() -> None:
    recipe = recipes.Recipe.parse(
        {
            **{"name": "mine", "title": "Mine", "description": "", "source": ""},
            **{
                "family": "vae",
                "data": {"name": "digits"},
                "train": {"max_epochs": 9},
                "expect": {"elbo/test": [1, 2]},
            },
            "presets": {
                "short": {"train": {"max_epochs": 1}, "expect": {"elbo/test": [None, 3]}},
                "silent": {"train": {"max_epochs": 1}},
            },
        }
    )
    assert resolve(recipe).expect == {"elbo/test": (1, 2)}
    assert resolve(recipe, preset="short").expect == {"elbo/test": (None, 3)}
    assert resolve(recipe, preset="silent").expect == {}
    assert resolve(recipe, preset="short", overrides={"train": {"max_epochs": 2}}).expect == {}
    assert resolve(recipe, preset="short", overrides={"train": {"max_epochs": 9}}).expect == {"elbo/test": (1, 2)}


def test_a_classifier_is_not_submitted_on_data_without_labels() -> None:
    with pytest.raises(ConfigError, match=r"image and label, but data set 'pattern_1010' provides image only"):
        resolve(recipes.get("mnist_judge"), overrides={"data": {"name": "pattern_1010"}})
    with pytest.raises(ConfigError, match=r"nothing is left of images of 28x28: pool less \(pool_after\)"):
        resolve(recipes.get("mnist_judge"), preset="quick", overrides={
            "model": {"channels": [2] * 6, "pool_after": [1, 2, 3, 4, 5, 6]}})  # fmt: skip
