"""The distribution that a pixel was sampled from."""

from __future__ import annotations

import streamlit as st

from genmodels.service.paint import Facts, Painting
from genmodels.service.paint.distribution import distribution_of
from pages.components.i18n import t
from pages.components.numbers import percent
from pages.parts.paint.board import Spot
from pages.parts.paint.levels import levels_chart


def pixel_chart(facts: Facts, painting: Painting, at: Spot, *, key: str) -> None:
    """Show the distribution that a pixel was sampled from, as a chart and as a sentence."""
    following = at.row == painting.rows
    colour = _colour(facts, following)
    distribution = distribution_of(painting, at.image, at.row, at.column, colour or 0)
    best = max(range(facts.levels), key=distribution.model.__getitem__)
    values = {
        "row": at.row + 1,
        "column": at.column + 1,
        "best": best,
        "percent": percent(distribution.model[best]),
        "entropy": f"{distribution.entropy:.2f}",
    }
    if distribution.level is None:
        text = t("paint.pixel.next", **values)
    else:
        kind = "known" if at.row < painting.known_rows else "sampled"
        chance = percent(distribution.probabilities[distribution.level])
        text = t(
            f"paint.pixel.{kind}", **values, level=distribution.level, chance=chance, bits=f"{distribution.bits:.2f}"
        )
    levels_chart(
        distribution.probabilities,
        distribution.model,
        distribution.level,
        axis=t("paint.pixel.axis"),
        caption=text,
        alt=text,
        key=key,
        colour=colour,
    )
    changed = painting.request.temperature != 1 or painting.request.top_k is not None
    st.caption(t("paint.pixel.how_changed" if changed else "paint.pixel.how"))


def _colour(facts: Facts, following: bool) -> int | None:
    """The colour whose distribution is shown; None for grey images. For the next pixel, only red has one yet."""
    if facts.channels != 3:
        return None
    if following:
        st.caption(t("paint.pixel.red_first"))
        return 0
    return int(
        st.segmented_control(
            t("paint.pixel.colour"),
            (0, 1, 2),
            default=0,
            format_func=lambda number: t(f"paint.pixel.colours.{('red', 'green', 'blue')[number]}"),
            required=True,
            key="paint_colour",
            help=t("paint.pixel.colour_help"),
            persist_state="session",
        )
        or 0
    )
