"""Which model a page looks at, at which of its saved steps, and in which part: the same on every page.

A page's name, say "latent", begins the keys of its texts and of what is remembered: `latent_model`, `latent_step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from genmodels import processes
from genmodels.catalog import CheckpointInfo
from genmodels.runfolder import RunFolder
from pages.components import address, choice
from pages.components.i18n import t

_HEARTBEAT_LIMIT = 15


def is_learning(info: CheckpointInfo) -> bool:
    """Whether a run's worker is alive and training, so that newer steps will come."""
    if info.published:
        return False
    status = RunFolder(info.path).status()
    age = processes.age(status)
    return age is not None and age < _HEARTBEAT_LIMIT and status.get("phase") in ("loading", "tuning", "training")


def option(info: CheckpointInfo) -> str:
    """A model in a list: its given name or title, its folder's name, and whether it is the user's own run."""
    kind = "published" if info.published else "learning" if is_learning(info) else "run"
    return t(f"common.model_option.{kind}", title=info.label, name=info.name)


def pick_model(page: str, infos: Mapping[str, CheckpointInfo], preferred: str = "") -> CheckpointInfo:
    """The model picker, bound to `?model=`: an address can be shared, reloaded and stepped back to.

    What the address asks for is taken over where the page has not written it there itself; else the model that was
    shown last stays, then the preferred one, then the first.
    """
    memory, key = st.session_state, f"{page}_model"
    kept = address.written(page, "model")
    if (asked := _asked_model(page, infos)) is not None:
        memory[key] = asked
    chosen = choice.choose(
        t(f"{page}.model"),
        list(infos),
        lambda name: option(infos[name]),
        key=key,
        fallback=kept if kept in infos else preferred,
        help=t(f"{page}.model_help"),
    )
    address.write(page, "model", chosen)
    return infos[chosen]


def check_model(page: str, infos: Mapping[str, CheckpointInfo]) -> None:
    """The same check of `?model=` in a part of the page that shows no picker; a model that exists stays there."""
    if (asked := _asked_model(page, infos)) is not None:
        st.session_state[f"{page}_model"] = asked


def _asked_model(page: str, infos: Mapping[str, CheckpointInfo]) -> str | None:
    return address.take(
        page,
        "model",
        address.member(infos),
        lambda name: t(f"{page}.unknown_model", name=name),
        recheck=True,  # the page's own model may have been deleted
    )


def pick_step(page: str, info: CheckpointInfo) -> int:
    """A slider over the saved steps; said, where there is only one.

    Another model is shown at its newest step, and who stands at the newest one stays there while a run goes on.
    """
    steps, memory, key = info.steps, st.session_state, f"{page}_step"
    name, newest = memory.get(f"{page}_newest", (info.name, None))
    if memory.get(key) not in steps or name != info.name or newest == memory[key]:
        memory[key] = steps[-1]
    memory[f"{page}_newest"] = (info.name, steps[-1])
    if len(steps) == 1:
        st.caption(t("common.one_step", step=f"{steps[0]:,}"))
        return steps[0]
    return int(
        st.select_slider(
            t("common.step"),
            steps,
            format_func=lambda step: f"{step:,}",
            key=key,
            help=t("common.step_help_learning" if is_learning(info) else f"{page}.step_help"),
            persist_state="session",
        )
    )


def pick_model_and_step(
    page: str, infos: Mapping[str, CheckpointInfo], preferred: str = "", *, columns: int | Sequence[float] = 2
) -> tuple[CheckpointInfo, int]:
    """Both pickers side by side, in `columns` of Streamlit's."""
    left, right = st.columns(columns, gap="medium")
    with left:
        info = pick_model(page, infos, preferred)
    with right:
        return info, pick_step(page, info)


def pick_part(page: str, parts: Sequence[str]) -> str:
    """Which of a page's parts is shown, bound to `?part=`."""
    memory = st.session_state
    kept = address.written(page, "part")
    wanted = address.take(page, "part", address.member(parts), address.problem("part", address.one_of(parts)))
    if wanted is not None:
        memory[f"{page}_part"] = wanted
    memory.setdefault(f"{page}_part", kept or parts[0])
    chosen = st.segmented_control(
        t(f"{page}.part"),
        parts,
        format_func=lambda part: t(f"{page}.parts.{part}"),
        required=True,
        key=f"{page}_part",
        help=t(f"{page}.part_help"),
        label_visibility="collapsed",
    )
    address.write(page, "part", str(chosen))
    return str(chosen)
