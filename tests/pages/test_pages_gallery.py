"""The gallery: its map, entries, selection, filters and own runs, the cards' texts, and marks without colour."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch import Tensor

from genmodels import recipes
from genmodels.images import preview
from genmodels.runs.catalog import checkpoints_root, describe, list_checkpoints
from genmodels.service import classify, showcase
from pages.components import assets
from pages.components.i18n import t, texts
from pages.parts.classify import predictions
from pages.parts.gallery import latent_map, models, thumbnails
from tests.support.browser import ROOT
from tests.support.pages import open_page
from tests.support.runs import save_run


def opened(app: AppTest) -> list[str]:
    """The models with a card, in its order."""
    start = "gallery_open_"
    return [str(button.key).removeprefix(start) for button in app.button if str(button.key).startswith(start)]


def address(app: AppTest, name: str) -> str:
    value = app.query_params[name]
    return value if isinstance(value, str) else value[-1]


def test_the_bundled_map_is_what_the_published_model_decodes() -> None:
    decoded = np.asarray(showcase.code_map(latent_map.MODEL, latent_map.AXIS)).astype(float)
    with Image.open(io.BytesIO(assets.asset(latent_map.FILE).read())) as image:
        bundled = np.asarray(image.convert("L")).astype(float)
    side = latent_map.SIDE * latent_map.PIXELS
    assert decoded.shape == bundled.shape == (side, side)
    tiles = np.abs(decoded - bundled).reshape(latent_map.SIDE, latent_map.PIXELS, latent_map.SIDE, latent_map.PIXELS)
    assert tiles.mean() < 2, "levels of 255, lost by compression"
    assert tiles.mean((1, 3)).max() < 6, "no tile is another digit"
    size = len(assets.asset(latent_map.FILE).read())
    assert size < 100_000


def test_the_first_page_shows_its_map_without_torch() -> None:
    modules = "app, pages.components.waiting, pages.components.share, pages.parts.gallery.hero"
    code = f"import sys, {modules}, pages.parts.gallery.entries; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["False"], result.stderr


def test_each_entry_is_a_link_with_a_help_text_and_an_image_with_an_alt_text() -> None:
    app = open_page("gallery")
    assert app.markdown[0].value == t("gallery.intro"), "nothing else is above it"
    links = [link.proto for link in app.get("page_link")]
    assert [link.page for link in links] == ["latent", "stylize", "classify", "speak", "train"]
    assert all(link.help for link in links)
    credits = [entry.value for entry in app.caption][-5:]
    assert any("danielbuechele" in credit for credit in credits), "the photograph's licence asks for its author's name"
    images = [image.proto.imgs[0] for image in app.get("image")]
    assert len(images) == 4 + len(models.SELECTION)
    assert all(image.alt for image in images)


def test_a_visitor_sees_a_selection_of_every_kind_first_and_all_with_one_click() -> None:
    app = open_page("gallery")
    assert opened(app) == list(models.SELECTION)
    published = [info for info in list_checkpoints() if info.published]
    kinds = {models.kind(info) for info in published}
    assert {models.kind(info) for info in published if info.name in models.SELECTION} == kinds
    app.button_group(key="gallery_kind").set_value("all").run()
    assert set(opened(app)) == {info.name for info in published}
    assert address(app, "kind") == "all"


def test_the_filters_show_one_kind_or_one_data_set() -> None:
    app = open_page("gallery", kind="sound")
    assert opened(app) == ["fsdd_wavenet"]
    app = open_page("gallery")
    app.selectbox(key="gallery_dataset").set_value("Daisies and sunflowers").run()
    assert opened(app) == ["flowers_projected_128"]
    assert address(app, "kind") == "all", "the selection would hide other models of this data"
    assert opened(open_page("gallery", dataset="CIFAR-10 photographs")) == ["cifar10_darknet_narrow"]
    app = open_page("gallery", kind="sound", dataset="CIFAR-10 photographs")
    assert not opened(app)
    assert app.info[0].value == t("gallery.none")


def test_no_metric_is_shown_before_a_click() -> None:
    def shown(block: object) -> list[str]:
        if getattr(block, "type", "") == "popover":
            return []
        inner = [text for child in getattr(block, "children", {}).values() for text in shown(child)]
        return inner + ([str(block.value)] if getattr(block, "type", "") in ("markdown", "caption") else [])  # type: ignore[attr-defined]

    app = open_page("gallery", kind="all")
    metrics = [models.metric(info) for info in list_checkpoints() if info.published]
    inside = [entry.value for entry in app.markdown]
    assert all(metric in inside for metric in metrics)
    assert not set(metrics) & set(shown(app.main))


def test_own_runs_come_first_the_newest_twelve_and_all_with_one_click(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    first = save_run(tmp_path, "run-00", "pattern_1010_gan", steps=(0,))
    for index in range(1, 14):
        shutil.copytree(first.path, tmp_path / f"run-{index:02}")
        os.utime(tmp_path / f"run-{index:02}" / "step-000000", (index, index))
    os.utime(first.step_path(0), (0, 0))
    (first.step_path(0) / "model.safetensors").write_bytes(b"not weights")
    app = open_page("gallery")
    newest = [f"run-{index:02}" for index in range(13, 1, -1)]
    assert opened(app) == [*newest, *models.SELECTION]
    assert not app.warning, "no sample is generated of a run that is not shown"
    button = app.button(key="gallery_every_run")
    assert button.label == "Show all 14 runs"
    button.click().run()
    assert opened(app)[:14] == [*newest, "run-01", "run-00"]
    assert "damaged" in app.warning[0].value
    assert address(app, "runs") == "all"
    assert not [entry for entry in app.button if entry.key == "gallery_every_run"]


def test_a_card_shows_whole_images_of_the_stored_preview_and_loads_no_weights(tmp_path: Path) -> None:
    run = save_run(tmp_path, "broken", "mnist_gan", "data.name=digits", steps=(0,))
    (run.step_path(0) / "model.safetensors").write_bytes(b"not weights")
    tiles = torch.linspace(-1, 1, 64)[:, None, None, None].expand(64, 1, 28, 28)
    run.preview_path(0).parent.mkdir()
    run.preview_path(0).write_bytes(preview.png(preview.grid(tiles)))
    url = thumbnails.thumbnail(describe(run.path))
    assert url is not None
    assert url.startswith("data:image/webp;base64,")
    pixels = np.asarray(preview.grid(tiles))
    left, top, right, bottom = thumbnails._best_part(pixels)
    assert (pixels[top, left:right] != 128).any()
    columns = [len(part) for part in (np.unique(pixels[top, left:right]), np.unique(pixels[top:bottom, left]))]
    assert columns == [5 + 1, 2 + 1], "five columns and two rows, and the lines between them"


def test_the_digit_ladder_stands_in_the_order_of_its_steps() -> None:
    start = "gallery_open_mnist_mlp_"
    keys = [button.key or "" for button in open_page("gallery", kind="all").button]
    names = [key.removeprefix(start) for key in keys if key.startswith(start)]
    assert names == ["baseline", "bce", "leaky_relu", "adam", "layer_norm", "combined"]


def test_each_line_to_try_is_shown_on_a_card_or_belongs_to_a_recipe() -> None:
    shown_text = " ".join(entry.value for entry in open_page("gallery", kind="all").markdown)
    published = {info.name for info in list_checkpoints() if info.published}
    lines = {key.removeprefix("gallery.try."): text for key, text in texts().items() if key.startswith("gallery.try.")}
    assert lines.keys() <= {*recipes.names(), *published}
    for name in lines.keys() & published:
        assert lines[name] in shown_text, name


class _Guessing:
    """Says 1 for each picture."""

    device = torch.device("cpu")

    def classify(self, images: Tensor) -> Tensor:
        return torch.eye(2)[torch.ones(len(images), dtype=torch.long)]


def test_right_and_wrong_differ_in_shape_and_not_only_in_colour() -> None:
    images = torch.zeros(2, 1, 28, 28)
    drawn = preview._classified(_Guessing(), images, torch.tensor([1, 0]))  # type: ignore[arg-type]
    grey = np.asarray(drawn.convert("L")).astype(int)
    width = drawn.width // 8
    right, wrong = grey[:, :width] > 200, grey[:, width : 2 * width] > 200
    assert right.any()
    assert wrong.any()
    assert (right != wrong).sum() > 20, "white marks of another shape"
    assert preview.RIGHT[2] > preview.RIGHT[0]
    assert preview.WRONG[0] > preview.WRONG[2], "teal and orange"


def test_the_charts_of_classifiers_say_right_and_wrong_in_words_and_signs() -> None:
    found = classify.classify(("mnist_mlp_baseline",), index=0)
    (answer,) = found.predictions
    info = next(info for info in classify.classifiers() if info.name == "mnist_mlp_baseline")
    other = str((answer.top + 1) % 10)
    assert predictions._panel(info, answer, str(answer.top), odd=False).verdict.startswith("✓ reads")
    assert predictions._panel(info, answer, other, odd=True).verdict.startswith("✗ reads")
    assert predictions._panel(info, answer, None, odd=True).verdict.endswith("≠ most")


@pytest.mark.parametrize("name", ["mnist_judge", "cifar10_darknet_narrow", "horse2zebra_judge", "fsdd_judge"])
def test_published_pictures_of_classifiers_have_the_same_marks(name: str) -> None:
    pixels = np.asarray(Image.open(checkpoints_root() / name / "preview.png").convert("RGB")).reshape(-1, 3)
    colours = {tuple(int(value) for value in colour) for colour in np.unique(pixels, axis=0)}
    assert preview.RIGHT in colours
    assert not {(46, 160, 67), (207, 34, 46)} & colours, "no green and red"
