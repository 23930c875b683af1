"""Whether a set of copies is told from a set of new pictures, and what error bars say."""

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


def pictures(images: np.ndarray) -> torch.Tensor:
    return to_float(torch.from_numpy(images.copy()))


def test_new_pictures_are_new_and_copies_are_copies() -> None:
    train, test, new = noise(400, 0), pictures(noise(300, 1)), pictures(noise(300, 2))
    found = memorisation.measure(new, test, train)
    assert found["memory/nearest_ratio"] == pytest.approx(1, abs=0.05)
    assert found["memory/copied_fraction"] < 0.04
    assert 0 < found["memory/nearest_ratio_spread"] < 0.1
    copied = memorisation.measure(pictures(train[100:400]), test, train)
    assert copied["memory/nearest_ratio"] == 0
    assert copied["memory/copied_fraction"] == 1
    assert copied["memory/copied_fraction_spread"] == 0
    near = pictures(train[100:400]) + 0.05 * torch.randn(300, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert memorisation.measure(near, test, train)["memory/copied_fraction"] == 1


def test_some_copies_among_new_pictures_are_counted_where_the_median_is_blind() -> None:
    train, test = noise(400, 0), pictures(noise(300, 1))
    mixed = torch.cat([pictures(train[:80]), pictures(noise(120, 2))])
    found = memorisation.measure(mixed, test, train)
    assert found["memory/nearest_ratio"] > 0.8, "so a median alone calls it new"
    assert found["memory/copied_fraction"] == pytest.approx(0.4, abs=0.03)


def test_mirrored_copies_are_copies_where_pictures_were_shown_mirrored() -> None:
    train, test = noise(400, 0), pictures(noise(300, 1))
    turned = pictures(train[:200]).flip(3)
    assert memorisation.measure(turned, test, train)["memory/copied_fraction"] < 0.05
    assert memorisation.measure(turned, test, train, mirrored=True)["memory/copied_fraction"] == 1
    assert memorisation.measure(pictures(train[:200]), test, train, mirrored=True)["memory/nearest_ratio"] == 0


def test_the_nearest_is_that_of_all_pairs() -> None:
    train, asked = noise(4_500, 0), pictures(noise(40, 1))  # three chunks
    by_hand = torch.stack([(pictures(train) - one).flatten(1).norm(dim=1).min() for one in asked])
    torch.testing.assert_close(memorisation.nearest(asked, train), by_hand)
    both = torch.minimum(by_hand, memorisation.nearest(asked.flip(3), train))
    torch.testing.assert_close(memorisation.nearest(asked, train, mirrored=True), both)


def test_larger_sets_are_searched_for_fewer_pictures_but_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memorisation, "_PRODUCTS", 1.0)
    train, test = noise(400, 0), pictures(noise(300, 1))
    asked = []
    nearest = memorisation.nearest
    monkeypatch.setattr(
        memorisation, "nearest", lambda rows, pool, **given: asked.append((len(rows), len(pool))) or nearest(rows, pool)
    )
    assert memorisation.measure(pictures(train), test, train)["memory/copied_fraction"] == 1
    assert asked == [(200, 400)]


def test_data_that_repeat_themselves_tell_nothing() -> None:
    train = noise(1, 0)
    assert memorisation.measure(pictures(noise(40, 1)), pictures(train).expand(40, -1, -1, -1), train) == {}


class Copies:
    """Draws the training pictures from `first` on, mirrored where `turned`."""

    modality, title, device = "image", "copies", torch.device("cpu")
    training_only: frozenset[str] = frozenset()

    def __init__(self, train: np.ndarray, first: int, turned: bool, flip: bool) -> None:
        self.pictures = pictures(train[first:]).flip(3) if turned else pictures(train[first:])
        self.config = SimpleNamespace(flip=flip)
        self.conditions: dict[str, int] = {}

    def sample(self, n: int, *, condition: Any = None, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.pictures[torch.randint(len(self.pictures), (n,), generator=generator)]


@pytest.mark.parametrize(("turned", "flip", "share"), [(False, False, 1), (True, True, 1), (True, False, 0)])
def test_every_training_picture_is_searched_and_mirrored_as_in_training(
    tmp_path: Path, turned: bool, flip: bool, share: float
) -> None:
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        file["images"] = noise(12_000, 0)
        file["test"] = (np.arange(12_000) % 40 == 0).astype(np.uint8)
    spec = recipes.resolve(recipes.family("vae"), overrides={"data": {"name": "hdf5", "path": str(path)}})
    train = data.load(DataConfig(name="hdf5", path=str(path)), "train").images
    found = evaluation.evaluate(Copies(train, 11_000, turned, flip), spec, samples=500)  # type: ignore[arg-type]
    assert found["memory/copied_fraction"] == pytest.approx(share, abs=0.05)
    assert (found["memory/nearest_ratio"] < 0.01) == (share == 1)
    assert found["diversity/samples_spread"] > 0


def test_a_spread_is_the_deviation_of_five_parts() -> None:
    values = torch.tensor([1.0, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    found = with_spreads(lambda part: {"mean": float(part.mean())}, values)
    assert found == {"mean": 3.0, "mean_spread": pytest.approx(2.5**0.5)}
    assert fifths(values[:9]) == []
    assert with_spreads(lambda part: {"mean": float(part.mean())}, values[:4]) == {"mean": 1.5}
