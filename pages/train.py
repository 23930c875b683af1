"""Train: choose, set, see the cost and the command, start; then the run appears on the page itself."""

from __future__ import annotations

import shlex
import time
from typing import Any

import streamlit as st

import train_jobs
from genmodels import data, recipes, registry, service
from genmodels.config import TrainConfig
from genmodels.data import DataConfig
from genmodels.errors import GenmodelsError
from genmodels.evaluation.metric_table import name_of
from genmodels.recipes import Recipe, Spec
from genmodels.training import estimate
from pages.components import address, config_form, run_view
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, page_title, plain
from pages.components.train_choice import Choice, choose

_LENGTHS = ("max_steps", "max_epochs")
_BASIC = ("batch_size", "seed")
_STALE = 60.0  # seconds after which a click on Start is void: the page was left before it could be answered


def _about(recipe: Recipe) -> None:
    parts = [recipe.description.strip(), t("train.source", source=recipe.source)]
    if recipe.expect:
        parts.append(t("train.expect", expected="; ".join(_expected(*item) for item in recipe.expect.items())))
    st.markdown(parts[0])
    st.caption("  \n".join(parts[1:]))


def _expected(metric: str, bounds: tuple[float | None, float | None]) -> str:
    low, high = bounds
    kind = "range" if low is not None and high is not None else "low" if low is not None else "high"
    return t(f"train.expect_{kind}", metric=name_of(metric), low=low, high=high)


def _length(base: dict[str, Any], batch_size: int, choice: Choice) -> dict[str, Any]:
    """Steps or epochs, one of the two; switching the unit keeps the length."""
    natural = "max_steps" if base["max_epochs"] is None else "max_epochs"
    if choice.fresh or "train_length" not in st.session_state:
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
        return {unit: config_form.widget(field, key, value, field.help("train"), reset=choice.fresh)}


def _train_size(choice: Choice) -> int | None:
    """Examples in an epoch; None where a folder of one's own has not been named yet. Raises GenmodelsError."""
    unnamed = choice.data.name in data.own_names() and data.missing(choice.data) is not None
    return None if unnamed else data.get_spec(choice.data).train_size


def _form(choice: Choice) -> list[str]:
    """Every setting as a widget; returns what differs from recipe and preset, in the words of `--set`."""
    sections = recipes.merge(choice.recipe, choice.preset)
    settings = registry.config_class(choice.recipe.model)
    model_base = settings.parse(sections["model"], "model.").model_dump(mode="json")
    train_base = TrainConfig.parse(sections["train"], "train.").model_dump(mode="json")

    st.subheader(t("train.model"), anchor=False)
    model = config_form.draw("model", config_form.fields_of(settings), model_base, reset=choice.fresh)

    st.subheader(t("train.training"), anchor=False)
    fields = [field for field in config_form.fields_of(TrainConfig) if field.name not in _LENGTHS]
    place = st.container()  # the length is asked first, but converting it needs the batch size
    basic = [field for field in fields if field.name in _BASIC]
    # Some dozen pictures of one's own are no batch of 128: start with one that they fill.
    asked = int(train_base["batch_size"])
    fitting = train_base | {"batch_size": min(asked, _train_size(choice) or asked)}
    train = config_form.draw("train", basic, fitting, reset=choice.fresh, columns=2)
    with place:
        train |= _length(train_base, max(1, int(train["batch_size"] or 1)), choice)
    with st.expander(t("train.advanced"), icon=":material/tune:"):
        rest = [field for field in fields if field.name not in _BASIC]
        train |= config_form.draw("train", rest, train_base, reset=choice.fresh)
        run = _run_settings()
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


def _run_settings() -> dict[str, Any]:
    left, right = st.columns(2)
    name = left.text_input(
        t("train.name"),
        key="train_run_name",
        max_chars=80,
        placeholder=t("train.name_empty"),
        help=t("train.name_help"),
        persist_state="session",
    )
    device = right.text_input(
        t("train.device"), "auto", key="train_run_device", help=t("train.device_help"), persist_state="session"
    )
    return {"name": name.strip() or None, "device": device.strip() or "auto"}


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
    """What of the data differs from recipe and preset, in the words of `--set`."""
    named = recipes.merge(choice.recipe, choice.preset)["data"]
    base = DataConfig.parse(named, "data.") if named.get("name") == choice.data.name else DataConfig()
    chosen, usual = (config.model_dump(mode="json", exclude={"name"}) for config in (choice.data, base))
    return config_form.assignments("data", chosen, usual)


def _data_name(choice: Choice) -> str | None:
    """What `--data` must say; None where the recipe itself names this set."""
    named = recipes.merge(choice.recipe, choice.preset)["data"].get("name")
    return None if choice.data.name == named else choice.data.name


def _cost(spec: Spec) -> None:
    outline = estimate.outline(spec)
    examples, steps = spec.data_spec.train_size, spec.train.max_steps or 0
    networks = ", ".join(f"{name} {count:,}" for name, count in outline.parameters.items())
    epochs = steps / max(1, examples // spec.train.batch_size)
    expected = service.estimate_of(spec)
    text = t("train.time_unknown") if expected.seconds is None else f"≈ {run_view.duration(expected.seconds)}"
    time_help = t("train.time_help" if expected.seconds is not None else "train.time_unknown_help")
    # As wide as their figures, below one another where the column is narrow: thirds of it would cut them off.
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
        on_click=_ask_to_start,
    )
    # The settings as they are now: a number that was typed just before the click is not yet in those drawn last.
    asked = st.session_state.pop("train_start_asked", None)
    if asked is not None and spec is not None and time.monotonic() - asked < _STALE:
        try:
            st.session_state["train_run"] = train_jobs.submit(spec).id
        except GenmodelsError as error:
            error_box(str(error))


def _ask_to_start() -> None:
    """Kept for the run of the page that reaches the button: one that is interrupted before would lose the click."""
    st.session_state["train_start_asked"] = time.monotonic()


def _goes_on(run: str) -> bool:
    return any(job.id == run and job.active for job in train_jobs.jobs())


def _shown_run() -> str | None:
    """The run that was started here last, or that the address names; None if there is none, or it was deleted."""
    known = {job.id for job in train_jobs.jobs()}
    address.requested(
        "train", "run", address.member(known), lambda name: t("train.unknown_run", name=name), recheck=True
    )
    started = st.session_state.get("train_run")
    return started if started in known else st.query_params.get("run")


def _summary(choice: Choice, assignments: list[str]) -> None:
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
    # The address alone is not enough: a rerun that was under way at the click brings the old address back.
    if started := _shown_run():
        address.write("train", "run", started)
        st.subheader(t("train.started"), anchor=False)
        with friendly_errors():
            run_view.compact(started)
        st.page_link(
            "runs.py",
            label=t("train.started_link"),
            icon=":material/monitoring:",
            help=t("train.started_note" if _goes_on(started) else "train.started_ended"),
            query_params={"run": started},
        )
    if spec is not None:
        with cost, friendly_errors():
            _cost(spec)  # last: it times real steps, and nothing else on the page waits for it


page_title(t("train.title"), t("train.intro"))
with friendly_errors():
    _choice = choose()
    _about(_choice.recipe)
    _left, _right = st.columns([1.55, 1], gap="large")
    with _left:
        _changed = [*_form(_choice), *_data_settings(_choice)]
    with _right:
        _summary(_choice, _changed)
