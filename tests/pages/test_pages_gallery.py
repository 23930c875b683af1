"""The order of the gallery's cards, their texts, and marks that do not depend on colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from genmodels import recipes
from genmodels.images import preview
from genmodels.runs.catalog import checkpoints_root, list_checkpoints
from genmodels.service import classify
from pages.components.i18n import texts
from pages.parts.classify import predictions
from tests.support.pages import open_page


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
