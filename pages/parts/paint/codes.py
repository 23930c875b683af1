"""Images sampled code by code: the decoded images, the code map of one of them, and edits of its codes."""

from __future__ import annotations

from collections.abc import Hashable

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import paint
from genmodels.service.inference import sheet_png
from genmodels.service.paint import Facts, PaintRequest, codes, files
from genmodels.service.paint.codes import CodeImages, Codes
from genmodels.service.paint.inputs import KnownImage
from pages.components import judge_note
from pages.components.file_buttons import png_button
from pages.components.i18n import t
from pages.components.number_field import whole_number
from pages.components.numbers import percent
from pages.components.theme import friendly_errors
from pages.components.tiles import Tile, flow
from pages.parts.paint import state
from pages.parts.paint.board import BoardTile, Spot, board, is_held, picked
from pages.parts.paint.caption import image_caption


def show(
    info: CheckpointInfo,
    facts: Facts,
    request: PaintRequest,
    image: KnownImage | None = None,
    known_rows: int = 0,
    image_key: Hashable = "",
) -> None:
    """Show the images of `request`, with the first `known_rows` rows of codes of `image`, and the editor of codes."""
    memory, key = st.session_state, (request, known_rows, image_key)
    if memory.get("paint_codes_asked") != key:
        with friendly_errors():
            memory.paint_codes = codes.sample(request, image.pixels if image else None, known_rows)
            memory.paint_code_predictions = paint.read(info.name, memory.paint_codes.canvas)
            memory.paint_codes_asked, memory.paint_code_edits = key, {}
            memory.paint_moved = memory.get("paint_moved", 0) + 1
        if memory.get("paint_codes_asked") != key:
            return
    _view(info, facts)


