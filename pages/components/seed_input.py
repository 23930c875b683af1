"""The field for a seed, the button for a random one, and random choices of the pages."""

from __future__ import annotations

import random

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from pages.components.i18n import t

_RANDOM_SEEDS = 10_000  # short enough to be written down


def seed_input(
    page: str,
    *,
    default: int = 0,
    last: int = MAX_PAGE_SEED,
    place: DeltaGenerator | None = None,
    width: int = 150,
) -> int:
    """Show the field `<page>_seed` and the button `<page>_shuffle` in a row, and return the seed.

    `last` is the largest seed.
    """
    key = f"{page}_seed"
    st.session_state.setdefault(key, default)
    row = place or st.container(horizontal=True, vertical_alignment="bottom")
    seed: int = row.number_input(
        t(f"{page}.seed"),
        MIN_PAGE_SEED,
        last,
        step=1,
        key=key,
        help=t(f"{page}.seed_help"),
        width=width,
        persist_state="session",
    )
    row.button(
        t("common.new_seed"),
        key=f"{page}_shuffle",
        icon=":material/casino:",
        on_click=set_random,
        args=(key,),
        help=t(f"{page}.new_seed_help"),
    )
    return seed


def set_random(key: str, count: int = _RANDOM_SEEDS) -> None:
    """Set the session value `key` to a random number below `count`; a callback of buttons."""
    st.session_state[key] = random_number(count)


def random_number(count: int = _RANDOM_SEEDS) -> int:
    """A random number from 0 to `count` - 1."""
    return random.randrange(count)  # noqa: S311 - it selects what to show and protects nothing
