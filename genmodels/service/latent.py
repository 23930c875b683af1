"""Requests of the latent explorer: points, images, walks, thumbnails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from genmodels import data, latent
from genmodels.capabilities import Condition, SupportsLatent, SupportsSampling
from genmodels.data import DataConfig
from genmodels.errors import CapabilityError, GenmodelsError
from genmodels.images import preview
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from genmodels.service import gif
from genmodels.service.cache import LRU
from genmodels.service.dataset_images import training_images
from genmodels.service.fair_queue import background, queued
from genmodels.service.inference import (
    MODELS_KEPT,
    ModelKey,
    PredictedClass,
    condition_of,
    enlarge,
    has_judge,
    in_slices,
    latent_dim,
    model_of,
    plain,
    predict,
    run,
    to_image,
)
from genmodels.service.requests import ModelRequest
from genmodels.training import estimate
from genmodels.training.estimate import Estimate

MAX_AXES, AXIS_RANGE, MAX_TRUNCATION, MAX_PINS = 10, 3.0, 1.5, 24

Offset = Annotated[float, Field(ge=-AXIS_RANGE, le=AXIS_RANGE)]
PlaneCoordinate = Annotated[float, Field(ge=MIN_PAGE_SEED, le=MAX_PAGE_SEED)]

Axes = Literal["first", "principal", "seeds"]


class Point(ModelRequest):
    """A point in a model's latent space: z = truncation * z_base + sum(offset_i * direction_i).

    With `axes` "seeds", the directions lead to the z of other seeds, and z keeps the norm of truncation * z_base.
    """

    seed: int = Field(0, description="any integer; z_base is this seed's sample of N(0, I)")
    plane: tuple[PlaneCoordinate, PlaneCoordinate] | None = Field(
        None, description="column and row in the seed plane; z_base is interpolated from the four seeds around it"
    )
    truncation: float = Field(1.0, ge=0, le=MAX_TRUNCATION, description="factor of z_base; 0 is the origin")
    axes: Axes = Field("first", description="directions of the offsets")
    offsets: tuple[Offset, ...] = Field((), max_length=MAX_AXES, description="distance along each direction")
    label: int | None = Field(None, ge=0, lt=10_000, description="class, counted from 0; empty takes class 0")


@dataclass(frozen=True)
class RenderedImage:
    """A decoded image, not enlarged."""

    png: bytes
    width: int
    height: int
    prediction: PredictedClass | None


# --------------------------------------------------------------------- images


def render(point: Point, *, judged: bool = True) -> RenderedImage:
    """The image at a point, decoded alone: with another batch size pixels could differ in the last bit.

    Raises UnknownNameError, CheckpointError or CapabilityError.
    """
    examples = examples_for(point)
    judged = judged and has_judge(point.model)

    def task() -> RenderedImage:
        model, key = model_of(point.model, point.step)
        pixels = _decode(model, z_of(model, key, point, examples), condition_of(model, [point.label]))
        image = to_image(pixels)
        prediction = predict(pixels) if judged else None
        return RenderedImage(preview.png(image, compress_level=1), image.width, image.height, prediction)

    return run(task)


def render_enlarged(point: Point, side: int = 560) -> bytes:
    """The image at a point as a file, enlarged by an integer factor to about `side` pixels."""
    examples = examples_for(point)

    def task() -> bytes:
        model, key = model_of(point.model, point.step)
        pixels = _decode(model, z_of(model, key, point, examples), condition_of(model, [point.label]))
        return preview.png(enlarge(to_image(pixels), side))

    return run(task)


def walk_gif(points: Sequence[Point], *, frames: int = 16, side: int = 196, milliseconds: int = 60) -> bytes:
    """A looping GIF: spherical interpolation from each point to the next and back to the first, `frames` images each.

    Different classes are interpolated, too. All points must belong to one model; the first point's step decodes them.
    """
    if not 2 <= len(points) <= MAX_PINS or not 1 <= frames <= 60:
        raise GenmodelsError(
            f"a walk needs 2 to {MAX_PINS} points and 1 to 60 frames between two; got {len(points)} and {frames}"
        )
    if len({point.model for point in points}) > 1:
        raise GenmodelsError("a walk stays in one model; remove the pins of the others")
    examples = examples_for(*points)

    def ends() -> tuple[list[Tensor], list[Condition]]:
        model, _ = model_of(points[0].model, points[0].step)
        stops = [z_of(*model_of(point.model, point.step), point, examples) for point in points]
        if latent_dim(model) == 0:
            raise CapabilityError(f"{points[0].model} generates from a constant; there is nowhere to walk")
        return stops, [condition_of(model, [point.label]) for point in points]

    def images(stops: list[Tensor], conditions: list[Condition]) -> Iterator[Image.Image]:
        for (a, c), (b, d) in pairwise([*zip(stops, conditions, strict=True), (stops[0], conditions[0])]):
            for index in range(frames):
                model, _ = model_of(points[0].model, points[0].step)
                pixels = _decode(model, latent.slerp(a, b, index / frames), _blend(c, d, index / frames))
                yield enlarge(to_image(pixels), side)

    with queued():
        return gif.encode(in_slices(images(*run(ends))), duration=milliseconds, loop=0, optimize=False)


def walk_of_seeds(point: Point, count: int = 4) -> list[Point]:
    """The points of a walk if nothing is pinned: this seed and the next ones."""
    return [
        Point(model=point.model, step=point.step, seed=point.seed + index, label=point.label) for index in range(count)
    ]


def thumbnail(name: str, step: int | None = None, *, columns: int = 6, rows: int = 3) -> bytes | None:
    """A PNG grid of the images of seeds 0, 1, 2, ...; None for a model that does not generate images.

    A conditional model with few classes gets one column per class and one row per seed, at about the same aspect ratio.
    """
    if not 1 <= columns * rows <= 64:
        raise GenmodelsError(f"a thumbnail has 1 to 64 pictures, not {columns} x {rows}")

    def task() -> bytes | None:
        model, _ = model_of(name, step)
        if isinstance(model, SupportsLatent) and model.latent_dim == 0 and not model.conditions:
            return preview.png(preview.grid(_decode(model, torch.empty(0)), 1, pad=1))
        if not isinstance(model, SupportsLatent | SupportsSampling) or model.modality != "image":
            return None
        wide = preview.columns_of(model) if model.conditions else columns
        high = max(1, round(wide * rows / columns))
        pixels = preview.samples_of_seeds(model, range(wide * high))
        return None if pixels is None else preview.png(preview.grid(pixels, wide, pad=1), compress_level=1)

    with background():
        return run(task, divided=True)


def axes_count(name: str, step: int | None, axes: Axes) -> int:
    """The number of sliders: at most MAX_AXES, fewer if z or the first layer has fewer directions."""
    point = Point(model=name, step=step, axes=axes)
    examples = examples_for(point)

    def task() -> int:
        model, key = model_of(name, step)
        return len(_directions(model, key, axes, examples)) if latent_dim(model) else 0

    return run(task)


def latent_checkpoints() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs with a latent space, published ones first."""
    return tuple(info for info in catalog.list_checkpoints() if "latent" in info.capabilities)


