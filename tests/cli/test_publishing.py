"""Cards: expected metrics, names, times; and replacing a checkpoint without loss."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from genmodels import data, recipes
from genmodels.errors import CheckpointError, DataError, UnknownNameError
from genmodels.evaluation import metric_table
from genmodels.publishing import card, history, publish
from genmodels.publishing.expected import Expectation, expectation_of
from genmodels.runs import catalog
from genmodels.runs.files import read_json, write_json
from genmodels.runs.folder import RunFolder, runs_root
from genmodels.training import runner
from tests.conftest import small_spec
from tests.support.runs import save_run
from train_jobs.spec import make_spec

ROOT = Path(__file__).parents[2]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of one published checkpoint that may be changed."""
    root = tmp_path / "checkpoints"
    shutil.copytree(ROOT / "checkpoints" / "pattern_1010_gan", root / "pattern")
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(root))
    return root


# ------------------------------------------------------------------------------ swapping folders


def folder(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "README.md").write_text(text)
    return path


def test_a_failed_replacement_restores_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = folder(tmp_path / "tiny", "old"), folder(tmp_path / ".tmp-tiny", "new")
    replace = os.replace

    def failing(source: Path, target: Path) -> None:
        if source == new:
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="Input/output"):
        publish._put_in_place(new, old)
    assert (old / "README.md").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-tiny", "tiny"]


def test_a_failed_deletion_does_not_undo_a_replacement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = folder(tmp_path / "tiny", "old"), folder(tmp_path / ".tmp-tiny", "new")

    def unlink(*_: object, **__: object) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(os, "unlink", unlink)
    publish._put_in_place(new, old)
    assert (old / "README.md").read_text() == "new"


# ------------------------------------------------------------------------------ time at work


def lines(*times: float) -> list[dict[str, float]]:
    return [{"step": step, "time": time} for step, time in enumerate(times)]


def test_slow_logging_counts_as_training_and_a_pause_does_not() -> None:
    assert history.training_seconds(lines(0, 61, 122, 183)) == 183
    assert history.training_seconds(lines(0, 1, 2, 1_000, 1_001)) == 3
    assert history.training_seconds(lines(0, 1, 60)) == 60, "up to a minute is training time"
    assert history.training_seconds(lines(0, 100, 200, 5_000, 5_100)) == 300
    assert history.training_seconds(lines(0, 61, 122, 183), until=2) == 122
    assert history.training_seconds(lines(0, 10, 5, 15)) == 20, "a clock that was set back adds nothing"
    assert history.training_seconds(lines(7)) == history.training_seconds([]) == 0


# ------------------------------------------------------------------------------ expected metrics


def test_a_recipes_expected_metrics_are_compared_with_the_differing_settings() -> None:
    spec = recipes.resolve(recipes.get("mnist_wgan_gp"), overrides={"data": {"name": "digits"}})
    assert expectation_of(spec, 100) == Expectation(), "nothing is expected on other data"
    spec = spec.replace(data=spec.data.replace(name="mnist"))
    config = {**spec.model, "gp_weight": 5.0}
    found = expectation_of(spec.replace(model=config, train=spec.train.replace(batch_size=32)), 12_000)
    assert found.bounds == recipes.get("mnist_wgan_gp").expect
    assert found.differences == (
        "12,000 steps instead of 20,000",
        "batch size 32 instead of 64",
        "`gp_weight` 5.0 instead of 10.0",
    )
    note = found.verdict({"classes/min_fraction": 0.005, "classes/kl_uniform": 0.001})
    assert note.endswith("`gp_weight` 5.0 instead of 10.0. Not reached: rarest digit = 0.005 is outside at least 0.01.")
    same = expectation_of(spec, 20_000)
    assert same.differences == ()
    assert (
        same.verdict({"classes/min_fraction": 0.02, "classes/kl_uniform": 0.001}) == "Every expected metric is reached."
    )
    assert Expectation().verdict({}) == "No metrics are expected for these settings."


def test_a_specs_own_expected_metrics_are_not_replaced() -> None:
    spec = small_spec("vae").replace(recipe="mnist_vae_20", expect={"elbo/kl": (1.0, None)})
    assert expectation_of(spec, 3) == Expectation({"elbo/kl": (1.0, None)})


