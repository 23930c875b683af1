"""The judge, the figures, and the pictures they are made from."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch

from genmodels import catalog, checkpoint, data
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
from genmodels.runfolder import RunFolder
from tests.conftest import small_spec


def test_the_judge_knows_digits() -> None:
    arrays = data.load(DataConfig(name="digits"), "test")
    guessed = reference_classifier.probabilities(to_float(torch.from_numpy(arrays.images.copy()))).argmax(1)
    # These are MNIST training digits, so this only shows that the judge reads pictures the right way round;
    # its accuracy on unseen digits is in its card.
    assert float((guessed == torch.from_numpy(arrays.labels)).float().mean()) > 0.98


def test_the_reference_classifier_reaches_its_accuracy_on_unseen_digits() -> None:
    problem = data.missing(DataConfig(name="mnist"))
    if problem:
        pytest.skip(problem)
    path = catalog.find("mnist_judge")
    assert evaluate(catalog.load(path), RunFolder(path).spec())["accuracy"] >= 0.995


def test_class_figures_by_hand() -> None:
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
    found = misses({"a": 2.0, "b": 0.6, "c": 0.5}, expect)
    assert found == ["a = 2 is outside at most 1", "d was not measured"]


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
    figures = evaluate(catalog.load(path), RunFolder(path).spec(), samples=500)
    assert figures["elbo/negative"] <= 103.3
    assert figures["elbo/negative"] == pytest.approx(figures["elbo/recon"] + figures["elbo/kl"])


def test_the_pattern_gan_draws_the_pattern() -> None:
    path = catalog.find("pattern_1010_gan")
    figures = evaluate(catalog.load(path), RunFolder(path).spec(), samples=500)
    assert figures["pattern/worst_error"] <= 0.15
    assert figures["discriminator/loss"] == pytest.approx(0.25, abs=0.02)


def test_a_grid_keeps_its_pictures() -> None:
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


def test_figures_tell_real_digits_from_noise_and_from_one_digit_only() -> None:
    (test, _), (train, pictures) = digits("test"), digits("train")
    real = digit_metrics.measure(pictures[:500], test, train)
    noise = torch.rand(500, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    ones = pictures[torch.from_numpy(train.labels) == 1][:400]
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


def test_an_order_by_class_does_not_make_real_digits_look_false() -> None:
    (test, _), (train, pictures) = digits("test"), digits("train")
    order = test.labels.argsort(kind="stable")
    sorted_test = Arrays(images=test.images[order], labels=test.labels[order])
    mixed = shuffled(sorted_test)
    for figure in ("judge/kernel", "judge/kernel_real"):
        by_class, at_random = (
            digit_metrics.measure(pictures[:500], part, train)[figure] for part in (sorted_test, mixed)
        )
        assert abs(at_random) < 0.1 * abs(by_class), "each fifth is compared with digits of every class"


def test_shuffling_keeps_labels_with_pictures_and_is_always_the_same() -> None:
    arrays, _ = digits("test")
    mixed, part = shuffled(arrays), shuffled(arrays, 50)
    assert not np.array_equal(mixed.labels, arrays.labels)
    assert np.array_equal(part.images, mixed.images[:50])
    assert np.array_equal(part.labels, mixed.labels[:50])
    row = {picture.tobytes(): label for picture, label in zip(arrays.images, arrays.labels, strict=True)}
    assert [row[picture.tobytes()] for picture in mixed.images] == mixed.labels.tolist()
    assert sorted(mixed.labels.tolist()) == sorted(arrays.labels.tolist())


def test_a_discriminator_with_batch_normalisation_is_asked_about_batches_of_one_kind() -> None:
    spec = small_spec("dcgan", "model.discriminator_norm=batch")
    torch.manual_seed(0)
    model = checkpoint.build(spec.model_dump()).eval()
    arrays, pictures = digits("test")
    found = discriminator_scores.score_samples(model, arrays, 200)
    before = model.score(pictures[:200]).sigmoid()  # type: ignore[operator]
    model.discriminator.train()  # type: ignore[union-attr, operator]
    by_batch = model.score(pictures[:200]).sigmoid()  # type: ignore[operator]
    torch.testing.assert_close(found.real, by_batch)
    assert not torch.allclose(before, by_batch, atol=1e-3)


def test_agreement_counts_what_was_drawn_as_asked() -> None:
    train, pictures = digits("train")

    class Copies:
        """Draws a training digit of the class it is asked for, but a 3 for every 7."""

        device = torch.device("cpu")

        def sample(self, n: int, *, condition: dict[str, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
            first = {digit: int((train.labels == digit).argmax()) for digit in range(10)}
            return pictures[[first[3 if label == 7 else label] for label in condition["label"].tolist()]]

    found = digit_metrics.class_agreement(Copies(), samples=1000, seed=0)  # type: ignore[arg-type]
    assert found["labels/agreement"] == pytest.approx(0.9, abs=0.001)
    assert found["labels/agreement_spread"] < 0.01, "each fifth asks evenly as well"


@pytest.mark.parametrize(("real", "drawn"), [(2000, 2000), (2000, 400), (400, 2000)])
def test_what_is_alike_is_covered_whatever_the_sizes_of_the_clouds(real: int, drawn: int) -> None:
    generator = torch.Generator().manual_seed(0)
    clouds = [torch.randn(size, 8, generator=generator) for size in (real, drawn)]
    found = digit_metrics._precision_recall(*clouds)
    # A real picture is left out where none of k = 5 neighbours' places is taken: 2^-5 = 0.03 in clouds of one size.
    assert found["judge/coverage"] == pytest.approx(0.97, abs=0.03)
    assert found["judge/density"] == pytest.approx(1, abs=0.1)


def test_of_few_pictures_only_the_classes_are_counted() -> None:
    (test, _), (train, pictures) = digits("test"), digits("train")
    few = replace(test, images=test.images[: digit_metrics.FEWEST - 1], labels=test.labels[: digit_metrics.FEWEST - 1])
    found = digit_metrics.measure(pictures[:100], few, train)
    assert found["classes/above_1_percent"] == 10
    assert not [name for name in found if name.startswith("judge/")]
    enough = replace(test, images=test.images[: digit_metrics.FEWEST], labels=test.labels[: digit_metrics.FEWEST])
    assert {f"judge/{name}" for name in ("frechet", "kernel", "coverage_spread")} <= {
        *digit_metrics.measure(pictures[:100], enough, train)
    }


def test_a_conditional_pixelcnn_is_asked_for_classes_as_often_as_pictures_are_drawn() -> None:
    spec = small_spec("pixelcnn", "model.conditional=true")
    model = checkpoint.build(spec.model_dump()).eval()
    asked: list[int] = []
    sample = model.sample  # type: ignore[attr-defined]

    def counting(n: int, **kwargs: Any) -> torch.Tensor:
        asked.append(n if kwargs.get("condition") else 0)
        return cast("torch.Tensor", sample(n, **kwargs))

    model.sample = counting  # type: ignore[attr-defined]
    found = evaluate(model, spec, samples=30)
    assert sum(asked) == 30
    assert 0 <= found["labels/agreement"] <= 1


def test_copied_digits_are_found_and_unseen_ones_are_not() -> None:
    (_, unseen), (train, pictures) = digits("test"), digits("train")
    half = len(unseen) // 2
    copied = memorisation.measure(pictures[-300:], unseen, train.images)
    assert (copied["memory/nearest_ratio"], copied["memory/copied_fraction"]) == (0, 1)
    new = memorisation.measure(unseen[:half], unseen[half:], train.images)
    assert new["memory/nearest_ratio"] == pytest.approx(1, abs=0.1)
    assert new["memory/copied_fraction"] < 0.05
