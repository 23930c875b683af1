"""The card of a published checkpoint: what it is, how it was measured, what it cannot do. Markdown."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from genmodels import catalog, recipes, registry
from genmodels.evaluation import SAMPLES, range_text
from genmodels.evaluation.metric_table import SPREAD, SPREAD_NOTE, name_of, shown, value_of
from genmodels.publishing.expected import Promise, promise_of
from genmodels.recipes import Spec
from genmodels.runfolder import CARD, MEASURED, PREVIEW, RunFolder, read_json

_LIMITS = "\n## Limits\n"
_NOT_STORED = (
    "The discriminator or critic was asked for its answers before it was left out: only training needs it, so it is "
    "not stored."
)
_SHOW_DATA = ("classification", "translation", "stylizing", "encoding")


def write(target: Path, name: str, command: str) -> None:
    """Write the card of the checkpoint folder `target`, to be called `name`; `command` trains it again."""
    spec, info = RunFolder(target).spec(), catalog.describe(target, published=True)
    settings = "\n".join(f"- `{key}`: {value}" for key, value in spec.config.items())
    again = f"Train it again: `{command}`{_stopped(info.steps[-1], spec.train.max_steps)}"
    below = f"{_LIMITS}\n{_limits(info, spec)}\n\n## Settings\n\n{settings}\n\n{again}\n"
    _save(target / CARD, _head(target, name, info, spec) + below)


def rewrite(target: Path) -> None:
    """The card anew from the figures in the folder; from the limits on it stays, for people write there by hand."""
    old = (target / CARD).read_text(encoding="utf-8")
    at = old.index(_LIMITS)
    head = _head(target, target.name, catalog.describe(target, published=True), RunFolder(target).spec())
    _save(target / CARD, head + old[at:])


def _stopped(last: int, planned: int | None) -> str:
    if planned is None or last >= planned:
        return ""
    return f", and stop it at step {last:,} of {planned:,}, as this one was."


def facts(target: Path) -> dict[str, Any]:
    """What `metrics.json` holds: figures, seconds, curves, figures over the training."""
    return dict(read_json(target / MEASURED))


def _save(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _head(target: Path, name: str, info: catalog.CheckpointInfo, spec: Spec) -> str:
    config = RunFolder(target).config()
    runtime, initial = config.get("runtime", {}), config.get("initial")
    promise = promise_of(spec, info.steps[-1])
    rows = [
        ("model", f"`{spec.model}`: {registry.get(spec.model).paper}"),
        ("recipe", f"`{spec.recipe or spec.model}`" + (f", preset `{spec.preset}`" if spec.preset else "")),
        ("source", recipes.get(spec.recipe).source if spec.recipe in recipes.names() else spec.source),
        ("data", f"{spec.data_spec.title}, {spec.data_spec.train_size:,} training examples. {spec.data_spec.source}"),
        ("licence of the data", spec.data_spec.licence),
        ("licence of the weights", "MIT, as the code; the data's own licence applies to what resembles the data"),
        ("steps", f"{info.steps[-1]:,} of batch size {spec.train.batch_size}"),
        *([("began with", _initial(initial))] if initial else []),
        ("saved steps", ", ".join(map(str, info.steps))),
        ("time", f"{_duration(target)} on {runtime.get('device', '?')}, CPU threads: {runtime.get('threads', '?')}, "
                 f"{runtime.get('precision', '?')}"),
        ("stored as", "float16" if facts(target).get("half") else "float32"),
    ]  # fmt: skip
    changes = facts(target).get("setting_changes")
    if changes:
        rows.append(("changed while it trained", "; ".join(map(_setting_change, changes))))
    shows_data = info.modality == "image" and any(name in info.capabilities for name in _SHOW_DATA)
    licence = f"\nLicence of the test pictures above: {spec.data_spec.licence}.\n" if shows_data else ""
    note = f"\n{SPREAD_NOTE}" if any(key.endswith(SPREAD) for key in info.metrics) else ""
    if any(key.startswith("score/") for key in info.metrics) and "scoring" not in info.capabilities:
        note += f"\n{_NOT_STORED}"
    samples = int(facts(target).get("samples", SAMPLES))
    command = f"python -m genmodels evaluate {shlex.quote(name)}" + (
        f" --samples {samples}" if samples != SAMPLES else ""
    )
    return f"""# {info.title}

