"""The settings of the Flow page, and its address: `?model=&part=&seed=&class=&guidance=&steps=&solver=&count=`."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from genmodels.capabilities import FlowConfig
from genmodels.networks.flow_settings import Solver
from genmodels.runs.catalog import CheckpointInfo
from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from genmodels.service import flow
from genmodels.service.flow import MAX_GUIDANCE, MAX_STEPS
from pages.components import address, choice
from pages.components.class_picker import class_picker
from pages.components.i18n import t
from pages.components.seed_input import seed_input
from pages.components.theme import plain

PARTS = ("watch", "solvers", "guidance", "encode")
ANY = -1
LAST_SEED = MAX_PAGE_SEED - flow.MAX_IMAGES
_MAX_BUTTONS = 12


def read_address(info: CheckpointInfo, config: FlowConfig) -> None:
    """Read the parameters; another model starts with its own steps, solver and guidance scale."""
    memory = st.session_state
    if memory.get("flow_settings_of") != info.name:
        memory.update(
            flow_settings_of=info.name,
            flow_steps=min(config.steps, MAX_STEPS),
            flow_solver=config.solver,
            flow_guidance=min(config.guidance, MAX_GUIDANCE),
        )
    seeds, last = (MIN_PAGE_SEED, LAST_SEED), len(info.condition_names) - 1
    _bind("seed", "flow_seed", address.integer(*seeds), address.between(*seeds), 0)
    classes = address.between(0, last) if info.condition_names else t("flow.class_none")
    _bind("class", "flow_label", address.integer(0, last), classes, ANY)
    scales = (0.0, MAX_GUIDANCE) if config.guidable else (1.0, 1.0)
    _bind("guidance", "flow_guidance", address.number(*scales, digits=2), address.between(*scales), config.guidance)
    _bind("steps", "flow_steps", address.integer(1, MAX_STEPS), address.between(1, MAX_STEPS), config.steps)
    counts = _counts(config)
    _bind("count", "flow_count", address.option(counts), address.one_of(counts), counts[-1])
    _bind("solver", "flow_solver", address.option(config.solvers), address.one_of(config.solvers), config.solver)


def _bind(name: str, key: str, parse: object, allowed: str, default: object) -> None:
    address.bind("flow", name, key, parse, address.problem(name, allowed), default=default)  # type: ignore[arg-type]


def write_address(info: CheckpointInfo, config: FlowConfig) -> None:
    """Write the settings to the address: those of every part, so that a link restores all of them."""
    memory = st.session_state
    label = memory.flow_label if 0 <= memory.flow_label < len(info.condition_names) else None
    address.write("flow", "seed", str(memory.flow_seed))
    address.write("flow", "class", None if label is None else str(label))
    address.write("flow", "guidance", f"{memory.flow_guidance:g}" if config.guidable else None)
    address.write("flow", "steps", str(memory.flow_steps))
    address.write("flow", "solver", str(memory.flow_solver))
    address.write("flow", "count", str(memory.flow_count) if memory.flow_count in _counts(config)[:-1] else None)


def seed(place: DeltaGenerator | None = None) -> int:
    """Show the field of the first seed and return it."""
    return seed_input("flow", last=LAST_SEED, place=place)


def class_or_any(info: CheckpointInfo) -> int | None:
    """Show the picker of the class with the choice of all in turn; None for that, and for an unconditional model."""
    names = info.condition_names
    if not names:
        return None
    few = len(names) <= _MAX_BUTTONS
    wrap: dict[str, Any] = {"wrap": True} if few else {}
    label = choice.choose(
        t("flow.class"),
        (ANY, *range(len(names))),
        lambda number: t("flow.class_any") if number == ANY else plain(names[number]) if few else names[number],
        key="flow_label",
        kind="pills" if few else "selectbox",
        help=t("flow.class_help"),
        persist_state="session",
        **wrap,
    )
    return None if label == ANY else label


def one_class(info: CheckpointInfo, default: int) -> int | None:
    """Show the picker of one class; None for an unconditional model."""
    if not info.condition_names:
        return None
    return class_picker(
        info.condition_names,
        key="flow_label",
        label=t("flow.class"),
        help_text=t("flow.class_help"),
        default=default,
    )


def guidance(config: FlowConfig) -> float:
    """Show the slider of the guidance scale and return it; 1 for a model without guidance, or with a trained one."""
    if not config.guidable:
        if config.trained_guidance not in (None, 1):
            st.caption(t("flow.guidance_trained", own=f"{config.trained_guidance:g}"))
        return 1.0
    return float(
        st.slider(
            t("flow.guidance"),
            0.0,
            MAX_GUIDANCE,
            step=0.1,
            key="flow_guidance",
            help=t("flow.guidance_help", own=f"{config.guidance:g}"),
            persist_state="session",
        )
    )


def steps(config: FlowConfig) -> int:
    """Show the slider of the solver steps and return their number."""
    chosen = st.slider(
        t("flow.steps"),
        1,
        MAX_STEPS,
        key="flow_steps",
        help=t("flow.steps_help", own=config.steps),
        persist_state="session",
    )
    return int(chosen)


def solver(config: FlowConfig) -> Solver:
    """Show the choice of the solver and return it."""
    chosen = st.segmented_control(
        t("flow.solver"),
        config.solvers,
        format_func=lambda name: t(f"flow.solvers.{name}"),
        required=True,
        key="flow_solver",
        help=t("flow.solver_help_average" if "average" in config.solvers else "flow.solver_help"),
        persist_state="session",
    )
    return next(name for name in config.solvers if name == chosen)


def _counts(config: FlowConfig) -> list[int]:
    return [number for number in (1, 2, 4, 8) if number <= flow.max_images(config)]


def count(config: FlowConfig) -> int:
    """Show the number of images and return it."""
    counts = _counts(config)
    if st.session_state.get("flow_count") not in counts:
        st.session_state.flow_count = counts[-1]
    if len(counts) > 1:
        st.select_slider(t("flow.count"), counts, key="flow_count", help=t("flow.count_help"), persist_state="session")
    return int(st.session_state.flow_count)
