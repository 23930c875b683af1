"""The checkpoints of the Compare page, and its address: `?models=mnist_gan,mnist_vae_20@1000`.

A column is a model and, if it is not the newest, a step after an @. A model may be in several columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from genmodels.service import compare
from genmodels.service.compare import IMAGES, MAX_MODELS, MIN_MODELS
from pages.components import address, view
from pages.components.i18n import t
from pages.components.theme import plain
from pages.components.view import Field

LAST_SEED = MAX_PAGE_SEED - IMAGES
_MAX_CHARACTERS = 1_000
_SEED = Field(
    "seed",
    "compare_seed",
    address.integer(MIN_PAGE_SEED, LAST_SEED),
    address.between(MIN_PAGE_SEED, LAST_SEED),
    0,
)


def read_address(infos: Mapping[str, CheckpointInfo]) -> None:
    """Read the columns from the address, and set what is missing."""
    view.read("compare", [_SEED])
    state = st.session_state
    requested = address.requested("compare", "models", lambda text: _parsed(text, infos), str)
    if requested is not None:
        columns, unknown = requested
        if columns:
            _set_columns(columns, infos)
        if unknown:
            names = ", ".join(f"“{plain(name)}”" for name in unknown)
            address.refuse("compare", "models", t("compare.unknown", names=names))
    if "compare_count" not in state:
        state.compare_count = MIN_MODELS
    for index in range(state.compare_count):
        _complete(index, infos)


def write_address(infos: Mapping[str, CheckpointInfo]) -> None:
    """Write models and steps to the address."""
    text = ",".join(
        name if step == infos[name].steps[-1] else f"{name}@{step}"
        for name, step in (chosen(i) for i in range(count()))
    )
    view.write("compare", [_SEED], models=text)


def count() -> int:
    shown: int = st.session_state.compare_count
    return shown


def chosen(index: int) -> tuple[str, int]:
    """The model and the step of a column."""
    return st.session_state[f"compare_model_{index}"], st.session_state[f"compare_step_{index}"]


def add(names: Sequence[str]) -> None:
    """Add a column with the next model that is not shown; with the last one again if all are shown."""
    state = st.session_state
    last = state.compare_count - 1
    state.compare_count = min(MAX_MODELS, state.compare_count + 1)
    shown = [state[f"compare_model_{index}"] for index in range(last + 1)]
    start = names.index(shown[-1]) + 1 if shown[-1] in names else 0
    name = next((name for name in (*names[start:], *names[:start]) if name not in shown), shown[-1])
    state[f"compare_model_{last + 1}"] = state[f"compare_of_{last + 1}"] = name
    state[f"compare_step_{last + 1}"] = state[f"compare_step_{last}"] if name == shown[-1] else None


def remove(index: int) -> None:
    state = st.session_state
    for place in range(index, state.compare_count - 1):
        for what in ("model", "step", "of"):
            state[f"compare_{what}_{place}"] = state[f"compare_{what}_{place + 1}"]
    state.compare_count = max(MIN_MODELS, state.compare_count - 1)


def _complete(index: int, infos: Mapping[str, CheckpointInfo]) -> None:
    """Set the model and the step of a column in a new session, or if its run was deleted."""
    state, names = st.session_state, compare.default_order([*infos.values()])
    model, step = f"compare_model_{index}", f"compare_step_{index}"
    if state.get(model) not in infos:
        last = dict(_parsed(address.written("compare", "models") or "", infos)[0][index : index + 1])
        state[model] = next(iter(last), names[min(index, len(names) - 1)])
        state[step] = last.get(state[model])
    steps, of = infos[state[model]].steps, f"compare_of_{index}"
    # A new model starts at its newest step, even if it has the step chosen before, such as 0.
    if state.get(step) not in steps or state.get(of, state[model]) != state[model]:
        state[step] = steps[-1]
    state[of] = state[model]


def _set_columns(columns: list[tuple[str, int | None]], infos: Mapping[str, CheckpointInfo]) -> None:
    state = st.session_state
    if len(columns) < MIN_MODELS:
        columns = [*columns, (_other(columns[0][0], infos), None)]
    state.compare_count = len(columns)
    for index, (name, step) in enumerate(columns):
        state[f"compare_model_{index}"], state[f"compare_step_{index}"] = name, step
        state[f"compare_of_{index}"] = name


def _other(name: str, infos: Mapping[str, CheckpointInfo]) -> str:
    """The first other model, preferably one trained on the same data; the model itself if there is no other."""
    others = [info for info in infos.values() if info.name != name]
    alike = [info for info in others if not compare.different_data([info, infos[name]])]
    return next((info.name for info in (*alike, *others)), name)


def _parsed(text: str, infos: Mapping[str, CheckpointInfo]) -> tuple[list[tuple[str, int | None]], list[str]]:
    """The columns of an address that exist, and the words that name none; MAX_MODELS of each."""
    good: list[tuple[str, int | None]] = []
    bad: list[str] = []
    for word in filter(None, text[:_MAX_CHARACTERS].split(",")):
        name, _, step = word.strip().partition("@")
        number = int(step) if step.isascii() and step.isdigit() and len(step) < 12 else None
        if name in infos and (not step or number in infos[name].steps):
            good.append((name, number))
        else:
            bad.append(word.strip()[:80])
    return good[:MAX_MODELS], bad[:MAX_MODELS]
