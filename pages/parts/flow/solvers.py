"""One seed by every solver in few and in many steps: images, distance to a fine solution, evaluations, seconds."""

from __future__ import annotations

import streamlit as st

from genmodels.capabilities import FlowConfig
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.flow import solvers
from genmodels.service.flow.solvers import REFERENCE_STEPS, STEPS, Comparison, SolverRequest
from pages.components import share
from pages.components.file_buttons import png_button
from pages.components.i18n import t
from pages.components.image_table import ImageText, image_table
from pages.components.theme import explain, friendly_errors
from pages.components.tiles import Tile, row
from pages.parts.flow import charts, settings


def show(info: CheckpointInfo, step: int, config: FlowConfig) -> None:
    """Show the settings on the left, the table of images on the right, chart and numbers below."""
    left, right = st.columns([1, 3], gap="large")
    with left:
        request = SolverRequest.parse(
            {
                "model": info.name,
                "step": step,
                "seed": settings.seed(),
                "label": settings.one_class(info, 3),
                "guidance": settings.guidance(config),
            }
        )
    settings.write_address(info, config)
    share.offer_code(solvers.compare_png, request, file=f"{info.name}-solvers-{request.seed}.png")
    with right, friendly_errors():
        explain(t("flow.solving.text"))
        if "average" in config.solvers:
            st.markdown(t("flow.solving.average"))
        with st.spinner(t("flow.busy")):
            comparison = solvers.compare(request)
        _images(comparison, config)
        png_button(
            "flow.solving.png",
            lambda: solvers.compare_png(request),
            f"{info.name}-solvers-{request.seed}.png",
            key="flow_solvers_png",
        )
        chart, numbers = st.columns(2, gap="medium")
        with chart:
            _chart(comparison, config)
        with numbers:
            _numbers(comparison)


def _images(comparison: Comparison, config: FlowConfig) -> None:
    texts = [
        ImageText(
            t(
                "flow.solving.alt",
                solver=t(f"flow.solvers.{one.solver}"),
                steps=one.steps,
                evaluations=one.evaluations,
                error=f"{one.error:.4f}",
            )
        )
        for one in comparison.solutions
    ]
    table, reference, _ = st.columns([19, 5, 14], gap="medium")
    with table:
        image_table(
            comparison.png,
            (comparison.width, comparison.height),
            texts,
            heads=[str(steps) for steps in STEPS],
            rows=[t(f"flow.solvers.{solver}") for solver in config.solvers],
            corner=t("flow.solving.corner"),
            label=t("flow.solving.label"),
            key="flow_solvers",
        )
    with reference:
        caption = t("flow.solving.reference_caption", steps=REFERENCE_STEPS)
        above = t("flow.solving.reference")
        row([Tile(comparison.reference, caption, t("flow.solving.reference_alt"), above)], key="flow_fine", width=110)


def _chart(comparison: Comparison, config: FlowConfig) -> None:
    st.header(t("flow.solving.chart_title"), anchor=False)
    series = []
    for solver in config.solvers:
        points = [one for one in comparison.solutions if one.solver == solver]
        name = t(f"flow.solvers.{solver}")
        series.append((name, [one.evaluations for one in points], [one.error for one in points]))
    figure = charts.lines(
        series,
        hover=t("flow.solving.hover"),
        height=320,
        xaxis={"type": "log", "title": t("flow.solving.x"), "dtick": "D2"},
        yaxis={"type": "log", "title": t("flow.solving.y"), "dtick": 1},
    )
    st.plotly_chart(figure, key="flow_errors", config=charts.CONFIG)
    st.caption(t("flow.solving.chart_caption"))


def _numbers(comparison: Comparison) -> None:
    st.header(t("flow.solving.numbers_title"), anchor=False)
    names = ("solver", "steps", "evaluations", "error", "seconds")
    lines = [" | ".join(t(f"flow.solving.columns.{name}") for name in names), "|".join(["---", *["---:"] * 4])]
    lines += [
        f"{t(f'flow.solvers.{one.solver}')} | {one.steps} | {one.evaluations} | {one.error:.4f} | {one.seconds:.3f}"
        for one in comparison.solutions
    ]
    st.markdown("\n".join(f"| {line} |" for line in lines))
    st.caption(t("flow.solving.numbers_caption"))
