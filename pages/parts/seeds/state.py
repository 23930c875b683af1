"""The state of the Seeds page, and its address: `?model=`, `?seeds=12,7,3`, `?pair=2`, `?z=s12 - s7`."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from itertools import pairwise

import streamlit as st

from genmodels.latent.expression import MAX_LENGTH
from genmodels.runs.catalog import CheckpointInfo
from genmodels.seeding import canonical
from genmodels.service.seeds import MAX_SEEDS
from pages.components import address, view
from pages.components.i18n import t
from pages.components.theme import plain
from pages.components.view import Field

PREFERRED = "mnist_gan"
DEFAULT_SEEDS = ("14", "7", "23", "5")  # clear digits of PREFERRED: 4, 0, 3 and 9
_MAX_SHOWN = 24


def read_address() -> None:
    """Read seeds and expression from the address, and set their defaults."""
    state = st.session_state
    last_z = address.written("seeds", "z")
    allowed = t("seeds.address_seeds", count=MAX_SEEDS)
    listed = address.requested("seeds", "seeds", _listed, address.problem("seeds", allowed))
    if listed is not None:
        state.seeds_list, bad = listed
        if bad:
            address.refuse("seeds", "seeds", t("seeds.refused", entered=named(bad), count=MAX_SEEDS))
    if "seeds_list" not in state:
        state.seeds_list = list(state.get("seeds_kept", DEFAULT_SEEDS))
    expression = address.requested("seeds", "z", str, str)  # an invalid expression is explained below its field
    if expression is not None:
        state.seeds_expression = expression[:MAX_LENGTH]
        if len(expression) > MAX_LENGTH:
            address.refuse("seeds", "z", t("seeds.expression_cut", count=MAX_LENGTH))
    if "seeds_expression" not in state:
        chosen: list[str] = state.seeds_list
        first, second, third, *_ = [*chosen, *DEFAULT_SEEDS]
        state.seeds_expression = last_z or f"s{first} - s{second} + 0.5*s{third}"


def fields(info: CheckpointInfo) -> list[Field]:
    """The controls that depend on the model and on the seeds."""
    pairs = [",".join(pair) for pair in pairwise(st.session_state.seeds_list)]
    count = len(pairs)
    shown = [view.switch("norm", "seeds_renormalise")]
    if info.condition_names:
        shown.append(view.class_of("class", "seeds_label", len(info.condition_names)))
    if pairs:

        def pair(text: str) -> str:
            return pairs[address.integer(1, count)(text) - 1]

        def number(pair: str) -> str:
            return str(pairs.index(pair) + 1) if pair in pairs else "1"

        shown.append(Field("pair", "seeds_pair", pair, address.between(1, count), pairs[0], number))
    return shown


def _listed(text: str) -> tuple[list[str], list[str]]:
    """The seeds in `?seeds=`, and the invalid words. Raises ValueError if there is no seed."""
    good, bad = _parsed([text[: 20 * MAX_SEEDS]])
    if not good:
        raise ValueError(text)
    return good, bad


def named(words: Iterable[str]) -> str:
    """Refused words as Markdown."""
    return ", ".join(f"“{plain(word)}”" for word in words)


def write_address(info: CheckpointInfo) -> None:
    """Write the seeds and the controls to the address."""
    state = st.session_state
    state.seeds_kept = list(state.seeds_list)
    view.write("seeds", fields(info), seeds=",".join(state.seeds_list))


def write_expression() -> None:
    """Write the expression to the address; its part of the page runs without the rest."""
    address.write("seeds", "z", st.session_state.seeds_expression)


def seeds() -> tuple[int, ...]:
    return tuple(int(seed) for seed in st.session_state.seeds_list)


def edited() -> None:
    """Keep the valid seeds of the edited list, in its order, and remember the refused words."""
    state = st.session_state
    state.seeds_list, state.seeds_refused = _parsed(state.seeds_list)


def refused() -> list[str]:
    """The words of the last edit that are not seeds, returned once."""
    words: list[str] = st.session_state.get("seeds_refused", [])
    st.session_state.seeds_refused = []
    return words


def randomise() -> None:
    """Replace the seeds by random ones, in the list and in the expression."""
    state = st.session_state
    new = _random_seeds(len(state.seeds_list) or len(DEFAULT_SEEDS))
    listed: list[str] = state.seeds_list
    renamed = dict(zip(listed, new, strict=False))
    state.seeds_expression = re.sub(
        r"\b[sS]([0-9]+)", lambda match: "s" + renamed.get(match[1], match[1]), state.seeds_expression
    )
    state.seeds_list = new


def add_one() -> None:
    state = st.session_state
    state.seeds_list = [*state.seeds_list, *_random_seeds(1, state.seeds_list)]


def write(expression: str) -> None:
    st.session_state.seeds_expression = expression


def _random_seeds(count: int, excluded: Iterable[str] = ()) -> list[str]:
    """Random seeds below 1,000, which are easy to pass on."""
    free = [str(seed) for seed in range(1000) if str(seed) not in set(excluded)]
    return random.sample(free, count)


def _parsed(entries: Iterable[str]) -> tuple[list[str], list[str]]:
    """The distinct seeds in entries such as "12" or "12, 7", at most MAX_SEEDS, and the invalid words."""
    good: dict[str, None] = {}
    bad: list[str] = []
    for word in (word for entry in entries for word in re.split(r"[,;\s]+", entry) if word):
        digits = re.fullmatch(r"[sS]?(-?[0-9]{1,40})", word)
        if digits and len(good) < MAX_SEEDS:
            good[str(canonical(int(digits[1])))] = None
        else:
            bad.append(word if len(word) <= _MAX_SHOWN else word[:_MAX_SHOWN] + "...")
    return list(good), bad[:MAX_SEEDS]
