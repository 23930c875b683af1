"""What the seeds page remembers and what its address carries: `?model=`, `?seeds=12,7,3`, `?z=s12 - s7`."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import streamlit as st

from genmodels.latent.expression import MAX_LENGTH
from genmodels.seeding import canonical
from genmodels.service.seeds import MAX_SEEDS
from pages.components import address
from pages.components.i18n import t
from pages.components.theme import plain

PREFERRED = "mnist_gan"
DEFAULT_SEEDS = ("14", "7", "23", "5")  # clear digits of PREFERRED: 4, 0, 3 and 9
_SHOWN = 24


def read_address() -> None:
    """Take over seeds and expression from the address, where they are not what the page itself has written there."""
    state = st.session_state
    kept_z = address.written("seeds", "z")
    allowed = t("seeds.address_seeds", count=MAX_SEEDS)
    listed = address.requested("seeds", "seeds", _listed, address.problem("seeds", allowed))
    if listed is not None:
        state.seeds_list, bad = listed
        if bad:
            address.refuse("seeds", "seeds", t("seeds.refused", found=named(bad), count=MAX_SEEDS))
    if "seeds_list" not in state:
        state.seeds_list = list(state.get("seeds_kept", DEFAULT_SEEDS))
    expression = address.requested("seeds", "z", str, str)  # what is no expression is explained below its field
    if expression is not None:
        state.seeds_expression = expression[:MAX_LENGTH]
        if len(expression) > MAX_LENGTH:
            address.refuse("seeds", "z", t("seeds.expression_cut", count=MAX_LENGTH))
    if "seeds_expression" not in state:
        chosen: list[str] = state.seeds_list
        first, second, third, *_ = [*chosen, *DEFAULT_SEEDS]
        state.seeds_expression = kept_z or f"s{first} - s{second} + 0.5*s{third}"


def _listed(text: str) -> tuple[list[str], list[str]]:
    """The seeds in `?seeds=`, and what is none. Raises ValueError if there is no seed at all."""
    good, bad = _taken([text[: 20 * MAX_SEEDS]])
    if not good:
        raise ValueError(text)
    return good, bad


def named(words: Iterable[str]) -> str:
    """Refused words as Markdown."""
    return ", ".join(f"“{plain(word)}”" for word in words)


def write_address() -> None:
    """Put the seeds into the address, so that it can be shared and reloaded."""
    state = st.session_state
    state.seeds_kept = list(state.seeds_list)
    address.write("seeds", "seeds", ",".join(state.seeds_list))


def write_expression() -> None:
    """The same for the expression, which is drawn again without the rest of the page."""
    address.write("seeds", "z", st.session_state.seeds_expression)


def seeds() -> tuple[int, ...]:
    return tuple(int(seed) for seed in st.session_state.seeds_list)


def edited() -> None:
    """The list was edited: keep what are seeds, in the order given, and remember what was refused."""
    state = st.session_state
    state.seeds_list, state.seeds_refused = _taken(state.seeds_list)


def refused() -> list[str]:
    """What the last edit contained that is no seed; told once."""
    found: list[str] = st.session_state.get("seeds_refused", [])
    st.session_state.seeds_refused = []
    return found


def randomise() -> None:
    """As many other seeds; the expression keeps its form and takes them over."""
    state = st.session_state
    new = _drawn(len(state.seeds_list) or len(DEFAULT_SEEDS))
    listed: list[str] = state.seeds_list
    renamed = dict(zip(listed, new, strict=False))
    state.seeds_expression = re.sub(
        r"\b[sS]([0-9]+)", lambda found: "s" + renamed.get(found[1], found[1]), state.seeds_expression
    )
    state.seeds_list = new


def add_one() -> None:
    state = st.session_state
    state.seeds_list = [*state.seeds_list, *_drawn(1, state.seeds_list)]


def write(expression: str) -> None:
    st.session_state.seeds_expression = expression


def _drawn(count: int, but: Iterable[str] = ()) -> list[str]:
    """Small seeds: they are easy to say to a neighbour, and as random as any."""
    free = [str(seed) for seed in range(1000) if str(seed) not in set(but)]
    return random.sample(free, count)


def _taken(entries: Iterable[str]) -> tuple[list[str], list[str]]:
    """The different seeds in entries such as "12" or "12, 7", at most MAX_SEEDS, and what are none."""
    good: dict[str, None] = {}
    bad: list[str] = []
    for word in (word for entry in entries for word in re.split(r"[,;\s]+", entry) if word):
        digits = re.fullmatch(r"[sS]?(-?[0-9]{1,40})", word)
        if digits and len(good) < MAX_SEEDS:
            good[str(canonical(int(digits[1])))] = None
        else:
            bad.append(word if len(word) <= _SHOWN else word[:_SHOWN] + "...")
    return list(good), bad[:MAX_SEEDS]
