"""Tests of every registered family: config, one step, checkpoint, capabilities, overfitting, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from genmodels import capabilities, registry
from genmodels.capabilities import (
    SupportsClassification,
    SupportsCompletion,
    SupportsCorruption,
    SupportsElbo,
    SupportsEncoding,
    SupportsLatent,
    SupportsLikelihood,
    SupportsPosterior,
    SupportsProgressiveSampling,
    SupportsSampling,
    SupportsScoring,
    SupportsStylizing,
    SupportsTranslation,
)
from genmodels.config import ModelConfig
from genmodels.errors import CapabilityError, ConfigError, DivergedError, UnknownNameError
from genmodels.model import make_optimizer, update
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder
from tests.conftest import FAMILIES, SMALL, digit_batch, shape_of, small_model, small_spec

pytestmark = pytest.mark.parametrize("name", FAMILIES)


def test_builds_from_its_default_config(name: str) -> None:
    cls = registry.get(name)
    model = cls.build(**shape_of(name))
    assert model.name == name
    assert cls.title
    assert "arXiv" in cls.paper or "doi" in cls.paper
    assert (cls.__module__, Path(f"genmodels/models/{name}.py").exists()) == (f"genmodels.models.{name}", True)


def test_config_round_trips_through_json_and_refuses_nonsense(name: str) -> None:
    config = small_model(name).config
    assert type(config).parse(json.loads(config.model_dump_json())) == config
    with pytest.raises(ConfigError, match=r"unknown setting 'model\.nonsense'"):
        registry.get(name).build(nonsense=1)
    for field, info in type(config).model_fields.items():
        assert info.description, f"{name}.{field} has no description: it would have no help text"
    with pytest.raises(ConfigError, match=rf"model\.{type(config).shape_field} is empty"):
        registry.get(name).build(**SMALL[name])


def test_light_config_class_is_the_real_one(name: str) -> None:
    """Submitting reads only the top of a model's file: it must define the config that the model uses."""
    light = registry._light_config_class(name)
    real = registry.get(name).Config
    assert light is not real
    assert light.model_json_schema() == real.model_json_schema()
    assert issubclass(light, ModelConfig)


def test_one_step_changes_every_trainable_parameter_and_no_pretrained_one(name: str) -> None:
    model = small_model(name).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trainable = model.trainable()
    optimizers = model.configure_optimizers()
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = 0.01
    for step in range(2):  # a ReLU that is off for one batch may leave a bias where it was
        metrics = model.training_step(digit_batch(32), optimizers, step)
    unchanged = [key for key in trainable if torch.equal(before[key], model.state_dict()[key])]
    frozen_changed = [
        key
        for key, value in model.state_dict().items()
        if key.split(".")[0] in model.pretrained | model.frozen and not torch.equal(before[key], value)
    ]
    assert unchanged == []
    assert frozen_changed == []
    assert metrics
    assert all(value.dim() == 0 and not value.requires_grad for value in metrics.values())
    assert set(model.curves()) == set(model.logged_metrics(digit_batch(32), metrics))
    assert set(optimizers) == set(model.learning_rates())
    assert all(parameter.requires_grad for parameter in trainable.values())


def test_checkpoint_round_trip_is_bit_equal(name: str, tmp_path: Path) -> None:
    model = small_model(name)
    folder = RunFolder.create(tmp_path / "run", small_spec(name, "train.max_steps=1", "train.max_epochs=null"))
    state = {"step": 3, "nested": {"a": [torch.arange(3), (1, None, 2.5)], 7: {"b": torch.eye(2)}}, "flag": True}
    checkpoint.save(folder, 3, model, resume=state)
    loaded = checkpoint.load_model(folder.path)
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    resumed = checkpoint.load_resume(folder.step_path(3))
    torch.testing.assert_close(resumed["nested"][7]["b"], torch.eye(2))
    assert resumed["nested"]["a"][1] == (1, None, 2.5)
    checkpoint.strip(folder.step_path(3), training_nets=False)
    trimmed = checkpoint.load_model(folder.path)
    assert all(getattr(trimmed, part) is None for part in trimmed.training_only)
    assert "scoring" not in capabilities.of(trimmed)