@pytest.mark.parametrize(
    "name",
    [
        "cifar10_darknet_narrow",
        "fast_style_starry_night",
        "fast_style_the_scream",
        "flowers_dcgan_64",
        "horse2zebra_projected_128",
        "mnist_dcgan",
        "mnist_wgan_gp",
        "portraits_dcgan_64",
    ],
)
def test_every_published_card_compares_with_its_recipes_expected_metrics(name: str) -> None:
    info = catalog.describe(catalog.find(name), published=True)
    note = expectation_of(RunFolder(info.path).spec(), info.steps[-1]).verdict(info.metrics)
    assert "reached" in note
    assert note in info.card


def test_published_specs_expect_what_their_recipes_do() -> None:
    compared = 0
    for info in (info for info in catalog.list_checkpoints() if info.published):
        spec = RunFolder(info.path).spec()
        if spec.expect and spec.recipe in recipes.names():
            recipe = recipes.get(spec.recipe)
            own = recipe.presets.get(spec.preset or "", {}).get("expect")
            wanted = {key: tuple(bounds) for key, bounds in (own or recipe.expect).items()}
            assert spec.expect == wanted, info.name
            compared += 1
    assert compared > 5


# ------------------------------------------------------------------------------ cards


def test_every_metric_of_a_card_or_a_recipe_has_a_name_and_a_meaning() -> None:
    published = {
        key for info in catalog.list_checkpoints() if info.published for key in metric_table.shown(info.metrics)
    }
    expected = {key for recipe in catalog.list_recipes() for key in recipe.expect}
    shares = {f"classes/fraction_{digit}" for digit in range(10)}
    assert len(published) > 30
    assert published | expected <= set(metric_table.TABLE) | shares
    for key, entry in metric_table.TABLE.items():
        assert metric_table.name_of(key) == entry.name
        assert metric_table.meaning_of(key) == entry.meaning
        assert entry.name
        assert entry.meaning.endswith("."), key
    assert len({entry.name for entry in metric_table.TABLE.values()}) == len(metric_table.TABLE)
    assert metric_table.name_of("classes/fraction_3") == "fraction of 3"
    assert metric_table.name_of("new/figure") == "new/figure"
    assert metric_table.meaning_of("new/figure") == ""
    assert metric_table.shown({"b": 1, "a": 1, "a_spread": 0}) == ["a", "b"]
    assert metric_table.value_of({"a": 58.1812, "a_spread": 2.127}, "a") == "58.18 ± 2.1"


def test_published_cards_name_the_features_of_a_fid() -> None:
    cards = [info.card for info in catalog.list_checkpoints() if info.published and "judge/frechet" in info.metrics]
    assert len(cards) >= 5
    assert all("FID (classifier features)" in text for text in cards)
    readme = (ROOT / "README.md").read_text()
    assert readme.count("FID ") == readme.count("FID (classifier features)")


def test_cards_that_show_data_state_its_licence() -> None:
    for name in ("horse2zebra_judge", "horse2zebra_projected_128"):
        text = catalog.describe(catalog.find(name), published=True).card
        above, _ = text.split("\n## Measured")
        assert "Licence of the test images above: ImageNet's photographs: non-commercial research" in above


def test_a_rewritten_card_keeps_hand_written_text(published: Path) -> None:
    path = published / "pattern" / "README.md"
    whole = path.read_text()
    edited = whole.replace("## Limits\n", "## Limits\n\nDo not frame it.\n").replace("## Measured", "## Mismeasured")
    path.write_text(edited)
    facts = read_json(published / "pattern" / "metrics.json")
    metrics = {**facts["metrics"], "pattern/worst_error": 0.5, "pattern/worst_error_spread": 0.01}
    write_json(published / "pattern" / "metrics.json", {**facts, "metrics": metrics})
    publish.rewrite_card("pattern")
    again = path.read_text()
    assert "Do not frame it." in again
    assert "## Measured" in again
    assert "| largest error | 0.5 ± 0.01 | 0 to 0.15 | `pattern/worst_error` |" in again
    assert "Not reached: largest error = 0.5 is outside 0 to 0.15." in again
    assert metric_table.SPREAD_NOTE in again
    assert again.split("## Settings")[1] == whole.split("## Settings")[1]
    assert sorted(one.name for one in path.parent.iterdir() if one.name.startswith(".")) == []


def test_a_card_states_that_scores_are_of_a_network_that_is_not_stored() -> None:
    cards = {info.name: info for info in catalog.list_checkpoints() if info.published and "score/real" in info.metrics}
    stripped = {name for name, info in cards.items() if "scoring" not in info.capabilities}
    assert {"mnist_wgan_gp", "mnist_dcgan"} <= {*cards}
    assert stripped == {name for name, info in cards.items() if "measured before publishing" in info.card}
    assert "mnist_wgan_gp" in stripped
    assert "mnist_dcgan" not in stripped


