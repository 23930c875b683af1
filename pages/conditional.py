"""Conditional models: vary the class for a fixed seed and the seed for a fixed class, to see what z sets."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from genmodels.service import conditional
from genmodels.service.conditional import Cell, ConditionalRequest, Sheet
from pages.components import address, judge_note, share, strip, view
from pages.components.class_picker import class_picker
from pages.components.file_buttons import gif_button, png_button
from pages.components.i18n import t
from pages.components.image_table import ImageText, image_table
from pages.components.model_choice import pick_model_and_step
from pages.components.numbers import percent
from pages.components.page import model_page
from pages.components.seed_input import seed_input
from pages.components.strip import TileText
from pages.components.theme import explain, friendly_errors, plain
from pages.components.view import Field

_LAST_SEED = MAX_PAGE_SEED - conditional.STEPS
_CLASS = 7


def _fields(info: CheckpointInfo) -> list[Field]:
    """The page's view in its address."""
    count = len(info.condition_names)
    start, end = _between_defaults(count)
    return [
        Field(
            "seed",
            "conditional_seed",
            address.integer(MIN_PAGE_SEED, _LAST_SEED),
            address.between(MIN_PAGE_SEED, _LAST_SEED),
            0,
        ),
        view.class_of("class", "conditional_class", count, _CLASS),
        view.class_of("from", "conditional_from", count, start),
        view.class_of("to", "conditional_to", count, end),
    ]


def _between_defaults(count: int) -> tuple[int, int]:
    """4 and 9 differ by one stroke; of fewer classes the first and the last."""
    return (4, 9) if count > 9 else (0, count - 1)


def _next_seeds() -> None:
    state = st.session_state
    state.conditional_seed = min(state.conditional_seed + conditional.STEPS, _LAST_SEED)


def _controls(infos: dict[str, CheckpointInfo]) -> tuple[CheckpointInfo, ConditionalRequest]:
    info, step = pick_model_and_step("conditional", infos)
    view.read("conditional", _fields(info))
    row = st.container(horizontal=True, vertical_alignment="bottom", key="conditional_actions")
    seed = seed_input("conditional", last=_LAST_SEED, place=row, width=180)
    return info, ConditionalRequest.parse({"model": info.name, "step": step, "seed": seed})


def _prediction(cell: Cell) -> str:
    if cell.prediction is None:
        return ""
    return judge_note.reading("conditional.reading", cell.prediction, narrow=True)


def _alt(name: str, cell: Cell) -> str:
    return f"{t('conditional.every.alt', name=name, seed=cell.seed)} {_prediction(cell)}".strip()


def _wrong(cell: Cell) -> bool:
    return cell.prediction is not None and cell.label is not None and not conditional.agrees(cell)


def _rows(sheet: Sheet) -> list[str]:
    return [f"{cell.seed}" for cell in sheet.cells[:: sheet.columns]]


def _download_png(what: str, make: Callable[[], bytes], info: CheckpointInfo) -> None:
    png_button(f"conditional.download.{what}_png", make, f"{info.name}-{what}.png", key=f"conditional_{what}_png")


def _every_class(info: CheckpointInfo, names: tuple[str, ...], request: ConditionalRequest) -> None:
    st.header(t("conditional.every.title"), anchor=False)
    left, right = st.columns([6, 4], gap="medium")
    with friendly_errors():
        sheet = conditional.every_class(request)
        shown = names[: sheet.columns]
        with left:
            texts = [
                ImageText(
                    _alt(names[cell.label or 0], cell),
                    cell.prediction.label if cell.prediction and _wrong(cell) else "",
                )
                for cell in sheet.cells
            ]
            image_table(
                sheet.png,
                (sheet.width, sheet.height),
                texts,
                heads=shown,
                rows=_rows(sheet),
                corner=t("conditional.corner"),
                label=t("conditional.every.label"),
                key="conditional_every",
            )
        with right:
            explain(t("conditional.every.text"))
            agreement = conditional.agreement(sheet)
            if agreement is None:
                st.caption(t("conditional.every.no_judge"))
            else:
                correct, count = agreement
                st.markdown(
                    t("conditional.every.agreement", right=correct, count=count, percent=percent(correct / count))
                )
                judge_note.untrained(request.step if request.step is not None else info.steps[-1], agreement)
                judge_note.outside(cell.prediction for cell in sheet.cells)
                if correct < count:
                    st.caption(t("conditional.every.marked"))
                if "labels/agreement" in info.metrics and request.step == info.steps[-1]:
                    measured = percent(info.metrics["labels/agreement"])
                    st.caption(t("conditional.every.measured", percent=measured))
            if len(names) > len(shown):
                st.caption(t("conditional.every.cut", shown=len(shown), count=len(names)))
            _download_png("every", lambda: conditional.every_class_png(request), info)


