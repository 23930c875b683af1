"""Compare: samples and metrics of two to four checkpoints from the same seeds, or all digit models in one table."""

from __future__ import annotations

import shlex

import streamlit as st

from genmodels.evaluation.metric_table import meaning_of, name_of
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import compare
from genmodels.service.compare import ColumnRequest, Metric, Value
from pages.components import choice, share, tiles
from pages.components.file_buttons import png_button
from pages.components.i18n import has, t
from pages.components.model_choice import pick_part
from pages.components.page import model_page
from pages.components.seed_input import seed_input
from pages.components.theme import explain, friendly_errors, plain
from pages.parts.compare import families, state
from pages.parts.compare.metrics_table import MetricText, ValueText, metrics_table
from pages.parts.compare.value_text import value_text

_MAX_WIDTH = 320
_PARTS = ("samples", "families")


def _actions(infos: dict[str, CheckpointInfo]) -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom", key="compare_actions")
    seed_input("compare", last=state.LAST_SEED, place=row, width=180)
    row.button(
        t("compare.add"),
        key="compare_add",
        icon=":material/add:",
        on_click=state.add,
        args=(list(infos),),
        disabled=state.count() >= compare.MAX_MODELS,
        help=t("compare.add_help", count=compare.MAX_MODELS),
    )


def _pick_model(index: int, infos: dict[str, CheckpointInfo]) -> None:
    def label(name: str) -> str:
        info = infos[name]
        kind = "published" if info.published else "named_run" if info.given_name else "run"
        return t(f"compare.option.{kind}", name=name, given=info.label)

    choice.choose(
        t("compare.model", number=index + 1),
        list(infos),
        label,
        key=f"compare_model_{index}",
        help=t("compare.model_help"),
        persist_state="session",
    )


def _pick_step(index: int, steps: tuple[int, ...]) -> None:
    """Show the step slider, below the grid, so that the grids align even if a model has one step and no slider."""
    if len(steps) == 1:
        st.caption(t("common.one_step", step=f"{steps[0]:,}"))
        return
    st.select_slider(
        t("common.step"),
        steps,
        format_func=lambda step: f"{step:,}",
        key=f"compare_step_{index}",
        help=t("compare.step_help"),
        persist_state="session",
    )


def _column(index: int, infos: dict[str, CheckpointInfo]) -> int | None:
    """Show pickers and samples of a column and return the model's parameter count; None if it cannot be sampled."""
    parameters = None
    with st.container(border=True, height="stretch", key=f"compare_column_{index}"):
        _pick_model(index, infos)
        name, step = state.chosen(index)
        info = infos[name]
        with friendly_errors():
            samples = compare.column(_request(index))
            parameters = samples.parameters
            alt = t(
                "compare.alt" if samples.image_count > 1 else "compare.alt_one",
                count=samples.image_count,
                name=name,
                step=f"{step:,}",
                seed=st.session_state.compare_seed,
            )
            tiles.row([tiles.Tile(samples.png, "", alt)], width=_MAX_WIDTH, key=f"compare_grid_{index}")
        _pick_step(index, info.steps)
        note = "constant" if info.latent_dim == 0 else "classes" if info.condition_names else ""
        st.caption(f"{plain(info.title)}. {t(f'compare.{note}') if note else ''}")
        if state.count() > compare.MIN_MODELS:
            st.button(
                t("compare.remove"),
                key=f"compare_remove_{index}",
                icon=":material/close:",
                on_click=state.remove,
                args=(index,),
                help=t("compare.remove_help"),
                type="tertiary",
            )
    return parameters


def _request(index: int) -> ColumnRequest:
    name, step = state.chosen(index)
    return ColumnRequest.parse({"model": name, "step": step, "seed": st.session_state.compare_seed})


def _columns(infos: dict[str, CheckpointInfo]) -> list[int | None]:
    parameters = []
    for index, column in enumerate(st.columns(state.count())):
        with column:
            parameters.append(_column(index, infos))
    return parameters


