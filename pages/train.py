"""Train: choose a recipe, change its settings, see cost and command, start; then the page shows the run."""

from __future__ import annotations

import shlex
import time
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import train_jobs
from genmodels import data, recipes, registry, service
from genmodels.config import TrainConfig
from genmodels.data import DataConfig
from genmodels.errors import GenmodelsError
from genmodels.recipes import Spec
from genmodels.text import duration
from genmodels.training import estimate
from pages.components import address, config_form, layout, run_view
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, page_title, plain
from pages.parts.train import about, link
from pages.parts.train.training_choice import Choice, choose, start_from_picker

_LENGTHS = ("max_steps", "max_epochs")
_FIRST = ("batch_size", "seed")
_MAX_CLICK_AGE = 60.0  # seconds; an older click on Start is ignored: the page was left before it was handled


def _length(base: dict[str, Any], batch_size: int, choice: Choice, *, fresh: bool) -> dict[str, Any]:
    """Show the length in steps or in epochs and return it; changing the unit converts it."""
    natural = "max_steps" if base["max_epochs"] is None else "max_epochs"
    if fresh or "train_length" not in st.session_state:
        st.session_state["train_length"] = natural
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    unit = left.radio(
        t("train.length"),
        _LENGTHS,
        format_func=lambda name: t(f"train.unit.{name}"),
        key="train_length",
        horizontal=True,
        help=t("train.length_help"),
        persist_state="session",
    )
    value = base[unit]
    if value is None:
        per_epoch = max(1, (_train_size(choice) or batch_size) // batch_size)
        other = base[natural]
        value = max(1, round(other * per_epoch)) if unit == "max_steps" else other / per_epoch
    field = next(field for field in config_form.fields_of(TrainConfig) if field.name == unit)
    key = config_form.key_of("train", unit)
    with right:
        return {unit: config_form.widget(field, key, value, field.help("train"), reset=fresh)}


def _train_size(choice: Choice) -> int | None:
    """Examples per epoch; None if the folder of an own set is not given. Raises GenmodelsError if it is unusable."""
    unnamed = choice.data.name in data.own_names() and data.missing(choice.data) is not None
    return None if unnamed else data.get_spec(choice.data).train_size


def _form(choice: Choice, basic_place: DeltaGenerator) -> list[str]:
    """Show length and name in `basic_place`, and every other setting here.

    Return those that differ from recipe and preset, as arguments of `--set`.
    """
    sections = recipes.merge(choice.recipe, choice.preset)
    settings = registry.config_class(choice.recipe.family)
    model_base = settings.parse(sections["model"], "model.").model_dump(mode="json")
    train_base = TrainConfig.parse(sections["train"], "train.").model_dump(mode="json")

    linked = link.requested(choice, {"model": model_base, "train": train_base})
    fresh = choice.fresh or linked is not None
    linked_model, linked_train = ((linked or {}).get(section, {}) for section in ("model", "train"))
    start_from_picker()
    st.header(t("train.model"), anchor=False)
    model = config_form.show_fields("model", config_form.fields_of(settings), model_base | linked_model, reset=fresh)
    st.header(t("train.training"), anchor=False)
    fields = [field for field in config_form.fields_of(TrainConfig) if field.name not in _LENGTHS]
    first = [field for field in fields if field.name in _FIRST]
    # A few dozen own images do not fill a batch of 128: start with a batch that they fill.
    batch_size = int(train_base["batch_size"])
    fitting = train_base | {"batch_size": min(batch_size, _train_size(choice) or batch_size)} | linked_train
    train = config_form.show_fields("train", first, fitting, reset=fresh, columns=2)
    rest = [field for field in fields if field.name not in _FIRST]
    train |= config_form.show_fields("train", rest, train_base | linked_train, reset=fresh)
    run: dict[str, Any] = {"device": _device()}
    with basic_place:  # the length comes first, but converting it needs the batch size
        length = {name: linked_train.get(name) for name in _LENGTHS}
        length = length if any(length.values()) else {name: train_base[name] for name in _LENGTHS}
        train |= _length(length, max(1, int(train["batch_size"] or 1)), choice, fresh=fresh)
        run |= {"name": _name()}
    st.button(
        t("train.reset"),
        key="train_reset",
        help=t("train.reset_help"),
        icon=":material/restart_alt:",
        type="tertiary",
        on_click=lambda: st.session_state.pop("train_base", None),
    )
    return [
        *config_form.assignments("model", model, model_base),
        *config_form.assignments("train", train, train_base),
        *config_form.assignments("run", run, {"name": None, "device": "auto"}),
    ]


def _name() -> str | None:
    name = st.text_input(
        t("train.name"),
        key="train_run_name",
        max_chars=80,
        placeholder=t("train.name_empty"),
        help=t("train.name_help"),
        persist_state="session",
    )
    return name.strip() or None


def _device() -> str:
    device = st.text_input(
        t("train.device"), "auto", key="train_run_device", help=t("train.device_help"), persist_state="session"
    )
    return device.strip() or "auto"


def _arguments(choice: Choice, assignments: list[str]) -> list[str]:
    """The command line that resolves to the same spec."""
    command = ["python", "-m", "train_jobs", "submit", choice.recipe.name]
    if choice.preset:
        command += ["--preset", choice.preset]
    for assignment in assignments:
        command += ["--set", assignment]
    name = _data_name(choice)
    return [*command, "--data", name] if name else command


def _data_settings(choice: Choice) -> list[str]:
    """The data settings that differ from recipe and preset, as arguments of `--set`."""
    named = recipes.merge(choice.recipe, choice.preset)["data"]
    base = DataConfig.parse(named, "data.") if named.get("name") == choice.data.name else DataConfig()
    chosen, default = (config.model_dump(mode="json", exclude={"name"}) for config in (choice.data, base))
    return config_form.assignments("data", chosen, default)


def _data_name(choice: Choice) -> str | None:
    """The argument of `--data`; None if the recipe names the same set."""
    named = recipes.merge(choice.recipe, choice.preset)["data"].get("name")
    return None if choice.data.name == named else choice.data.name


def _cost(spec: Spec) -> None:
    outline = estimate.outline(spec)
    examples, steps = spec.data_spec.train_size, spec.train.max_steps or 0
    networks = ", ".join(f"{name} {count:,}" for name, count in outline.parameters.items())
    epochs = steps / max(1, examples // spec.train.batch_size)
    expected = service.estimate_of(spec)
    text = t("train.time_unknown") if expected.seconds is None else f"≈ {duration(expected.seconds)}"
    time_help = t("train.time_help" if expected.seconds is not None else "train.time_unknown_help")
    # As wide as their numbers, wrapped in a narrow column, where thirds would cut them off.
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            t("train.parameters"),
            f"{outline.parameter_count:,}",
            help=t("train.parameters_help", networks=networks),
            width="content",
        )
        st.metric(
            t("train.steps"),
            f"{steps:,}",
            help=t("train.steps_help", epochs=epochs, examples=examples),
            width="content",
        )
        st.metric(t("train.time"), text, help=time_help, width="content")
    if expected.failure is not None:
        st.caption(t("train.time_failed", reason=plain(expected.failure)))


def _start(spec: Spec | None) -> None:
    public = train_jobs.public_mode()
    if public:
        st.info(t("train.public"), icon=":material/lock:")
    running = sum(job.state == "RUNNING" for job in train_jobs.jobs())
    st.button(
        t("train.queue", running=running) if running else t("train.start"),
        key="train_start",
        type="primary",
        icon=":material/play_arrow:",
        help=t("train.start_help"),
        disabled=spec is None or public,
        width="stretch",
        on_click=_request_start,
    )
    # Handled here, with the current settings: a number typed just before the click is not in those shown before it.
    clicked = st.session_state.pop("train_start_asked", None)
    if clicked is not None and spec is not None and time.monotonic() - clicked < _MAX_CLICK_AGE:
        try:
            st.session_state["train_run"] = train_jobs.submit(spec).id
        except GenmodelsError as error:
            error_box(str(error))


def _request_start() -> None:
    """Record the click for the run of the page that reaches the button; an interrupted run would lose it."""
    st.session_state["train_start_asked"] = time.monotonic()


def _is_active(run: str) -> bool:
    return any(job.id == run and job.active for job in train_jobs.jobs())


def _shown_run() -> str | None:
    """The run started here last, or the one in the address; None if there is none or it was deleted."""
    ids = {job.id for job in train_jobs.jobs()}
    address.requested("train", "run", address.member(ids), lambda name: t("train.unknown_run", name=name), recheck=True)
    started = st.session_state.get("train_run")
    return started if started in ids else st.query_params.get("run")


def _summary(choice: Choice, assignments: list[str], run_place: DeltaGenerator) -> None:
    """Show cost, command and button, and the started run in `run_place`."""
    spec, problem = None, None
    try:
        spec = train_jobs.make_spec(choice.recipe.name, choice.preset, assignments, _data_name(choice))
    except GenmodelsError as error:
        problem = str(error)
    cost = st.container()
    if problem:
        error_box(problem, t("train.problem"))
    elif not train_jobs.public_mode():
        st.markdown(f"**{t('train.command')}**")
        st.code(shlex.join(_arguments(choice, assignments)), language="bash", wrap_lines=True)
    with friendly_errors():
        _start(spec)
    with run_place:
        _started_run()
    if spec is not None:
        with cost, friendly_errors():
            _cost(spec)  # last, because it times real steps


def _started_run() -> None:
    """Show the run that was started here, or that the address names."""
    # The address alone is not enough: a rerun in progress at the click restores the old address.
    if started := _shown_run():
        address.write("train", "run", started)
        st.header(t("train.started"), anchor=False)
        with friendly_errors():
            run_view.compact(started)
        st.page_link(
            "runs.py",
            label=t("train.started_link"),
            icon=":material/monitoring:",
            help=t("train.started_note" if _is_active(started) else "train.started_ended"),
            query_params={"run": started},
        )


page_title(t("train.title"), t("train.intro"))
with friendly_errors():
    _choice = choose()
    _space = layout.workspace("train")
    with _space.controls:
        _basic, _rest = st.container(), st.container()
    with st.expander(t("train.expert"), icon=":material/tune:", key="train_expert"):
        _changed = [*_form(_choice, _basic), *_data_settings(_choice)]
    link.write(_changed)
    with _space.result:
        _run = st.container()
        about.show(_choice)
    with _rest:
        _summary(_choice, _changed, _run)
