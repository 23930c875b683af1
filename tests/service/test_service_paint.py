"""Service of the paint page: sampling by seed with stops, completion, receptive fields, likelihood maps, files."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels.errors import CapabilityError, ConfigError, DataError, GenmodelsError
from genmodels.images.drawing import CANVAS_SIDE, EmptyDrawingError
from genmodels.runs import catalog
from genmodels.sampling.options import SamplingOptions
from genmodels.sampling.pixels import adjusted_logits, sample_levels
from genmodels.service import paint
from genmodels.service.inference import sheet_png
from genmodels.service.paint import Painting, PaintRequest, distribution, files, receptive_field
from genmodels.service.paint import inputs as paint_inputs
from genmodels.service.paint.receptive_field import ReceptiveFieldRequest
from genmodels.service.paint.surprise import surprise
from tests.support.painting import SMALL, painted, save_colours
from tests.support.painting import runs as runs
from tests.support.runs import save_run

# ------------------------------------------------------------------------------ painting


def test_only_pixel_models_are_listed(runs: Path) -> None:
    assert [info.name for info in paint.checkpoints()] == ["asked", "binary", "plain"]
    known = paint.facts("asked")
    assert (known.channels, known.height, known.width, known.levels) == (1, 28, 28, 16)
    with pytest.raises(CapabilityError, match="vae does not paint"):
        paint.facts("vae")


@pytest.mark.parametrize("name", ["asked", "binary", "plain"])
def test_a_seed_gives_the_same_image_alone_and_in_a_batch(runs: Path, name: str) -> None:
    together = painted(PaintRequest(model=name, seed=5, count=4))
    alone = painted(PaintRequest(model=name, seed=7, count=1))
    assert torch.equal(alone.canvas[0], together.canvas[2])
    assert len({picture.numpy().tobytes() for picture in together.canvas}) == 4
    # and it is what the library draws with that seed's generator
    model = catalog.load(name)
    assert torch.equal(model.sample(1, generator=torch.Generator().manual_seed(7))[0], alone.canvas[0])  # type: ignore


def test_rows_are_sampled_one_by_one_and_a_stop_changes_nothing(runs: Path) -> None:
    asking = PaintRequest(model="asked", count=2, temperature=0.8, top_k=5)
    whole, painting = painted(asking), paint.begin(asking)
    assert not painting.done
    for row in range(28):
        assert painting.rows == row
        assert not painting.canvas[:, :, row:].any(), "grey: not painted yet"
        if row in (3, 4, 20):
            paint.stop(painting)
        paint.advance(painting)
    assert painting.done
    assert torch.equal(painting.canvas, whole.canvas)
    paint.advance(painting)
    assert painting.rows == 28


def test_a_painting_continues_after_a_fault(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = PaintRequest(model="asked", count=2)
    whole, painting = painted(asking), paint.begin(asking)
    paint.advance(painting, 5)
    rows = paint._rows

    def broken(painting: Painting) -> Iterator[torch.Tensor]:
        yield next(rows(painting))
        raise RuntimeError("no such kernel")

    paint.stop(painting)
    monkeypatch.setattr(paint, "_rows", broken)
    with pytest.raises(GenmodelsError, match="row 7 could not be painted"):
        paint.advance(painting, 3)
    assert painting.rows == 6, "what was painted before it stays"
    with pytest.raises(GenmodelsError, match="row 8 could not be painted"):
        paint.advance(painting, 3)
    monkeypatch.undo()
    monkeypatch.setenv("GENMODELS_RUNS", str(runs))
    paint.advance(painting, 28)
    assert torch.equal(painting.canvas, whole.canvas)


def test_images_are_sampled_for_their_classes(runs: Path) -> None:
    told = painted(PaintRequest(model="asked", count=2, label=7))
    assert told.labels == (7, 7)
    own = painted(PaintRequest(model="asked", seed=3, count=3))
    assert own.labels is not None
    for index, label in enumerate(own.labels):
        again = painted(PaintRequest(model="asked", seed=3 + index, count=1, label=label))
        assert torch.equal(again.canvas[0], own.canvas[index])
    assert painted(PaintRequest(model="plain", count=1)).labels is None
    with pytest.raises(ConfigError, match="label = 10"):
        paint.begin(PaintRequest(model="asked", label=10))
    with pytest.raises(CapabilityError, match="is unconditional"):
        paint.begin(PaintRequest(model="plain", label=1))


def test_known_rows_stay_and_the_others_differ(runs: Path) -> None:
    given = paint_inputs.test_image("asked", 3)
    painting = painted(PaintRequest(model="asked", count=3), given.pixels, 10)
    levels = torch.linspace(-1, 1, 16)
    nearest = levels[((given.pixels + 1) * 7.5).round().long()]
    assert torch.equal(painting.canvas[:, :, :10], nearest[:, :, :10].expand(3, -1, -1, -1))
    assert not torch.equal(painting.canvas[0], painting.canvas[1])
    assert given.label in range(10)
    binary = painted(PaintRequest(model="binary", count=2), given.pixels, 14)
    assert set(binary.canvas.unique().tolist()) <= {-1.0, 1.0}, "grey is drawn as in training"
    assert torch.equal(binary.canvas[0, :, :14], binary.canvas[1, :, :14])


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"count": 0}, "count"),
        ({"count": 17}, "count"),
        ({"seed": 1.5}, "seed"),
        ({"temperature": 0.0}, "temperature"),
        ({"top_k": 0}, "top_k"),
    ],
)
def test_a_request_out_of_bounds_is_refused_by_name(values: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        PaintRequest.parse({"model": "asked", **values})


def test_a_request_that_a_model_cannot_serve_is_refused(runs: Path) -> None:
    with pytest.raises(ConfigError, match=r"top_k = 17 .* 1 to 16"):
        paint.begin(PaintRequest(model="asked", top_k=17))
    with pytest.raises(ConfigError, match=r"given = 28 .* 0 to 27"):
        paint.begin(PaintRequest(model="asked"), paint_inputs.test_image("asked", 0).pixels, 28)
    with pytest.raises(DataError, match=r"test picture \d+ does not exist"):
        paint_inputs.test_image("asked", paint_inputs.test_count("asked"))


# ------------------------------------------------------------------------------ one pixel


def test_a_pixel_is_sampled_from_the_distribution_shown(runs: Path) -> None:
    """The distribution and the seed's random number of that pixel give its level."""
    asking = PaintRequest(model="asked", seed=4, count=2, temperature=0.7, top_k=6)
    painting = painted(asking)
    for index, seed in enumerate(painting.seeds):
        generator = torch.Generator().manual_seed(seed)
        torch.randint(0, 10, (1,), generator=generator)
        uniform = torch.rand(1, 1, 28, 28, generator=generator)
        for row, column in ((0, 0), (13, 27), (27, 27)):
            drawn = distribution.distribution_of(painting, index, row, column)
            logits = torch.tensor([drawn.probabilities]).log()
            assert int(sample_levels(logits, uniform[0, 0, row, column].view(1, 1))) == drawn.level
            assert sum(drawn.probabilities) == pytest.approx(1, abs=1e-5)
            assert sum(value > 0 for value in drawn.probabilities) == 6
            own = torch.tensor([drawn.model])
            expected = adjusted_logits(own.log(), SamplingOptions(0.7, 6)).softmax(1)
            torch.testing.assert_close(torch.tensor([drawn.probabilities]), expected)
            assert drawn.level is not None
            assert drawn.bits == pytest.approx(-math.log2(drawn.model[drawn.level]), abs=1e-4)
            assert drawn.entropy == pytest.approx(-sum(p * math.log2(p) for p in drawn.model if p), abs=1e-4)


