"""The settings of the Paint page, and its address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from genmodels.runs.catalog import CheckpointInfo
from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from genmodels.service import paint
from genmodels.service.paint import Facts, PaintRequest, files, receptive_field
from genmodels.service.paint.surprise import MAX_CLASSES
from pages.components import address, choice, share, view
from pages.components.i18n import t
from pages.components.seed_input import seed_input
from pages.components.view import Field
from pages.parts.paint import source

PARTS = ("generate", "complete", "field", "surprise")
ANY, OWN = -1, -2
MAX_TOP_K = 256
KERNELS = (3, 5, 7)
FIRST_LAYERS = 8
LAST_SEED = MAX_PAGE_SEED - paint.MAX_IMAGES
_ANY = "any"
_LAYERS = (2, receptive_field.MAX_LAYERS)
FIELD_FIELDS = (
    Field("kernel", "paint_kernel", address.option(KERNELS), address.one_of(KERNELS), KERNELS[0]),
    Field("layers", "paint_layers", address.integer(*_LAYERS), address.between(*_LAYERS), FIRST_LAYERS),
)
"""The networks whose receptive fields are compared."""


def read_address(info: CheckpointInfo, facts: Facts) -> None:
    """Set the controls of every part to what the address requests."""
    view.read("paint", _sampling_fields(info))
    view.read("paint", [*_fields(info, facts), *FIELD_FIELDS])
    source.address_input(info).read()


def write_address(info: CheckpointInfo, facts: Facts, step: int, request: PaintRequest | None = None) -> None:
    """Write the view to the address; seed, class and sampling options only with the `request` made of them."""
    memory = st.session_state
    others = {"step": view.step_text(info, step), "image": source.address_input(info).text()}
    if request is not None:
        label = memory.paint_label
        others["seed"] = str(request.seed)
        others["class"] = str(label) if 0 <= label < len(info.condition_names) else None
        others["temperature"] = None if request.temperature == 1 else f"{request.temperature:g}"
        others["levels"] = None if request.top_k is None else str(request.top_k)
    view.write("paint", _fields(info, facts), **others)


def offer_code(request: PaintRequest, index: int | None = None, known_rows: int = 0) -> None:
    """Offer the code of the request's images; with `index`, of completions of a test image."""
    file = f"{request.model}-seed-{request.seed}.png"
    options = {
        "-n": request.count,
        "--seed": request.seed,
        "--label": request.label,
        "--temperature": None if request.temperature == 1 else f"{request.temperature:g}",
        "--top-k": request.top_k,
        "--test-image": index,
        "--rows": known_rows or None,
        "--step": request.step,
    }
    words = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    others = () if index is None else (index, known_rows)
    share.offer_code(files.painted_png, request, *others, file=file, command=["paint", request.model, file, *words])


def _sampling_fields(info: CheckpointInfo) -> list[Field]:
    """Seed, class and sampling options: `write_address` takes them from the request."""
    seeds, temperatures = (MIN_PAGE_SEED, LAST_SEED), (paint.MIN_TEMPERATURE, paint.MAX_TEMPERATURE)
    return [
        Field("seed", "paint_seed", address.integer(*seeds), address.between(*seeds), 0),
        Field("temperature", "paint_temperature", address.number(*temperatures), address.between(*temperatures), 1.0),
        Field("levels", "paint_top_k", address.integer(1, MAX_TOP_K), address.between(1, MAX_TOP_K), MAX_TOP_K),
        Field("class", "paint_label", _class_index(info), _classes(info), ANY),
    ]


