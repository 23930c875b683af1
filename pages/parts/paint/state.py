"""The settings of the Paint page, and its address: `?model=&part=&seed=&class=&temperature=&levels=`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from genmodels.runs.catalog import CheckpointInfo
from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from genmodels.service import paint
from genmodels.service.paint import Facts, PaintRequest
from genmodels.service.paint.surprise import MAX_CLASSES
from pages.components import address, choice
from pages.components.i18n import t
from pages.components.seed_input import seed_input

PARTS = ("generate", "complete", "field", "surprise")
ANY, OWN = -1, -2
MAX_TOP_K = 256
LAST_SEED = MAX_PAGE_SEED - paint.MAX_IMAGES


def read_address() -> None:
    """Read the parameters that do not depend on the model."""
    seeds, temperatures, levels = (
        (MIN_PAGE_SEED, LAST_SEED),
        (paint.MIN_TEMPERATURE, paint.MAX_TEMPERATURE),
        (1, MAX_TOP_K),
    )
    parameters: tuple[tuple[str, str, Callable[[str], float], str, float], ...] = (
        ("seed", "paint_seed", address.integer(*seeds), address.between(*seeds), 0),
        ("temperature", "paint_temperature", address.number(*temperatures), address.between(*temperatures), 1.0),
        ("levels", "paint_top_k", address.integer(*levels), address.between(*levels), levels[1]),
    )
    for name, key, parse, allowed, default in parameters:
        address.bind("paint", name, key, parse, address.problem(name, allowed), default=default)


def read_class(info: CheckpointInfo) -> None:
    """Read `?class=`, whose range depends on the model."""
    last = len(info.condition_names) - 1
    allowed = address.between(0, last) if info.condition_names else t("paint.class_none")
    problem = address.problem("class", allowed)
    address.bind("paint", "class", "paint_label", address.integer(0, last), problem, default=ANY)


def write_address(request: PaintRequest) -> None:
    """Write the request to the address."""
    address.write("paint", "seed", str(request.seed))
    address.write("paint", "class", None if request.label is None else str(request.label))
    address.write("paint", "temperature", None if request.temperature == 1 else f"{request.temperature:g}")
    address.write("paint", "levels", None if request.top_k is None else str(request.top_k))


def sampling_options(
    info: CheckpointInfo,
    step: int,
    facts: Facts,
    *,
    completing: bool = False,
    own: int | None = None,
    more: DeltaGenerator | None = None,
) -> PaintRequest:
    """Show seed and class, and in `more` number, temperature and levels; return the request.

    `own` is the completed image's class. Without `more` everything is in one place.
    """
    memory = st.session_state
    seed = seed_input("paint", shuffle="other_seeds", last=LAST_SEED)
    label = condition(info, own is not None) if completing else _class(info, "paint_label", [])
    if label == OWN and own is not None:
        label = own
    levels = min(facts.levels, MAX_TOP_K)
    with more or nullcontext():
        _options(facts, levels)
    top_k = memory.paint_top_k if 2 < levels > memory.paint_top_k else None
    return PaintRequest.parse(
        {
            "model": info.name,
            "step": step,
            "seed": seed,
            "count": memory.paint_count,
            "label": label if label >= 0 else None,
            "temperature": round(memory.paint_temperature, 2),
            "top_k": top_k,
        }
    )


def _options(facts: Facts, levels: int) -> None:
    memory = st.session_state
    most = paint.max_images(facts)
    counts = [count for count in (1, 2, 4, 8, 12, 16) if count <= most] or [1]
    if memory.get("paint_count") not in counts:
        memory.paint_count = max(count for count in counts if count <= 8)
    if len(counts) > 1:
        st.select_slider(
            t("paint.count"), counts, key="paint_count", help=t("paint.count_help"), persist_state="session"
        )
    st.slider(
        t("paint.temperature"),
        paint.MIN_TEMPERATURE,
        paint.MAX_TEMPERATURE,
        step=0.05,
        key="paint_temperature",
        help=t("paint.temperature_help"),
        persist_state="session",
    )
    memory.paint_top_k = min(memory.paint_top_k, levels)
    if levels > 2:
        memory.paint_top_k = max(memory.paint_top_k, 1)
        st.slider(
            t("paint.top_k"),
            1,
            levels,
            key="paint_top_k",
            help=t("paint.codes.top_k_help" if facts.cell > 1 else "paint.top_k_help", levels=levels),
            persist_state="session",
        )


def condition(info: CheckpointInfo, own: bool) -> int:
    """The class to condition a completion on; ANY: sampled per seed, OWN: the class of the image, if it is known."""
    return _class(info, "paint_condition", [OWN] if own else [], "completed")


def condition_or_likeliest(info: CheckpointInfo, own: bool) -> int:
    """The class to condition the likelihood on; ANY: the likeliest one, if there are few enough to try all."""
    few = len(info.condition_names) <= MAX_CLASSES
    return _class(info, "paint_condition", [OWN] if own else [], "measured", [ANY] if few else [])


def _class(
    info: CheckpointInfo, key: str, first: Sequence[int], kind: str = "generated", any_: Sequence[int] = (ANY,)
) -> int:
    if not info.condition_names:
        return ANY
    options = [*first, *any_, *range(len(info.condition_names))]
    names = {OWN: t("paint.class_own"), ANY: t(f"paint.class_any_{kind}")}
    number: int = choice.choose(
        t("paint.class"),
        options,
        lambda number: names.get(number) or info.condition_names[number],
        key=key,
        help=t(f"paint.class_help_{kind}"),
        persist_state="session",
    )
    return number
