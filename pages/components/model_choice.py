"""The pickers that pages share: the model, one of its saved steps, and the part of the page.

The page's name is the prefix of text keys and widget keys: `latent.model`, `latent_model`, `latent_step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.system import processes
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
    """A model's text in a list: its given name or title, its folder's name, and whether it is the user's own run."""
    kind = "published" if info.published else "learning" if is_learning(info) else "run"
    return t(f"common.model_option.{kind}", title=info.label, name=info.name)


def pick_model(page: str, infos: Mapping[str, CheckpointInfo], preferred: str = "") -> CheckpointInfo:
    """Show the model picker, bound to `?model=`, and return the chosen model.

    Without a request in the address the model shown last stays, else `preferred` is chosen, else the first one.
    """
    last = address.written(page, "model")
    check_model(page, infos)
    chosen = choice.choose(
        t(f"{page}.model"),
        list(infos),
        lambda name: option(infos[name]),
        key=f"{page}_model",
        fallback=last if last in infos else preferred,
        help=t(f"{page}.model_help"),
    )
    address.write(page, "model", chosen)
    return infos[chosen]


def check_model(page: str, infos: Mapping[str, CheckpointInfo]) -> None:
    """Read `?model=`; alone, in a part of the page that has no model picker."""
    address.bind(
        page,
        "model",
        f"{page}_model",
        address.member(infos),
        lambda name: t(f"{page}.unknown_model", name=name),
        recheck=True,  # the page's own model may have been deleted
    )


def pick_step(page: str, info: CheckpointInfo) -> int:
    """Show a slider over the saved steps, or a caption if there is only one, and return the chosen step.

    Another model starts at its newest step, or at `?step=` if the page has this parameter. While the newest step is
    chosen, the slider follows a run that adds steps.
    """
    steps, memory, key = info.steps, st.session_state, f"{page}_step"
    name, newest = memory.get(f"{page}_newest", (info.name, None))
    if "step" in address.PARAMETERS[page]:
        if address.left_out(page, ["step"]):
            memory.pop(key, None)
        problem = address.problem("step", address.one_of(steps))
        if (linked := address.requested(page, "step", address.option(steps), problem)) is not None:
            memory[key], name, newest = linked, info.name, None
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
    """Show the picker of the page's parts, bound to `?part=`, and return the chosen part."""
    default = address.written(page, "part") or parts[0]
    problem = address.problem("part", address.one_of(parts))
    address.bind(page, "part", f"{page}_part", address.member(parts), problem, default=default)
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