@st.fragment
def _view(info: CheckpointInfo, facts: Facts) -> None:
    memory = st.session_state
    images: CodeImages = memory.paint_codes
    memory.paint_image = min(memory.get("paint_image", 0), len(images.codes) - 1)
    row, column = memory.get("paint_code_at", (facts.height // 2, facts.width // 2))
    row, column = memory.paint_code_at = min(row, facts.height - 1), min(column, facts.width - 1)
    if not is_held("paint_code_board") and not is_held("paint_code_pair"):
        state.write_pixel(facts, row, column, memory.paint_image)
    with friendly_errors():
        _overview(info, facts, images)
    st.header(t("paint.codes.title", seed=images.seeds[memory.paint_image]), anchor=False)
    left, right = st.columns([5, 4], gap="medium")
    current = _current(images)
    with left, friendly_errors():
        _pair(facts, images, current, Spot(0, row * facts.cell, column * facts.cell))
        _actions()
    with right, friendly_errors():
        _alternatives(facts, images, current, row, column)


def _overview(info: CheckpointInfo, facts: Facts, images: CodeImages) -> None:
    memory = st.session_state
    predictions = memory.paint_code_predictions
    judge_note.untrained(
        info.steps[-1] if images.request.step is None else images.request.step, next(iter(predictions), None)
    )
    tiles = []
    for index, seed in enumerate(images.seeds):
        label = None if images.labels is None else images.labels[index]
        below = image_caption(info, seed, label, predictions[index])
        tiles.append(BoardTile(t("paint.codes.image_alt", note=below), "", below))
    row, column = memory.paint_code_at
    board(
        sheet_png(images.canvas, len(images.codes)),
        (facts.width * facts.cell, facts.height * facts.cell),
        tiles,
        label=t("paint.codes.board"),
        spoken=t("paint.pixel_name"),
        key="paint_code_board",
        columns=min(8, len(tiles)),
        tile=112,
        start=images.known_rows * facts.cell * facts.width * facts.cell,
        at=Spot(memory.paint_image, row * facts.cell, column * facts.cell),
        moved=memory.get("paint_moved", 0),
        cell=facts.cell,
        on_pick=_picked_image,
    )
    png_button(
        "paint.png",
        lambda: files.grid_png(images.canvas),
        f"{info.name}-seed-{images.request.seed}.png",
        key="paint_codes_png",
    )


def _pair(facts: Facts, images: CodeImages, current: Codes, at: Spot) -> None:
    shape = t("paint.codes.shape", height=facts.height, width=facts.width)
    board(
        codes.pair_png(images.request, current),
        (facts.width * facts.cell, facts.height * facts.cell),
        [
            BoardTile(t("paint.codes.decoded_alt"), t("paint.codes.decoded")),
            BoardTile(t("paint.codes.map_alt", shape=shape), t("paint.codes.map", shape=shape)),
        ],
        label=t("paint.codes.pair"),
        spoken=t("paint.pixel_name"),
        key="paint_code_pair",
        columns=2,
        tile=220,
        at=at,
        moved=st.session_state.get("paint_moved", 0),
        every=True,
        cell=facts.cell,
        on_pick=_picked_code,
    )
    st.caption(t("paint.codes.look"))


def _actions() -> None:
    row = st.container(horizontal=True, key="paint_code_actions")
    row.button(
        t("paint.codes.rest"),
        key="paint_code_rest",
        icon=":material/replay:",
        help=t("paint.codes.rest_help"),
        on_click=_sample_rest,
    )
    row.button(
        t("paint.codes.undo"),
        key="paint_code_undo",
        icon=":material/undo:",
        help=t("paint.codes.undo_help"),
        disabled=not _edits(),
        on_click=_undo,
    )


def _alternatives(facts: Facts, images: CodeImages, current: Codes, row: int, column: int) -> None:
    memory = st.session_state
    choice = codes.choice(images, memory.paint_image, current, row, column)
    st.markdown(
        t(
            "paint.codes.current",
            row=row + 1,
            column=column + 1,
            code=choice.current.code,
            percent=percent(choice.current.probability),
        )
    )
    tiles = [
        Tile(png, f"{code} · {percent(probability)}", t("paint.codes.alternative_alt", code=code))
        for (code, probability), png in zip(choice.alternatives, choice.pngs, strict=True)
    ]
    flow(tiles, label=t("paint.codes.alternatives"), width=84, key="paint_code_tiles")
    buttons = st.container(horizontal=True, key="paint_code_choice")
    for rank, (code, _) in enumerate(choice.alternatives):
        buttons.button(
            str(code),
            key=f"paint_code_{rank}",
            help=t("paint.codes.set_help", code=code),
            disabled=code == choice.current.code,
            on_click=_set,
            args=(code, facts.levels),
        )
    if _is_code(memory.get("paint_code_number", 0), facts.levels):
        memory.paint_code_number = choice.current.code
    with friendly_errors():
        whole_number(
            t("paint.codes.number", last=facts.levels - 1),
            0,
            facts.levels - 1,
            key="paint_code_number",
            help=t("paint.codes.number_help"),
            on_change=_set_number,
            args=(facts.levels,),
        )


# ------------------------------------------------------------------------------ the state of the editor


def _edits() -> list[Codes]:
    """The codes of the chosen image after each edit, of this session."""
    edits: list[Codes] = st.session_state.paint_code_edits.setdefault(st.session_state.paint_image, [])
    return edits


def _current(images: CodeImages) -> Codes:
    edits = _edits()
    return edits[-1] if edits else codes.as_codes(images.codes[st.session_state.paint_image])


def _set(code: int, size: int) -> None:
    images, (row, column) = st.session_state.paint_codes, st.session_state.paint_code_at
    _edits().append(codes.changed(_current(images), row, column, code, size))


def _set_number(size: int) -> None:
    if _is_code(number := st.session_state.paint_code_number, size):
        _set(int(number), size)


def _is_code(number: int | None, size: int) -> bool:
    return number is not None and 0 <= number < size


def _sample_rest() -> None:
    memory = st.session_state
    images: CodeImages = memory.paint_codes
    edits, (row, column) = _edits(), memory.paint_code_at
    edits.append(codes.resampled(images, memory.paint_image, _current(images), row, column, attempt=len(edits) + 1))


def _undo() -> None:
    _edits().pop()


def _picked_image() -> None:
    _move(picked("paint_code_board"), chooses_image=True)


def _picked_code() -> None:
    _move(picked("paint_code_pair"), chooses_image=False)


def _move(spot: Spot | None, *, chooses_image: bool) -> None:
    if spot is None:
        return
    memory = st.session_state
    height = memory.paint_codes.canvas.shape[2]
    cell = height // memory.paint_codes.codes.shape[1]
    if chooses_image:
        memory.paint_image = spot.image
    memory.paint_code_at = spot.row // cell, spot.column // cell
    memory.paint_moved = memory.get("paint_moved", 0) + 1
