"""Which checkpoints the compare page shows, and the address that carries them: `?models=mnist_gan,mnist_vae_20@1000`.

A column is a checkpoint and, where it is not the newest, a step behind an @: one model may stand there at several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.seeding import MAX_PAGE_SEED
from genmodels.service import compare
from genmodels.service.compare import MAX_MODELS, MIN_MODELS, PICTURES
from pages.components import address
from pages.components.i18n import t
from pages.components.theme import plain

LAST_SEED = MAX_PAGE_SEED - PICTURES
_MOST_CHARACTERS = 1_000


def read_address(infos: Mapping[str, CheckpointInfo]) -> None:
    """Take over what the address asks for, where it is not what the page itself has written there."""
    state = st.session_state
    asked = address.requested("compare", "models", lambda text: _taken(text, infos), str)
    if asked is not None:
        columns, unknown = asked
        if columns:
            _put(columns, infos)
        if unknown:
            names = ", ".join(f"“{plain(name)}”" for name in unknown)
            address.refuse("compare", "models", t("compare.unknown", names=names))
    if "compare_count" not in state:
        state.compare_count = MIN_MODELS
    for index in range(state.compare_count):
        _mend(index, infos)


def write_address(infos: Mapping[str, CheckpointInfo]) -> None:
    """Put models and steps into the address, so that it can be shared and reloaded."""
    text = ",".join(
        name if step == infos[name].steps[-1] else f"{name}@{step}"
        for name, step in (chosen(i) for i in range(count()))
    )
    address.write("compare", "models", text)


def count() -> int:
    shown: int = st.session_state.compare_count
    return shown


def chosen(index: int) -> tuple[str, int]:
    """Name and step of a column."""
    return st.session_state[f"compare_model_{index}"], st.session_state[f"compare_step_{index}"]


def add(names: Sequence[str]) -> None:
    """One more column: the next model after the last one that is not shown yet; the last one again if all are shown."""
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


def _mend(index: int, infos: Mapping[str, CheckpointInfo]) -> None:
    """Fill in what a new session, or a run that was deleted, leaves open."""
    state, names = st.session_state, compare.first_shown([*infos.values()])
    model, step = f"compare_model_{index}", f"compare_step_{index}"
    if state.get(model) not in infos:
        kept = dict(_taken(address.written("compare", "models") or "", infos)[0][index : index + 1])
        state[model] = next(iter(kept), names[min(index, len(names) - 1)])
        state[step] = kept.get(state[model])
    steps, of = infos[state[model]].steps, f"compare_of_{index}"
    # Another model begins at its newest step: many have a step 0, and nobody asked for that one's.
    if state.get(step) not in steps or state.get(of, state[model]) != state[model]:
        state[step] = steps[-1]
    state[of] = state[model]


def _put(columns: list[tuple[str, int | None]], infos: Mapping[str, CheckpointInfo]) -> None:
    state = st.session_state
    if len(columns) < MIN_MODELS:
        columns = [*columns, (_other(columns[0][0], infos), None)]
    state.compare_count = len(columns)
    for index, (name, step) in enumerate(columns):
        state[f"compare_model_{index}"], state[f"compare_step_{index}"] = name, step
        state[f"compare_of_{index}"] = name


def _other(name: str, infos: Mapping[str, CheckpointInfo]) -> str:
    """The first other model, best of those trained on the same data; the model itself where it is the only one."""
    others = [info for info in infos.values() if info.name != name]
    alike = [info for info in others if not compare.different_kinds([info, infos[name]])]
    return next((info.name for info in (*alike, *others)), name)


def _taken(text: str, infos: Mapping[str, CheckpointInfo]) -> tuple[list[tuple[str, int | None]], list[str]]:
    """The first columns of an address that exist, and what does not."""
    good: list[tuple[str, int | None]] = []
    bad: list[str] = []
    for word in filter(None, text[:_MOST_CHARACTERS].split(",")):
        name, _, step = word.strip().partition("@")
        number = int(step) if step.isascii() and step.isdigit() and len(step) < 12 else None
        if name in infos and (not step or number in infos[name].steps):
            good.append((name, number))
        else:
            bad.append(word.strip()[:80])
    return good[:MAX_MODELS], bad[:MAX_MODELS]