def test_measuring_again_keeps_what_was_not_measured(published: Path) -> None:
    path = published / "pattern"
    facts = read_json(path / "metrics.json")
    rows = [
        {"step": 0, "seconds": 0.0, "pattern/worst_error": 0.4},
        {"step": 10_000, "seconds": 2.0, "pattern/worst_error": 9},
    ]
    write_json(path / "metrics.json", {**facts, "metrics": {"old/figure": 1.0}, "over_training": rows})
    publish.measure_again("pattern", samples=500)
    found = read_json(path / "metrics.json")
    assert "old/figure" not in found["metrics"]
    assert found["metrics"]["pattern/worst_error"] < 0.15
    assert 0.3 < found["metrics"]["score/real"] < 0.7
    assert 0.3 < found["metrics"]["score/fake"] < 0.7
    assert not [key for key in found["metrics"] if key.startswith("memory/")], "its data has only copies of one image"
    assert found["samples"] == 500
    assert "`python -m genmodels evaluate pattern --samples 500`, on the test split" in (path / "README.md").read_text()
    over = {row["step"]: row for row in found["over_training"]}
    assert list(over) == list(RunFolder(path).steps())
    assert over[0] == {**rows[0], "diversity/samples": 0.0}, "it has a single mode"
    assert over[10_000]["seconds"] == 2.0
    assert over[10_000]["pattern/worst_error"] == found["metrics"]["pattern/worst_error"]
    assert found["curves"] == facts["curves"]
    assert "discriminator output, real images" in (path / "README.md").read_text()


def test_only_published_checkpoints_have_cards_and_measuring_needs_data(published: Path, tmp_path: Path) -> None:
    save_run(runs_root(), "mine", "mnist_vae_20", "data.name=digits")
    with pytest.raises(CheckpointError, match="mine is a run and has no card"):
        publish.rewrite_card("mine")
    with pytest.raises(UnknownNameError):
        publish.measure_again("nothing")
    config = read_json(published / "pattern" / "config.json")
    config["spec"]["data"] = {"name": "image_folder", "path": "gone"}
    write_json(published / "pattern" / "config.json", config)
    with pytest.raises(DataError, match="cannot be measured without its test data"):
        publish.measure_again("pattern", path=str(tmp_path / "gone"))


def test_cards_of_older_metrics_files_are_written(published: Path) -> None:
    found = card.facts(published / "pattern")
    write_json(published / "pattern" / "metrics.json", {key: found[key] for key in ("metrics", "train_seconds")})
    publish.rewrite_card("pattern")
    assert "Over training" not in (published / "pattern" / "README.md").read_text()
    assert data.missing(RunFolder(published / "pattern").spec().data) is None


def test_a_card_states_changed_settings_and_initial_weights(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    settings = ("train.max_steps=6", "train.initial_weights=pattern", "train.batch_size=1")
    spec = make_spec("pattern_1010_gan", None, settings)
    run = RunFolder.create(tmp_path / "runs" / "mine", spec)
    runner.train_folder(run, device="cpu")
    run.add_event(3, "set", path="model.generator_lr", old=0.01, new=0.02)
    publish.publish("mine", "again", samples=20)
    card = (published / "again" / "README.md").read_text()
    assert "| changed during training | `generator_lr` from 0.01 to 0.02 at step 3 |" in card
    assert "| initial weights | `pattern` at step 10,000" in card
    assert "--set train.initial_weights=pattern" in card
    assert card.endswith("`\n"), "it was not stopped early"


def test_a_discriminator_that_is_not_stored_is_measured_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    planned = save_run(runs_root(), "mine", "mnist_gan", "data.name=digits").spec().train.max_steps
    path = publish.publish("mine", "again", samples=500)
    assert (path / "README.md").read_text().endswith(f"`, and stop at step 10 of {planned:,}, as this training was.\n")
    found = read_json(path / "metrics.json")["metrics"]
    assert not list(path.glob("step-*/training_nets*"))
    assert "submit mnist_gan --set data.name=digits" in (path / "README.md").read_text()
    assert 0 < found["score/real"] < 1
    assert found["score/fake_spread"] > 0
    publish.measure_again("again", samples=500)
    after = read_json(path / "metrics.json")["metrics"]
    answers = {key: value for key, value in found.items() if key.startswith("score/")}
    assert {key: after[key] for key in answers} == answers
