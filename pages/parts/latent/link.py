"""The view of the latent explorer in its address: `?model=mnist_vae_20&step=14040&seed=7&z=0.5_-1.2`.

Defaults are left out. Numbers of one value are separated by `_`, the parts of a pinned point by `~`, pinned points by
`~~`: these characters stay as they are in an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import streamlit as st

from genmodels import service
from genmodels.errors import ConfigError
from genmodels.runs.catalog import CheckpointInfo
from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from genmodels.service import MAX_AXES, MAX_PINS, MAX_TRUNCATION, Point
from genmodels.service.flow import has_flow
from pages.components import address
from pages.components.address import between, integer, number, one_of, option, problem, requested
from pages.components.i18n import t
from pages.components.view import step_text
from pages.parts.latent import state

_PAGE = "latent"
_NAMES = ("seed", "plane", "class", "truncation", "axes", "z", "pad", "pins", "directions")
_AXES = ("first", "principal")
_SEEDS = "seeds"
_PART = re.compile(r"(?P<kind>[sntacxz])(?P<value>.*)", re.ASCII | re.DOTALL)
_MAX_LENGTH = 4_000  # of the pins; longer addresses are cut by mail programs and by some servers


def read(info: CheckpointInfo) -> None:
    """Set the controls above the sliders to what the address requests, and those it leaves out to their defaults."""
    memory = st.session_state
    for name in address.left_out(_PAGE, _NAMES):
        _forget(name, info)
    seeds = problem("seed", between(MIN_PAGE_SEED, MAX_PAGE_SEED))
    if (seed := requested(_PAGE, "seed", integer(MIN_PAGE_SEED, MAX_PAGE_SEED), seeds)) is not None:
        memory.latent_seed, memory.latent_plane = seed, None
    if (plane := requested(_PAGE, "plane", _plane, problem("plane", t("latent.link.plane")))) is not None:
        memory.latent_plane = plane
    factors = problem("truncation", between(0.0, MAX_TRUNCATION))
    if (factor := requested(_PAGE, "truncation", number(0, MAX_TRUNCATION, digits=2), factors)) is not None:
        memory.latent_truncation = factor
    last = len(info.condition_names) - 1
    classes = problem("class", between(0, last) if last >= 0 else t("common.address.none"))
    if (label := requested(_PAGE, "class", integer(0, last), classes)) is not None:
        memory.latent_label = label
    axes = () if has_flow(info) else _AXES
    if chosen := requested(_PAGE, "axes", option(axes), problem("axes", one_of(axes))):
        memory.latent_axes, memory.latent_axes_chosen = chosen, True


def read_offsets(info: CheckpointInfo, count: int) -> None:
    """Set the `count` sliders, the axes of the pad and the pinned points to what the address requests."""
    memory = st.session_state
    allowed = problem("z", t("latent.link.z", count=count, limit=f"{state.LIMIT:g}"))
    if (offsets := requested(_PAGE, "z", _vector(count, state.LIMIT), allowed)) is not None:
        for index in range(MAX_AXES):
            memory[f"latent_axis_{index}"] = offsets[index] if index < len(offsets) else 0.0
        state.touched()
    allowed = problem("pad", t("latent.link.pad", count=count))
    if (pad := requested(_PAGE, "pad", _pad(count), allowed)) is not None:
        memory.latent_pad_mode = "directions" if pad else "seeds"
        if pad:
            memory.latent_pad_x, memory.latent_pad_y = pad
        state.touched()
    allowed = problem("directions", t("latent.link.directions", count=state.MAX_DIRECTIONS))
    named = requested(_PAGE, "directions", lambda text: _directions(text, count), allowed)
    if named is not None:
        state.directions(info.name)[:] = named
        state.rest_directions()
    allowed = problem("pins", t("latent.link.pins", count=MAX_PINS))
    if (pins := requested(_PAGE, "pins", lambda text: _pins(text, info), allowed)) is not None:
        state.set_pins(info.name, pins)


def write(info: CheckpointInfo, step: int, count: int) -> None:
    """Write the view to the address; the newest step of a run that still trains is left out."""
    memory = st.session_state
    current = state.point(info.name, None, count, len(info.condition_names))
    axes = current.axes if current.axes in _AXES and current.axes != state.default_axes(info) else None
    pad = "seeds" if memory.latent_pad_mode == "seeds" else f"{memory.latent_pad_x + 1}_{memory.latent_pad_y + 1}"
    named = "~~".join(f"{name}~{_numbers(offsets, 2)}" for name, offsets in state.directions(info.name))
    pins = "~~".join(_text(pinned) for pinned, _ in state.pins(info.name))
    address.write_view(
        _PAGE,
        {
            "step": step_text(info, step),
            "seed": str(current.seed) if current.seed else None,
            "plane": _numbers(current.plane, 3) if current.plane else None,
            "class": str(current.label) if current.label else None,
            "truncation": f"{current.truncation:g}" if current.truncation != 1 else None,
            "axes": axes,
            "z": _numbers(current.offsets, 2) or None,
            "pad": None if pad == "1_2" or count < 2 else pad,
            "directions": named or None,
            "pins": pins if pins and len(pins) <= _MAX_LENGTH else None,
        },
    )


def trimmed(point: Point) -> Point:
    """The point without trailing offsets of 0."""
    offsets = list(point.offsets)
    while offsets and offsets[-1] == 0:
        offsets.pop()
    return point.replace(offsets=tuple(offsets))


def _forget(name: str, info: CheckpointInfo) -> None:
    memory = st.session_state
    if name == "z":
        state.center()
    elif name == "pad":
        memory.update(latent_pad_mode="directions", latent_pad_x=0, latent_pad_y=1)
    elif name == "pins":
        state.pins(info.name).clear()
    elif name == "directions":
        state.directions(info.name).clear()
    elif name == "axes":
        memory.latent_axes, memory.latent_axes_chosen = state.default_axes(info), False
    else:
        key = {"class": "latent_label"}.get(name, f"latent_{name}")
        memory[key] = state.DEFAULTS[key]
    state.touched()


def _numbers(values: Sequence[float], digits: int) -> str:
    """The numbers without trailing zeros; empty if all are zero."""
    texts = [f"{round(value, digits) + 0:g}" for value in values]
    while texts and texts[-1] == "0":
        texts.pop()
    return "_".join(texts)


def _vector(count: int, limit: float) -> Callable[[str], tuple[float, ...]]:
    """A parser of at most `count` numbers within `limit`."""

    def parse(text: str) -> tuple[float, ...]:
        texts = text.split("_", count)
        if len(texts) > count:
            raise ValueError(text)
        return tuple(number(-limit, limit, digits=2)(value) for value in texts)

    return parse


def _plane(text: str) -> tuple[float, float]:
    column, row = (number(MIN_PAGE_SEED, MAX_PAGE_SEED, digits=3)(value) for value in text.split("_", 2))
    return column, row


def _pad(count: int) -> Callable[[str], tuple[int, int] | tuple[()]]:
    """A parser of `seeds`, which is no pair of directions, or of the numbers of two sliders."""

    def parse(text: str) -> tuple[int, int] | tuple[()]:
        if text == _SEEDS:
            return ()
        x, y = (integer(1, count)(value) - 1 for value in text.split("_", 2))
        return x, y

    return parse


def _directions(text: str, count: int) -> list[state.Direction]:
    """The named directions of `text`; raises ValueError if one has no name or offsets that the model does not have."""
    texts = text[: _MAX_LENGTH + 1].split("~~")
    if len(text) > _MAX_LENGTH or len(texts) > state.MAX_DIRECTIONS:
        raise ValueError(text)
    found = []
    for one in texts:
        name, _, offsets = one.partition("~")
        if not 0 < len(name.strip()) <= state.MAX_NAME or not offsets:
            raise ValueError(text)
        found.append(state.Direction(name.strip(), _vector(count, state.LIMIT)(offsets)))
    return found


def _text(point: Point) -> str:
    """A pinned point: each part is one letter and its value."""
    parts = [f"s{point.seed}"]
    if point.step is not None:
        parts.append(f"n{point.step}")
    if point.plane:
        parts.append(f"x{_numbers(point.plane, 3)}")
    if point.truncation != 1:
        parts.append(f"t{point.truncation:g}")
    if point.axes == "principal":
        parts.append("a1")
    if point.label:
        parts.append(f"c{point.label}")
    if z := _numbers(point.offsets, 2):
        parts.append(f"z{z}")
    return "~".join(parts)


def _pins(text: str, info: CheckpointInfo) -> list[Point]:
    """The pinned points of `text`; raises ValueError if one is not of this model."""
    texts = text[: _MAX_LENGTH + 1].split("~~")
    if len(text) > _MAX_LENGTH or len(texts) > MAX_PINS:
        raise ValueError(text)
    return [_point(one, info) for one in texts]


def _point(text: str, info: CheckpointInfo) -> Point:
    parts = {}
    for part in text.split("~"):
        if not (found := _PART.fullmatch(part)):
            raise ValueError(text)
        parts[found["kind"]] = found["value"]
    classes = len(info.condition_names)
    flow = has_flow(info)
    try:
        point = Point.parse(
            {
                "model": info.name,
                "step": option(info.steps)(parts["n"]) if "n" in parts else None,
                "seed": integer(MIN_PAGE_SEED, MAX_PAGE_SEED)(parts.get("s", "0")),
                "plane": _plane(parts["x"]) if "x" in parts else None,
                "truncation": number(0, MAX_TRUNCATION, digits=2)(parts.get("t", "1")),
                "axes": _SEEDS if flow else _AXES[integer(0, 1)(parts.get("a", "0"))],
                "label": integer(0, classes - 1)(parts.get("c", "0")) if classes else None,
                "offsets": _vector(MAX_AXES, state.LIMIT)(parts["z"]) if "z" in parts else (),
            }
        )
    except ConfigError as error:
        raise ValueError(text) from error
    if len(point.offsets) > service.axes_count(info.name, point.step, point.axes):
        raise ValueError(text)
    return point