@st.fragment
def _one_class(info: CheckpointInfo, names: tuple[str, ...], request: ConditionalRequest) -> None:
    st.header(t("conditional.one.title"), anchor=False)
    explain(t("conditional.one.text"))
    with friendly_errors():
        label = class_picker(
            names,
            key="conditional_class",
            label=t("conditional.one.pick"),
            help_text=t("conditional.one.pick_help"),
            default=_CLASS,
        )
        view.write("conditional", _fields(info))
        sheet = conditional.one_class(request, label)
        tiles = [
            TileText(
                _alt(names[label], cell),
                t("conditional.one.seed", seed=cell.seed),
                (f"{t('common.wrong' if _wrong(cell) else 'common.right')} {_prediction(cell)}",)
                if cell.prediction
                else (),
                warn=_wrong(cell),
            )
            for cell in sheet.cells
        ]
        strip.strip(
            sheet.png,
            (sheet.width, sheet.height),
            tiles,
            label=t("conditional.one.label", name=names[label]),
            key="conditional_strip",
            columns=sheet.columns,
        )
        row = st.container(horizontal=True)
        with row:
            if st.button(
                t("conditional.one.more"),
                key="conditional_more",
                icon=":material/arrow_forward:",
                on_click=_next_seeds,
                help=t("conditional.one.more_help"),
            ):
                st.rerun()  # the field of the seed is above this part, and every part uses the seed
            _download_png("one", lambda: conditional.one_class_png(request, label), info)


@st.fragment
def _between(info: CheckpointInfo, names: tuple[str, ...], request: ConditionalRequest) -> None:
    st.header(t("conditional.between.title"), anchor=False)
    left, right = st.columns([4, 6], gap="medium")
    with friendly_errors():
        with left:
            explain(t("conditional.between.text"))
            start, end = (
                class_picker(
                    names,
                    key=f"conditional_{which}",
                    label=t(f"conditional.between.{which}"),
                    help_text=t("conditional.between.pick_help"),
                    default=default,
                )
                for which, default in zip(("from", "to"), _between_defaults(len(names)), strict=True)
            )
            row = st.container(horizontal=True)
            with row:
                _download_png("between", lambda: conditional.between_png(request, start, end), info)
                gif_button(
                    "conditional.download.between_gif",
                    lambda: conditional.between_gif(request, start, end),
                    f"{info.name}-between.gif",
                    key="conditional_between_gif",
                    place=row,
                )
        with right:
            view.write("conditional", _fields(info))
            sheet = conditional.between(request, start, end)
            percentages = [f"{100 * index / (sheet.columns - 1):.0f}" for index in range(sheet.columns)]
            texts = []
            for index, cell in enumerate(sheet.cells):
                weight = f"{percentages[index % sheet.columns]} %"
                alt = t("conditional.between.alt", seed=cell.seed, weight=weight, name=names[end])
                texts.append(ImageText(f"{alt} {_prediction(cell)}".strip()))
            image_table(
                sheet.png,
                (sheet.width, sheet.height),
                texts,
                heads=percentages,
                rows=_rows(sheet),
                corner=t("conditional.corner"),
                label=t("conditional.between.label", start=names[start], end=names[end]),
                key="conditional_between",
            )
            st.caption(t("conditional.between.caption", start=plain(names[start]), end=plain(names[end])))
            st.markdown(t("conditional.between.same" if start == end else "conditional.between.see"))


def _page(infos: dict[str, CheckpointInfo]) -> None:
    info, request = _controls(infos)
    view.write("conditional", _fields(info), step=view.step_text(info, request.step or 0))
    share.offer_code(conditional.every_class_png, request, file=f"{info.name}-every.png")
    names = info.condition_names
    _every_class(info, names, request)
    _one_class(info, names, request)
    _between(info, names, request)


model_page("conditional", conditional.checkpoints, _page)
