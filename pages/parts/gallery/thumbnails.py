"""The image of a model's card: whole rows of its stored preview, reduced; without a preview, samples of the model."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from genmodels import service
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.files import read_png
from genmodels.runs.folder import RunFolder

ASPECT = 2.5
"""Width of a card's image by its height; the page cuts what is left over."""
_WIDTH, _QUALITY = 420, 72
_GAP = 128
"""The grey level of the lines between the images of a preview."""


def thumbnail(info: CheckpointInfo) -> str | None:
    """A data URL; None for a model without a preview that generates no images. Raises GenmodelsError and OSError."""
    preview = info.preview
    if preview is not None:
        return _of_preview(preview, preview.stat().st_mtime_ns)
    step = info.steps[-1]
    return _of_samples(info.name, step, RunFolder(info.path).step_path(step).stat().st_mtime_ns)


@st.cache_data(max_entries=300, show_spinner=False)
def _of_preview(path: Path, stamp: int) -> str:
    """`stamp` is the time of the file, so that another preview gives another image."""
    with Image.open(io.BytesIO(read_png(path))) as image:
        return _data_url(image.convert("L" if image.mode in ("1", "L") else "RGB"))


@st.cache_data(max_entries=200, show_spinner=False)
def _of_samples(name: str, step: int, stamp: int) -> str | None:
    samples = service.thumbnail(name, step)
    if samples is None:
        return None
    with Image.open(io.BytesIO(samples)) as image:
        return _data_url(image)


def _data_url(image: Image.Image) -> str:
    part = image.crop(_best_part(np.asarray(image)))
    if part.width > _WIDTH:
        part = part.resize((_WIDTH, max(1, round(part.height * _WIDTH / part.width))), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    part.save(buffer, "WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _best_part(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of the first rows and columns of a grid whose shape is nearest to ASPECT.

    At most three rows. Of an image without a grid, the upper part.
    """
    tops, lefts = _cells(pixels, axis=0), _cells(pixels, axis=1)
    height, width = pixels.shape[:2]
    if len(tops) < 2 or len(lefts) < 2:
        return 0, 0, width, min(height, round(width / ASPECT))
    boxes = [
        (lefts[0][0], tops[0][0], lefts[columns - 1][1], tops[rows - 1][1])
        for rows in range(1, min(3, len(tops)) + 1)
        for columns in range(1, len(lefts) + 1)
    ]
    return min(boxes, key=lambda box: abs(np.log((box[2] - box[0]) / (box[3] - box[1]) / ASPECT)))


def _cells(pixels: np.ndarray, axis: int) -> list[tuple[int, int]]:
    """The ranges between the grid's lines along an axis, without narrow rests."""
    others = tuple(dimension for dimension in range(pixels.ndim) if dimension != axis)
    line = np.concatenate([[True], (pixels == _GAP).all(axis=others), [True]])
    starts = np.flatnonzero(line[:-1] & ~line[1:])
    ends = np.flatnonzero(~line[:-1] & line[1:])
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]
