"""Kernels that the tuner times: offered if a model can use them, chosen if faster, and used only then."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
import torch

from genmodels import kernels
from genmodels.config import Runtime
from genmodels.kernels import candidates
from genmodels.recipes import Spec, family, parse_overrides, resolve
from genmodels.runs import checkpoint
from genmodels.training import tune
from tests.conftest import SMALL, small_model

SUPPORTED = {
    "gan": ["dropout"],
    "cgan": ["dropout"],
    "dcgan": ["convolution"],
    "wgan": [],
    "wgan_gp": ["convolution", "penalised_critic"],
    "vae": [],
    "wavenet": [],
}


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_model_is_offered_the_kernels_of_its_layers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(name)
    assert candidates.supported(model) == SUPPORTED[name]
    monkeypatch.setattr(kernels, "ENABLED", False)
    assert candidates.supported(model) == []


def _spec(name: str, precision: str) -> Spec:
    patch = parse_overrides(
        [f"train.precision={precision}", "train.compile=off", "run.threads=1", "train.max_steps=90000"]
    )
    return resolve(family(name), overrides={**patch, "model": SMALL[name]})


@pytest.mark.parametrize(
    ("name", "precision", "faster", "timed", "chosen"),
    [
        ("dcgan", "auto", {"convolution"}, {"convolution"}, ("convolution",)),
        ("dcgan", "auto", set(), {"convolution"}, ()),
        ("dcgan", "bf16", {"convolution"}, {"convolution"}, ("convolution",)),
        ("dcgan", "fp32", {"convolution"}, set(), ()),
        ("gan", "fp32", {"dropout"}, {"dropout"}, ("dropout",)),
        ("gan", "auto", set(), {"dropout"}, ()),
        ("wgan_gp", "fp32", {"convolution", "penalised_critic"}, {"penalised_critic"}, ("penalised_critic",)),
        ("wgan_gp", "auto", {"penalised_critic"}, {"convolution", "penalised_critic"}, ("penalised_critic",)),
        (
            *("wgan_gp", "bf16", {"convolution", "penalised_critic"}),
            *({"convolution", "penalised_critic"}, ("convolution", "penalised_critic")),
        ),
    ],
)
def test_the_tuner_chooses_what_makes_the_step_faster(
    name: str,
    precision: str,
    faster: set[str],
    timed: set[str],
    chosen: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtimes: list[Runtime] = []

    def seconds(_spec: Spec, runtime: Runtime, *_: Any, **__: Any) -> float:
        runtimes.append(runtime)
        value = 0.5 if runtime.precision == "bf16" else 1.0
        for kernel in runtime.kernels:
            value *= 0.5 if kernel in faster else 2.0
        return value

    monkeypatch.setattr(tune, "_seconds_per_step", seconds)
    monkeypatch.setattr(tune, "_seconds_of_base", seconds)
    runtime = tune.choose(_spec(name, precision), MagicMock(), torch.device("cpu"), lambda _text: None)
    assert runtime.kernels == chosen
    assert {kernel for one in runtimes for kernel in one.kernels} == timed
    assert Runtime.parse(runtime.model_dump(mode="json")) == runtime, "as a run folder stores it"


def _penalised(runtime: Runtime) -> bool:
    """Whether a model that is prepared for this runtime uses the penalty's kernel."""
    model = small_model("wgan_gp")
    tune.prepare(model, runtime)
    return model.penalised_loss is not None  # type: ignore[attr-defined]


def test_a_kernel_is_used_only_if_it_is_chosen_and_kernels_are_on(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = Runtime(kernels=("penalised_critic",))
    assert _penalised(chosen)
    assert not _penalised(Runtime())
    monkeypatch.setattr(kernels, "ENABLED", False)
    assert not _penalised(chosen)


@pytest.mark.parametrize(("activation", "used"), [("leaky_relu", True), ("gelu", False)])
def test_a_model_that_a_kernel_does_not_support_stays_as_it_is(activation: str, used: bool) -> None:
    model: Any = small_model("wgan_gp", discriminator_activation=activation)
    candidates.use(model, ["dropout", "penalised_critic"])
    assert (model.penalised_loss is not None) == used


def test_a_kernel_is_used_only_on_a_cpu() -> None:
    """The device meta stands for any other: a run may be resumed on a GPU."""
    with torch.device("meta"):
        model: Any = checkpoint.build(_spec("wgan_gp", "auto").model_dump())
    candidates.use(model, ["penalised_critic"])
    assert model.penalised_loss is None