# --------------------------------------------------------------------- on the inference thread


def z_of(model: Model, key: ModelKey, point: Point, examples: Tensor | None) -> Tensor:
    """The z (d,) of a point, with the `examples_for` it; raises CapabilityError for a model without a latent space."""
    dim = latent_dim(model)
    if dim == 0:
        return torch.empty(0)
    base = latent.z_of_seed(point.seed, dim) if point.plane is None else latent.seed_plane(*point.plane, dim)
    z = point.truncation * base
    if any(point.offsets):
        directions = _directions(model, key, point.axes, examples)
        offsets = torch.tensor(point.offsets[: len(directions)])
        moved = z + offsets @ directions[: len(offsets)]
        z = moved * (z.norm() / moved.norm()) if point.axes == "seeds" else moved
    return z


def _decode(model: Model, z: Tensor, condition: Condition = None) -> Tensor:
    assert isinstance(model, SupportsLatent)  # _z raised otherwise
    return model.decode(z.unsqueeze(0), condition=condition)


def _blend(a: Condition, b: Condition, t: float) -> Condition:
    return None if a is None or b is None else {key: torch.lerp(a[key], b[key], t) for key in a}


_principal_directions: LRU[tuple[ModelKey, int | None], tuple[Tensor | None, Tensor]] = LRU(4 * MODELS_KEPT)


def _directions(model: Model, key: ModelKey, axes: str, examples: Tensor | None) -> Tensor:
    if axes == "first":
        dim = latent_dim(model)
        return latent.axis_directions(dim)[:MAX_AXES]
    if axes == "seeds":
        return latent.seed_directions(latent_dim(model), MAX_AXES, AXIS_RANGE)
    # The entry holds the examples, so no other tensor can have their id while the entry is cached.
    named = key, None if examples is None else id(examples)
    return _principal_directions.get_or_compute(
        named, lambda: (examples, latent.principal_directions(model, examples, MAX_AXES))
    )[1]


def estimate_seconds(spec: Spec) -> float | None:
    """Estimated seconds of a training on this CPU, from the time of a few real steps; None if unknown."""
    return estimate_of(spec).seconds


def estimate_of(spec: Spec) -> Estimate:
    """As `estimate_seconds`, with the reason if a trial step fails or the server is too busy for one."""
    try:
        with background():
            return run(lambda: estimate.of(spec), divided=True)
    except GenmodelsError as error:
        return Estimate(None, str(error))


# --------------------------------------------------------------------- on the caller's thread: files only


def examples_for(*points: Point) -> Tensor | None:
    """Real images for principal components, read once per data set; None if no point needs them."""
    principal = next((point for point in points if point.axes == "principal"), None)
    if principal is None:
        return None
    spec = RunFolder(catalog.find(plain(principal.model))).spec()
    for config in (spec.data, DataConfig()):
        if data.missing(config) is None and data.get_spec(config).image_shape == spec.data_spec.image_shape:
            return training_images(config)
    return None
