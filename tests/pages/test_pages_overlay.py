"""Several runs in one chart, and a run trained again with changes."""

from __future__ import annotations

import json
from array import array

import pytest

import train_jobs
from genmodels import recipes
from genmodels.data import DataConfig
from genmodels.runs.folder import RunFolder, runs_root
from pages.components import trainable
from pages.components.metrics_tail import Line
from pages.parts.runs import overlay_chart
from tests.support.pages import open_page

RECIPE = "pattern_1010_gan"


def run(number: int, *assignments: str, points: int = 20) -> RunFolder:
    spec = train_jobs.make_spec(RECIPE, None, ["train.max_steps=100", *assignments])
    folder = RunFolder.create(runs_root() / f"{RECIPE}-{number}", spec)
    for step in range(points):
        folder.append_metrics(step, {"loss/discriminator": 1.5 - step / 10, "loss/generator": 0.25 * number + step})
    folder.write_status(phase="finished", step=100, max_steps=100, device="cpu", error=None)
    return folder


def chart(app):
    """The specification of the chart of several runs; None if it is not shown."""
    specs = [json.loads(element.proto.spec) for element in app.get("vega_lite_chart")]
    return next((spec for spec in specs if "strokeDash" in spec.get("encoding", {})), None)


def columns(app) -> dict[str, list[str]]:
    (table,) = [table for table in app.dataframe if "Setting" in table.value.columns]
    return {row.iloc[0]: list(row.iloc[1:]) for _, row in table.value.iterrows()}


def test_steps_become_epochs_and_seconds_without_the_pause_before_a_resume():
    clock = Line(array("q", [0, 10, 20, 30]), array("d", [100.0, 101.0, 502.0, 503.5]))
    place = {"per_epoch": 5, "clock": clock, "resumed": [501.0]}
    assert list(overlay_chart.places([10, 30], "step", **place)) == [10, 30]
    assert list(overlay_chart.places([10, 30], "epoch", **place)) == [2, 6]
    assert list(overlay_chart.places([0, 10, 20, 30], "seconds", **place)) == [0, 1, 2, 3.5]
    assert list(overlay_chart.places([20], "seconds", per_epoch=5, clock=clock)) == [402]
    spec = run(1).spec()
    assert trainable.steps_per_epoch(spec) == spec.data_spec.train_size // spec.train.batch_size


def test_a_link_shows_two_runs_with_what_differs_in_their_settings():
    run(1), run(2, "train.batch_size=8", "model.generator_lr=0.25")
    app = open_page("runs", run=f"{RECIPE}-1", overlay=f"{RECIPE}-2,{RECIPE}-1", metric="loss/generator", x="epoch")
    assert not app.exception
    assert not app.warning
    rows = columns(app)
    assert rows["train.batch_size"] == ["8", str(train_jobs.job(f"{RECIPE}-1").folder.spec().train.batch_size)]
    assert rows["model.generator_lr"][0] == "0.25"
    assert "train.seed" not in rows
    assert rows["Newest value of Losses: generator"] == ["19.5", "19.25"]
    encoding = chart(app)["encoding"]
    assert encoding["color"]["scale"]["domain"] == [f"{RECIPE}-2", f"{RECIPE}-1"]
    assert (
        len(set(encoding["color"]["scale"]["range"]))
        == 2
        == len(set(map(str, encoding["strokeDash"]["scale"]["range"])))
    )
    assert encoding["x"]["title"] == "epoch"
    assert encoding["x"]["axis"]["format"] == ",.3~f", "not 1e+1, which Vega makes of 10 with the format g"
    assert f"{RECIPE}-2,{RECIPE}-1" in (app.query_params["overlay"], *app.query_params["overlay"])


def test_a_logarithmic_scale_leaves_out_values_that_are_not_positive():
    run(1), run(2)
    app = open_page("runs", overlay=f"{RECIPE}-1,{RECIPE}-2", metric="loss/discriminator", log="1")
    assert chart(app)["encoding"]["y"]["scale"]["type"] == "log"
    assert any(caption.value.startswith("10 points are not positive") for caption in app.caption)


def test_one_run_is_not_compared_and_a_deleted_one_is_reported():
    run(1), run(2)
    app = open_page("runs", overlay=f"{RECIPE}-1")
    assert chart(app) is None
    app = open_page("runs", overlay=f"{RECIPE}-1,gone-7")
    assert any("gone-7" in warning.value for warning in app.warning)
    assert "overlay" not in app.query_params


def test_a_run_is_trained_again_with_changes():
    folder = run(1, "model.generator_lr=0.25", "train.max_steps=77", "train.seed=5")
    assert "Train again with changes" in [link.proto.label for link in open_page("runs").get("page_link")]
    query = trainable.query(folder.spec())
    assert query is not None
    app = open_page("train", **query)
    assert not app.warning
    assert app.selectbox(key="train_recipe").value == RECIPE
    assert app.number_input(key="train_model_generator_lr").value == 0.25
    assert app.number_input(key="train_train_max_steps").value == 77
    command = next(code.value for code in app.code if "train_jobs submit" in code.value)
    for setting in ("model.generator_lr=0.25", "train.max_steps=77", "train.seed=5"):
        assert setting in command


@pytest.mark.parametrize("recipe", ["mnist_vae_20", "mnist_cgan_conv", "fsdd_judge", "mnist_pixelcnn"])
def test_an_unchanged_recipe_has_no_changed_settings(recipe):
    spec = recipes.resolve(recipes.get(recipe), preset="quick", require_data=False)
    assert trainable.query(spec) == {"recipe": recipe, "preset": "quick", "data": spec.data.name}


def test_data_that_the_page_does_not_offer_cannot_be_trained_again():
    spec = recipes.resolve(recipes.get("mnist_vae_20"), require_data=False)
    elsewhere = spec.model_copy(update={"data": DataConfig(name="hdf5", path="/elsewhere/gone.h5")})
    assert trainable.query(elsewhere) is None
