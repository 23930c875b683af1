"""What the paint page remembers and what its address carries: `?model=&part=&seed=&class=&temperature=&levels=`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from genmodels.service import paint
from genmodels.service.paint import Asking, Facts
from genmodels.service.paint.surprise import MAX_CLASSES
from pages.components import address, choice
from pages.components.i18n import t
from pages.components.seed_input import seed_input

PARTS = ("generate", "complete", "field", "surprise")
ANY, OWN = -1, -2
LAST_SEED = MAX_PAGE_SEED - paint.MAX_PICTURES


def read_address() -> None:
    """Read the parameters that do not depend on the model."""
    seeds, temperatures, levels = (MIN_PAGE_SEED, LAST_SEED), (paint.MIN_TEMPERATURE, paint.MAX_TEMPERATURE), (1, 256)
    parameters: tuple[tuple[str, str, Callable[[str], float], str, float], ...] = (
        ("seed", "paint_seed", address.integer(*seeds), address.between(*seeds), 0),
        ("temperature", "paint_temperature", address.number(*temperatures), address.between(*temperatures), 1.0),
        ("levels", "paint_top_k", address.integer(*levels), address.between(*levels), levels[1]),
    )
    for name, key, parse, allowed, default in parameters:
        address.bind("paint", name, key, parse, address.problem(name, allowed), default=default)


def read_class(info: CheckpointInfo) -> None:
    """Read `?class=`, whose range depends on the model."""
    last = len(info.askable) - 1
    allowed = address.between(0, last) if info.askable else t("paint.class_none")
    problem = address.problem("class", allowed)
    address.bind("paint", "class", "paint_label", address.integer(0, last), problem, default=ANY)


def write_address(asking: Asking) -> None:
    """Put into the address what was asked for, so that it can be shared and reloaded."""
    address.write("paint", "seed", str(asking.seed))
    address.write("paint", "class", None if asking.label is None else str(asking.label))
    address.write("paint", "temperature", None if asking.temperature == 1 else f"{asking.temperature:g}")
    address.write("paint", "levels", None if asking.top_k is None else str(asking.top_k))


def knobs(info: CheckpointInfo, step: int, known: Facts, *, completing: bool = False, own: int | None = None) -> Asking:
    """Seed, temperature, levels and class; what they ask for. `own` is the class of the picture that is completed."""
    memory = st.session_state
    seed = seed_input("paint", shuffle="other_seeds", last=LAST_SEED)
    most = paint.most_pictures(known)
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
    memory.paint_top_k = min(memory.paint_top_k, known.levels)
    if known.levels > 2:
        memory.paint_top_k = max(memory.paint_top_k, 1)
        st.slider(
            t("paint.top_k"),
            1,
            known.levels,
            key="paint_top_k",
            help=t("paint.top_k_help", levels=known.levels),
            persist_state="session",
        )
    label = told(info, own is not None) if completing else _class(info, "paint_label", [])
    if label == OWN and own is not None:
        label = own
    top_k = memory.paint_top_k if 2 < known.levels > memory.paint_top_k else None
    return Asking.parse(
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


def told(info: CheckpointInfo, own: bool) -> int:
    """The class to tell of a picture that is completed: ANY: each seed draws one; OWN: the picture's, where known."""
    return _class(info, "paint_told", [OWN] if own else [], "completed")


def told_likeliest(info: CheckpointInfo, own: bool) -> int:
    """The class to tell of a picture that is measured; ANY: the likeliest, where there are not too many to try."""
    few = len(info.askable) <= MAX_CLASSES
    return _class(info, "paint_told", [OWN] if own else [], "measured", [ANY] if few else [])


def _class(
    info: CheckpointInfo, key: str, first: Sequence[int], kind: str = "painted", any_: Sequence[int] = (ANY,)
) -> int:
    if not info.askable:
        return ANY
    options = [*first, *any_, *range(len(info.askable))]
    names = {OWN: t("paint.class_own"), ANY: t(f"paint.class_any_{kind}")}
    number: int = choice.choose(
        t("paint.class"),
        options,
        lambda number: names.get(number) or info.askable[number],
        key=key,
        help=t(f"paint.class_help_{kind}"),
        persist_state="session",
    )
    return number
