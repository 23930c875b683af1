"""Which pictures the figures are made of: test or training ones, drawn anew or again, and with which class asked."""

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

FEW = 200  # pictures of each split, and drawn: so few that every figure is of all of them, in whichever order


class Watched:
    """What a model draws, and what its discriminator is asked, from now on."""

    def __init__(self, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
        self.drawn: list[Tensor] = []
        self.asked_for: list[Any] = []
        self.scored: list[tuple[Tensor, Any]] = []
        sample, score = model.sample, model.score

        def noted_sample(n: int, **given: Any) -> Tensor:
            pictures = sample(n, **given)
            self.drawn.append(pictures.clone())
            self.asked_for.append(given.get("condition"))
            return pictures

        def noted_score(x: Tensor, **given: Any) -> Tensor:
            self.scored.append((x.clone(), given.get("condition")))
            return score(x, **given)

        monkeypatch.setattr(model, "sample", noted_sample)
        monkeypatch.setattr(model, "score", noted_score)

    def first(self, count: int) -> Tensor:
        return torch.cat(self.drawn)[:count]


def rows(pictures: Tensor) -> list[bytes]:
    return [picture.numpy().tobytes() for picture in pictures.contiguous()]


def pictures_of(arrays: Arrays) -> Tensor:
    return to_float(torch.from_numpy(arrays.images.copy()))


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> dict[str, Arrays]:
    """Real digits, but those of the test split are white on black and those to train on black on white."""
    loaded = {split: data.load(DataConfig(name="digits"), split) for split in ("test", "train")}  # type: ignore[arg-type]
    few = {split: Arrays(images=part.images[:FEW], labels=part.labels[:FEW]) for split, part in loaded.items()}
    few["train"] = Arrays(images=np.ascontiguousarray(255 - few["train"].images), labels=few["train"].labels)
    monkeypatch.setattr(data, "load", lambda _config, split: few[split])
    return few


@pytest.fixture
def spec() -> Spec:
    return resolve(family("dcgan"))


def test_the_distance_is_to_test_pictures_and_the_real_one_from_training_to_test_ones(
    splits: dict[str, Arrays], spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model("dcgan").eval()
    watched = Watched(model, monkeypatch)
    found = evaluate(model, spec, samples=FEW)
    of_test, of_train = (reference_classifier.features(pictures_of(splits[split])) for split in ("test", "train"))
    of_drawn = reference_classifier.features(watched.first(FEW))
    expected, wrong = frechet(of_drawn, of_test), frechet(of_drawn, of_train)
    assert abs(expected - wrong) > 0.05 * expected, "so that the two splits can be told apart"
    assert found["judge/frechet"] == pytest.approx(expected, rel=1e-3)
    assert found["judge/frechet_real"] == pytest.approx(frechet(of_train, of_test), rel=1e-3)
    assert brief(model, spec, samples=FEW)["judge/frechet"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("samples", [300, 1500])
def test_as_many_pictures_are_drawn_as_asked_and_none_twice(
    samples: int, spec: Spec, splits: dict[str, Arrays], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model("dcgan").eval()
    watched, judged = Watched(model, monkeypatch), []
    real_verdicts = reference_classifier.predictions

    def noted(images: Tensor) -> Tensor:
        judged.append(images.clone())
        return real_verdicts(images)

    monkeypatch.setattr(reference_classifier, "predictions", noted)
    monkeypatch.setattr(
        reference_classifier, "class_histogram", lambda images: reference_classifier.class_fractions(noted(images))
    )
    brief(model, spec, samples=samples)
    (shown,) = judged
    assert len(shown) == samples
    assert len(set(rows(shown))) == samples
    assert set(rows(shown)) == set(rows(torch.cat(watched.drawn)))


def test_the_seed_decides_what_is_drawn(spec: Spec, splits: dict[str, Arrays], monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model("dcgan").eval()
    watched = Watched(model, monkeypatch)
    for seed in (0, 0, 1):
        brief(model, spec, samples=20, seed=seed)
    first, again, other = torch.cat(watched.drawn).split(20)
    assert torch.equal(first, again)
    assert not set(rows(first)) & set(rows(other))


def test_a_conditional_discriminator_is_told_the_class_of_each_picture(
    splits: dict[str, Arrays], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_classifier, "published", lambda: False)  # it would read 10,000 pictures
    model = small_model("cgan").eval()
    watched = Watched(model, monkeypatch)
    found = evaluate(model, resolve(family("cgan")), samples=FEW)
    test = splits["test"]
    true = dict(zip(rows(pictures_of(test)), test.labels.tolist(), strict=True))
    asked = {
        row: int(label)
        for pictures, condition in zip(watched.drawn, watched.asked_for, strict=True)
        if condition is not None
        for row, label in zip(rows(pictures), condition["label"], strict=True)
    }
    real_logits, fake_logits, told = [], [], []
    for pictures, condition in watched.scored:
        logits = type(model).score(model, pictures, condition=condition)
        for row, label, logit in zip(rows(pictures), condition["label"].tolist(), logits.tolist(), strict=True):
            assert label == (true[row] if row in true else asked[row])
            (real_logits if row in true else fake_logits).append(logit)
            if row not in true:
                told.append(label)
    assert len(real_logits) == len(fake_logits) == FEW
    assert len(set(true) & {row for pictures, _ in watched.scored for row in rows(pictures)}) == FEW, "all, of test"
    assert torch.bincount(torch.tensor(told), minlength=10).tolist() == [FEW // 10] * 10, "asked for evenly"
    assert found["score/real"] == pytest.approx(float(torch.tensor(real_logits).sigmoid().mean()), rel=1e-4)
    assert found["score/fake"] == pytest.approx(float(torch.tensor(fake_logits).sigmoid().mean()), rel=1e-4)
