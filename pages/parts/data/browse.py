"""One data set on the Data page: description, class counts, images, mean images."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import train_jobs
from genmodels.data import DataSpec
from genmodels.recipes import fitting
from genmodels.service import datasets
from genmodels.service.datasets import Entry, Sheet, SheetRequest
from genmodels.service.datasets import Tile as DatasetTile
from pages.components import address, choice, missing_data, tiles, view
from pages.components.i18n import has, t
from pages.components.number_field import whole_number
from pages.components.theme import error_box, explain, friendly_errors, in_chart, plain
from pages.components.view import Field

_SIDE = 84
_CHART_HEIGHT = 290
_ALL = -1


def show(entry: Entry) -> None:
    """Show everything about a data set. Raises GenmodelsError if it cannot be read."""
    if entry.spec is None:
        error_box(str(entry.problem), t("data.damaged"))
        _delete(entry, entry.name, st.container(horizontal=True))
        return
    left, right = st.columns([5, 6], gap="large")
    with left:
        _about(entry, entry.spec)
        _actions(entry, entry.spec)
    if entry.problem:
        return
    with st.spinner(t("data.reading")):
        datasets.prepare(entry.name)
    with right:
        if entry.spec.classes:
            _counts(entry, entry.spec)
        else:
            _means(entry, entry.spec)
    _samples(entry, entry.spec)
    if entry.spec.classes:
        _means(entry, entry.spec)


def _about(entry: Entry, spec: DataSpec) -> None:
    st.markdown(t(f"data.about.{'own' if entry.uploaded else entry.name}"))
    facts = [t("data.facts", train=f"{spec.train_size:,}", test=f"{spec.test_size:,}")]
    if spec.image_shape:
        channels, height, width = spec.image_shape
        colour = t("data.grey" if channels == 1 else "data.colour")
        numbers = f"{channels * height * width:,}"
        facts.append(t("data.shape", width=width, height=height, colour=colour, numbers=numbers))
    facts.append(t("data.classes.some", count=spec.num_classes) if spec.classes else t("data.classes.none"))
    st.markdown(" ".join(facts))
    link = f"data.link.{entry.name}"
    source = plain(spec.source)
    lines = [t("data.licence", licence=plain(spec.licence))]
    lines.append(t("data.source_link", source=source, link=t(link)) if has(link) else t("data.source", source=source))
    st.caption("  \n".join(lines))
    if spec.notes:
        with st.expander(t("data.notes", count=len(spec.notes)), icon=":material/filter_alt:", key="data_notes"):
            st.markdown("\n".join(f"- {plain(line)}" for line in spec.notes))


def _actions(entry: Entry, spec: DataSpec) -> None:
    if entry.problem:
        st.info(t("data.not_here_public" if train_jobs.public_mode() else "data.not_here"), icon=":material/cloud:")
        missing_data.offer_download(entry.name, "data")
        return
    row = st.container(horizontal=True)
    if row.button(
        t("data.train"),
        key="data_train",
        type="primary",
        icon=":material/model_training:",
        help=t("data.train_help"),
    ):
        recipe = recipe_for(entry, spec)
        st.switch_page(
            "train.py", query_params={"data": entry.name, "fit": "1"} | ({"recipe": recipe} if recipe else {})
        )
    if entry.uploaded:
        _delete(entry, spec.title, row)


def recipe_for(entry: Entry, spec: DataSpec) -> str | None:
    """The recipe or model family to start with; None, which keeps the page's choice, if no recipe fits.

    An own set starts with a family that suits its shape, because recipes have texts about their own data.
    """
    if not entry.uploaded:
        return fitting.proposed(spec)
    return "dcgan_64" if spec.image_shape is not None and spec.image_shape[1:] == (64, 64) else "vae"


def _delete(entry: Entry, title: str, row: DeltaGenerator) -> None:
    """Show the delete button, and after a click the confirmation, as on the Runs page."""
    public = train_jobs.public_mode()
    if st.session_state.get("data_deleting") != entry.name:
        row.button(
            t("data.delete"),
            key="data_delete",
            icon=":material/delete:",
            help=t("data.delete_public" if public else "data.delete_help"),
            disabled=public,
            on_click=st.session_state.__setitem__,
            args=("data_deleting", entry.name),
        )
        return
    st.warning(t("data.delete_sure", title=plain(title)), icon=":material/warning:")
    answers = st.container(horizontal=True)
    sure = answers.button(
        t("data.delete_confirm"), key="data_delete_confirm", type="primary", help=t("data.delete_confirm_help")
    )
    cancelled = answers.button(t("data.delete_cancel"), key="data_delete_cancel", help=t("data.delete_cancel_help"))
    if not sure and not cancelled:
        return
    st.session_state.pop("data_deleting")
    if sure:
        with friendly_errors():
            datasets.remove(entry.name)
            st.toast(t("data.deleted", title=plain(title)), icon=":material/delete:")
            address.write("data", "data", None)
            st.rerun()
    else:
        st.rerun()


# --------------------------------------------------------------------------- counts


def _counts(entry: Entry, spec: DataSpec) -> None:
    counts = datasets.class_counts(entry.name)
    train = counts["train"]
    low, high = min(train), max(train)
    if low == high:
        summary = t("data.counts.even", count=f"{low:,}")
    else:
        rare, frequent = (plain(spec.classes[train.index(count)]) for count in (low, high))
        summary = t("data.counts.uneven", low=f"{low:,}", rare=rare, high=f"{high:,}", frequent=frequent)
    st.markdown(f"**{t('data.counts.title')}**")
    st.caption(summary)
    figure = go.Figure(
        [
            go.Bar(
                name=t(f"data.counts.{split}"),
                x=list(map(in_chart, spec.classes)),
                y=list(values),
                hovertemplate="%{x}: %{y:,}",
            )
            for split, values in counts.items()
        ]
    )
    figure.update_layout(
        barmode="group",
        height=_CHART_HEIGHT,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        # Class names are categories, even if they look like numbers.
        xaxis={"type": "category", "title": t("data.counts.x"), "fixedrange": True},
        yaxis={"title": t("data.counts.y"), "tickformat": ",d", "fixedrange": True},
    )
    alt = t("data.counts.alt", summary=summary)
    st.plotly_chart(figure, key="data_counts", config={"displayModeBar": False}, alt=alt)


# --------------------------------------------------------------------------- samples


@st.fragment
def _samples(entry: Entry, spec: DataSpec) -> None:
    """Show controls and images; another page of images reruns only this part."""
    st.header(t("data.samples.title"), anchor=False)
    with friendly_errors():
        sheet = datasets.sheet(_request(entry, spec))
        if not sheet.tiles:
            st.info(t("data.samples.none"), icon=":material/search_off:")
            return
        _caption(sheet)
        tiles.flow(
            [_tile(tile, "data.samples", number=f"{tile.number + 1:,}") for tile in sheet.tiles],
            label=t("data.samples.list"),
            width=_SIDE,
            key="data_samples",
        )


def _request(entry: Entry, spec: DataSpec) -> SheetRequest:
    memory, last = st.session_state, datasets.MAX_SHUFFLE
    if memory.get("data_samples_of") != entry.name:  # the classes of another set differ
        memory["data_samples_of"], memory["data_class"], memory["data_page"] = entry.name, _ALL, 1
    splits = ("train", "test") if spec.test_size else ("train",)
    shown = [
        view.choice_of("split", "data_split", splits, splits[0]),
        view.class_of("class", "data_class", spec.num_classes, _ALL),
        Field("shuffle", "data_shuffle", address.integer(0, last), address.between(0, last), 0),
    ]
    view.read("data", shown)
    cells = st.columns([3, 3, 2, 2], vertical_alignment="bottom")
    split = choice.choose(
        t("data.samples.split"),
        splits,
        lambda value: t(f"data.samples.splits.{value}"),
        key="data_split",
        place=cells[0],
        on_change=_first_page,
        help=t("data.samples.split_help"),
    )
    label = choice.choose(
        t("data.samples.label"),
        (_ALL, *range(spec.num_classes)),
        lambda value: t("data.samples.all") if value == _ALL else spec.classes[value],
        key="data_class",
        place=cells[1],
        on_change=_first_page,
        help=t("data.samples.label_help"),
        disabled=not spec.classes,
    )
    shuffle = whole_number(
        t("data.samples.shuffle"),
        0,
        last,
        key="data_shuffle",
        place=cells[2],
        on_change=_first_page,
        help=t("data.samples.shuffle_help"),
    )
    fields = {"name": entry.name, "split": split, "label": None if label == _ALL else label, "shuffle": int(shuffle)}
    pages = datasets.page_count(SheetRequest.parse(fields))
    sheets = Field("sheet", "data_page", address.integer(1, pages), address.between(1, pages), 1)
    view.read("data", [sheets])
    page = whole_number(
        t("data.samples.page"),
        1,
        pages,
        key="data_page",
        place=cells[3],
        help=t("data.samples.page_help", count=datasets.TILES),
    )
    view.write("data", [*shown, sheets])
    return SheetRequest.parse({**fields, "page": int(page) - 1})


def _first_page() -> None:
    st.session_state["data_page"] = 1


def _caption(sheet: Sheet) -> None:
    first = sheet.page * datasets.TILES + 1
    parts = [
        t(
            "data.samples.range",
            first=f"{first:,}",
            last=f"{first + len(sheet.tiles) - 1:,}",
            count=f"{sheet.count:,}",
        )
    ]
    if sheet.partial:
        parts.append(t("data.samples.only_first", count=f"{sheet.looked_at:,}"))
    st.caption(" · ".join(parts))


def _means(entry: Entry, spec: DataSpec) -> None:
    if spec.classes:
        st.header(t("data.mean.title"), anchor=False)
        explain(t("data.mean.intro"))
    else:  # one image, in place of the chart of class counts
        st.markdown(f"**{t('data.mean.title')}**")
        st.caption(t("data.mean.intro_plain"))
    means = datasets.mean_images(entry.name)
    if spec.num_classes > datasets.MEAN_CLASSES:
        st.caption(t("data.mean.first"))
    tiles.flow(
        [_tile(tile, "data.mean", count=f"{tile.number:,}") for tile in means],
        label=t("data.mean.list"),
        width=_SIDE,
        key="data_means",
    )


def _tile(tile: DatasetTile, text: str, **number: str) -> tiles.Tile:
    """An image with its class, if it has one; `number` fills the alternative text `<text>.alt`."""
    alt = t(f"{text}.alt", **number, label=tile.label) if tile.label else t(f"{text}.alt_plain", **number)
    return tiles.Tile(tile.image, tile.label or "", alt, kind=tile.kind)
