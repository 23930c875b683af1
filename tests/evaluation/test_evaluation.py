"""Metrics, the reference classifier, and the samples they are computed from."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.evaluation import (
    class_balance,
    digit_metrics,
    discriminator_scores,
    evaluate,
    memorisation,
    misses,
    reference_classifier,
)
from genmodels.evaluation.splits import shuffled
from genmodels.images import preview
from genmodels.runs import catalog, checkpoint
from genmodels.runs.folder import RunFolder
from tests.conftest import small_spec


def test_the_reference_classifier_classifies_digits() -> None:
    arrays = data.load(DataConfig(name="digits"), "test")
    guessed = reference_classifier.probabilities(to_float(torch.from_numpy(arrays.images.copy()))).argmax(1)
    # These are MNIST training digits: this only tests the format of images; the accuracy on test digits is in the card.
    assert float((guessed == torch.from_numpy(arrays.labels)).float().mean()) > 0.98


def test_the_reference_classifier_reaches_its_accuracy_on_unseen_digits() -> None:
    problem = data.missing(DataConfig(name="mnist"))
    if problem:
        pytest.skip(problem)
    path = catalog.find("mnist_judge")
    assert evaluate(catalog.load(path), RunFolder(path).spec())["accuracy"] >= 0.995


def test_class_balance_by_hand() -> None:
    even = class_balance(torch.full((10,), 0.1))
    assert even["classes/kl_uniform"] == pytest.approx(0, abs=1e-6)
    assert even["classes/above_1_percent"] == 10
    collapsed = class_balance(torch.tensor([0.75, 0.25, 0, 0, 0, 0, 0, 0, 0, 0]))
    assert collapsed["classes/kl_uniform"] == pytest.approx(
        math.log(10) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25), abs=1e-6
    )
    assert (collapsed["classes/min_fraction"], collapsed["classes/above_1_percent"]) == (0, 2)


def test_misses_names_what_is_out_of_range_or_absent() -> None:
    expect = {"a": (None, 1.0), "b": (0.5, None), "c": (0.0, 1.0), "d": (0.0, 1.0)}
    metrics = misses({"a": 2.0, "b": 0.6, "c": 0.5}, expect)
    assert metrics == ["a = 2 is outside at most 1", "d was not measured"]


def test_diversity_by_hand() -> None:
    black, white = torch.full((1, 1, 2, 2), -1.0), torch.full((1, 1, 2, 2), 1.0)
    assert preview.diversity(torch.cat([black, white])) == pytest.approx(2.0)
    assert preview.diversity(torch.cat([black, black])) == 0
    # of six ordered pairs four are black and white
    assert preview.diversity(torch.cat([black, white, black])) == pytest.approx(4 * 2 / 6)
    assert preview.diversity(black) == 0


def test_the_vae_reaches_the_texts_elbo() -> None:
    problem = data.missing(DataConfig(name="mnist"))
    if problem:
        pytest.skip(problem)
    path = catalog.find("mnist_vae_20")
    metrics = evaluate(catalog.load(path), RunFolder(path).spec(), samples=500)
    assert metrics["elbo/negative"] <= 103.3
    assert metrics["elbo/negative"] == pytest.approx(metrics["elbo/recon"] + metrics["elbo/kl"])


def test_the_pattern_gan_generates_the_pattern() -> None:
    path = catalog.find("pattern_1010_gan")
    metrics = evaluate(catalog.load(path), RunFolder(path).spec(), samples=500)
    assert metrics["pattern/worst_error"] <= 0.15
    assert metrics["discriminator/loss"] == pytest.approx(0.25, abs=0.02)


def test_a_grid_contains_its_images() -> None:
    images = torch.full((5, 1, 4, 4), -1.0)
    images[3] = 1.0
    image = preview.grid(images, columns=3, scale=2, pad=1)
    assert image.size == (2 * (3 * 5 + 1), 2 * (2 * 5 + 1))
    assert image.getpixel((2 * 2, 2 * 7)) == 255, "picture 3 opens the second row"
    assert image.getpixel((2 * 2, 2 * 2)) == 0
    with pytest.raises(ValueError, match="1 or 3"):
        preview.grid(torch.zeros(1, 2, 4, 4))


def digits(split: str) -> tuple[Arrays, torch.Tensor]:
    arrays = data.load(DataConfig(name="digits"), split)  # type: ignore[arg-type]
    return arrays, to_float(torch.from_numpy(arrays.images.copy()))


@pytest.mark.slow
def test_metrics_distinguish_real_digits_from_noise_and_from_a_single_digit() -> None:
    (test, _), (train, images) = digits("test"), digits("train")
    real = digit_metrics.measure(images[:500], test, train)
    noise = torch.rand(500, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    ones = images[torch.from_numpy(train.labels) == 1][:400]
    of_noise, of_ones = digit_metrics.measure(noise, test, train), digit_metrics.measure(ones, test, train)
    assert real["judge/frechet"] < 0.1 * min(of_noise["judge/frechet"], of_ones["judge/frechet"])
    assert real["judge/kernel"] < 0.1 * min(of_noise["judge/kernel"], of_ones["judge/kernel"])
    assert of_noise["judge/precision"] < 0.3 < real["judge/precision"]
    assert of_ones["judge/precision"] > 0.7
    assert of_ones["judge/recall"] < 0.3 < real["judge/recall"]
    assert (of_ones["classes/above_1_percent"], real["classes/above_1_percent"]) == (1, 10)
    assert all(real[f"judge/{name}_spread"] > 0 for name in ("frechet", "kernel", "precision", "coverage"))
    assert real["classes/min_fraction_spread"] > 0
    assert real["classes/fraction_3_spread"] < 0.1


@pytest.mark.slow
def test_sorted_classes_do_not_increase_the_kernel_distance() -> None:
    (test, _), (train, images) = digits("test"), digits("train")
    order = test.labels.argsort(kind="stable")
    sorted_test = Arrays(images=test.images[order], labels=test.labels[order])
    mixed = shuffled(sorted_test)
    by_class, at_random = (digit_metrics.measure(images[:500], part, train) for part in (sorted_test, mixed))
    for metric in ("judge/kernel", "judge/kernel_real"):
        assert abs(at_random[metric]) < 0.1 * abs(by_class[metric]), "each fifth is compared with digits of every class"


def test_shuffling_keeps_labels_with_images_and_is_deterministic() -> None:
    arrays, _ = digits("test")
    mixed, part = shuffled(arrays), shuffled(arrays, 50)
    assert not np.array_equal(mixed.labels, arrays.labels)
    assert np.array_equal(part.images, mixed.images[:50])
    assert np.array_equal(part.labels, mixed.labels[:50])
    row = {picture.tobytes(): label for picture, label in zip(arrays.images, arrays.labels, strict=True)}
    assert [row[picture.tobytes()] for picture in mixed.images] == mixed.labels.tolist()
    assert sorted(mixed.labels.tolist()) == sorted(arrays.labels.tolist())


def test_a_discriminator_with_batch_normalisation_uses_the_statistics_of_each_batch() -> None:
    spec = small_spec("dcgan", "model.discriminator_norm=batch")
    torch.manual_seed(0)
    model = checkpoint.build(spec.model_dump()).eval()
    arrays, images = digits("test")
    metrics = discriminator_scores.score_samples(model, arrays, 200)
    before = model.score(images[:200]).sigmoid()  # type: ignore[operator]
    model.discriminator.train()  # type: ignore[union-attr, operator]
    by_batch = model.score(images[:200]).sigmoid()  # type: ignore[operator]
    torch.testing.assert_close(metrics.real, by_batch)
    assert not torch.allclose(before, by_batch, atol=1e-3)


def test_class_agreement_counts_samples_of_the_conditioned_class() -> None:
    train, images = digits("train")

    class Copies:
        """Samples a training digit of the given class, but a 3 for every 7."""

        device = torch.device("cpu")

        def sample(self, n: int, *, condition: dict[str, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
            first = {digit: int((train.labels == digit).argmax()) for digit in range(10)}
            return images[[first[3 if label == 7 else label] for label in condition["label"].tolist()]]

    metrics = digit_metrics.class_agreement(Copies(), samples=1000, seed=0)  # type: ignore[arg-type]
    assert metrics["labels/agreement"] == pytest.approx(0.9, abs=0.001)
    assert metrics["labels/agreement_spread"] < 0.01, "each fifth is balanced over classes as well"


@pytest.mark.parametrize(("real", "generated"), [(2000, 2000), (2000, 400), (400, 2000)])
def test_equal_distributions_are_covered_for_any_sizes(real: int, generated: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(size, 8, generator=generator) for size in (real, generated)]
    metrics = digit_metrics._precision_recall(*features)
    # A real point is uncovered if none of its k = 5 neighbours is generated: 2^-5 = 0.03 for sets of equal size.
    assert metrics["judge/coverage"] == pytest.approx(0.97, abs=0.03)
    assert metrics["judge/density"] == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_only_classes_are_counted_for_few_images() -> None:
    (test, _), (train, images) = digits("test"), digits("train")
    few = replace(test, images=test.images[: digit_metrics.FEWEST - 1], labels=test.labels[: digit_metrics.FEWEST - 1])
    metrics = digit_metrics.measure(images[:100], few, train)
    assert metrics["classes/above_1_percent"] == 10
    assert not [name for name in metrics if name.startswith("judge/")]
    enough = replace(test, images=test.images[: digit_metrics.FEWEST], labels=test.labels[: digit_metrics.FEWEST])
    assert {f"judge/{name}" for name in ("frechet", "kernel", "coverage_spread")} <= {
        *digit_metrics.measure(images[:100], enough, train)
    }


@pytest.mark.slow
def test_a_conditional_pixelcnn_samples_with_conditions() -> None:
    spec = small_spec("pixelcnn", "model.conditional=true")
    model = checkpoint.build(spec.model_dump()).eval()
    conditioned: list[int] = []
    sample = model.sample  # type: ignore[attr-defined]

    def counting(n: int, **kwargs: Any) -> torch.Tensor:
        conditioned.append(n if kwargs.get("condition") else 0)
        return cast("torch.Tensor", sample(n, **kwargs))

    model.sample = counting  # type: ignore[attr-defined]
    metrics = evaluate(model, spec, samples=30)
    assert sum(conditioned) == 30
    assert 0 <= metrics["labels/agreement"] <= 1


def test_copied_digits_are_found_and_unseen_ones_are_not() -> None:
    (_, unseen), (train, images) = digits("test"), digits("train")
    half = len(unseen) // 2
    copied = memorisation.measure(images[-300:], unseen, train.images)
    assert (copied["memory/nearest_ratio"], copied["memory/copied_fraction"]) == (0, 1)
    new = memorisation.measure(unseen[:half], unseen[half:], train.images)
    assert new["memory/nearest_ratio"] == pytest.approx(1, abs=0.1)
    assert new["memory/copied_fraction"] < 0.05