def test_the_distribution_of_the_next_pixel_is_available_but_not_of_later_ones(runs: Path) -> None:
    painting = paint.begin(PaintRequest(model="asked", count=1))
    paint.advance(painting, 5)
    following = distribution.distribution_of(painting, 0, 5, 0)
    assert (following.level, following.bits) == (None, None)
    whole = painted(PaintRequest(model="asked", count=1))
    assert distribution.distribution_of(whole, 0, 5, 0).model == pytest.approx(following.model, abs=1e-6)
    for place in ((0, 5, 1), (0, 6, 0)):
        with pytest.raises(ConfigError, match="not painted yet"):
            distribution.distribution_of(painting, *place)
    for place, named in (((1, 0, 0), "picture"), ((0, 28, 0), "row"), ((0, 0, 28), "column"), ((0, 0, 0, 1), "colour")):
        with pytest.raises(ConfigError, match=named):
            distribution.distribution_of(painting, *place)


def test_of_the_next_pixel_only_red_is_available(runs: Path, tmp_path: Path) -> None:
    """Green and blue depend on the red value that is not sampled yet."""
    save_colours(runs, tmp_path / "pictures")
    painting = paint.begin(PaintRequest(model="colours", count=1))
    paint.advance(painting, 3)
    red = distribution.distribution_of(painting, 0, 3, 0, 0)
    assert red.level is None
    whole = painted(PaintRequest(model="colours", count=1))
    assert distribution.distribution_of(whole, 0, 3, 0, 0).model == pytest.approx(red.model, abs=1e-6)
    for colour in (1, 2):
        with pytest.raises(ConfigError, match=f"column = 0, colour = {colour} is not painted yet: the next .* row = 3"):
            distribution.distribution_of(painting, 0, 3, 0, colour)
        assert distribution.distribution_of(painting, 0, 2, 7, colour).level is not None


