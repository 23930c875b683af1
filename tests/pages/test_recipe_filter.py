"""The recipes that fit a data set, on the Train page and as the Data page proposes them."""

from __future__ import annotations

import pytest

from genmodels import data, recipes
from genmodels.data import DataConfig
from genmodels.recipes import fitting
from tests.support.pages import open_page


def spec_of(name: str, **settings: object):
    return data.get_spec(DataConfig(name=name, **settings))


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        ("digits", "mnist_vae_20"),
        ("fashion_mnist", "mnist_vae_20"),
        ("tones", "tones_wavenet"),
        ("fsdd", "fsdd_wavenet"),
        ("pattern_1010", "pattern_1010_gan"),
    ],
)
def test_a_proposed_recipe_is_made_for_the_data(name, proposed):
    assert fitting.proposed(spec_of(name)) == proposed


def test_every_recipe_fits_its_own_data_and_what_fits_can_be_resolved():
    for name in recipes.names():
        recipe = recipes.get(name)
        config = DataConfig.parse(recipe.data, "data.")
        if config.name in data.own_names():
            continue
        spec = data.get_spec(config)
        assert name in fitting.fitting(spec), name
    for name in fitting.fitting(spec_of("digits")):
        recipes.resolve(recipes.get(name), overrides={"data": {"name": "digits"}}, require_data=False)
    assert not fitting.fits("dcgan_64", spec_of("digits"))
    assert not fitting.fits("mnist_vae_20", spec_of("tones"))


def test_the_train_page_offers_only_recipes_that_fit():
    app = open_page("train", data="digits", fit="1", recipe="mnist_vae_20")
    offered = len(app.selectbox(key="train_recipe").options)
    assert offered == len(fitting.fitting(spec_of("digits"))) < len(recipes.names())
    app.selectbox(key="train_recipe").select("mnist_gan").run()
    assert app.selectbox(key="train_data").value == "digits", "another recipe keeps the data"
    app.toggle(key="train_fitting").set_value(False).run()
    assert len(app.selectbox(key="train_recipe").options) == len(recipes.names())
    assert "fit" not in app.query_params


def test_a_requested_recipe_stays_chosen_though_it_does_not_fit():
    app = open_page("train", data="digits", fit="1", recipe="dcgan_64")
    assert app.selectbox(key="train_recipe").value == "dcgan_64"
    assert len(app.selectbox(key="train_recipe").options) == len(fitting.fitting(spec_of("digits"))) + 1