def test_capabilities_return_what_they_declare(name: str) -> None:
    model = small_model(name).requires_grad_(False).eval()
    audio = model.modality == "audio"
    x = digit_batch(4)["audio" if audio else "image"]

    def twice(make: object) -> torch.Tensor:
        first, second = (make(torch.Generator().manual_seed(5)) for _ in range(2))  # type: ignore[operator]
        assert torch.equal(first, second), "the same generator must give the same output"
        return first

    random_state = torch.get_rng_state()
    if isinstance(model, SupportsSampling):
        images = twice(lambda g: model.sample(3, generator=g))
        assert images.shape == (3, *x.shape[1:])
        assert images.dtype == torch.float32
        assert float(images.abs().max()) <= 1
        assert not torch.equal(images, model.sample(3, generator=torch.Generator().manual_seed(6)))
    if isinstance(model, SupportsLatent):
        z = torch.randn(3, model.latent_dim, generator=torch.Generator().manual_seed(0))
        assert torch.equal(model.decode(z), model.decode(z))
        assert model.decode(z).shape == (3, 1, 28, 28)
        assert model.latent_dim == model.config.latent_size
    if isinstance(model, SupportsEncoding):
        assert model.encode(x).shape == (4, model.latent_dim)  # type: ignore[attr-defined]
    if isinstance(model, SupportsPosterior):
        mu, logvar = model.posterior(x)
        assert mu.shape == logvar.shape == (4, model.latent_dim)  # type: ignore[attr-defined]
        assert torch.equal(model.encode(x), mu)  # type: ignore[attr-defined]
    if isinstance(model, SupportsCorruption):
        assert twice(lambda g: model.corrupt(x, generator=g)).shape == x.shape
    if isinstance(model, SupportsElbo):
        recon, kl = model.elbo(x, generator=torch.Generator().manual_seed(0))
        assert recon.shape == kl.shape == (4,)
        assert float(kl.min()) >= 0
    if isinstance(model, SupportsProgressiveSampling):
        *_, last = model.sample_iter(3, generator=torch.Generator().manual_seed(5), every=9)
        assert torch.equal(last, model.sample(3, generator=torch.Generator().manual_seed(5)))  # type: ignore[attr-defined]
    if isinstance(model, SupportsCompletion):
        known = torch.zeros(x.shape[1:] if audio else x.shape[2:], dtype=torch.bool)
        known[:20] = True
        completed = twice(lambda g: list(model.complete(x, known, generator=g))[-1])
        assert torch.equal(completed[..., known], x[..., known])
        assert float(completed.abs().max()) <= 1
    if isinstance(model, SupportsLikelihood):
        nats = model.log_prob(x)
        assert nats.shape == (4,)
        assert float(nats.max()) < 0
    if isinstance(model, SupportsTranslation):
        there, back = model.translate(x, "a_to_b"), model.translate(x, "b_to_a")
        assert there.shape == back.shape == x.shape
        assert not torch.equal(there, back)
        with pytest.raises(CapabilityError, match=f"multiples of {model.multiple}"):
            model.translate(x[..., : model.multiple + 1], "a_to_b")
    if isinstance(model, SupportsStylizing):
        needs_style = "painting" in capabilities.of(model)
        style = x[:1, :, :20, :24] if needs_style else None
        painted = list(model.stylize(x[1:2, :, :27], style, steps=3))
        assert len(painted) == (3 if needs_style else 1)
        assert all(p.shape == (1, 1, 27, 28) and float(p.abs().max()) <= 1 for p in painted)
        assert not torch.equal(painted[-1], x[1:2, :, :27])
        with pytest.raises(CapabilityError, match="style"):
            next(model.stylize(x[:1], None if needs_style else x[:1]))
    if isinstance(model, SupportsScoring):
        condition = {key: torch.arange(4) % count for key, count in model.conditions.items()} or None
        assert model.score(x, condition=condition).shape == (4,)
    if isinstance(model, SupportsClassification):
        assert model.classify(x).shape == (4, 10)
    assert torch.equal(random_state, torch.get_rng_state()), "inference must not use the global generator"
    assert set(capabilities.of(model)) == set(capabilities.of_class(type(model)))


@pytest.mark.slow
def test_overfits_one_tiny_batch(name: str) -> None:
    """A network that cannot memorise eight images has a mistake in it."""
    plain: dict[str, dict[str, Any]] = {
        "cnn_classifier": {"shift": 0, "dropout": 0.0},
        "cyclegan": {"zoom": 1.0, "flip": False},
        "mean_flow": {"intervals": 0, "guidance_mix": 0, "trained_guidance": 1, "loss_power": 0},  # a fixed target
        "vqvae": {"downsamplings": 1, "codes": 32},  # noise has 16 patterns of 2x2 pixels, and 65,536 of 4x4
        "vqvae_prior": {"code_dropout": 0.0},
    }
    model = small_model(name, **plain.get(name, {})).train()
    optimizers = model.configure_optimizers()
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = 2e-3
    batch = dict(digit_batch(8))
    is_gan = isinstance(model, SupportsSampling) and bool(model.training_only)
    # A GAN, whose losses need not fall, learns one image, and its samples come close to it.
    batch["image"] = (batch["image"][:1].repeat(8, 1, 1, 1) if is_gan else batch["image"]).sign() * 0.9

    def distance() -> float:
        with torch.no_grad():
            images = model.sample(64, generator=torch.Generator().manual_seed(0))  # type: ignore[operator]
        return float((images - batch["image"][:1]).abs().mean())

    before = distance() if is_gan else 0.0
    # CycleGAN's step passes six times through two generators, and the perceptual loss falls fast.
    steps = 60 if "image_a" in model.batch_keys or name == "fast_style" else 400
    losses = [model.training_step(batch, optimizers, step) for step in range(steps)]
    if is_gan:
        assert distance() < 0.5 * before
    else:
        assert float(losses[-1]["loss/total"]) < 0.7 * float(losses[0]["loss/total"])


def test_a_loss_that_is_not_finite_leaves_the_weights_unchanged(name: str) -> None:
    model = small_model(name)
    parameter = next(iter(model.trainable().values()))
    before = parameter.clone()
    optimizer = make_optimizer("sgd", model, 0.1)
    with pytest.raises(DivergedError, match="learning rate"):
        update(optimizer, parameter.sum() * float("nan"))
    assert torch.equal(parameter, before)


def test_scoring_without_the_discriminator_raises(name: str) -> None:
    model = small_model(name)
    for part in model.training_only:
        setattr(model, part, None)
    if isinstance(model, SupportsScoring):
        with pytest.raises(CapabilityError, match=f"without its {next(iter(model.training_only))}"):
            model.score(digit_batch(1)["image"])
    with pytest.raises(UnknownNameError, match="did you mean"):
        registry.get(name + "x")


def test_registering_a_second_class_of_the_name_raises(name: str) -> None:
    cls = registry.get(name)
    impostor = type("Impostor", (cls,), {"__module__": "elsewhere"})
    with pytest.raises(ValueError, match="two models"):
        registry.register(name)(impostor)
    assert registry.get(name) is cls
