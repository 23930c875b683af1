"""Translate: a photograph of any size from one domain to the other, and back."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import translate
from genmodels.service.translate import TranslationRequest
from pages.components import address, choice, source_picker, view
from pages.components.i18n import t
from pages.components.layout import workspace
from pages.components.model_choice import pick_model_and_step
from pages.components.page import model_page
from pages.components.theme import friendly_errors, plain
from pages.components.view import Field
from pages.parts.translate import result, source

_DIRECTIONS = ("a_to_b", "b_to_a")


def _fields(info: CheckpointInfo) -> list[Field]:
    """The page's view in its address, except model, step and image."""
    details = address.one_of(translate.DETAILS)
    return [
        view.choice_of("direction", "translate_direction", _DIRECTIONS, _DIRECTIONS[source.first_domain(info)]),
        Field("detail", "translate_detail", address.option(translate.DETAILS), details, translate.DETAILS[0]),
        view.switch("cycle", "translate_trip"),
    ]


def _pick_direction(info: CheckpointInfo) -> str:
    first, second = translate.domains(info)
    names = {"a_to_b": (first, second), "b_to_a": (second, first)}
    return choice.choose(
        t("translate.direction"),
        _DIRECTIONS,
        lambda direction: t(
            "translate.direction_name", start=plain(names[direction][0]), end=plain(names[direction][1])
        ),
        key="translate_direction",
        fallback=_DIRECTIONS[source.first_domain(info)],
        kind="segmented_control",
        help=t("translate.direction_help"),
        persist_state="session",
    )


def _pick_detail(info: CheckpointInfo) -> int:
    side = translate.training_side(info)

    def label(detail: int) -> str:
        if not detail:
            return t("translate.detail_full")
        return t(
            "translate.detail_trained" if detail == 1 else "translate.detail_times", times=detail, side=side * detail
        )

    return choice.choose(
        t("translate.detail"),
        translate.DETAILS,
        label,
        key="translate_detail",
        help=t("translate.detail_help", side=side),
        persist_state="session",
    )


@st.fragment
def _studio(info: CheckpointInfo, step: int) -> None:
    source.enter(info)
    fields = _fields(info)
    view.read("translate", fields)
    parts = workspace("translate")
    with parts.controls, friendly_errors():
        direction = _pick_direction(info)
        image = source.address_input(info, _DIRECTIONS.index(direction))
        image.read()
        uploads = source.uploads(info, _DIRECTIONS.index(direction))
    with parts.more, friendly_errors():
        detail = _pick_detail(info)
        with_cycle = st.toggle(
            t("translate.cycle.toggle"), key="translate_trip", help=t("translate.cycle.help"), persist_state="session"
        )
    # Without the newest step: a page that adds nothing to the address of its entry adds no step to the history.
    shown = None if step == info.steps[-1] else str(step)
    view.write("translate", fields, step=shown, image=image.text())
    with parts.result, friendly_errors():
        if uploads:
            request = TranslationRequest.parse(
                {"model": info.name, "step": step, "direction": direction, "detail": detail}
            )
            result.show(info, request, uploads, with_cycle=with_cycle)
        else:
            kind = source_picker.picked("translate")
            if not (kind == "example" and result.stored(info)):
                st.info(t(f"translate.waiting.{kind}"), icon=":material/add_photo_alternate:")


def _page(infos: dict[str, CheckpointInfo]) -> None:
    info, step = pick_model_and_step("translate", infos)
    _studio(info, step)


model_page("translate", translate.checkpoints, _page, recipe="horse2zebra_projected_128")
