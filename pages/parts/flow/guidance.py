"""Guidance against variety: samples over guidance scales, and class agreement, precision and recall as curves."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from genmodels.capabilities import FlowConfig
from genmodels.evaluation.guidance import SCALES
from genmodels.public import public_mode
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.flow import guidance
from genmodels.service.flow.guidance import Curve, ScalesRequest
from pages.components import judge_note, share
from pages.components.file_buttons import png_button
from pages.components.i18n import t
from pages.components.image_table import ImageText, image_table
from pages.components.numbers import percent
from pages.components.theme import explain, friendly_errors, plain
from pages.parts.flow import charts, settings

_METRICS = ("agreement", "precision", "recall")


def show(info: CheckpointInfo, step: int, config: FlowConfig) -> None:
    """Show samples over the scales, and below them the curves or a button that measures them."""
    if not config.guidable:
        name, own = plain(info.name), config.trained_guidance
        text = (
            t("flow.scales.not_guidable", name=name)
            if own in (None, 1)
            else t("flow.scales.trained", name=name, own=f"{own:g}")
        )
        st.info(text, icon=":material/info:")
        settings.write_address(info, config)
        return
    left, right = st.columns([1, 3], gap="large")
    with left:
        label = settings.one_class(info, 3)
        request = ScalesRequest.parse({"model": info.name, "step": step, "seed": settings.seed(), "label": label})
    settings.write_address(info, config)
    share.offer_code(guidance.sheet_png, request, file=f"{info.name}-guidance.png")
    with right, friendly_errors():
        _samples(info, request)
        st.header(t("flow.scales.curve_title"), anchor=False)
        if not guidance.can_measure(info):
            st.info(t("flow.scales.no_judge"), icon=":material/info:")
            return
        curve = guidance.curve(info, step) or _measured(info, step)
        if curve is not None:
            _curve(curve, config, step)


def _samples(info: CheckpointInfo, request: ScalesRequest) -> None:
    explain(t("flow.scales.text"))
    with st.spinner(t("flow.busy")):
        sheet = guidance.sheet(request)
    name, scales = info.condition_names[request.label], [f"{scale:g}" for scale in SCALES]
    seeds = range(request.seed, request.seed + sheet.rows)
    image_table(
        sheet.png,
        (sheet.width, sheet.height),
        [ImageText(t("flow.scales.alt", name=name, seed=seed, scale=scale)) for seed in seeds for scale in scales],
        heads=scales,
        rows=[f"{seed}" for seed in seeds],
        corner=t("flow.scales.corner"),
        label=t("flow.scales.label", name=name),
        key="flow_scales",
    )
    st.caption(t("flow.scales.caption"))
    png_button(
        "flow.scales.png", lambda: guidance.sheet_png(request), f"{info.name}-guidance.png", key="flow_scales_png"
    )


def _measured(info: CheckpointInfo, step: int) -> Curve | None:
    """The curve after a click on the button; None before it, and on a public server."""
    if public_mode():
        st.caption(t("flow.scales.public"))
        return None
    texts = {"samples": guidance.SAMPLES, "scales": len(SCALES)}
    st.markdown(t("flow.scales.unmeasured"))
    place = st.empty()
    clicked = place.button(
        t("flow.scales.measure"),
        key="flow_measure",
        type="primary",
        icon=":material/science:",
        help=t("flow.scales.measure_help", **texts),
    )
    if not clicked:
        return None
    bar = place.progress(0.0, t("flow.scales.progress", percent="0", **texts))
    curve = guidance.measure(info, step, lambda done: _report(bar, done, texts))
    place.empty()
    return curve


def _report(bar: DeltaGenerator, done: float, texts: dict[str, int]) -> None:
    bar.progress(done, t("flow.scales.progress", percent=f"{100 * done:.0f}", **texts))


def _curve(curve: Curve, config: FlowConfig, step: int) -> None:
    scales = [point.scale for point in curve.points]
    figure = charts.lines(
        [
            (t(f"flow.scales.metrics.{metric}"), scales, [100 * getattr(point, metric) for point in curve.points])
            for metric in _METRICS
        ],
        hover=t("flow.scales.hover"),
        height=340,
        xaxis={"title": t("flow.guidance")},
        yaxis={"title": t("flow.scales.curve_y"), "ticksuffix": " %", "rangemode": "tozero"},
    )
    figure.add_vline(config.guidance, line={"dash": "dash", "width": 1.5, "color": "#8a9499"})
    st.plotly_chart(figure, key="flow_curve", config=charts.CONFIG)
    source = "published" if curve.published else "measured"
    st.caption(t(f"flow.scales.{source}", samples=f"{curve.samples:,}", own=f"{config.guidance:g}"))
    judge_note.untrained(step, curve)
    lines = [" | ".join([t("flow.guidance"), *(t(f"flow.scales.metrics.{metric}") for metric in _METRICS)])]
    lines.append("|".join(["---:"] * 4))
    lines += [
        " | ".join([f"{point.scale:g}", *(percent(getattr(point, metric)) for metric in _METRICS)])
        for point in curve.points
    ]
    st.markdown("\n".join(f"| {line} |" for line in lines))
