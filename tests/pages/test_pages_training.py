"""The Train and Runs pages without a browser: what they say, what they refuse, and that the command is the truth."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import train_jobs
from genmodels import data, recipes, registry
from genmodels.config import TrainConfig
from genmodels.data import DataConfig
from genmodels.evaluation import metric_table
from genmodels.recipes import parse_overrides
from genmodels.runs.folder import RunFolder, runs_root
from genmodels.training import estimate
from pages.components import config_form, metrics_tail, run_curves
from tests.support.pages import open_page, spec_of_command, submit_command, visible

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    monkeypatch.delenv("GENMODELS_PUBLIC", raising=False)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def finished_run(name: str = "pattern_1010_gan-1", steps: int = 20, metrics: int = 3) -> RunFolder:
    spec = train_jobs.make_spec("pattern_1010_gan", None, [f"train.max_steps={steps}"])
    folder = RunFolder.create(runs_root() / name, spec)
    for step in range(metrics):
        folder.append_metrics(step, {"loss/discriminator": 0.25, "loss/generator": 0.3})
    folder.write_status(phase="finished", step=steps, max_steps=steps, device="cpu", error=None)
    return folder


# --------------------------------------------------------------------------- Train


def test_train_begins_with_what_needs_no_download():
    app = open_page("train")
    assert submit_command(app) == ["mnist_vae_20", "--preset", "quick"]
    assert not app.error


def test_train_defaults_to_digits_and_says_the_command():
    app = open_page("train", recipe="mnist_vae_20")
    assert app.selectbox(key="train_data").value == "digits"
    assert submit_command(app) == ["mnist_vae_20", "--preset", "quick"]
    app.selectbox(key="train_preset").select("full").run()
    assert submit_command(app) == ["mnist_vae_20", "--data", "digits"]
    assert open_page("train", recipe="pattern_1010_gan").selectbox(key="train_data").value == "pattern_1010"


def test_the_expected_result_is_shown_as_samples_of_the_published_model():
    app = open_page("train", recipe="mnist_vae_20")
    (image,) = app.get("image")
    assert image.proto.imgs[0].alt == "Samples of “VAE on MNIST, 20 dimensions”."
    caption = next(entry.value for entry in app.caption if "Published model" in entry.value)
    assert caption.startswith("Published model: 14,040 steps, ")
    assert "trains for less" in caption
    app.selectbox(key="train_preset").select("full").run()
    assert "trains for less" not in next(entry.value for entry in app.caption if "Published model" in entry.value)
    assert not open_page("train", recipe="mnist_ddpm").get("image"), "not published"


def test_expected_figures_are_called_by_their_names():
    assert "Expected after a full training: negative ELBO at most" in "\n".join(
        caption.value for caption in open_page("train", recipe="mnist_vae_20").caption
    )
    metrics = {metric for name in recipes.names() for metric in recipes.get(name).expect}
    assert [metric for metric in sorted(metrics) if "/" in metric_table.name_of(metric)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [*recipes.names(), *registry.names()])
def test_train_draws_every_field_of_every_recipe_and_family(name):
    app = open_page("train", recipe=name)
    assert app.query_params["recipe"] in (name, [name])
    model = recipes.get(name).family if name in recipes.names() else name
    keys = {element.key for kind in ("number_input", "selectbox", "toggle", "text_input") for element in app.get(kind)}
    for field in config_form.fields_of(registry.config_class(model)):
        assert f"train_model_{field.name}" in keys
    assert "train_model_image_shape" not in keys
    for field in config_form.fields_of(TrainConfig):
        assert f"train_train_{field.name}" in keys or field.name in ("max_steps", "max_epochs")
    if data.missing(DataConfig(name=app.selectbox(key="train_data").value)):
        assert "fetch it with" in app.error[0].value
    elif registry.config_class(model).first_stage_family and app.error:  # the first stage is not published, or unnamed
        assert "model.first_stage" in app.error[0].value.replace("\\", "")  # its text is escaped Markdown
        assert not app.get("exception")
        assert app.button(key="train_start").disabled
    else:
        assert spec_of_command(submit_command(app)).family == model


def test_a_recipe_for_ones_own_pictures_can_be_tried_on_digits_and_leads_to_the_data_page():
    app = open_page("train", recipe="portraits_dcgan_64")
    assert app.selectbox(key="train_data").value == "digits"
    assert "upload them on the Data page" in app.info[0].value
    assert spec_of_command(submit_command(app)).data.name == "digits"
    assert not app.error


def test_a_pair_of_fractions_is_edited_as_text():
    app = open_page("train", recipe="darknet")
    app.text_input(key="train_model_momentum").set_value("0.9, .8").run()
    assert spec_of_command(submit_command(app)).model["momentum"] == [0.9, 0.8]
    for wrong in ("0.9, nan", "0.9, 1", "0.9", "high, low"):
        app.text_input(key="train_model_momentum").set_value(wrong).run()
        assert "model.momentum" in app.error[0].value


def test_the_command_shown_resolves_to_what_is_submitted():
    app = open_page("train", recipe="mnist_gan")
    app.selectbox(key="train_preset").select("full")
    app.run()
    app.text_input(key="train_model_generator_sizes").set_value("300, 200")
    app.number_input(key="train_model_generator_lr").set_value(0.00003)
    app.toggle(key="train_model_layer_norm").set_value(False)
    app.selectbox(key="train_model_loss").select("mse")
    app.number_input(key="train_train_max_epochs").set_value(0.01)
    app.number_input(key="train_train_keep_last").set_value(None)
    app.text_input(key="train_train_keep_steps").set_value("")
    app.text_input(key="train_run_name").set_value("it's: 12 #1")
    app.run()
    assert not app.exception
    shown = spec_of_command(submit_command(app))
    assert shown.model["generator_sizes"] == [300, 200]
    assert shown.model["generator_lr"] == pytest.approx(3e-5)
    assert shown.model["layer_norm"] is False
    assert shown.model["loss"] == "mse"
    assert (shown.train.keep_last, shown.train.keep_steps, shown.run.name) == (None, (), "it's: 12 #1")
    assert shown.data.name == "digits"
    assert shown.train.max_steps == 45

    app.button(key="train_start").click().run()
    assert not app.exception
    (job,) = train_jobs.jobs()
    train_jobs.stop(job.id)
    assert job.folder.spec() == shown


def test_the_command_shown_is_accepted_by_the_real_command_line(tmp_path):
    app = open_page("train", recipe="pattern_1010_gan")
    app.number_input(key="train_train_max_steps").set_value(7).run()
    shown = submit_command(app)
    result = subprocess.run(
        [sys.executable, "-m", "train_jobs", "submit", *shown], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    folder = train_jobs.job(result.stdout.split()[-1]).folder
    assert folder.spec() == spec_of_command(shown)


def test_an_invalid_value_gives_a_message_and_no_start():
    app = open_page("train", recipe="mnist_vae_20")
    app.text_input(key="train_model_hidden_sizes").set_value("400, many").run()
    assert not app.exception
    assert any("model.hidden_sizes" in visible(error.value) and "many" in error.value for error in app.error)
    assert app.button(key="train_start").disabled
    app.text_input(key="train_model_hidden_sizes").set_value("400")
    app.number_input(key="train_train_batch_size").set_value(5000).run()
    assert any(
        "train.batch_size = 5000" in visible(error.value) and "4,500" in visible(error.value) for error in app.error
    )
    app.number_input(key="train_train_seed").set_value(None).run()
    assert any("train.seed is empty" in visible(error.value) for error in app.error)
    app.button(key="train_reset").click().run()
    assert not app.error
    assert not app.button(key="train_start").disabled


def test_switching_the_unit_keeps_the_length():
    app = open_page("train", recipe="mnist_vae_20")
    before = spec_of_command(submit_command(app)).train.max_steps
    app.radio(key="train_length").set_value("max_steps").run()
    assert app.number_input(key="train_train_max_steps").value == before
    assert spec_of_command(submit_command(app)).train.max_steps == before


def test_missing_mnist_is_said_before_anything_is_queued(tmp_path, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "none"))
    app = open_page("train", recipe="mnist_vae_20")
    assert app.button(key="train_get_mnist")
    app.selectbox(key="train_data").select("mnist").run()
    assert any("'mnist' was not found" in error.value for error in app.error)
    assert app.button(key="train_start").disabled


def test_public_servers_explain_and_refuse(monkeypatch):
    folder = finished_run()
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    app = open_page("train", recipe="pattern_1010_gan")
    assert any("public" in info.value for info in app.info)
    assert app.button(key="train_start").disabled
    assert [metric.value for metric in app.metric if metric.label == "Time"] == ["unknown"]
    runs = open_page("runs", run=folder.name)
    assert runs.button(key="runs_delete").disabled
    assert runs.button(key="runs_rename").disabled
    assert runs.button(key="runs_publish").disabled


def test_public_servers_download_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "none"))
    assert not open_page("train", recipe="mnist_vae_20").button(key="train_get_mnist").disabled
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    assert open_page("train", recipe="mnist_vae_20").button(key="train_get_mnist").disabled
    assert not (tmp_path / "none").exists()


def test_an_unknown_recipe_in_the_address_is_named():
    app = open_page("train", recipe="mnist_vea_20")
    assert any(
        "mnist_vea_20" in visible(warning.value) and "mnist_vae_20" in visible(warning.value) for warning in app.warning
    )


# --------------------------------------------------------------------------- Runs


def test_runs_without_any_lead_to_train():
    app = open_page("runs")
    assert any("no runs yet" in info.value for info in app.info)


def test_a_finished_run_is_renamed_and_deleted():
    folder = finished_run()
    finished_run("pattern_1010_gan-2", steps=30)
    app = open_page("runs", run=folder.name)
    assert app.selectbox(key="runs_select").value == folder.name
    assert any("Finished: all 20 steps" in text.value for text in app.markdown)
    app.text_input(key=f"runs_name_{folder.name}").set_value("my first")
    app.button(key="runs_rename").click().run()
    assert train_jobs.job(folder.name).name == "my first"
    app.button(key="runs_delete").click().run()
    assert folder.path.exists()
    app.button(key="runs_delete_confirm").click().run()
    assert not app.exception
    assert not folder.path.exists()
    assert app.selectbox(key="runs_select").value == "pattern_1010_gan-2"


@pytest.mark.slow
def test_save_and_knobs_wait_until_the_run_trains():
    settings = ["train.max_steps=5000000", "train.precision=fp32", "train.compile=off", "run.threads=1"]
    job = train_jobs.submit(train_jobs.make_spec("pattern_1010_gan", None, settings))
    try:
        wait_for(lambda: train_jobs.job(job.id).phase == "training")
        app = open_page("runs", run=job.id)
        assert not app.button(key="runs_save").disabled
        assert not app.button(key="runs_apply").disabled
        # What a starting worker looks like: its process is there, its first report is not.
        psutil.Process(train_jobs.job(job.id).pid).suspend()
        (job.folder.path / "status.json").unlink()
        app.run()
        assert not app.exception
        assert app.button(key="runs_save").disabled
        assert app.button(key="runs_apply").disabled
        assert app.number_input(key="runs_setting_generator_lr").disabled
        with pytest.raises(train_jobs.JobError, match="it is starting, not training; wait until it trains"):
            train_jobs.request(job.id, "save")
    finally:
        psutil.Process(train_jobs.job(job.id).pid).resume()
        train_jobs.stop(job.id)
        wait_for(lambda: not train_jobs.job(job.id).active)


def test_a_name_with_markdown_is_shown_as_typed():
    folder = finished_run()
    train_jobs.rename(folder.name, "**bold** [x](http://y) :red[z]")
    app = open_page("runs", run=folder.name)
    assert next(title.value for title in app.header) == "\\*\\*bold\\*\\* \\[x\\](http\\:\u2060//y) \\:\u2060red\\[z\\]"
    app.button(key="runs_delete").click().run()
    assert r"Really delete \*\*bold" in app.button(key="runs_delete_confirm").label
    assert any(r"This removes \*\*bold" in warning.value for warning in app.warning)


def test_a_damaged_run_shows_its_cause_and_hides_no_other():
    folder = finished_run()
    finished_run("pattern_1010_gan-2")
    (folder.path / "config.json").write_text('{"format": 3, "spec"')
    app = open_page("runs", run=folder.name)
    assert any("config.json cannot be read" in error.value for error in app.error)
    app.selectbox(key="runs_select").select("pattern_1010_gan-2").run()
    assert not app.error
    assert not app.exception


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("status.json", "null"),
        ("status.json", '{"phase": "training", "heartbeat": 9e12, "pid": "zz", "step": "many", "max_steps": "abc"}'),
        ("config.json", '{"format": 3, "spec": {"title": "x", "train": {"max_steps": "abc"}, "run": {}, "data": {}}}'),
        ("events.jsonl", '{"step": 1, "kind": "set", "time": "zz", "path": 5}\n{"step": 2, "kind": 7, "time": null}\n'),
        ("events.jsonl", '{"step": 1, "kind": "set", "time": 5, "path": "model.lr", "old": null, "new": []}\n'),
    ],
)
def test_no_content_of_a_run_folder_ends_the_runs_page(file, content):
    folder = finished_run()
    finished_run("pattern_1010_gan-2")
    (folder.path / file).write_text(content)
    app = open_page("runs", run=folder.name)
    assert app.selectbox(key="runs_select").value == folder.name
    assert app.button(key="runs_delete")


def test_an_unknown_run_in_the_address_is_named():
    finished_run()
    app = open_page("runs", run="gone-7")
    assert any("gone-7" in warning.value for warning in app.warning)
    assert app.selectbox(key="runs_select").value == "pattern_1010_gan-1"


def test_collapse_is_named_where_the_pictures_are_alike():
    spec = train_jobs.make_spec("mnist_gan", None, ["train.max_steps=20"], "digits")
    folder = RunFolder.create(runs_root() / "mnist_gan-1", spec)
    folder.write_status(phase="finished", step=20, max_steps=20, device="cpu", error=None)
    folder.append_metrics(20, {"preview/diversity": 0.5, "preview/diversity_data": 0.6})
    assert not open_page("runs", run=folder.name).warning
    folder.append_metrics(20, {"preview/diversity": 0.1, "preview/diversity_data": 0.6})
    assert any("17 %" in warning.value for warning in open_page("runs", run=folder.name).warning)


# --------------------------------------------------------------------------- parts


def test_curves_are_read_on_thinned_and_begun_again_after_a_resume():
    folder = finished_run(metrics=10)
    assert list(metrics_tail.series_of(folder)["loss/generator"].steps) == list(range(10))
    folder.append_metrics(10, {"loss/generator": 1.0})
    assert metrics_tail.series_of(folder)["loss/generator"].steps[-1] == 10
    folder.truncate(4)
    folder.append_metrics(5, {"loss/generator": 7.0})
    line = metrics_tail.series_of(folder)["loss/generator"]
    assert (list(line.steps), line.values[-1]) == ([0, 1, 2, 3, 4, 5], 7.0)
    assert run_curves.thin(range(10), [float(v) for v in range(10)], 4) == ([2, 5, 8, 9], [1.0, 4.0, 7.0, 9.0], 3)


@pytest.mark.parametrize("value", [1, 1e-5, 0.5, True, None, "auto", "12", "null", "[1", "a: b", [3, 4], []])
def test_every_value_survives_the_command_line(value):
    assert parse_overrides([f"run.x={config_form.written(value)}"])["run"]["x"] == value


def test_the_estimate_counts_and_times():
    spec = train_jobs.make_spec("mnist_vae_20", "quick")
    # 784-400-40 and 20-400-784, weights and biases
    assert estimate.parameter_count(spec) == 784 * 400 + 400 + 400 * 40 + 40 + 20 * 400 + 400 + 400 * 784 + 784
    seconds = estimate.estimate_seconds(spec)
    assert seconds is not None
    assert 0.1 < seconds < 3600
    assert estimate.outline(spec).latent_dim == 20


@pytest.mark.parametrize(
    ("family", "assignments"),
    [
        ("vae", ["model.hidden_sizes=[8192,8192,8192,8192,8192,8192,8192,8192]", "train.batch_size=4500"]),
        ("vae", ["model.hidden_sizes=[4000,2000]", "train.batch_size=4500"]),
        ("cnn_classifier", ["train.batch_size=4500"]),
    ],
)
def test_no_estimate_takes_the_memory_of_the_server(family, assignments):
    spec = train_jobs.make_spec(family, None, assignments)
    before = psutil.Process().memory_info().rss
    assert estimate.estimate_seconds(spec) is None
    assert psutil.Process().memory_info().rss - before < 400e6


@pytest.mark.parametrize(("longest", "largest"), [(0.0, 2), (1e9, 24)])
def test_a_long_step_is_reckoned_from_a_tiny_batch(monkeypatch, longest, largest):
    model = registry.get("pixelcnn")
    step, sizes = model.training_step, []

    def watched(self, batch, optimizers, number):
        sizes.append(len(batch["image"]))
        return step(self, batch, optimizers, number)

    monkeypatch.setattr(model, "training_step", watched)
    monkeypatch.setattr(estimate, "MAX_STEP_S", longest)
    estimate._seconds_of_step.cache_clear()
    small = ["model.channels=4", "model.layers=1", "train.batch_size=24", "train.max_steps=10"]
    assert estimate.estimate_seconds(train_jobs.make_spec("pixelcnn", None, small)) > 0
    assert (max(sizes), sizes[:2]) == (largest, [2, 2])


def test_no_step_is_timed_on_a_public_server(monkeypatch):
    spec = train_jobs.make_spec("vae")
    assert estimate.estimate_seconds(spec) is not None
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    assert estimate.estimate_seconds(spec) is None