{info.description}

![{_caption(info)}]({PREVIEW})
{licence}
| | |
|---|---|
{chr(10).join(f"| {key} | {value} |" for key, value in rows)}

## Measured

By `{command}` on the test split ({spec.data_spec.test_size:,} examples), fixed seeds,
on the weights as they are stored here.{note}

| figure | value | expected | key |
|---|---|---|---|
{_figures(info, promise)}

{promise.verdict(info.metrics)}
{_table_over_training(target)}"""


def _initial(source: dict[str, Any]) -> str:
    commit = f", as of commit {source['commit'][:7]}" if source.get("commit") else ""
    return f"the weights of `{source['name']}`, {source['step']:,} steps{commit}: steps and time here come on top"


def _setting_change(event: dict[str, Any]) -> str:
    field = str(event["path"]).partition(".")[2]
    return f"`{field}` from {event['old']} to {event['new']} at step {event['step']:,}"


def _figures(info: catalog.CheckpointInfo, promise: Promise) -> str:
    def expected(key: str) -> str:
        return range_text(*promise.expect[key]) if key in promise.expect else ""

    keys = shown(info.metrics)
    return "\n".join(f"| {name_of(key)} | {value_of(info.metrics, key)} | {expected(key)} | `{key}` |" for key in keys)


def _table_over_training(target: Path) -> str:
    rows = facts(target).get("over_training", [])
    keys = [key for key in rows[0] if key not in ("step", "seconds")] if rows else []
    if not keys:
        return ""
    lines = [
        f"| {row['step']:,} | {'{:.0f}'.format(row['seconds']) if 'seconds' in row else ''} | "
        + " | ".join(f"{row.get(key, float('nan')):.4g}" for key in keys)
        + " |"
        for row in rows
    ]
    head = f"| step | seconds | {' | '.join(map(name_of, keys))} |\n|{'---|' * (len(keys) + 2)}"
    return f"\n### Over training\n\n{head}\n" + "\n".join(lines) + "\n"


def _limits(info: catalog.CheckpointInfo, spec: Spec) -> str:
    if "painting" in info.capabilities:
        return "It is one picture, painted once: for another, paint again."
    if "stylizing" in info.capabilities:
        side = max(spec.data_spec.image_shape or (0,))
        return (
            f"It paints any photograph in this one style. It was trained on pictures of {side} pixels, and its strokes "
            "have the size they had there: on a large photograph they look fine; painted reduced, they are coarser."
        )
    return f"It knows {spec.data_spec.title} and nothing else: {_of_the_kind(info)}"


def _of_the_kind(info: catalog.CheckpointInfo) -> str:
    if "translation" in info.capabilities:
        return "every picture is translated, whatever it shows, best at about the size it was trained on."
    if "classification" in info.capabilities:
        return "any other picture is still given one of its classes, often with confidence."
    if info.askable:
        return "what it draws is plausible at best, and it can be asked for one of its classes, for nothing finer."
    return "what it draws is plausible at best, and it cannot be asked for a particular kind of picture."


def _caption(info: catalog.CheckpointInfo) -> str:
    if "classification" in info.capabilities:
        return "Test pictures, framed green where it is right and red where it is wrong"
    if "painting" in info.capabilities:
        return "The picture that was painted"
    if "stylizing" in info.capabilities:
        return "Test photographs, and each one painted below it"
    if "translation" in info.capabilities:
        return "Test pictures, three columns a kind: given, translated, and translated back"
    if info.modality == "audio":
        return "Spectrograms of what it speaks, one class after another: low pitches below, time to the right"
    if info.askable:
        return "What it draws when asked: each seed, 0, 1, 2, ..., for one class after another"
    if "encoding" in info.capabilities:
        return "What it draws from seeds 0, 1, 2, ...; below the grey row test pictures, each drawn again from its code"
    return "What it draws from seeds 0, 1, 2, ..."


def _duration(target: Path) -> str:
    seconds = float(facts(target)["train_seconds"])
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
