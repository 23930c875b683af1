"""Compare > Families: every published digit model in one sortable table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from genmodels import registry
from genmodels.evaluation import reference_classifier
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.service import families
from pages.components.i18n import has
from tests.support.pages import open_page, page_text


def table(app: AppTest) -> dict[str, Any]:
    data = [json.loads(element.proto.json) for element in app.get("bidi_component") if element.proto.json]
    return next(one for one in data if "heads" in one and "rows" in one)


def test_the_table_has_every_published_digit_model_with_its_published_values() -> None:
    rows = {row.info.name: row for row in families.rows()}
    generates = {"sampling", "latent"}
    expected = {
        info.name
        for info in catalog.list_checkpoints()
        if info.published
        and generates & {*info.capabilities}
        and reference_classifier.applies_to(RunFolder(info.path).spec().data_spec)
    }
    assert rows.keys() == expected
    assert {"mnist_gan", "mnist_vae_20", "mnist_gated_pixelcnn", "mnist_autoencoder"} <= expected
    for name, row in rows.items():
        stored = json.loads((row.info.path / "metrics.json").read_text())
        assert row.values["frechet"].value == stored["metrics"].get("judge/frechet"), name
        assert row.values["agreement"].value == stored["metrics"].get("labels/agreement"), name
        assert row.values["bits_per_dim"].value == stored["metrics"].get("likelihood/bits_per_dim"), name
        assert row.values["seconds"].value == stored["train_seconds"], name
    known = [row.values["frechet"].value for row in families.rows()]
    distances = [value for value in known if value is not None]
    assert known == sorted(distances) + [None] * (len(known) - len(distances)), "by FID, unknown ones last"
    assert not rows["mnist_gan"].values["bits_per_dim"].applies
    assert not rows["mnist_gan"].values["agreement"].applies


@pytest.mark.parametrize("name", ["mnist_gan", "mnist_vae_20", "mnist_dcgan", "mnist_gated_pixelcnn"])
def test_parameters_are_counted_without_loading_weights(name: str) -> None:
    row = next(row for row in families.rows() if row.info.name == name)
    model = catalog.load(name)
    assert row.values["parameters"].value == sum(
        weight.numel() for key, weight in model.named_parameters() if key.split(".")[0] not in model.training_only
    )


def test_the_time_per_sample_is_measured_once_and_then_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = families.measure_time("mnist_gan_256")
    assert 0 < seconds < 1
    assert families.measure_time("mnist_gan_256") == seconds, "cached"
    assert next(row for row in families.rows() if row.info.name == "mnist_gan_256").sample_seconds == seconds


def test_every_published_family_says_its_limitation() -> None:
    for row in families.rows():
        assert has(f"compare.families.limits.{row.info.model}"), row.info.model
    for name in ("autoencoder", "vae", "gan", "dcgan", "wgan", "wgan_gp", "cgan", "pixelcnn", "gated_pixelcnn"):
        assert name in registry.names()
        assert has(f"compare.families.limits.{name}")


def test_the_page_shows_links_reasons_and_measured_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mnist_gan_256", "mnist_vae_20", "mnist_judge"):
        shutil.copytree(catalog.find(name), tmp_path / name)
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path))
    app = open_page("compare", part="families")
    shown = table(app)
    heads = [head["name"] for head in shown["heads"]]
    assert len(heads) == len({*heads}) == 10
    assert all(head["meaning"] for head in shown["heads"])
    rows = {row[0]["text"]: dict(zip(heads, row, strict=True)) for row in shown["rows"]}
    assert rows.keys() == {"mnist_gan_256", "mnist_vae_20"}
    gan = rows["mnist_gan_256"]
    assert gan["Model"]["link"] == "evaluate?model=mnist_gan_256"
    assert (gan["ELBO bound"]["order"], gan["ELBO bound"]["text"]) == (None, "\u2013")
    assert "no such value" in gan["ELBO bound"]["reason"]
    assert rows["mnist_vae_20"]["ELBO bound"]["text"] == "≤\u00a0102.7\u00a0nats"
    assert gan["Time per sample"]["order"] is None
    assert "Not measured on this server yet" in gan["Time per sample"]["reason"]
    assert "collapse" in gan["Limitations"]["text"]
    assert app.query_params["part"] == ["families"] or app.query_params["part"] == "families"

    app.button(key="compare_measure_times").click().run()
    assert not app.exception
    times = {row[0]["text"]: row[heads.index("Time per sample")] for row in table(app)["rows"]}
    assert all(time["order"] > 0 and time["text"].endswith("ms") for time in times.values())
    assert open_page("compare", part="families").button(key="compare_measure_times").disabled


def test_without_published_digits_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(catalog.find("pattern_1010_gan"), tmp_path / "pattern_1010_gan")
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path))
    assert "No model of digits is published yet" in page_text(open_page("compare", part="families"))
