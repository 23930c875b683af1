"""The translated pictures: before and after, the way there and back, and what can be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.errors import GenmodelsError
from genmodels.service import translate
from genmodels.service.translate import Asking, Translated, Trip
from genmodels.service.translate.given import Upload, file_name
from pages.components import judge_note
from pages.components.before_after import Side, before_after
from pages.components.i18n import t
from pages.components.numbers import percent
from pages.components.theme import error_box, plain
from pages.components.tiles import Tile, flow


def show(info: CheckpointInfo, asked: Asking, uploads: Sequence[Upload], *, trip: bool) -> None:
    """Each picture in turn; a file that cannot be used is said to be so, and the others are still shown."""
    names = _names(info, asked)
    good = []
    for index, upload in enumerate(uploads):
        with st.container(border=len(uploads) > 1, key=f"translate_picture_{index}"):
            try:
                _one(info, asked, upload, index, trip=trip)
            except GenmodelsError as error:  # also what hung: the pictures after it have their turn
                error_box(str(error), t("translate.refused", name=_short(upload.name)))
            else:
                good.append(upload)
    if len(good) > 1:
        st.download_button(
            t("translate.zip", count=len(good)),
            lambda: translate.archive(asked, good, names[1]),
            f"{info.name}-{_word(names[1])}.zip",
            "application/zip",
            key="translate_zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            help=t("translate.zip_help"),
        )


def _one(info: CheckpointInfo, asked: Asking, upload: Upload, index: int, *, trip: bool) -> None:
    names, place = _names(info, asked), st.empty()
    found = translate.translate(asked, upload, _bar(place, upload.name, "translate.tiles"))
    gone = translate.round_trip(asked, upload, _bar(place, upload.name, "translate.tiles_trip")) if trip else None
    place.empty()
    before_after(
        Side(found.before.image, found.before.kind, names[0], t("translate.before_alt", name=upload.name)),
        Side(found.after.image, found.after.kind, names[1], t("translate.after_alt", kind=names[1])),
        (found.before.width, found.before.height),
        label=t("translate.slider", name=upload.name),
        value_text=t("translate.slider_at", kind=names[1]),
        key=f"translate_compare_{index}",
    )
    row = st.container(horizontal=True, vertical_alignment="center")
    with row:
        st.download_button(
            t("translate.png"),
            lambda: translate.png(asked, upload),
            file_name(upload, names[1]),
            "image/png",
            key=f"translate_png_{index}",
            icon=":material/download:",
            on_click="ignore",
            help=t("translate.png_help"),
        )
        st.caption(_told(upload, found))
    if found.sure is not None:
        before, after = (percent(sure) for sure in found.sure)
        st.markdown(t("translate.judged", kind=plain(names[1]), before=before, after=after))
        judge_note.untrained(info.steps[-1] if asked.step is None else asked.step, found.sure, "common.untrained_kinds")
    if gone is not None:
        _trip(info, names, gone, index)


def _told(upload: Upload, found: Translated) -> str:
    width, height = found.size
    across, down = found.worked
    reduced = "translate.told_laid" if found.laid else "translate.told_reduced"
    key = "translate.told" if found.worked == found.size else reduced
    return t(
        key,
        name=_short(upload.name),
        width=f"{width:,}",
        height=f"{height:,}",
        across=f"{across:,}",
        down=f"{down:,}",
        seconds=f"{found.seconds:.1f}",
    )


def _trip(info: CheckpointInfo, names: tuple[str, str], gone: Trip, index: int) -> None:
    st.subheader(t("translate.trip.title", start=_short(names[0]), end=_short(names[1])), anchor=False)
    parts = [
        (gone.before, t("translate.trip.before"), t("translate.trip.before_alt", kind=names[0])),
        (gone.there, t("translate.trip.there", kind=names[1]), t("translate.trip.there_alt", kind=names[1])),
        (gone.changed, t("translate.trip.changed"), t("translate.trip.changed_alt", kind=names[1])),
        (gone.back, t("translate.trip.back", kind=names[0]), t("translate.trip.back_alt", kind=names[0])),
        (gone.heat, t("translate.trip.heat"), t("translate.trip.heat_alt", error=f"{gone.error:.3f}")),
    ]
    flow(
        [Tile(shown.image, "", alt, above, shown.kind) for shown, above, alt in parts],
        label=t("translate.trip.label"),
        width=150,
        key=f"translate_trip_{index}",
    )
    known = info.metrics.get("cycle/error")
    text = t("translate.trip.error", error=f"{gone.error:.3f}", top=f"{translate.HEAT_TOP:g}")
    st.markdown(text if known is None else f"{text} {t('translate.trip.known', error=f'{known:.3f}')}")


def _bar(place: st.delta_generator.DeltaGenerator, name: str, key: str) -> Callable[[int, int], None]:
    """Draws the share done, of what takes more than one step."""

    def report(done: int, total: int) -> None:
        if total > 2:
            place.progress(done / total, t(key, name=_short(name), done=done, total=total))

    return report


def _names(info: CheckpointInfo, asked: Asking) -> tuple[str, str]:
    """The kind it is, and the kind it becomes."""
    first, second = translate.kinds(info)
    return (first, second) if asked.direction == "a_to_b" else (second, first)


def _short(name: str) -> str:
    """Within Markdown."""
    return plain(name if len(name) <= 60 else f"{name[:57]}...")


def _word(kind: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in kind)
