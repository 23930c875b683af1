"""The compare page as Streamlit runs it, what its service draws, and which figures it calls the best."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from genmodels.errors import CapabilityError, ConfigError
from genmodels.evaluation import metric_table
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.files import write_json
from genmodels.service import compare
from genmodels.service.compare import ColumnRequest, Row
from tests.support.pages import open_page, page_text, visible
from tests.support.runs import save_run, set_training_data

_SMALL = ("data.name=digits", "model.generator_sizes=[32]", "model.discriminator_sizes=[32]", "model.latent_dim=8")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    for name, recipe, *assignments in (
        ("asked", "mnist_cgan_embedding", *_SMALL),
        ("constant", "pattern_1010_gan"),
        ("gan", "mnist_gan", "data.name=digits"),
        ("judge", "mnist_judge", "data.name=digits"),
        ("vae", "mnist_vae_20", "data.name=digits"),
    ):
        save_run(tmp_path / "runs", name, recipe, *assignments)
    return tmp_path / "runs"


def measured(runs: Path, name: str, seconds: float | None = None, **figures: float) -> CheckpointInfo:
    """A run with figures, as publishing leaves them; a double underscore stands for the stroke."""
    facts = {"metrics": {key.replace("__", "/"): value for key, value in figures.items()}}
    write_json(runs / name / "metrics.json", facts if seconds is None else {**facts, "train_seconds": seconds})
    return catalog.describe(runs / name)


def table(*infos: CheckpointInfo, steps: tuple[int, ...] | None = None) -> dict[str, Row]:
    steps = steps or tuple(info.steps[-1] for info in infos)
    return {row.metric.name: row for row in compare.table(infos, steps, [100] * len(infos))}


def best(row: Row) -> list[bool]:
    return [value.best for value in row.values]


# --------------------------------------------------------------------- the service


def test_models_that_draw_are_offered_and_classifiers_are_not(runs: Path) -> None:
    assert [info.name for info in compare.checkpoints()] == ["asked", "constant", "gan", "vae"]
    with pytest.raises(CapabilityError, match="judge generates no pictures"):
        compare.column(ColumnRequest(model="judge"))


def test_a_grid_is_the_same_again_and_other_with_other_seeds_or_steps(runs: Path) -> None:
    first = compare.column(ColumnRequest(model="vae"))
    assert compare.column(ColumnRequest(model="vae")) is first, "drawn once"
    assert compare.column(ColumnRequest(model="vae", seed=1)).png != first.png
    assert compare.column(ColumnRequest(model="vae", step=0)).png != first.png
    image = Image.open(io.BytesIO(first.png))
    assert image.width / image.height == pytest.approx(5 / 6, rel=0.02)
    model = catalog.load("gan")
    assert compare.column(ColumnRequest(model="gan")).parameters == sum(
        value.numel() for name, value in model.named_parameters() if not name.startswith("discriminator")
    )
    one = Image.open(io.BytesIO(compare.column(ColumnRequest(model="constant")).png))
    assert one.width == 2 * one.height, "one picture of 4 x 1 in its frame: the seed changes nothing"
    assert compare.column(ColumnRequest(model="constant")).image_count == 1
    assert compare.column(ColumnRequest(model="gan")).image_count == 30


def test_all_grids_are_kept_side_by_side(runs: Path) -> None:
    drawings = [ColumnRequest(model=name) for name in ("vae", "gan", "constant")]
    image = Image.open(io.BytesIO(compare.comparison_png(drawings)))
    widths = [Image.open(io.BytesIO(compare.column(drawing).png)).width for drawing in drawings]
    assert image.width == sum(widths) + 2 * 16


def test_the_best_of_each_row_is_marked_in_its_own_direction(runs: Path) -> None:
    infos = [
        measured(runs, "gan", 90, judge__frechet=60, judge__precision=0.9, judge__density=1.4, diversity__samples=0.6,
                 diversity__data=0.7, classes__above_1_percent=8),
        measured(runs, "vae", 30, judge__frechet=40, judge__precision=0.8, judge__density=0.9, diversity__samples=0.9,
                 diversity__data=0.7, classes__above_1_percent=10),
    ]  # fmt: skip
    rows = table(*infos)
    assert best(rows["frechet"]) == [False, True]
    assert best(rows["precision"]) == [True, False]
    assert best(rows["density"]) == [False, True], "0.9 is nearer to 1 than 1.4"
    assert best(rows["diversity"]) == [True, False], "0.6 is nearer to the data's 0.7 than 0.9"
    assert best(rows["modes"]) == [False, True]
    assert (rows["diversity"].real, rows["frechet"].real, rows["modes"].real) == (0.7, None, None)
    assert best(rows["seconds"]) == [False, False], "each on a machine of its own"
    assert best(rows["parameters"]) == [False, False], "equal: neither is better"


def test_what_the_errors_cannot_tell_apart_is_not_ranked(runs: Path) -> None:
    close = [
        measured(runs, "gan", judge__frechet=41, judge__frechet_spread=2),
        measured(runs, "vae", judge__frechet=40, judge__frechet_spread=1),
    ]
    assert best(table(*close)["frechet"]) == [False, False]
    third = measured(runs, "asked", judge__frechet=90, judge__frechet_spread=2)
    assert best(table(*close, third)["frechet"]) == [True, True, False]


def test_what_is_unknown_is_not_measured_and_what_cannot_be_does_not_apply(runs: Path) -> None:
    gan, vae, asked = (catalog.describe(runs / name) for name in ("gan", "vae", "asked"))
    rows = table(gan, measured(runs, "vae", elbo__negative=103), asked)
    assert [value.applies for value in rows["elbo"].values] == [False, True, False]
    assert [value.applies for value in rows["agreement"].values] == [False, False, True]
    assert [value.value for value in rows["frechet"].values] == [None] * 3
    assert best(rows["elbo"]) == [False] * 3, "one alone is not the best"
    assert "elbo" not in table(gan, asked)
    assert vae.metrics == {}


def test_likelihoods_are_ranked_among_equal_grey_values_only(runs: Path) -> None:
    small = ("data.name=digits", "model.channels=4", "model.dilations=[1]")
    for name, levels in (("grey", 256), ("shades", 256), ("binary", 2)):
        save_run(runs, name, "mnist_gated_pixelcnn", *small, f"model.levels={levels}")
    grey, shades, binary = (
        measured(runs, name, likelihood__bits_per_dim=bits)
        for name, bits in (("grey", 0.9), ("shades", 1.0), ("binary", 0.15))
    )
    gan = catalog.describe(runs / "gan")
    row = table(grey, shades, gan)["bits_per_dim"]
    assert best(row) == [True, False, False]
    assert [value.applies for value in row.values] == [True, True, False]
    assert best(table(grey, shades, binary)["bits_per_dim"]) == [False] * 3
    assert "nats" not in table(gan, gan)


def test_figures_belong_to_the_newest_step(runs: Path) -> None:
    info = measured(runs, "vae", 30, elbo__negative=103)
    row = table(info, info, steps=(0, 10))["elbo"]
    assert [value.value for value in row.values] == [None, 103]


def test_models_of_other_data_are_not_ranked(runs: Path) -> None:
    gan, vae = measured(runs, "gan", judge__frechet=60), measured(runs, "vae", judge__frechet=40)
    other = replace(vae, data="something else")
    assert best(table(gan, other)["frechet"]) == [False, False]
    assert table(replace(gan, metrics={"judge/frechet_real": 5.7}), other)["frechet"].real is None
    assert compare.different_data([gan, other]) == (gan.data, "something else")
    assert compare.different_data([gan, vae]) == ()


def test_a_request_out_of_bounds_is_refused_by_name() -> None:
    for wrong in ({"seed": 1.5}, {"seed": "x"}, {"step": -1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            ColumnRequest.parse({"model": "vae", **wrong})


def test_no_model_wins_by_lying_farther_from_the_training_pictures_than_new_ones_do(runs: Path) -> None:
    name, share = "copied", "memory/copied_fraction"
    few, usual = (measured(runs, run, **{share: value}) for run, value in (("gan", 0.0), ("vae", 0.009)))
    assert best(table(few, usual)[name]) == [False, False]
    many = measured(runs, "asked", **{share: 0.2})
    assert best(table(few, usual, many)[name]) == [True, True, False]


def test_the_same_photographs_at_another_size_are_other_data() -> None:
    infos = {info.name: info for info in compare.checkpoints()}
    small, large = infos["portraits_dcgan_64"], infos["faces_gan_cnn_gelu"]
    assert small.data == large.data
    kinds = compare.different_data([small, large])
    assert [kind.rpartition(" of ")[2] for kind in kinds] == ["64 x 64", "128 x 128"]
    assert not any(value.best for row in compare.table([small, large], [7004, 5400], [1, 2]) for value in row.values)
    assert compare.different_data([small, small]) == ()
    assert compare.different_data([small, infos["mnist_dcgan"]]) == (small.data, infos["mnist_dcgan"].data)


def test_the_memory_of_any_pictures_can_be_measured_but_of_one_pattern_not(runs: Path) -> None:
    save_run(runs, "faces", "mnist_gan", "data.name=digits")
    set_training_data(runs, "faces", "cifar10", (3, 32, 32))
    rows = table(*(catalog.describe(runs / name) for name in ("faces", "constant")))
    for name in ("memory", "copied"):
        assert [value.applies for value in rows[name].values] == [True, False]
    assert "frechet" not in rows


# --------------------------------------------------------------------- the page


def page(**query: str) -> AppTest:
    return open_page("compare", **query)


def columns(app: AppTest) -> list[str]:
    return [app.selectbox(key=f"compare_model_{index}").value for index in range(app.session_state["compare_count"])]


def test_the_address_carries_models_and_steps(runs: Path) -> None:
    app = page(models="vae,gan@0,vae@10")
    assert columns(app) == ["vae", "gan", "vae"]
    assert app.query_params["models"] == "vae,gan@0,vae"
    app.select_slider(key="compare_step_2").set_value(0).run()
    assert app.query_params["models"] == "vae,gan@0,vae@0"
    app.selectbox(key="compare_model_1").select("asked").run()
    assert app.query_params["models"] == "vae,asked,vae@0", "another model at its newest step, not at the other's"
    assert not app.error
    assert not app.exception


def test_unasked_it_shows_the_published_pair_that_differs_most() -> None:
    shown = columns(page())
    distances = {i.name: i.metrics["judge/frechet"] for i in compare.checkpoints() if "judge/frechet" in i.metrics}
    assert [distances[name] for name in shown] == [max(distances.values()), min(distances.values())]


def test_without_published_figures_it_shows_what_is_listed_first(runs: Path) -> None:
    measured(runs, "vae", judge__frechet=60)
    measured(runs, "gan", judge__frechet=40)
    assert columns(page()) == [info.name for info in compare.checkpoints()][:2]


@pytest.mark.parametrize(
    ("models", "shown", "text"),
    [
        ("gan,gone", ["gan", "asked"], "gone"),
        ("asked", ["asked", "gan"], ""),
        ("constant", ["constant", "asked"], ""),
        ("gan@5,vae,gan", ["vae", "gan"], "gan@5"),
        ("judge,<b>x</b>", ["asked", "constant"], "judge"),
        ("gan@" + "9" * 500 + ",vae,gan", ["vae", "gan"], "gan@9"),
        (",".join(["gan", "vae"] * 400), ["gan", "vae", "gan", "vae"], ""),
    ],
)
def test_an_address_that_cannot_be_shown_is_said_and_the_rest_kept(
    runs: Path, models: str, shown: list[str], text: str
) -> None:
    app = page(models=models)
    assert columns(app) == shown
    assert bool(app.warning) == bool(text)
    if text:
        assert text in visible(app.warning[0].value)
        assert len(app.warning[0].value) < 700


def test_columns_are_added_and_removed(runs: Path) -> None:
    app = page(models="vae,gan@0")
    app.button(key="compare_add").click().run()
    assert app.query_params["models"] == "vae,gan@0,asked", "the next model that is not there yet, at its newest step"
    app.button(key="compare_add").click().run()
    assert app.button(key="compare_add").disabled
    *_, fourth = app.query_params["models"].split(",")
    assert fourth not in ("vae", "gan", "asked")
    app.button(key="compare_remove_0").click().run()
    assert app.query_params["models"] == f"gan@0,asked,{fourth}"
    app.button(key="compare_remove_2").click().run()
    assert not [button for button in app.button if (button.key or "").startswith("compare_remove")]
    assert not app.exception


def test_seeds_are_shuffled_and_what_they_mean_is_said(runs: Path) -> None:
    app = page(models="vae,vae@0")
    assert "The same model at different steps" in " ".join(entry.value for entry in app.markdown)
    assert app.button(key="compare_shuffle").label == "New seed"
    app.button(key="compare_shuffle").click().run()
    assert 0 <= app.number_input(key="compare_seed").value < 10_000
    app.selectbox(key="compare_model_1").select("gan").run()
    assert "without selection" in " ".join(entry.value for entry in app.markdown)
    assert not app.info
    app.selectbox(key="compare_model_1").select("constant").run()
    assert "were trained on different data" in app.info[0].value
    assert "the same picture for every seed" in " ".join(entry.value for entry in app.caption)


def test_what_the_same_seeds_mean_depends_on_who_is_asked_for_classes(runs: Path) -> None:
    assert "All grids use the same seeds**" in page_text(page(models="vae,gan"))
    assert "All grids begin at the same seed**" in page_text(page(models="vae,asked"))
    save_run(runs, "asked_too", "mnist_cgan_product", *_SMALL)
    assert "All grids use the same seeds and classes.**" in page_text(page(models="asked_too,asked"))


def test_the_command_that_measures_is_given_for_what_lacks(runs: Path) -> None:
    app = page(models="vae,gan,gan")
    assert app.code[0].value.splitlines() == [f"python -m genmodels evaluate {name}" for name in ("vae", "gan")]
    older = page(models="vae@0,gan@0")
    assert older.code[0].value.splitlines()[1] == "python -m genmodels evaluate gan --step 0"
    assert "newest step" in " ".join(entry.value for entry in older.caption)


def test_a_damaged_column_is_explained_and_the_other_shown(runs: Path) -> None:
    (runs / "gan" / "step-000010" / "model.safetensors").write_bytes(b"nothing")
    app = page(models="vae,gan")
    assert len(app.error) == 1
    assert "damaged" in app.error[0].value
    assert not app.exception


def test_everything_is_still_there_after_a_look_at_another_page(runs: Path) -> None:
    app = page(models="vae,gan@0,asked")
    app.switch_page("gallery.py").run()
    app.query_params.pop("models", None)
    app.switch_page("compare.py").run()
    assert app.query_params["models"] == "vae,gan@0,asked"


def test_an_empty_house_says_what_to_train(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(runs / "nothing"))
    assert "No model that generates pictures yet" in page().info[0].value


def test_every_measure_says_what_it_is_and_every_control_has_a_help_text(runs: Path) -> None:
    from pages.components.i18n import t

    for metric in compare.METRICS:
        key = f"compare.metric.{metric.name}"
        if metric.key:
            assert metric_table.name_of(metric.key) != metric.key
            assert metric_table.meaning_of(metric.key)
        else:
            assert all(t(f"{key}.{part}") for part in ("name", "help"))
        assert t(f"{key}.source")
        assert t(f"{key}.value", value=0.5, percent=50.0)
        assert t(f"compare.direction.{metric.better}")
    app = page(models="vae,gan,asked")
    for kind in ("selectbox", "select_slider", "number_input", "button"):
        assert app.get(kind), kind
        for element in app.get(kind):
            assert element.help, f"{kind} {element.key} explains nothing"
