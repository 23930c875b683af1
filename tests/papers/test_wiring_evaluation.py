"""The images behind the metrics: split, seeds of the samples, and conditions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.evaluation import brief, evaluate, reference_classifier
from genmodels.evaluation.distances import frechet
from genmodels.model import Model
from genmodels.recipes import Spec, family, resolve
from tests.conftest import small_model

FEW = 200  # images per split, and samples: so few that every metric uses all of them


class Recorded:
    """Records the samples of a model and the inputs of its discriminator."""

    def __init__(self, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
        self.samples: list[Tensor] = []
        self.conditions: list[Any] = []
        self.scored: list[tuple[Tensor, Any]] = []
        sample, score = model.sample, model.score

        def recorded_sample(n: int, **options: Any) -> Tensor:
            images = sample(n, **options)
            self.samples.append(images.clone())
            self.conditions.append(options.get("condition"))
            return images

        def recorded_score(x: Tensor, **options: Any) -> Tensor:
            self.scored.append((x.clone(), options.get("condition")))
            return score(x, **options)

        monkeypatch.setattr(model, "sample", recorded_sample)
        monkeypatch.setattr(model, "score", recorded_score)

    def first(self, count: int) -> Tensor:
        return torch.cat(self.samples)[:count]


def rows(images: Tensor) -> list[bytes]:
    return [image.numpy().tobytes() for image in images.contiguous()]


def to_images(arrays: Arrays) -> Tensor:
    return to_float(torch.from_numpy(arrays.images.copy()))


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> dict[str, Arrays]:
    """Real digits: the test split white on black, the training split black on white."""
    loaded = {split: data.load(DataConfig(name="digits"), split) for split in ("test", "train")}  # type: ignore[arg-type]
    few = {split: Arrays(images=part.images[:FEW], labels=part.labels[:FEW]) for split, part in loaded.items()}
    few["train"] = Arrays(images=np.ascontiguousarray(255 - few["train"].images), labels=few["train"].labels)
    monkeypatch.setattr(data, "load", lambda _config, split: few[split])
    return few


@pytest.fixture
def spec() -> Spec:
    return resolve(family("dcgan"))


@pytest.mark.slow
def test_the_fid_uses_test_images_and_the_real_fid_training_and_test_images(
    splits: dict[str, Arrays], spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model("dcgan").eval()
    recorded_model = Recorded(model, monkeypatch)
    metrics = evaluate(model, spec, samples=FEW)
    of_test, of_train = (reference_classifier.features(to_images(splits[split])) for split in ("test", "train"))
    of_samples = reference_classifier.features(recorded_model.first(FEW))
    expected, wrong = frechet(of_samples, of_test), frechet(of_samples, of_train)
    assert abs(expected - wrong) > 0.05 * expected, "so that the two splits can be distinguished"
    assert metrics["judge/frechet"] == pytest.approx(expected, rel=1e-3)
    assert metrics["judge/frechet_real"] == pytest.approx(frechet(of_train, of_test), rel=1e-3)
    assert brief(model, spec, samples=FEW)["judge/frechet"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [300, 1500])
def test_the_requested_number_of_different_samples_is_generated(
    samples: int, spec: Spec, splits: dict[str, Arrays], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model("dcgan").eval()
    recorded_model, classified = Recorded(model, monkeypatch), []
    real_predictions = reference_classifier.predictions

    def recorded(images: Tensor) -> Tensor:
        classified.append(images.clone())
        return real_predictions(images)

    monkeypatch.setattr(reference_classifier, "predictions", recorded)
    monkeypatch.setattr(
        reference_classifier, "class_histogram", lambda images: reference_classifier.class_fractions(recorded(images))
    )
    brief(model, spec, samples=samples)
    (shown,) = classified
    assert len(shown) == samples
    assert len(set(rows(shown))) == samples
    assert set(rows(shown)) == set(rows(torch.cat(recorded_model.samples)))


def test_the_seed_determines_the_samples(
    spec: Spec, splits: dict[str, Arrays], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model("dcgan").eval()
    recorded_model = Recorded(model, monkeypatch)
    for seed in (0, 0, 1):
        brief(model, spec, samples=20, seed=seed)
    first, again, other = torch.cat(recorded_model.samples).split(20)
    assert torch.equal(first, again)
    assert not set(rows(first)) & set(rows(other))


def test_a_conditional_discriminator_gets_the_class_of_each_image(
    splits: dict[str, Arrays], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_classifier, "published", lambda: False)  # it would read 10,000 images
    model = small_model("cgan").eval()
    recorded_model = Recorded(model, monkeypatch)
    metrics = evaluate(model, resolve(family("cgan")), samples=FEW)
    test = splits["test"]
    true = dict(zip(rows(to_images(test)), test.labels.tolist(), strict=True))
    conditioned = {
        row: int(label)
        for images, condition in zip(recorded_model.samples, recorded_model.conditions, strict=True)
        if condition is not None
        for row, label in zip(rows(images), condition["label"], strict=True)
    }
    real_logits, fake_logits, labels = [], [], []
    for images, condition in recorded_model.scored:
        logits = type(model).score(model, images, condition=condition)
        for row, label, logit in zip(rows(images), condition["label"].tolist(), logits.tolist(), strict=True):
            assert label == (true[row] if row in true else conditioned[row])
            (real_logits if row in true else fake_logits).append(logit)
            if row not in true:
                labels.append(label)
    assert len(real_logits) == len(fake_logits) == FEW
    assert len(set(true) & {row for images, _ in recorded_model.scored for row in rows(images)}) == FEW, "all, of test"
    assert torch.bincount(torch.tensor(labels), minlength=10).tolist() == [FEW // 10] * 10, "balanced over classes"
    assert metrics["score/real"] == pytest.approx(float(torch.tensor(real_logits).sigmoid().mean()), rel=1e-4)
    assert metrics["score/fake"] == pytest.approx(float(torch.tensor(fake_logits).sigmoid().mean()), rel=1e-4)
