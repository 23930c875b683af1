"""Pages say so when an image is outside the judge's domain."""

from __future__ import annotations

import numpy as np
import pytest

from genmodels.images import drawing
from genmodels.runs.folder import runs_root
from genmodels.service import classify
from pages.components import judge_note
from pages.components.i18n import t
from pages.parts.classify.predictions import _example
from tests.support.pages import open_page, page_text
from tests.support.runs import SMALL_CGAN, save_run

LONG = "are unlike the real digits"


def test_noise_is_not_read_as_a_digit():
    from genmodels import service
    from genmodels.service.latent import Point

    for step, outside in ((0, True), (None, False)):
        prediction = service.render(Point.parse({"model": "mnist_gan", "step": step, "seed": 1})).prediction
        assert prediction is not None
        assert prediction.outside == outside
        text = judge_note.reading("latent.reading", prediction)
        assert (text == t("latent.reading_outside")) == outside
        assert (prediction.label in text) != outside


@pytest.mark.parametrize("page", ["seeds", "conditional"])
def test_a_page_counts_the_images_outside_of_the_domain(page, tmp_path):
    recipe = "mnist_cgan_embedding" if page == "conditional" else "mnist_gan"
    small = SMALL_CGAN if page == "conditional" else ("data.name=digits",)
    save_run(runs_root(), "untrained", recipe, *small, steps=(10,))
    assert LONG in page_text(open_page(page, model="untrained"))
    assert LONG not in page_text(open_page(page, model="mnist_cgan_conv"))


def test_a_drawing_that_is_no_digit_is_named_on_the_classify_page():
    names = ("mnist_cnn",)
    assert not classify.classify(names, ink=_example()).outside
    scribble = np.random.default_rng(0).integers(0, 256, (280, 280), dtype=np.uint8)
    assert classify.classify(names, ink=scribble).outside
    assert not classify.classify(names, ink=drawing.from_strokes([[(0.5, 0.15), (0.5, 0.85)]], 20)).outside
