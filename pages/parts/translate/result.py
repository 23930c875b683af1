"""The translated images: before and after, the cycle A to B to A, and the files."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import translate
from genmodels.service.large_images import ImageFile, result_name
from genmodels.service.translate import Cycle, Translation, TranslationRequest, inputs
from pages.components import judge_note, share, source_picker
from pages.components.before_after import Side, before_after
from pages.components.file_buttons import png_button
from pages.components.i18n import t
from pages.components.numbers import percent
from pages.components.theme import error_box, plain
from pages.components.tile_progress import tile_progress
from pages.components.tiles import Tile, flow, row
from pages.parts.translate import source

_STORED_WIDTH = 780  # pixels


def show(info: CheckpointInfo, request: TranslationRequest, uploads: Sequence[ImageFile], *, with_cycle: bool) -> None:
    """Show each translated image; a file that cannot be used gets an error, and the others are still shown."""
    names = _names(info, request)
    usable = []
    for index, upload in enumerate(uploads):
        with st.container(border=len(uploads) > 1, key=f"translate_picture_{index}"):
            try:
                _one(info, request, upload, index, with_cycle=with_cycle)
            except GenmodelsError as error:  # also a timeout: the next images are still processed
                error_box(str(error), t("translate.refused", name=_short(upload.name)))
            else:
                usable.append(upload)
    if len(usable) > 1:
        st.download_button(
            t("translate.zip", count=len(usable)),
            lambda: translate.archive(request, usable, names[1]),
            f"{info.name}-{_word(names[1])}.zip",
            "application/zip",
            key="translate_zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            help=t("translate.zip_help"),
        )


def stored(info: CheckpointInfo) -> bool:
    """Show the results that a published checkpoint stores; False if there are none."""
    if not info.published or info.preview is None:
        return False
    alt = t("translate.stored_alt", name=info.name)
    row([Tile(info.preview.read_bytes(), "", alt)], width=_STORED_WIDTH, key="translate_stored", smooth=True)
    st.caption(t("translate.stored"))
    return True


def _one(info: CheckpointInfo, request: TranslationRequest, upload: ImageFile, index: int, *, with_cycle: bool) -> None:
    names, place = _names(info, request), st.empty()
    _offer_code(request, upload, result_name(upload, names[1]))
    result = translate.translate(request, upload, tile_progress(place, _short(upload.name)))
    cycle = None
    if with_cycle:
        report = tile_progress(place, _short(upload.name), "translate.tiles_cycle")
        cycle = translate.cycle(request, upload, report)
    place.empty()
    photograph = source.bundled(upload)
    start = names[0] if photograph is None else photograph.title  # which may be of neither domain
    before_after(
        Side(result.before.image, result.before.kind, start, t("translate.before_alt", name=upload.name)),
        Side(result.after.image, result.after.kind, names[1], t("translate.after_alt", domain=names[1])),
        (result.before.width, result.before.height),
        label=t("translate.slider", name=upload.name),
        value_text=t("translate.slider_at", domain=names[1]),
        key=f"translate_compare_{index}",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        png_button(
            "translate.png",
            lambda: translate.png(request, upload),
            result_name(upload, names[1]),
            key=f"translate_png_{index}",
            values={"step": str(request.step)},
        )
        st.caption(_summary(upload, result))
    if photograph is not None:
        st.caption(photograph.credit())
    if result.probabilities is not None:
        before, after = (percent(probability) for probability in result.probabilities)
        st.markdown(t("translate.judged", domain=plain(names[1]), before=before, after=after))
        judge_note.untrained(
            info.steps[-1] if request.step is None else request.step, result.probabilities, "common.untrained_domains"
        )
    if cycle is not None:
        _cycle(info, names, cycle, index)


def _offer_code(request: TranslationRequest, upload: ImageFile, file: str) -> None:
    """Offer the code for a bundled photograph or a test image."""
    kind = source_picker.picked("translate")
    if kind == "bundled":
        options = ["--direction", "ab" if request.direction == "a_to_b" else "ba", "--detail", str(request.detail)]
        words = ["translate", request.model, share.asset_path(upload.name), file, *options, "--step", str(request.step)]
        share.offer_code(translate.png, request, share.bundled(upload.name), file=file, command=words)
    elif kind == "example":
        domain = 0 if request.direction == "a_to_b" else 1
        image = share.call(inputs.test_image, request.model, domain, st.session_state.translate_index)
        share.offer_code(translate.png, request, image, file=file)


def _summary(upload: ImageFile, result: Translation) -> str:
    width, height = result.size
    across, down = result.working_size
    reduced = "translate.result_blended" if result.background_kept else "translate.result_reduced"
    key = "translate.result" if result.working_size == result.size else reduced
    return t(
        key,
        name=_short(upload.name),
        width=f"{width:,}",
        height=f"{height:,}",
        across=f"{across:,}",
        down=f"{down:,}",
        seconds=f"{result.seconds:.1f}",
    )


def _cycle(info: CheckpointInfo, names: tuple[str, str], cycle: Cycle, index: int) -> None:
    st.header(t("translate.cycle.title", start=_short(names[0]), end=_short(names[1])), anchor=False)
    parts = [
        (cycle.before, t("translate.cycle.before"), t("translate.cycle.before_alt", domain=names[0])),
        (
            cycle.translated,
            t("translate.cycle.translated", domain=names[1]),
            t("translate.cycle.translated_alt", domain=names[1]),
        ),
        (cycle.change, t("translate.cycle.changed"), t("translate.cycle.changed_alt", domain=names[1])),
        (cycle.returned, t("translate.cycle.back", domain=names[0]), t("translate.cycle.back_alt", domain=names[0])),
        (cycle.difference, t("translate.cycle.lost"), t("translate.cycle.lost_alt", error=f"{cycle.error:.3f}")),
    ]
    flow(
        [Tile(shown.image, "", alt, above, shown.kind) for shown, above, alt in parts],
        label=t("translate.cycle.label"),
        width=150,
        key=f"translate_trip_{index}",
    )
    measured = info.metrics.get("cycle/error")
    text = t("translate.cycle.error", error=f"{cycle.error:.3f}", top=f"{translate.HEAT_TOP:g}")
    st.markdown(text if measured is None else f"{text} {t('translate.cycle.model_mean', error=f'{measured:.3f}')}")


def _names(info: CheckpointInfo, request: TranslationRequest) -> tuple[str, str]:
    """The names of the source domain and the target domain."""
    first, second = translate.domains(info)
    return (first, second) if request.direction == "a_to_b" else (second, first)


def _short(name: str) -> str:
    """The name for Markdown, at most 60 characters."""
    return plain(name if len(name) <= 60 else f"{name[:57]}...")


def _word(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)
