"""Parameter counts in recipes, cards and docs are correct."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from genmodels import recipes, registry
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder

ROOT = Path(__file__).parents[2]
COUNT = re.compile(r"(?<![\d.,])(\d[\d,.]*(?: million| thousand)?)\s+(?:weights|parameters|params)\b")
IN_WORDS = re.compile(r"\b(?:a|one|two|some|few) (?:million|thousand|hundred)s?(?: of)?\s+(?:weights|parameters)\b")
SHAPES = {"pattern_1010": (1, 1, 4), "celeba": (3, 64, 64), "cifar10": (3, 32, 32)}


def counts_of(model: str, settings: dict[str, object]) -> set[int]:
    """Parameters of each network, and of all together."""
    with torch.device("meta"):
        built = registry.get(model).build(**settings)
    networks: dict[str, int] = {}
    for key, parameter in built.trainable().items():
        name = key.split(".")[0]
        networks[name] = networks.get(name, 0) + parameter.numel()
    return {*networks.values(), sum(networks.values())}


def counts_of_recipe(name: str) -> set[int]:
    recipe = recipes.get(name)
    size = recipe.data.get("size")
    shape = SHAPES.get(recipe.data["name"], (1, 28, 28))
    shape = (shape[0], size, size) if size else shape
    classes = 0 if recipe.data["name"] == "pattern_1010" else 10
    return counts_of(recipe.family, {**recipe.model, "image_shape": shape, "num_classes": classes})


def stated(text: str) -> list[int]:
    found = COUNT.findall(text)
    assert not IN_WORDS.search(text), f"a rounded count: {IN_WORDS.search(text)}"
    assert not any(" " in count or "." in count for count in found), f"a rounded count: {found}"
    return [int(count.replace(",", "")) for count in found]


def test_the_counts_are_found() -> None:
    assert stated("41 parameters and 1,234 weights of 5 layers") == [41, 1234]
    for text in ("1.3 million weights", "a million weights", "2 thousand parameters"):
        with pytest.raises(AssertionError, match="rounded"):
            stated(text)


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_states_the_parameters_that_its_network_has(name: str) -> None:
    recipe = recipes.get(name)
    text = f"{recipe.title} {recipe.description} {recipe.source}"
    counts = stated(text)
    if not counts:
        return
    others = [other for other in re.findall(r"`(\w+)`", text) if other in recipes.names()]
    assert set(counts) <= set().union(*(counts_of_recipe(each) for each in (name, *others)))
    assert set(counts) & counts_of_recipe(name)


@pytest.mark.parametrize("path", sorted((ROOT / "checkpoints").iterdir()), ids=lambda path: path.name)
def test_a_card_states_the_parameters_that_its_network_has(path: Path) -> None:
    text = (path / "README.md").read_text(encoding="utf-8")
    counts = stated(text)
    if not counts:
        return
    spec = RunFolder(catalog.find(path.name)).spec()
    others = [spec.recipe, *re.findall(r"`(\w+)`", text)]
    known = counts_of(spec.family, spec.model).union(
        *(counts_of_recipe(other) for other in others if other in recipes.names())
    )
    assert set(counts) <= known


def test_texts_that_were_corrected_stay_so() -> None:
    """Sizes and lengths that the sources do not give are marked as the project's own."""
    assert "It names no sizes, optimizer or batch" in recipes.get("mnist_gan_256").source
    assert "ours: batch 100" in recipes.get("mnist_gan_wide").source
    assert "It names no latent size, optimizer or batch" in recipes.get("dcgan_64").source
    assert "batch 256" in recipes.get("cifar10_darknet").source
    assert "one hidden layer" in recipes.get("mnist_vae_2d_deep").source
    assert "15x15 scores" in recipes.get("horse2zebra_cyclegan_unet").source
    assert "few thousand" not in recipes.get("flowers_dcgan_64").title
