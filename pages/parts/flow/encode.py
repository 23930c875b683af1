"""The visitor's own image as noise, by the flow backwards; the noise decoded as every class."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from genmodels.capabilities import FlowConfig
from genmodels.images import drawing
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.flow import encoding
from genmodels.service.flow.encoding import Encoded, EncodeRequest
from genmodels.service.inference import has_judge
from genmodels.service.paint import inputs
from genmodels.service.paint.inputs import KnownImage
from pages.components import choice, judge_note, source_picker, strip
from pages.components.file_buttons import png_button
from pages.components.i18n import t
from pages.components.strip import TileText
from pages.components.theme import explain, friendly_errors, plain
from pages.components.tiles import Tile, row
from pages.parts.flow import settings

_AUTO, _NONE = -2, -3


def show(info: CheckpointInfo, step: int, config: FlowConfig) -> None:
    """Show the source of the image and the settings on the left, the noise and what it decodes to on the right."""
    left, right = st.columns([4, 6], gap="large")
    known: KnownImage | None = None
    with left, friendly_errors():
        explain(t("flow.encode.text"))
        known = _source(info)
    with left:
        number = _condition(info)
        guidance = settings.guidance(config) if info.condition_names else 1.0
        steps, solver = settings.steps(config), settings.solver(config)
    settings.write_address(info, config)
    with right, friendly_errors():
        if known is None:
            st.info(t("flow.encode.empty"), icon=":material/draw:")
            return
        label = _label(info, number, known)
        request = EncodeRequest.parse(
            {"model": info.name, "step": step, "label": label, "guidance": guidance, "steps": steps, "solver": solver}
        )
        with st.spinner(t("flow.busy")):
            encoded = encoding.encode(request, known.pixels)
        _noise(info, encoded, label)
        if request.solver == "average":
            st.caption(t("flow.encode.average", steps=max(encoding.ENCODING_STEPS, request.steps)))
        if encoded.count:
            _classes(info, request, encoded, known)


def _source(info: CheckpointInfo) -> KnownImage | None:
    count = inputs.test_count(info.name)
    sources: dict[source_picker.Source, Callable[[], KnownImage | None]] = {}
    if inputs.accepts_drawings(info.name):
        sources["canvas"] = lambda: _drawn(info)
        sources["upload"] = lambda: _uploaded(info)
    if count:
        sources["example"] = lambda: _example(info, count)
    if not sources:
        st.info(t("flow.encode.no_source"), icon=":material/photo_library:")
        st.page_link("data.py", label=t("flow.encode.no_source_link"), icon=":material/arrow_forward:")
        return None
    return source_picker.pick("flow", "flow.encode", sources, default="example" if count else None)


def _drawn(info: CheckpointInfo) -> KnownImage | None:
    ink = source_picker.draw_digit("flow")
    return None if ink is None else inputs.drawn_digit(info.name, ink, centred=True)


def _uploaded(info: CheckpointInfo) -> KnownImage | None:
    file = source_picker.upload_file("flow", "flow.encode", drawing.SUFFIXES)
    if file is None:
        return None
    return inputs.drawn_digit(info.name, drawing.from_file(file.getvalue()), centred=True)


def _example(info: CheckpointInfo, count: int) -> KnownImage:
    data = inputs.test_data(info.name)
    index = source_picker.example_index(
        "flow", "flow.encode", count, width=150, data="" if data is None else plain(data.title)
    )
    return inputs.test_image(info.name, index)


def _condition(info: CheckpointInfo) -> int:
    """The class to encode with: that of the image, none, or a number."""
    names = info.condition_names
    if not names:
        return _NONE
    texts = {_AUTO: t("flow.encode.class_auto"), _NONE: t("flow.encode.class_no")}
    number: int = choice.choose(
        t("flow.encode.class"),
        (_AUTO, _NONE, *range(len(names))),
        lambda number: texts.get(number) or names[number],
        key="flow_encode_label",
        help=t("flow.encode.class_help"),
        persist_state="session",
    )
    return number


def _label(info: CheckpointInfo, number: int, known: KnownImage) -> int | None:
    if number == _NONE:
        return None
    if number >= 0:
        return number
    if known.label is not None and known.label < len(info.condition_names):
        return known.label
    return encoding.read(known.pixels) if has_judge(info.name) else None


def _noise(info: CheckpointInfo, encoded: Encoded, label: int | None) -> None:
    name = t("flow.encode.without") if label is None else t("flow.of_class", name=info.condition_names[label])
    norm, expected, error = f"{encoded.norm:.1f}", f"{encoded.expected_norm:.1f}", f"{encoded.cycle_error:.4f}"
    row(
        [
            Tile(encoded.original, "", t("flow.encode.original_alt"), t("flow.encode.original")),
            Tile(
                encoded.noise,
                t("flow.encode.noise_caption", norm=norm, expected=expected),
                t("flow.encode.noise_alt"),
                t("flow.encode.noise"),
            ),
            Tile(
                encoded.reconstruction,
                t("flow.encode.again_caption", error=error),
                t("flow.encode.again_alt", error=error),
                t("flow.encode.again"),
            ),
        ],
        key="flow_encoded",
        width=180,
    )
    st.markdown(t("flow.encode.explain", name=plain(name)))


def _classes(info: CheckpointInfo, request: EncodeRequest, encoded: Encoded, known: KnownImage) -> None:
    names = info.condition_names
    st.header(t("flow.encode.classes_title"), anchor=False)
    explain(t("flow.encode.classes_text"))
    tiles = []
    for index in range(encoded.count):
        read = encoded.predictions[index] if encoded.predictions else None
        text = judge_note.reading("flow.reads", read, narrow=True) if read else ""
        below = (text,) if text else ()
        wrong = read is not None and read.label != str(index)
        above = t("flow.of_class", name=names[index])
        tiles.append(TileText(t("flow.encode.class_alt", name=names[index], note=text), above, below, warn=wrong))
    strip.strip(
        encoded.sheet,
        (encoded.width, encoded.height),
        tiles,
        label=t("flow.encode.classes_title"),
        key="flow_classes",
        columns=encoded.count,
    )
    if encoded.count < len(names):
        st.caption(t("flow.encode.cut", shown=encoded.count, count=len(names)))
    png_button(
        "flow.encode.png",
        lambda: encoding.classes_png(request, known.pixels),
        f"{info.name}-classes.png",
        key="flow_classes_png",
    )
