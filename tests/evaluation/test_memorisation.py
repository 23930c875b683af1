"""Memorisation metrics distinguish copies from new images; error bars."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from genmodels import data, evaluation, recipes
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.evaluation import memorisation
from genmodels.evaluation.splits import fifths, with_spreads


def noise(count: int, seed: int, shape: tuple[int, int, int] = (3, 4, 4)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def images(pixels: np.ndarray) -> torch.Tensor:
    return to_float(torch.from_numpy(pixels.copy()))


def test_new_images_are_new_and_copies_are_copies() -> None:
    train, test, new = noise(400, 0), images(noise(300, 1)), images(noise(300, 2))
    found = memorisation.measure(new, test, train)
    assert found["memory/nearest_ratio"] == pytest.approx(1, abs=0.05)
    assert found["memory/copied_fraction"] < 0.04
    assert 0 < found["memory/nearest_ratio_spread"] < 0.1
    copied = memorisation.measure(images(train[100:400]), test, train)
    assert copied["memory/nearest_ratio"] == 0
    assert copied["memory/copied_fraction"] == 1
    assert copied["memory/copied_fraction_spread"] == 0
    near = images(train[100:400]) + 0.05 * torch.randn(300, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert memorisation.measure(near, test, train)["memory/copied_fraction"] == 1


def test_some_copies_among_new_images_are_counted_although_the_median_is_high() -> None:
    train, test = noise(400, 0), images(noise(300, 1))
    mixed = torch.cat([images(train[:80]), images(noise(120, 2))])
    found = memorisation.measure(mixed, test, train)
    assert found["memory/nearest_ratio"] > 0.8, "so the median alone is that of new images"
    assert found["memory/copied_fraction"] == pytest.approx(0.4, abs=0.03)


def test_mirrored_copies_count_if_training_mirrored_images() -> None:
    train, test = noise(400, 0), images(noise(300, 1))
    mirrored = images(train[:200]).flip(3)
    assert memorisation.measure(mirrored, test, train)["memory/copied_fraction"] < 0.05
    assert memorisation.measure(mirrored, test, train, mirrored=True)["memory/copied_fraction"] == 1
    assert memorisation.measure(images(train[:200]), test, train, mirrored=True)["memory/nearest_ratio"] == 0


def test_the_nearest_is_that_of_all_pairs() -> None:
    train, queries = noise(4_500, 0), images(noise(40, 1))  # three chunks
    by_hand = torch.stack([(images(train) - one).flatten(1).norm(dim=1).min() for one in queries])
    torch.testing.assert_close(memorisation.nearest(queries, train), by_hand)
    both = torch.minimum(by_hand, memorisation.nearest(queries.flip(3), train))
    torch.testing.assert_close(memorisation.nearest(queries, train, mirrored=True), both)


def test_larger_sets_are_searched_completely_for_fewer_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memorisation, "_PRODUCTS", 1.0)
    train, test = noise(400, 0), images(noise(300, 1))
    queries = []
    nearest = memorisation.nearest
    monkeypatch.setattr(
        memorisation,
        "nearest",
        lambda rows, pool, **given: queries.append((len(rows), len(pool))) or nearest(rows, pool),
    )
    assert memorisation.measure(images(train), test, train)["memory/copied_fraction"] == 1
    assert queries == [(200, 400)]


def test_duplicated_data_have_no_memorisation_metrics() -> None:
    train = noise(1, 0)
    assert memorisation.measure(images(noise(40, 1)), images(train).expand(40, -1, -1, -1), train) == {}


class Copies:
    """Samples the training images from `first` on, mirrored if `mirrored`."""

    modality, title, device = "image", "copies", torch.device("cpu")
    training_only: frozenset[str] = frozenset()

    def __init__(self, train: np.ndarray, first: int, mirrored: bool, flip: bool) -> None:
        self.images = images(train[first:]).flip(3) if mirrored else images(train[first:])
        self.config = SimpleNamespace(flip=flip)
        self.conditions: dict[str, int] = {}

    def sample(self, n: int, *, condition: Any = None, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.images[torch.randint(len(self.images), (n,), generator=generator)]


@pytest.mark.parametrize(("mirrored", "flip", "fraction"), [(False, False, 1), (True, True, 1), (True, False, 0)])
def test_every_training_image_is_searched_and_mirrored_as_in_training(
    tmp_path: Path, mirrored: bool, flip: bool, fraction: float
) -> None:
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        file["images"] = noise(12_000, 0)
        file["test"] = (np.arange(12_000) % 40 == 0).astype(np.uint8)
    spec = recipes.resolve(recipes.family("vae"), overrides={"data": {"name": "hdf5", "path": str(path)}})
    train = data.load(DataConfig(name="hdf5", path=str(path)), "train").images
    found = evaluation.evaluate(Copies(train, 11_000, mirrored, flip), spec, samples=500)  # type: ignore[arg-type]
    assert found["memory/copied_fraction"] == pytest.approx(fraction, abs=0.05)
    assert (found["memory/nearest_ratio"] < 0.01) == (fraction == 1)
    assert found["diversity/samples_spread"] > 0


def test_a_spread_is_the_deviation_of_five_parts() -> None:
    values = torch.tensor([1.0, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    found = with_spreads(lambda part: {"mean": float(part.mean())}, values)
    assert found == {"mean": 3.0, "mean_spread": pytest.approx(2.5**0.5)}
    assert fifths(values[:9]) == []
    assert with_spreads(lambda part: {"mean": float(part.mean())}, values[:4]) == {"mean": 1.5}