def test_the_reference_classifier_reads_finished_digits_only(runs: Path) -> None:
    painting = paint.begin(PaintRequest(model="asked", count=2))
    assert paint.predictions(painting) == (None, None)
    paint.advance(painting, 28)
    assert all(found is not None and found.label in "0123456789" for found in paint.predictions(painting))


# ------------------------------------------------------------------------------ files


def test_files_show_the_painting_and_its_progress(runs: Path) -> None:
    painting = painted(PaintRequest(model="asked", count=3))
    sheet = Image.open(io.BytesIO(sheet_png(painting.canvas, len(painting.canvas))))
    flat = torch.tensor(list(sheet.tobytes())).view(28, 3, 28).permute(1, 0, 2)
    assert torch.equal(flat, painting.canvas[:, 0].add(1).mul(127.5).round().long())
    assert Image.open(io.BytesIO(files.grid_png(painting.canvas))).width > 400
    half = painted(PaintRequest(model="asked", count=1), paint_inputs.test_image("asked", 0).pixels, 14)
    animation = Image.open(io.BytesIO(files.gif(half, side=30)))
    assert animation.info["loop"] == 0
    frames = []
    for index in range(animation.n_frames):
        animation.seek(index)
        frames.append(np.asarray(animation.convert("L"))[1:29, 1:29].astype(int))
    levels = half.canvas[0, 0].add(1).mul(127.5).round().long().numpy()
    assert np.abs(frames[0][:14] - levels[:14]).max() <= 1, "what was given is there from the beginning"
    assert set(np.unique(frames[0][14:]).tolist()) <= {127, 128}, "the rest is grey"
    assert np.abs(frames[-1] - levels).max() <= 1


# ------------------------------------------------------------------------------ what was given


