"""One digit, drawn, uploaded or chosen, and the predictions of every chosen classifier."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import streamlit as st

from genmodels.images import drawing
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import classify
from genmodels.service.classify import Prediction, Predictions
from pages.components import address, choice, share, source_picker
from pages.components.canvas import BRUSH
from pages.components.i18n import t
from pages.components.input_address import Input
from pages.components.layout import workspace
from pages.components.numbers import percent
from pages.components.theme import friendly_errors, plain
from pages.components.tiles import Tile, row
from pages.parts.classify.bars import Panel, bars

# A three, drawn on the canvas until the visitor draws.
_EXAMPLE = (
    ((0.30, 0.25), (0.37, 0.18), (0.48, 0.15), (0.59, 0.18), (0.65, 0.26), (0.64, 0.36), (0.57, 0.44), (0.45, 0.48)),
    ((0.45, 0.48), (0.58, 0.50), (0.67, 0.57), (0.70, 0.67), (0.66, 0.77), (0.56, 0.84), (0.43, 0.85), (0.30, 0.78)),
)


def show(infos: dict[str, CheckpointInfo]) -> None:
    """Show the digit and the choice of classifiers on the left, a chart per classifier on the right."""
    parts = workspace("classify")
    with parts.more:
        names = _pick(infos)
    ink, index, refused = None, None, True
    with parts.controls, friendly_errors():
        (ink, index), refused = _pick_digit(), False
    address.write_view("classify", {"models": _models_text(infos, names), "digit": address_input().text()})
    with parts.result, friendly_errors():
        if not names:
            st.info(t("classify.ask.none"), icon=":material/info:")
        elif ink is not None or index is not None:
            _offer_code(names, ink, index)
            _predictions(infos, classify.classify(names, ink=ink, index=index or 0))
        elif not refused:
            st.info(t(f"classify.ask.empty_{source_picker.picked('classify')}"), icon=":material/draw:")


def read_address(infos: dict[str, CheckpointInfo]) -> None:
    """Read `?models=` and `?digit=`, in every part of the page."""
    if address.left_out("classify", ["models"]):
        st.session_state.pop("classify_models", None)
    member = address.member(infos)
    address.bind(
        "classify",
        "models",
        "classify_models",
        lambda text: [member(name) for name in text.split(",", classify.MAX_CLASSIFIERS)],
        lambda names: t("classify.unknown_model", name=names),
        recheck=True,
    )
    address_input().read()


def address_input() -> Input:
    """The digit in the address: the number of a test digit; without one, the canvas with its example."""
    return Input("classify", "digit", "classify", "", count=classify.digit_count)


def _models_text(infos: dict[str, CheckpointInfo], names: tuple[str, ...]) -> str | None:
    """The chosen classifiers in the address; none for those that are chosen first."""
    return None if names == tuple(infos)[: classify.MAX_CLASSIFIERS] else ",".join(names) or None


def _offer_code(names: tuple[str, ...], ink: np.ndarray | None, index: int | None) -> None:
    """Offer the code for a test digit, or for the digit that the canvas opens with."""
    if index is not None:
        command = ["classify", *names, "--digit", str(index)]
        share.offer_text(classify.prediction_table, names, index=index, command=command)
    elif ink is _example():
        share.offer_text(classify.prediction_table, names, ink=share.call(drawing.from_strokes, _EXAMPLE, BRUSH))


def _pick(infos: dict[str, CheckpointInfo]) -> tuple[str, ...]:
    most = classify.MAX_CLASSIFIERS
    chosen = choice.choose_several(
        t("classify.ask.models"),
        list(infos),
        lambda name: infos[name].title if infos[name].published else infos[name].given_name or name,
        key="classify_models",
        fallback=list(infos)[:most],
        max_selections=most,
        help=t("classify.ask.models_help", count=most),
        placeholder=t("classify.ask.models_placeholder"),
        persist_state="session",
    )
    return tuple(name for name in infos if name in chosen)


def _pick_digit() -> tuple[np.ndarray | None, int | None]:
    """Show the picker and return the ink, or the index of a test digit."""
    return source_picker.pick(
        "classify",
        "classify.ask",
        {
            "canvas": lambda: (source_picker.draw_digit("classify", _example()), None),
            "upload": lambda: (_uploaded_digit(), None),
            "example": lambda: (None, _pick_index()),
        },
    )


@cache
def _example() -> np.ndarray:
    return drawing.from_strokes(_EXAMPLE, BRUSH)


def _uploaded_digit() -> np.ndarray | None:
    file = source_picker.upload_file("classify", "classify.ask", drawing.SUFFIXES)
    return None if file is None else drawing.from_file(file.getvalue())


def _pick_index() -> int:
    return source_picker.example_index(
        "classify", "classify.ask", classify.digit_count(), data=classify.test_set_title()
    )


def _predictions(infos: dict[str, CheckpointInfo], predictions: Predictions) -> None:
    common = Counter(answer.top for answer in predictions.predictions).most_common()
    majority = common[0][0] if len(common) == 1 or common[0][1] > common[1][1] else None
    st.markdown(_verdict(infos, predictions))
    if predictions.outside:
        st.warning(t("classify.ask.outside"), icon=":material/help:")
    image, text = st.columns([1, 3], gap="medium", vertical_alignment="center")
    with image:
        caption = t("classify.ask.label_known", label=predictions.label) if predictions.label else ""
        prepared = Tile(predictions.prepared, caption, t("classify.ask.prepared_alt"), t("classify.ask.prepared"))
        row([prepared], key="classify_prepared", width=140)
    with text:
        st.caption(t("classify.ask.bars_note"))
    bars(
        [
            _panel(infos[answer.name], answer, predictions.label, odd=majority is not None and answer.top != majority)
            for answer in predictions.predictions
        ],
        label=t("classify.ask.charts"),
        key="classify_charts",
    )


def _verdict(infos: dict[str, CheckpointInfo], predictions: Predictions) -> str:
    """The predictions as text, by digit."""
    votes: dict[int, list[str]] = {}
    for answer in predictions.predictions:
        votes.setdefault(answer.top, []).append(plain(infos[answer.name].title))
    if len(votes) == 1:
        top, names = next(iter(votes.items()))
        text = (
            t("classify.ask.one_answer", top=top)
            if len(names) == 1
            else t("classify.ask.agree", count=len(names), top=top)
        )
    else:
        ordered = sorted(votes.items(), key=lambda vote: -len(vote[1]))
        parts = [
            t("classify.ask.vote", top=top, count=len(names), names="; ".join(names))
            if len(names) <= 3
            else t("classify.ask.vote_many", top=top, count=len(names))
            for top, names in ordered
        ]
        text = t("classify.ask.disagree") + "\n" + "\n".join(f"- {part}" for part in parts)
    if predictions.label:
        right = len(votes.get(int(predictions.label), []))
        text += "\n\n" + t(
            "classify.ask.right", label=predictions.label, right=right, count=len(predictions.predictions)
        )
    return text


def _panel(info: CheckpointInfo, answer: Prediction, label: str | None, *, odd: bool) -> Panel:
    """The chart of one classifier; `label` is the true digit, if known; `odd` if most others predict another one."""
    best = answer.probabilities[answer.top]
    accuracy = info.metrics.get("accuracy")
    known = t("classify.ask.accuracy", percent=percent(accuracy)) if accuracy else t("classify.ask.unmeasured")
    spoken = ", ".join(f"{digit}: {value:.2f}" for digit, value in enumerate(answer.probabilities))
    verdict = t("classify.ask.verdict", top=answer.top, value=f"{best:.2f}")
    mark = t("common.right" if str(answer.top) == label else "common.wrong") if label else ""
    return Panel(
        title=info.title if info.published else t("classify.ask.run_title", title=info.title, name=info.name),
        verdict=" ".join(filter(None, (mark, verdict, t("classify.ask.minority") if odd else ""))),
        note=f"{known} {t('classify.ask.total', total=f'{answer.total:.2f}')}",
        values=answer.probabilities,
        top=answer.top,
        alt=t("classify.ask.chart_alt", title=info.title, values=spoken),
        odd=odd,
    )
