"""What the Runs and the Train page say of particular runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import train_jobs
from genmodels.runs.folder import runs_root
from tests.support.pages import controls_without_help, open_page, page_text
from tests.support.runs import save_run
from train_jobs import api

ROOT = Path(__file__).parents[2]


def links(app: AppTest) -> dict[str, str]:
    return {link.proto.label: link.proto.help for link in app.get("page_link")}


def test_a_constant_generator_leads_to_its_steps_and_not_to_a_latent_space():
    save_run(runs_root(), "pattern_1010_gan-1", "pattern_1010_gan")
    save_run(runs_root(), "mnist_gan-1", "mnist_gan", "data.name=digits")
    assert "See what it generates at each step" in links(open_page("runs", run="pattern_1010_gan-1"))
    assert "Explore its latent space" not in links(open_page("runs", run="pattern_1010_gan-1"))
    assert "Explore its latent space" in links(open_page("runs", run="mnist_gan-1"))


def test_a_run_of_style_transfer_is_not_said_to_show_tiles():
    small = ("data.name=striped_digits", "data.size=null", "data.style_size=null", "model.style_relu5_1=0")
    canvas = save_run(runs_root(), "canvas", "style_transfer", *small, "model.style_relu4_1=0", steps=(0,))
    gan = save_run(runs_root(), "gan", "mnist_gan", "data.name=digits", steps=(0,))
    for folder, words in ((canvas, "The image that this run optimises"), (gan, "each tile shows one picture")):
        folder.preview_path(0).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8)).save(folder.preview_path(0))
        assert any(words in caption.value for caption in open_page("runs", run=folder.name).caption)


def test_a_run_that_has_ended_is_not_said_to_go_on():
    folder = save_run(runs_root(), "pattern_1010_gan-1", "pattern_1010_gan")
    folder.write_status(phase="finished", step=int(folder.spec().train.max_steps or 0))
    assert not train_jobs.job(folder.name).active
    found = links(open_page("train", recipe="pattern_1010_gan", run=folder.name))
    assert found["All its pictures and settings on the Runs page"].startswith("The run has ended.")


def test_the_question_before_a_deletion_says_which_run_it_is_where_a_name_could_mean_another():
    save_run(runs_root(), "mnist_gan-1", "mnist_gan", "data.name=digits")
    save_run(runs_root(), "mnist_gan-2", "mnist_gan", "data.name=digits")
    train_jobs.rename("mnist_gan-1", "mnist_gan-2")
    app = open_page("runs", run="mnist_gan-1")
    app.button(key="runs_delete").click().run()
    which = r"mnist\_gan-2 · mnist\_gan-1"
    assert app.button(key="runs_delete_confirm").label == f"Really delete {which}"
    assert app.warning[0].value.startswith(f"This removes {which} with")


def test_without_runs_a_published_training_is_shown_and_a_short_one_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api, "ensure_scheduler", lambda: None)
    app = open_page("runs")
    assert not app.exception
    assert "no runs yet" in app.info[0].value
    assert app.selectbox(key="runs_first_model").value == "mnist_vae_20"
    assert len(app.selectbox(key="runs_first_model").options) > 2
    slider = app.select_slider(key="runs_first_step_mnist_vae_20")
    assert (slider.value, len(slider.options)) == (14_040, 4)
    (chart,) = app.get("vega_lite_chart")
    assert "negative ELBO (nats) over the training steps, up to step 14,0" in chart.proto.alt
    assert r"mnist\_vae\_20 was trained in 54 s" in page_text(app)
    assert controls_without_help(app, {"selectbox", "select_slider", "button"}) == []
    slider.set_value(100).run()
    assert not app.exception

    app.button(key="runs_first_start").click().run()
    assert not app.exception
    (job,) = train_jobs.jobs()
    assert (job.recipe, job.state, job.folder.spec().data.name) == ("mnist_vae_20", "PENDING", "digits")
    assert app.query_params["run"] == job.id
    assert "A published training" not in page_text(app)


def test_a_public_server_starts_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    app = open_page("runs")
    assert [button.key for button in app.button if button.key.startswith("runs")] == []
    assert "There are no runs on this server" in app.info[0].value
    assert app.selectbox(key="runs_first_model").value == "mnist_vae_20"