def test_only_test_images_of_its_own_data_are_unseen(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded digits are training images of MNIST."""
    assert paint_inputs.unseen("asked"), "trained on the embedded digits, shown their test split"
    save_run(runs, "mnist", "mnist_pixelcnn", *SMALL, "model.layers=2", "model.levels=8")
    config = json.loads((runs / "mnist" / "config.json").read_text())
    config["spec"]["data"]["name"] = "mnist"  # as if it had been trained where MNIST is, which need not be here
    (runs / "mnist" / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "nothing"))
    found = paint_inputs.test_data("mnist")
    assert found is not None
    assert found.name == "digits"
    assert not paint_inputs.unseen("mnist")


# ------------------------------------------------------------------------------ drawings


def test_the_upper_half_of_a_drawing_stays_where_it_was_drawn(runs: Path) -> None:
    ink = np.zeros((CANVAS_SIDE, CANVAS_SIDE), dtype=np.uint8)
    ink[20:60, 70:75] = 255
    drawn = paint_inputs.drawn_digit("asked", ink, centred=False).pixels
    assert drawn.shape == (1, 1, 28, 28)
    assert bool((drawn[0, 0, 4:12, 14] == 1).all())
    assert int((drawn > -1).sum()) == 8
    centred = paint_inputs.drawn_digit("asked", ink, centred=True).pixels
    assert not torch.equal(centred, drawn)
    with pytest.raises(EmptyDrawingError):
        paint_inputs.drawn_digit("asked", np.zeros_like(ink), centred=False)
    guide = np.asarray(Image.open(io.BytesIO(paint_inputs.guide_png(14))))
    assert guide[69, 5].max() == 0 < guide[70, 5].max(), "what the model will paint is shaded"


# ------------------------------------------------------------------------------ receptive fields


def test_plain_masks_have_a_blind_spot_and_gated_stacks_do_not(runs: Path) -> None:
    found = receptive_field.receptive_fields(
        ReceptiveFieldRequest(model="plain", row=20, column=10, kernel_size=3, layers=5)
    )
    # Rows r - j of the plain stack reach j columns to the right: the wedge in the rectangle has 4 + 3 + 2 + 1 pixels.
    assert (found.plain.inside, found.plain.blind) == (5 * 11 + 5 - 10, 10)
    assert (found.gated.inside, found.gated.blind) == (5 * 11 + 5, 0)
    assert found.plain.earlier == found.gated.earlier == 20 * 28 + 10
    # the checkpoint itself: a plain one of 1 + 2 layers of 3 x 3
    assert (found.own.inside, found.own.blind) == (3 * 7 + 3 - 3, 3)
    sheet = np.asarray(Image.open(io.BytesIO(found.png)))
    assert sheet.shape == (28, 84, 3)
    assert tuple(sheet[19, 14]) == receptive_field.BLIND
    assert tuple(sheet[19, 28 + 14]) not in (receptive_field.BLIND, receptive_field.UNSEEN)
    assert tuple(sheet[20, 11]) == receptive_field.LATER
    assert tuple(sheet[3, 3]) == receptive_field.UNSEEN
    assert receptive_field.receptive_fields(ReceptiveFieldRequest(model="asked", row=20, column=10)).own.blind == 0


def test_a_pixel_outside_the_image_is_refused(runs: Path) -> None:
    with pytest.raises(ConfigError, match=r"column = 28 .* 0 to 27"):
        receptive_field.receptive_fields(ReceptiveFieldRequest(model="plain", column=28))
    with pytest.raises(ConfigError, match="even kernel"):
        ReceptiveFieldRequest.parse({"model": "plain", "kernel_size": 4})


def test_a_drag_over_the_field_loads_the_weights_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads, load = [], receptive_field.checkpoint.load_model
    monkeypatch.setattr(receptive_field.checkpoint, "load_model", lambda *key: loads.append(key) or load(*key))
    found = [
        receptive_field.receptive_fields(ReceptiveFieldRequest(model="plain", row=9, column=column)).own
        for column in range(8, 12)
    ]
    assert [one.earlier for one in found] == [9 * 28 + column for column in range(8, 12)]
    assert len([key for key in loads if key[1:]]) <= 2, "once for gradients, once for all else"
    step = runs / "plain" / "step-000010"
    os.utime(step, ns=(1, step.stat().st_mtime_ns + 10**9))
    receptive_field.receptive_fields(ReceptiveFieldRequest(model="plain", row=9, column=8))
    assert len(loads) > 2, "a rewritten step is loaded again"


# ------------------------------------------------------------------------------ surprise


def test_surprise_is_the_exact_likelihood(runs: Path) -> None:
    for name in ("asked", "binary", "plain"):
        given = paint_inputs.test_image(name, 2)
        found = surprise(PaintRequest(model=name, count=1), given)
        model, x = catalog.load(name), found.painting.canvas
        condition = None if found.condition is None else {"label": torch.tensor([found.condition])}
        assert found.nats == pytest.approx(-float(model.log_prob(x, condition=condition)), rel=1e-5)  # type: ignore
        assert found.bits == pytest.approx(found.nats / 784 / math.log(2))
        assert found.uniform_nats == pytest.approx(784 * math.log(model.config.levels))
        drawn = distribution.distribution_of(found.painting, 0, 14, 14)
        assert drawn.level is not None
        assert -math.log(drawn.model[drawn.level]) <= found.max_nats + 1e-4
    asked = surprise(PaintRequest(model="asked", count=1), paint_inputs.test_image("asked", 2))
    assert len(asked.by_class) == 10
    assert asked.condition == asked.likeliest
    told = surprise(PaintRequest(model="asked", count=1, label=3), paint_inputs.test_image("asked", 2))
    assert told.nats == pytest.approx(asked.by_class[3], rel=1e-5)
    with pytest.raises(ConfigError, match="label = 10"):
        surprise(PaintRequest(model="asked", label=10), paint_inputs.test_image("asked", 2))


# ------------------------------------------------------------------------------ colours


def test_colours_are_sampled_completed_and_scored(runs: Path, tmp_path: Path) -> None:
    save_colours(runs, tmp_path / "pictures")
    given = paint_inputs.test_image("colours", 0)
    painting = painted(PaintRequest(model="colours", count=2), given.pixels, 3)
    assert painting.canvas.shape == (2, 3, 8, 8)
    # green is drawn knowing the red: each colour's distribution and level belong together
    levels = [distribution.distribution_of(painting, 0, 5, 5, colour).level for colour in range(3)]
    assert levels == ((painting.canvas[0, :, 5, 5] + 1) * 1.5).round().long().tolist()
    animation = Image.open(io.BytesIO(files.gif(painting, side=8)))
    animation.seek(animation.n_frames - 1)
    last = torch.from_numpy(np.asarray(animation.convert("RGB"))[1:9, 1:9].copy()).permute(2, 0, 1)
    wanted = painting.canvas[0].add(1).mul(127.5).round()
    assert float((last - wanted).abs().max()) <= 8
    found = surprise(PaintRequest(model="colours", count=1), given)
    condition = {"label": torch.tensor([found.condition])}
    nats = -float(catalog.load("colours").log_prob(found.painting.canvas, condition=condition))  # type: ignore
    assert found.nats == pytest.approx(nats, rel=1e-5)
    fields = receptive_field.receptive_fields(ReceptiveFieldRequest(model="colours", row=4, column=4, layers=3))
    assert fields.own.inside > 0
    assert not paint_inputs.accepts_drawings("colours")
    with pytest.raises(CapabilityError, match="choose a test picture"):
        paint_inputs.drawn_digit("colours", np.full((140, 140), 255, dtype=np.uint8), centred=False)