def _fields(info: CheckpointInfo, facts: Facts) -> list[Field]:
    """The number of images; the known rows of a completion, and the class that it is conditioned on."""
    counts, rows = _counts(facts), (1, max(1, facts.height - 1))
    return [
        Field("count", "paint_count", address.option(counts), address.one_of(counts), _usual_count(counts)),
        Field("rows", "paint_given", address.integer(*rows), address.between(*rows), max(1, facts.height // 2)),
        Field(
            "condition",
            "paint_condition",
            lambda text: ANY if text == _ANY else _class_index(info)(text),
            f"`{_ANY}`, {_classes(info)}",
            OWN,
            lambda label: _ANY if label == ANY else str(label),
        ),
    ]


def _class_index(info: CheckpointInfo) -> Callable[[str], int]:
    return address.integer(0, len(info.condition_names) - 1)


def _classes(info: CheckpointInfo) -> str:
    return address.between(0, len(info.condition_names) - 1) if info.condition_names else t("paint.class_none")


def read_pixel(part: str, facts: Facts, codes: bool) -> None:
    """Choose the pixel or code, `?at=ROW_COLUMN` or `?at=ROW_COLUMN_IMAGE`, counted from 1, that the address requests.

    What the address leaves out is in the middle.
    """
    memory, left_out = st.session_state, address.left_out("paint", ["at"])

    def parse(text: str) -> tuple[int, int, int]:
        row, column, *image = text.split("_", 3)
        if len(image) > 1:
            raise ValueError(text)
        most = paint.max_images(facts)
        return (
            address.integer(1, facts.height)(row) - 1,
            address.integer(1, facts.width)(column) - 1,
            (address.integer(1, most)(image[0]) - 1) if image else 0,
        )

    allowed = t("paint.at_allowed", rows=facts.height, columns=facts.width)
    found = address.requested("paint", "at", parse, address.problem("at", allowed))
    if found is None and left_out:
        found = (*middle(facts), 0)
    if found is None:
        return
    row, column, image = found
    memory.paint_image = image
    if codes:
        memory.paint_code_at = row, column
    elif part == "field":
        memory.paint_row, memory.paint_column = row + 1, column + 1
    elif part == "surprise":
        memory.paint_where = row * facts.width + column
    else:
        memory.paint_pixel = row * facts.width + column + 1
    for counter in ("paint_moved", "paint_field_moved", "paint_surprise_moved"):
        memory[counter] = memory.get(counter, 0) + 1


def middle(facts: Facts) -> tuple[int, int]:
    """The row and column, from 0, of the pixel that is chosen first."""
    return facts.height // 2, facts.width // 2


def write_pixel(facts: Facts, row: int, column: int, image: int = 0) -> None:
    """Write the chosen pixel or code, counted from 0, to the address."""
    parts = (row, column, image) if image else (row, column)
    text = "_".join(str(part + 1) for part in parts)
    address.write("paint", "at", None if (row, column, image) == (*middle(facts), 0) else text)


def sampling_options(
    info: CheckpointInfo,
    step: int,
    facts: Facts,
    *,
    completing: bool = False,
    own: int | None = None,
    more: DeltaGenerator | None = None,
) -> PaintRequest:
    """Show seed and class, and in `more` number, temperature and levels; return the request.

    `own` is the completed image's class. Without `more` everything is in one place.
    """
    memory = st.session_state
    seed = seed_input("paint", last=LAST_SEED)
    label = condition(info, own is not None) if completing else _class(info, "paint_label", [])
    if label == OWN and own is not None:
        label = own
    levels = min(facts.levels, MAX_TOP_K)
    with more or nullcontext():
        _options(facts, levels)
    top_k = memory.paint_top_k if 2 < levels > memory.paint_top_k else None
    return PaintRequest.parse(
        {
            "model": info.name,
            "step": step,
            "seed": seed,
            "count": memory.paint_count,
            "label": label if label >= 0 else None,
            "temperature": round(memory.paint_temperature, 2),
            "top_k": top_k,
        }
    )


def _options(facts: Facts, levels: int) -> None:
    memory = st.session_state
    counts = _counts(facts)
    if memory.get("paint_count") not in counts:
        memory.paint_count = _usual_count(counts)
    if len(counts) > 1:
        st.select_slider(
            t("paint.count"), counts, key="paint_count", help=t("paint.count_help"), persist_state="session"
        )
    st.slider(
        t("paint.temperature"),
        paint.MIN_TEMPERATURE,
        paint.MAX_TEMPERATURE,
        step=0.05,
        key="paint_temperature",
        help=t("paint.temperature_help"),
        persist_state="session",
    )
    memory.paint_top_k = min(memory.paint_top_k, levels)
    if levels > 2:
        memory.paint_top_k = max(memory.paint_top_k, 1)
        st.slider(
            t("paint.top_k"),
            1,
            levels,
            key="paint_top_k",
            help=t("paint.codes.top_k_help" if facts.cell > 1 else "paint.top_k_help", levels=levels),
            persist_state="session",
        )


def _counts(facts: Facts) -> list[int]:
    most = paint.max_images(facts)
    return [count for count in (1, 2, 4, 8, 12, 16) if count <= most] or [1]


def _usual_count(counts: Sequence[int]) -> int:
    return max(count for count in counts if count <= 8)


def condition(info: CheckpointInfo, own: bool) -> int:
    """The class to condition a completion on; ANY: sampled per seed, OWN: the class of the image, if it is known."""
    return _class(info, "paint_condition", [OWN] if own else [], "completed")


def condition_or_likeliest(info: CheckpointInfo, own: bool) -> int:
    """The class to condition the likelihood on; ANY: the likeliest one, if there are few enough to try all."""
    few = len(info.condition_names) <= MAX_CLASSES
    return _class(info, "paint_condition", [OWN] if own else [], "measured", [ANY] if few else [])


def _class(
    info: CheckpointInfo, key: str, first: Sequence[int], kind: str = "generated", any_: Sequence[int] = (ANY,)
) -> int:
    if not info.condition_names:
        return ANY
    options = [*first, *any_, *range(len(info.condition_names))]
    names = {OWN: t("paint.class_own"), ANY: t(f"paint.class_any_{kind}")}
    number: int = choice.choose(
        t("paint.class"),
        options,
        lambda number: names.get(number) or info.condition_names[number],
        key=key,
        help=t(f"paint.class_help_{kind}"),
        persist_state="session",
    )
    return number
