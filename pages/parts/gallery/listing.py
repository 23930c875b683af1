"""The list of models below the entries: filters, a user's own runs, published models."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo, damaged_checkpoints, list_checkpoints
from genmodels.runs.folder import RunFolder
from pages.components import address, choice
from pages.components.i18n import t
from pages.components.theme import message, plain
from pages.parts.gallery import models
from pages.parts.gallery.cards import cards

_ALL, _SELECTION = "all", "selection"
_NEWEST = 12


def show() -> None:
    """Show the filters and the cards of the models that they leave."""
    infos = list_checkpoints()
    if not infos:
        st.info(t("gallery.empty"), icon=":material/model_training:")
    own = sorted((info for info in infos if not info.published), key=_written, reverse=True)
    published = sorted((info for info in infos if info.published), key=models.order)
    kind, dataset = _filters(infos)
    own_shown, published_shown = (_matching(group, kind, dataset) for group in (own, published))
    st.caption(t(f"gallery.kind_intro.{kind}", count=len(published)))
    if own_shown:
        _own_runs(own_shown)
        st.header(t("gallery.published"), anchor=False)
    cards(published_shown, "gallery_published")
    if infos and not own_shown and not published_shown:
        st.info(t("gallery.none"), icon=":material/filter_alt_off:")
    for name, reason in damaged_checkpoints().items():
        st.warning(t("gallery.damaged", name=plain(name), reason=message(reason)), icon=":material/broken_image:")
    if not own:
        st.markdown(t("gallery.own_empty"))


def _written(info: CheckpointInfo) -> int:
    """When the newest step was saved."""
    return RunFolder(info.path).step_path(info.steps[-1]).stat().st_mtime_ns


def _filters(infos: Sequence[CheckpointInfo]) -> tuple[str, str]:
    """Show the two filters, bound to `?kind=` and `?dataset=`, and return their values; read `?runs=` too."""
    kinds = {models.kind(info) for info in infos}
    choices = (_SELECTION, _ALL, *(kind for kind in models.KINDS if kind in kinds))
    titles = sorted({info.data for info in infos})
    usual = _ALL if st.query_params.get("dataset") else _SELECTION
    _bind("kind", choices, address.written("gallery", "kind") or usual)
    _bind("dataset", titles, address.written("gallery", "dataset") or _ALL)
    _bind("runs", (_ALL,), "")
    with st.container(horizontal=True, vertical_alignment="bottom", key="gallery_filters"):
        st.header(t("gallery.models"), anchor=False)
        dataset = choice.choose(
            t("gallery.filter.dataset"),
            (_ALL, *titles),
            lambda title: t("gallery.filter.any_dataset") if title == _ALL else title,
            key="gallery_dataset",
            help=t("gallery.filter.dataset_help"),
            on_change=_leave_selection,
            label_visibility="collapsed",
            width=260,
        )
    kind = choice.choose(
        t("gallery.filter.kind"),
        choices,
        lambda name: t(f"gallery.kind.{name}"),
        key="gallery_kind",
        kind="pills",
        help=t("gallery.filter.kind_help"),
        label_visibility="collapsed",
    )
    address.write("gallery", "kind", None if kind == _SELECTION else kind)
    address.write("gallery", "dataset", None if dataset == _ALL else dataset)
    return kind, dataset


def _bind(name: str, values: Sequence[str], default: str) -> None:
    problem = address.problem(name, address.one_of(values))
    address.bind("gallery", name, f"gallery_{name}", address.member(values), problem, default=default, recheck=True)


def _leave_selection() -> None:
    """Another data set is looked for among all models."""
    if st.session_state.get("gallery_kind") == _SELECTION:
        st.session_state["gallery_kind"] = _ALL


def _matching(infos: Sequence[CheckpointInfo], kind: str, dataset: str) -> list[CheckpointInfo]:
    """The models that the filters leave, in the order given; of the published ones, the selection has its own order."""
    infos = [info for info in infos if dataset in (_ALL, info.data)]
    if kind == _SELECTION:
        by_name = {info.name: info for info in infos if info.published}
        chosen = [by_name[name] for name in models.SELECTION if name in by_name]
        return chosen or infos
    return [info for info in infos if kind in (_ALL, models.kind(info))]


def _own_runs(infos: list[CheckpointInfo]) -> None:
    """The newest runs, and a button that shows the others too."""
    st.header(t("gallery.own"), anchor=False)
    everything = st.session_state.get("gallery_runs") == _ALL
    address.write("gallery", "runs", _ALL if everything else None)
    cards(infos if everything else infos[:_NEWEST], "gallery_own")
    if len(infos) > _NEWEST and not everything:
        st.button(
            t("gallery.every_run", count=f"{len(infos):,}"),
            key="gallery_every_run",
            icon=":material/expand_more:",
            on_click=lambda: st.session_state.update(gallery_runs=_ALL),
            help=t("gallery.every_run_help"),
        )
