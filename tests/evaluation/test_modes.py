"""Stacked digits, and the count of modes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.evaluation import evaluate, modes
from tests.conftest import small_model, small_spec


def test_each_channel_is_the_digit_of_its_place() -> None:
    stacked = data.load(DataConfig(name="stacked_digits"), "test")
    assert stacked.images.shape == (2_000, 3, 28, 28)
    singles = data.load(DataConfig(name="digits"), "test")
    digit_of = {image.tobytes(): label for image, label in zip(singles.images, singles.labels, strict=True)}
    for image, label in zip(stacked.images[:50], stacked.labels[:50], strict=True):
        assert [digit_of[channel.tobytes()] for channel in image] == [int(digit) for digit in f"{label:03d}"]
    again = data.load(DataConfig(name="stacked_digits"), "test")
    assert np.array_equal(again.images, stacked.images)
    train = data.load(DataConfig(name="stacked_digits"), "train")
    assert len(np.unique(train.labels)) == 1_000


def test_modes_of_hand_counted_samples() -> None:
    assert modes.of_modes(torch.arange(1_000)) == {"modes/found": 1_000.0, "modes/kl": pytest.approx(0, abs=1e-9)}
    assert modes.of_modes(torch.full((50,), 7)) == {"modes/found": 1.0, "modes/kl": pytest.approx(math.log(1_000))}
    uneven = modes.of_modes(torch.tensor([3, 3, 3, 999]))
    expected = 0.75 * math.log(750) + 0.25 * math.log(250)
    assert uneven == {"modes/found": 2.0, "modes/kl": pytest.approx(expected)}


@pytest.mark.slow
def test_real_stacks_have_the_modes_of_their_labels() -> None:
    stacked = data.load(DataConfig(name="stacked_digits"), "test")
    found = modes.measure(to_float(torch.from_numpy(stacked.images[:1_000].copy())))["modes/found"]
    assert abs(found - len(np.unique(stacked.labels[:1_000]))) <= 15, "the classifier misreads a few"


@pytest.mark.slow
def test_a_model_of_stacked_digits_is_measured() -> None:
    spec = small_spec("dcgan", "data.name=stacked_digits")
    model = small_model("dcgan", image_shape=(3, 28, 28), num_classes=1_000).eval()
    metrics = evaluate(model, spec, samples=60)
    assert 1 <= metrics["modes/found"] <= 60
