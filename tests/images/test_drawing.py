"""Drawings and photographs are preprocessed to MNIST's format, and invalid input is refused."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from genmodels import data
from genmodels.data import DataConfig
from genmodels.errors import DataError
from genmodels.evaluation import reference_classifier
from genmodels.images import drawing
from genmodels.images.drawing import EmptyDrawingError


@pytest.fixture(scope="module")
def digits() -> data.Arrays:
    return data.load(DataConfig(), "test", 300)


def page(side: int, draw: Callable[[ImageDraw.ImageDraw], None]) -> np.ndarray:
    image = Image.new("L", (side, side))
    draw(ImageDraw.Draw(image))
    return np.asarray(image)


def accuracy(prepared: list[Tensor], labels: np.ndarray) -> float:
    predicted = reference_classifier.probabilities(torch.stack(prepared)).argmax(1).numpy()
    return float((predicted == labels).mean())


def ink_box(prepared: Tensor) -> tuple[int, int]:
    inked = prepared[0] > -0.9
    return int(inked.any(1).sum()), int(inked.any(0).sum())


def centre(prepared: Tensor) -> tuple[float, float]:
    weight = prepared[0] + 1
    places = torch.arange(28) + 0.5
    return float((weight.sum(1) * places).sum() / weight.sum()), float((weight.sum(0) * places).sum() / weight.sum())


@pytest.mark.parametrize(("side", "low", "high"), [(140, 0.35, 0.95), (560, 0.1, 0.9), (140, 0.2, 0.3)])
def test_digits_at_any_position_and_size_are_classified_correctly(
    digits: data.Arrays, side: int, low: float, high: float
) -> None:
    rng = np.random.default_rng(side)
    prepared = []
    for image in digits.images:
        length = int(rng.uniform(low, high) * side)
        canvas = Image.new("L", (side, side))
        digit = Image.fromarray(image[0]).resize((length, length), Image.Resampling.BICUBIC)
        canvas.paste(digit, tuple(rng.integers(0, side - length + 1, 2).tolist()))
        prepared.append(drawing.to_mnist(np.asarray(canvas)))
    assert accuracy(prepared, digits.labels) >= 0.98


@pytest.mark.slow
def test_photographs_of_unevenly_lit_paper_are_classified_correctly(digits: data.Arrays) -> None:
    rng = np.random.default_rng(0)
    down, across = np.mgrid[0:400, 0:400] / 400
    prepared = []
    for image in digits.images[:150]:
        ink = Image.new("L", (400, 400))
        ink.paste(Image.fromarray(image[0]).resize((260, 260), Image.Resampling.BICUBIC), (70, 60))
        paper = 215 - 60 * across - 30 * down + rng.normal(0, 6, (400, 400))
        photo = (paper * (1 - np.asarray(ink) / 255 * 0.75)).clip(0, 255).astype(np.uint8)
        prepared.append(drawing.to_mnist(drawing.from_file(file_of(photo, "JPEG"))))
    assert accuracy(prepared, digits.labels[:150]) >= 0.98


def test_the_ink_fits_twenty_pixels_with_its_centre_of_mass_in_the_middle() -> None:
    prepared = drawing.to_mnist(page(140, lambda d: d.line([(20, 30), (60, 30), (30, 120)], 255, 9)))
    assert prepared.shape == (1, 28, 28)
    assert prepared.dtype == torch.float32
    assert (float(prepared.min()), float(prepared.max())) == (-1.0, 1.0)
    assert max(ink_box(prepared)) in (20, 21)  # 21 if the centre of mass falls between two pixels
    assert centre(prepared) == pytest.approx((14, 14), abs=0.1)


def test_position_and_size_on_the_canvas_make_no_difference() -> None:
    def seven(x: int, y: int, s: int) -> np.ndarray:
        return page(600, lambda d: d.line([(x, y), (x + 4 * s, y), (x + s, y + 9 * s)], 255, s))

    small, large = drawing.to_mnist(seven(30, 40, 12)), drawing.to_mnist(seven(150, 90, 40))
    assert float((small - large).abs().mean()) < 0.02


@pytest.mark.parametrize("width", [1, 2, 4])
def test_thin_strokes_are_widened_to_mnists_width(width: int) -> None:
    prepared = drawing.to_mnist(page(560, lambda d: d.ellipse((80, 60, 420, 500), outline=255, width=width)))
    inked = prepared[0] > 0
    # The outline of a ring 20 pixels high is about 56 long: a hairline would leave hardly a pixel above mid-grey.
    assert 60 <= int(inked.sum()) <= 160
    assert float(prepared.max()) > 0.5
    assert max(ink_box(prepared)) <= 22


def test_a_dot_stays_a_dot() -> None:
    prepared = drawing.to_mnist(page(140, lambda d: d.ellipse((60, 60, 72, 72), fill=255)))
    assert max(ink_box(prepared)) <= 14
    assert centre(prepared) == pytest.approx((14, 14), abs=0.6)
    one_pixel = np.zeros((140, 140), np.uint8)
    one_pixel[3, 139] = 255
    assert drawing.to_mnist(one_pixel).max() > -0.5


def test_extreme_drawings_are_accepted() -> None:
    full = drawing.to_mnist(np.full((140, 140), 255, np.uint8))
    assert max(ink_box(full)) <= 21
    assert drawing.to_mnist(np.full((1, 1), 255, np.uint8)).shape == (1, 28, 28)
    assert drawing.to_mnist(np.full((1, 900), 255, np.uint8)).isfinite().all()


@pytest.mark.parametrize("ink", [np.zeros((140, 140), np.uint8), np.full((140, 140), 9, np.uint8)])
def test_an_empty_drawing_is_refused(ink: np.ndarray) -> None:
    assert drawing.is_empty(ink)
    with pytest.raises(EmptyDrawingError, match="nothing is drawn"):
        drawing.to_mnist(ink)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((28, 28, 3), np.uint8),
        np.zeros((28, 28), np.float32),
        np.zeros((0, 28), np.uint8),
        np.zeros((1, 9000), np.uint8),
    ],
)
def test_other_shapes_and_dtypes_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(DataError, match="one grey image"):
        drawing.to_mnist(wrong)


def file_of(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def an_l() -> np.ndarray:
    """White on black, without any symmetry."""
    return page(300, lambda d: d.line([(90, 60), (90, 240), (200, 240)], 255, 24))


@pytest.mark.parametrize(
    "look", ["white on black", "black on white", "grey on cream", "black on clear", "white on clear"]
)
def test_a_file_gives_the_same_ink_whatever_its_colours(look: str) -> None:
    ink = an_l()
    clear = np.zeros((*ink.shape, 4), np.uint8)
    clear[..., 3] = ink
    if look == "white on clear":
        clear[..., :3] = 255
    raw = {
        "white on black": file_of(ink),
        "black on white": file_of(255 - ink),
        "grey on cream": file_of(np.stack([250 - ink // 2, 245 - ink // 2, 220 - ink // 2], -1).astype(np.uint8)),
    }.get(look) or file_of(clear)
    expected = drawing.to_mnist(ink)
    assert float((drawing.to_mnist(drawing.from_file(raw)) - expected).abs().mean()) < 0.05


def test_the_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate 90 degrees clockwise
    turned = np.rot90(255 - an_l()).copy()
    prepared = drawing.to_mnist(drawing.from_file(file_of(turned, "JPEG", exif=exif, quality=95)))
    assert float((prepared - drawing.to_mnist(an_l())).abs().mean()) < 0.06


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_blank_page_has_no_ink(shade: int) -> None:
    rng = np.random.default_rng(0)
    grain = (shade + rng.normal(0, 2, (300, 300))).clip(0, 255).astype(np.uint8)
    with pytest.raises(EmptyDrawingError):
        drawing.to_mnist(drawing.from_file(file_of(grain)))


@pytest.mark.parametrize("raw", [b"", b"no picture", file_of(an_l())[:200]])
def test_a_file_that_is_no_image_is_refused(raw: bytes) -> None:
    with pytest.raises(DataError, match=r"^this picture cannot be read: .*; save it .*, or choose another picture$"):
        drawing.from_file(raw)


def test_an_image_of_a_hundred_million_pixels_is_refused_before_decoding() -> None:
    buffer = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(buffer, "PNG")
    with pytest.raises(DataError, match=r"more than 25,000,000 pixels; scale it down"):
        drawing.from_file(buffer.getvalue())


def test_the_canvas_message_is_decoded() -> None:
    ink = page(140, lambda d: d.line([(10, 20), (100, 90)], 200, 9))
    assert np.array_equal(drawing.from_canvas(base64.b64encode(ink.tobytes()).decode()), ink)


@pytest.mark.parametrize(
    "sent", ["", "A" * 26_135, "A" * 26_137, "A" * 26_136, "?" * 26_136, "=" * 26_136, "A" * 10**7, 7]
)
def test_any_other_canvas_message_is_refused(sent: object) -> None:
    with pytest.raises(DataError):
        drawing.from_canvas(sent)  # type: ignore[arg-type]


def test_ink_png_shows_the_same_ink_on_black() -> None:
    ink = page(140, lambda d: d.line([(10, 20), (100, 90)], 255, 9))
    image = Image.open(io.BytesIO(drawing.ink_png(ink)))
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    shown = Image.alpha_composite(black, image.convert("RGBA")).convert("L")
    assert np.array_equal(np.asarray(shown), ink)


def test_strokes_are_drawn_through_their_points_with_round_ends() -> None:
    side = drawing.CANVAS_SIDE
    ink = drawing.from_strokes([[(0.2, 0.5), (0.8, 0.5)], [(0.5, 0.9)]], 0.1)
    assert (ink.shape, ink.dtype) == ((side, side), np.uint8)
    column = ink[: round(0.7 * side), side // 2]
    assert column.astype(float).sum() / 255 == pytest.approx(0.1 * side, abs=1), "as wide as wanted"
    row = ink[side // 2].astype(float) / 255
    assert row.sum() == pytest.approx(0.7 * side, abs=1), "half the width beyond either end"
    dot = ink[round(0.8 * side) :].astype(float).sum() / 255
    assert dot == pytest.approx(np.pi * (0.05 * side) ** 2, rel=0.05), "one point is a dot"
    bent = drawing.from_strokes([[(0.2, 0.8), (0.5, 0.2), (0.8, 0.8)]], 0.05)
    top = np.flatnonzero(bent.max(1) > 127)[0]
    # Between (0.35, 0.5) and (0.65, 0.5) the curve with control point (0.5, 0.2) rises to 0.35, less half its width.
    assert top == pytest.approx(0.325 * side, abs=1)
