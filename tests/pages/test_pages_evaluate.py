"""The evaluate page's requests, and the page as Streamlit runs it; tests/jobs/test_measuring.py measures."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, DataError
from genmodels.runs import catalog
from genmodels.runs.files import read_json, write_json
from genmodels.runs.folder import runs_root
from genmodels.service import evaluate
from genmodels.service.evaluate import inspection, stored_metrics
from pages.parts.evaluate import charts, metrics
from pages.parts.evaluate.metrics_table import Row
from tests.support.job_processes import until
from tests.support.pages import open_page, page_text
from tests.support.runs import save_run, set_training_data
from train_jobs import measuring


@pytest.fixture
def runs(runs: Path) -> Path:
    for name, recipe in (("gan", "mnist_gan"), ("asked", "mnist_cgan_onehot"), ("critic", "mnist_wgan")):
        save_run(runs, name, recipe, "data.name=digits")
    save_run(runs, "vae", "mnist_vae_20", "data.name=digits", steps=(0, 5, 10))
    save_run(runs, "reader", "mnist_mlp_baseline", "data.name=digits", steps=(10,))
    return runs


def info_of(name: str) -> catalog.CheckpointInfo:
    return catalog.describe(catalog.find(name), published=not (runs_root() / name).exists())


# ------------------------------------------------------------------------------ figures


def test_the_card_is_taken_where_there_is_one_and_only_for_its_step(runs: Path) -> None:
    info = info_of("mnist_vae_20")
    found = evaluate.metrics_of(info, info.steps[-1])
    assert found is not None
    assert found.samples is None
    assert found.metrics["elbo/negative"] == info.metrics["elbo/negative"]
    assert evaluate.metrics_of(info_of("vae"), 10) is None


def test_a_cards_figures_of_an_earlier_step_are_shown_and_more_can_be_measured(runs: Path) -> None:
    info = info_of("mnist_vae_20")
    first = info.steps[0]
    assert first < info.steps[-1]
    row = read_json(info.path / "metrics.json")["over_training"][0]
    found = evaluate.metrics_of(info, first)
    assert found is not None
    assert (found.step, found.samples) == (first, None)
    assert dict(found.metrics) == {name: value for name, value in row.items() if name not in ("step", "seconds")}
    assert evaluate.is_incomplete(info, found), "the last step has more"
    app = open_page("evaluate", model="mnist_vae_20")
    app.select_slider(key="evaluate_step").set_value(first).run()
    assert "was not measured yet" not in page_text(app)
    assert app.button(key="evaluate_measure").label == "Measure the missing scores"
    # What was measured here stands only where the card has nothing, and is marked; an error bar comes with its figure.
    measured("mnist_vae_20", first, judge__frechet=1.0, judge__frechet_spread=2.0, judge__recall=0.5)
    found = evaluate.metrics_of(info, first)
    assert found is not None
    assert found.metrics["judge/frechet"] == row["judge/frechet"]
    assert "judge/frechet_spread" not in found.metrics
    assert found.added == {"judge/recall"}
    assert (found.measured_here("judge/recall"), found.measured_here("judge/frechet")) == (True, False)
    drawn = next(one for one in evaluate.over_training(info) if one.step == first)
    assert drawn.metrics["judge/recall"] == 0.5, "the curve has both"


def test_what_the_card_lacks_is_not_drawn_as_published(runs: Path) -> None:
    card = {"metrics": {"classes/kl_uniform": 0.5}, "over_training": [{"step": 10, "classes/kl_uniform": 0.5}]}
    write_json(runs / "gan" / "metrics.json", card)
    for step in (0, 10):
        measured("gan", step, judge__frechet=50.0 + step, judge__frechet_real=2.0)
    app = open_page("evaluate", model="gan")
    assert "With 1,000 samples instead of up to 10,000" in page_text(app)
    drawn = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    names = [trace.get("name") for one in drawn for trace in one["data"]]
    assert "measured here (1,000 samples)" in names
    assert "published" not in names


def test_nothing_is_expected_of_an_earlier_step(runs: Path) -> None:
    info = info_of("mnist_vae_20")
    first, *_, last = info.steps
    assert set(evaluate.expected(info, last)) == {"elbo/negative"}
    assert (evaluate.expected(info, first), evaluate.differences(info, first)) == ({}, ())


def test_pictures_are_read_and_searched_once_for_the_same_weights(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    load = data.load

    def counting(*args: Any, **kwargs: Any) -> Any:
        loads.append(str(args[1:]))
        return load(*args, **kwargs)

    monkeypatch.setattr("genmodels.service.evaluate.inspection.data.load", counting)
    first = (inspection.nearest_training("gan", 10), inspection.calibration("gan", 10))
    assert len(loads) == 3
    assert (inspection.nearest_training("gan", 10), inspection.calibration("gan", 10)) == first
    assert len(loads) == 3, "the page asks on every click"


def test_a_public_server_offers_no_measuring(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    app = open_page("evaluate", model="reader")
    assert "not offered on this public server" in " ".join(entry.value for entry in app.caption)
    assert not [button for button in app.button if button.key == "evaluate_measure"]


def test_steps_worth_measuring_are_few_and_spread(runs: Path) -> None:
    save_run(runs, "long", "mnist_mlp_baseline", "data.name=digits", steps=tuple(range(0, 300, 10)))
    steps = evaluate.steps_to_measure(info_of("long"))
    assert len(steps) == evaluate.MAX_STEPS
    assert (steps[0], steps[-1]) == (0, 290)
    assert evaluate.steps_to_measure(info_of("vae")) == (0, 5, 10)


def measured(name: str, step: int, **figures: float) -> None:
    """As if it had been measured here."""
    metrics = {key.replace("__", "/"): value for key, value in figures.items()}
    stored_metrics.store(catalog.find(name), step, metrics, evaluate.SAMPLES)


def test_the_page_opens_with_the_newest_run_that_was_measured(runs: Path) -> None:
    assert open_page("evaluate").selectbox(key="evaluate_model").value == "mnist_cgan_conv", "no run was measured"
    measured("vae", info_of("vae").steps[-1], judge__recall=0.5)
    app = open_page("evaluate")
    assert app.selectbox(key="evaluate_model").value == "vae"
    app.selectbox(key="evaluate_model").select("mnist_vae_20").run()
    assert app.selectbox(key="evaluate_model").value == "mnist_vae_20"
    assert not app.exception


def test_kept_figures_are_bounded_finite_and_survive_a_damaged_file(runs: Path) -> None:
    measured("vae", 0, elbo__negative=500.0, broken=float("nan"))
    found = evaluate.local_metrics(info_of("vae"), 0)
    assert found is not None
    assert dict(found.metrics) == {"elbo/negative": 500.0}
    everything = read_json(runs / "figures.json")
    write_json(runs / "figures.json", everything | {f"old {i}": {"figures": {}, "when": i} for i in range(600)})
    measured("vae", 5, elbo__negative=400.0)
    assert len(read_json(runs / "figures.json")) == 500
    assert [row.step for row in evaluate.over_training(info_of("vae"))] == [0, 5]
    (runs / "figures.json").write_text("{ half")
    assert evaluate.over_training(info_of("vae")) == ()


def test_a_card_that_lacks_a_figure_is_added_to_not_overwritten(runs: Path) -> None:
    info = info_of("mnist_vae_20")
    measured("mnist_vae_20", info.steps[-1], elbo__negative=1.0, new__figure=2.0)
    found = evaluate.metrics_of(info, info.steps[-1])
    assert found is not None
    assert found.metrics["elbo/negative"] == info.metrics["elbo/negative"]
    assert found.metrics["new/figure"] == 2.0
    assert found.added == {"new/figure"}


def test_a_cards_figures_over_the_training_are_its_curve(runs: Path) -> None:
    rows = [{"step": 0, "seconds": 1.0, "accuracy": 0.1}, {"step": 10, "seconds": 2.0, "accuracy": 0.8}]
    write_json(runs / "reader" / "metrics.json", {"metrics": {"accuracy": 0.8}, "over_training": rows})
    found = evaluate.over_training(info_of("reader"))
    assert [(row.step, row.metrics["accuracy"]) for row in found] == [(0, 0.1), (10, 0.8)]


def test_class_shares_are_those_of_the_training_data(runs: Path) -> None:
    labels = data.load(DataConfig(), "train").labels
    assert evaluate.class_fractions("gan") == pytest.approx((np.bincount(labels, minlength=10) / len(labels)).tolist())
    set_training_data(runs, "gan", "fashion_mnist")
    if data.missing(DataConfig(name="fashion_mnist")):
        assert evaluate.class_fractions("gan") == ()


# ------------------------------------------------------------------------------ looking


def test_a_discriminators_answers_are_probabilities(runs: Path) -> None:
    found = inspection.calibration("gan")
    assert found is not None
    assert found.probability
    assert (found.edges[0], found.edges[-1]) == (0.0, 1.0)
    model = catalog.load("gan")
    arrays = data.load(DataConfig(), "test", inspection.SCORED)
    answers = model.score(to_float(torch.from_numpy(arrays.images.copy()))).sigmoid()
    assert found.mean_real == pytest.approx(float(answers.mean()), abs=1e-4)
    expected = np.histogram(answers.numpy(), found.edges)[0] / len(answers)
    assert found.real == pytest.approx(expected.tolist())
    assert sum(found.generated) == pytest.approx(1.0)


def test_a_conditional_discriminator_is_told_the_classes(runs: Path) -> None:
    found = inspection.calibration("asked")
    assert found is not None
    assert found.class_conditional
    arrays = data.load(DataConfig(), "test", inspection.SCORED)
    x, label = to_float(torch.from_numpy(arrays.images.copy())), torch.from_numpy(arrays.labels)
    expected = catalog.load("asked").score(x, condition={"label": label}).sigmoid().mean()
    assert found.mean_real == pytest.approx(float(expected), abs=1e-4)


def test_a_critics_scores_are_no_probabilities(runs: Path) -> None:
    found = inspection.calibration("critic")
    assert found is not None
    assert not found.probability
    assert sum(found.real) == pytest.approx(1.0)
    assert sum(found.generated) == pytest.approx(1.0)


def test_without_a_discriminator_there_is_nothing_to_ask(runs: Path) -> None:
    for path in (runs / "gan").glob("step-*/training_nets.safetensors"):
        path.unlink()
    assert inspection.calibration("gan") is None
    assert inspection.calibration("vae") is None


def test_the_nearest_training_picture_is_the_nearest(runs: Path) -> None:
    found = inspection.nearest_training("vae")
    train = to_float(torch.from_numpy(data.load(DataConfig(), "train").images.copy())).flatten(1)
    assert found.pool == len(train)
    model = catalog.load("vae")
    from genmodels.latent import z_of_seeds

    drawn = model.decode(z_of_seeds(range(8), 20)).flatten(1)
    best = ((drawn[:, None] - train[None]).square().mean(2).sqrt() / 2).min(1)
    assert [pair.distance for pair in found.pairs] == pytest.approx(best.values.tolist(), abs=1e-3)
    side_by_side = np.asarray(Image.open(io.BytesIO(found.pairs[0].png)))
    shown = torch.from_numpy(side_by_side[1:29, 30:58].copy()).flatten()
    assert torch.equal(shown.long(), train[best.indices[0]].add(1).mul(127.5).round().long())


def test_a_mirrored_copy_is_found_where_training_mirrored() -> None:
    pool = np.random.default_rng(0).integers(0, 256, (2_500, 1, 4, 4), dtype=np.uint8)
    copies = to_float(torch.from_numpy(np.stack([pool[3], pool[2_400][..., ::-1]])))
    straight, turned = inspection._nearest_rows(copies, pool, mirrored=True)
    assert (straight[1:], turned[1:]) == ((3, False), (2_400, True))
    assert max(straight[0], turned[0]) < 2e-3, "but for the rounding of a matrix product, none"
    assert torch.equal(inspection._as_float(pool[2_400], mirrored=True), copies[1]), "the two look alike on the page"
    assert inspection._nearest_rows(copies, pool, mirrored=False)[1][0] > 0.5


def test_pictures_that_cannot_be_compared_are_explained(runs: Path) -> None:
    with pytest.raises(CapabilityError, match="generates no pictures"):
        inspection.nearest_training("reader")
    set_training_data(runs, "vae", "cifar10", (3, 32, 32))
    if data.missing(DataConfig(name="cifar10")):
        with pytest.raises(DataError, match="cifar10"):
            inspection.nearest_training("vae")


# ------------------------------------------------------------------------------ the page


def test_without_a_checkpoint_the_page_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "none"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    assert "Nothing to evaluate yet" in open_page("evaluate").info[0].value


@pytest.mark.parametrize("name", ["gan", "asked", "critic", "vae", "reader", "mnist_vae_20", "pattern_1010_gan"])
def test_every_model_has_a_page(runs: Path, name: str) -> None:
    app = open_page("evaluate", model=name)
    assert not app.error, app.error[0].value
    assert app.selectbox(key="evaluate_model").value == name
    for kind in ("selectbox", "select_slider", "button"):
        for element in getattr(app, kind):
            assert element.help, f"{kind} {element.key} explains nothing"


def row_of(name: str, step: int, figure: str) -> Row:
    info = info_of(name)
    found = evaluate.metrics_of(info, step)
    assert found is not None
    return next(row for row in metrics.rows(info, found) if row.name == figure)


def test_published_figures_stand_with_their_meaning(runs: Path) -> None:
    info = info_of("mnist_vae_20")
    row = row_of("mnist_vae_20", info.steps[-1], "negative ELBO")
    assert row.value == f"{info.metrics['elbo/negative']:.1f}"
    assert row.expected == "at most 103.3"
    assert "upper bound" in row.text


def test_a_fraction_and_its_expected_range_are_both_percentages(runs: Path) -> None:
    info = info_of("mnist_cnn")
    row = row_of("mnist_cnn", info.steps[-1], "accuracy")
    assert row.value == f"{100 * info.metrics['accuracy']:.1f}\u00a0%"
    assert row.expected == "at least 98\u00a0%"


@pytest.mark.slow
def test_the_button_measures_and_the_figures_appear(runs: Path) -> None:
    app = open_page("evaluate", model="reader")
    assert "was not measured yet" in page_text(app)
    app.button(key="evaluate_measure").click().run()
    assert [one.active for one in measuring.of("reader")] == [True]
    assert [button for button in app.button if button.key == "evaluate_cancel"]
    assert app.button(key="evaluate_measure").disabled
    until(lambda: measuring.of("reader") == (), 120)
    app.run()
    assert "Measured on this machine" in page_text(app)
    assert "Measured on this machine with" not in page_text(app), "a classifier is measured on the whole test set"
    assert row_of("reader", 10, "accuracy").value.endswith("%")


@pytest.mark.slow
def test_the_page_cancels_a_measurement_and_shows_why_one_failed(runs: Path) -> None:
    app = open_page("evaluate", model="vae")
    app.button(key="evaluate_measure_steps").click().run()
    assert len(measuring.of("vae")) == 3
    app.button(key="evaluate_cancel").click().run()
    assert measuring.of("vae") == ()
    assert not app.error
    assert not app.button(key="evaluate_measure").disabled
    (runs / "reader" / "step-000010" / "model.safetensors").write_bytes(b"not weights")
    app = open_page("evaluate", model="reader")
    app.button(key="evaluate_measure").click().run()
    until(lambda: not measuring.of("reader")[0].active, 120)
    app = open_page("evaluate", model="reader")
    assert "step 10" in app.error[0].value
    assert "damaged" in app.error[0].value
    assert not app.button(key="evaluate_measure").disabled, "it can be measured again"


def test_a_damaged_queue_does_not_hide_the_known_metrics(runs: Path) -> None:
    measured("reader", 10, accuracy=0.5)
    (runs / "queue.sqlite").write_bytes(b"this is no database, but long enough to be read as one" * 40)
    app = open_page("evaluate", model="reader")
    assert "is damaged" in app.error[0].value
    assert "Measured on this machine" in page_text(app)


def test_another_step_has_no_published_figures_and_two_make_a_curve(runs: Path) -> None:
    app = open_page("evaluate", model="vae")
    assert "Fewer than two checkpoints are measured" in page_text(app)
    measured("vae", 0, elbo__negative=500.0, elbo__recon=480.0, elbo__kl=20.0)
    measured("vae", 10, elbo__negative=400.0, elbo__recon=390.0, elbo__kl=10.0)
    app.run()
    assert app.selectbox(key="evaluate_figure").value == "elbo/negative"
    assert "0: 500.0; 10: 400.0" in page_text(app)
    app.select_slider(key="evaluate_step").set_value(5).run()
    assert "Step 5 was not measured yet" in page_text(app)


def test_a_card_shows_its_curve_though_it_keeps_one_steps_weights() -> None:
    app = open_page("evaluate", model="mnist_dcgan")
    assert len(info_of("mnist_dcgan").steps) == 1
    assert app.selectbox(key="evaluate_figure").value == "judge/frechet"
    early, *_ = read_json(info_of("mnist_dcgan").path / "metrics.json")["over_training"][1:]
    assert f"{early['step']:,}: {early['judge/frechet']:.1f}; " in page_text(app)


@pytest.mark.parametrize("name", ["mnist_dcgan", "mnist_wgan"])  # the WGAN falls that far only seen from real pictures
def test_a_hundredfold_fall_is_shown_on_a_log_scale_beside_real_against_real(name: str) -> None:
    app = open_page("evaluate", model=name)
    drawn = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    (curve,) = (one for one in drawn if one["layout"].get("xaxis", {}).get("title", {}).get("text") == "Training step")
    assert curve["layout"]["yaxis"]["type"] == "log"
    assert curve["layout"]["yaxis"]["title"]["text"] == "FID (classifier<br>features), log scale"
    real = info_of(name).metrics["judge/frechet_real"]
    published, line = curve["data"]
    assert (published["name"], line["name"]) == ("published", "real against real")
    assert line["y"] == [real, real]
    assert line["x"] == [published["x"][0], published["x"][-1]]


@pytest.mark.parametrize(
    ("values", "axis"),
    [([5000.0, 50.0], "log"), ([49.0, 1.0, 20.0], "linear"), ([300.0, 0.0], "linear"), ([-2.0, 400.0], "linear")],
)
def test_only_positive_figures_that_fall_far_have_a_log_scale(values: list[float], axis: str) -> None:
    assert charts.axis_of(values) == axis


def test_every_chart_is_drawn_from_its_figures(runs: Path) -> None:
    shares = {f"classes__fraction_{digit}": 0.1 for digit in range(10)}
    near = {"judge__frechet": 50.0, "judge__frechet_real": 2.0, "judge__frechet_spread": 3.0}
    for step in (0, 10):
        measured("gan", step, **shares, **near)
    app = open_page("evaluate", model="gan")
    assert not app.error
    found = page_text(app)
    assert "**25.0 times**" in found
    assert "9: 10.0 %" in found
    assert row_of("gan", 10, "FID (classifier features)").value == "50.0\u00a0±\u00a03.0"
    assert app.selectbox(key="evaluate_figure").value == "judge/frechet"


def test_a_figure_without_a_text_is_shown_by_its_name(runs: Path) -> None:
    measured("reader", 10, accuracy=0.5, brand__new=3.25)
    assert row_of("reader", 10, "brand/new").value == "3.25"
    assert not open_page("evaluate", model="reader").error


def test_an_unknown_model_in_the_address_is_reported(runs: Path) -> None:
    assert "gone" in open_page("evaluate", model="gone").warning[0].value


@pytest.mark.slow
def test_the_command_line_measures_a_saved_step(runs: Path) -> None:
    from tests.support.command_line import run

    found = run("evaluate", "reader", "--json", "--samples", "500", "--step", "10")
    assert set(json.loads(found.stdout)["metrics"]) == {"accuracy"}
    refused = run("evaluate", "reader", "--step", "3")
    assert (refused.returncode, "no checkpoint of step 3" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (16.6, 1.04, "16.6 ± 1.0"),
        (0.9, 0.012, "0.900 ± 0.012"),
        (2700.4, 0.29, "2,700.40 ± 0.29"),
        (1234.5, 25.0, "1,234 ± 25"),
        (1.0, 0.0, "1.000 ± 0.000"),
        (0.0016, 0.000_001, "0.0016 ± 0.0000"),
    ],
)
def test_a_value_and_its_error_have_the_same_decimals(value: float, spread: float, text: str) -> None:
    assert metrics.spread_text(value, spread) == text.replace(" ", "\u00a0")


def test_shares_and_counts_keep_their_units_beside_an_error(runs: Path) -> None:
    figures = {"memory__copied_fraction": 0.012, "memory__copied_fraction_spread": 0.004, "score__real": 0.5}
    digits = {"classes__above_1_percent": 10.0, "classes__above_1_percent_spread": 0.0}
    measured("gan", 10, **figures, **digits)
    assert row_of("gan", 10, "near-duplicate rate").value == "1.20 ± 0.40 %".replace(" ", "\u00a0")
    assert row_of("gan", 10, "digits generated").value == "10 of 10"
    assert "0 to 1" in row_of("gan", 10, "discriminator output, real images").text
    info = info_of("gan")
    found = evaluate.metrics_of(info, 10)
    assert found is not None
    assert not [row.name for row in metrics.rows(info, found) if "_" in row.name], "no raw names"