def _same_seeds(chosen: list[CheckpointInfo]) -> None:
    """Show what the same seeds mean for these models."""
    kinds = compare.different_data(chosen)
    if kinds:
        listed = ", ".join(f"“{plain(kind)}”" for kind in kinds)
        st.info(t("compare.different_data", kinds=listed), icon=":material/category:")
    class_counts = {info.conditions.get("label", 0) for info in chosen}
    if len({info.name for info in chosen}) == 1:
        key = "same_model"
    elif len(class_counts) > 1:
        key = "other_layouts"
    else:
        key = "other_conditional" if any(class_counts) else "other_models"
    st.markdown(t(f"compare.{key}"))


def _value_text(metric: Metric, value: Value) -> ValueText:
    if value.value is None:
        return ValueText(t("compare.not_measured" if value.applies else "compare.not_applicable"), muted=True)
    small = "" if value.spread is None else f"± {value_text(metric.name, value.spread)}"
    return ValueText(value_text(metric.name, value.value), small, value.best)


def _capitalised(text: str) -> str:
    """`text` with its first letter as a capital; the others stay (`FID`)."""
    return text[:1].upper() + text[1:]


def _table(chosen: list[CheckpointInfo], parameters: list[int]) -> None:
    st.header(t("compare.table.title"), anchor=False)
    explain(t("compare.table.text"))
    steps = [state.chosen(index)[1] for index in range(state.count())]
    rows = compare.table(chosen, steps, parameters)
    heads = [
        t("compare.table.head", name=info.name, step=f"{step:,}") for info, step in zip(chosen, steps, strict=True)
    ]
    lines = []
    for row in rows:
        key = f"compare.metric.{row.metric.name}"
        direction = t(f"compare.direction.{row.metric.better}")
        if row.real is not None:
            direction += t("compare.table.real", value=value_text(row.metric.name, row.real))
        lines.append(
            MetricText(
                _capitalised(name_of(row.metric.key)) if row.metric.key else t(f"{key}.name"),
                direction,
                meaning_of(row.metric.key) if row.metric.key else t(f"{key}.help"),
                t(f"{key}.source"),
                t(f"{key}.link") if has(f"{key}.link") else "",
                tuple(_value_text(row.metric, value) for value in row.values),
            )
        )
    metrics_table(
        lines,
        heads=heads,
        corner=t("compare.table.corner"),
        best=t("compare.table.best"),
        label=t("compare.table.label"),
        key="compare_table",
    )
    st.caption(t("compare.table.caption"))
    _how_to_measure(chosen, steps, [value for row in rows for value in row.values])


def _how_to_measure(chosen: list[CheckpointInfo], steps: list[int], values: list[Value]) -> None:
    """Show a command for each column without a metric, and links to the page that measures it."""
    count = len(chosen)
    incomplete = {
        shlex.quote(info.name) + ("" if step == info.steps[-1] else f" --step {step}"): info.name
        for index, (info, step) in enumerate(zip(chosen, steps, strict=True))
        if any(value.value is None and value.applies for value in values[index::count])
    }
    if not incomplete:
        return
    if any(step != info.steps[-1] for info, step in zip(chosen, steps, strict=True)):
        st.caption(t("compare.table.older"))
    st.markdown(t("compare.table.command"))
    st.code("\n".join(f"python -m genmodels evaluate {what}" for what in incomplete), language="bash")
    with st.container(horizontal=True, key="compare_measure"):
        for name in dict.fromkeys(incomplete.values()):
            st.page_link(
                "evaluate.py",
                label=t("compare.table.link", name=plain(name)),
                icon=":material/analytics:",
                query_params={"model": name},
            )


def _page(infos: dict[str, CheckpointInfo]) -> None:
    if pick_part("compare", _PARTS) == "families":
        families.show()
    else:
        _samples(infos)


def _samples(infos: dict[str, CheckpointInfo]) -> None:
    state.read_address(infos)
    _actions(infos)
    parameters = _columns(infos)
    state.write_address(infos)
    chosen = [infos[state.chosen(index)[0]] for index in range(state.count())]
    _same_seeds(chosen)
    requests = [_request(index) for index in range(state.count())]
    counts = [number for number in parameters if number is not None]
    if len(counts) == len(chosen):
        share.offer_code(compare.comparison_png, requests, file="compared.png")
        png_button("compare.png", lambda: compare.comparison_png(requests), "compared.png", key="compare_png")
        _table(chosen, counts)


model_page("compare", compare.checkpoints, _page)
