"""Publishing a run: the only thing that writes `checkpoints/`. Trims, measures, draws, and writes the card."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image

from genmodels import capabilities, catalog, checkpoint, data, evaluation, preview, recipes, registry
from genmodels.data.loader import to_float
from genmodels.errors import CheckpointError, ConfigError, DataError
from genmodels.evaluation import SAMPLES, evaluate, misses, range_text
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.runfolder import CARD, CONFIG, MEASURED, PREVIEW, RunFolder, read_json, write_json

_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,63}$")
_CURVE_POINTS = 200
_PATHS = ("path", "path_b", "style")


def publish(
    run: str | Path,
    name: str,
    *,
    steps: Sequence[int] | None = None,
    with_training_nets: bool = False,
    half: bool = False,
    samples: int = SAMPLES,
) -> Path:
    """Publish a run as `checkpoints/<name>/` and return that folder; an older one of that name is replaced whole.

    `steps` None takes the last one. `with_training_nets` keeps discriminators, at the last step only; `half` stores
    half precision. `samples` pictures are drawn for the figures; only cards of as many can be compared. The figures are
    measured on what is stored, not on what was trained. Raises CheckpointError, ConfigError or DataError; then nothing
    has changed.
    """
    if not _NAME.match(name):
        raise ConfigError(
            f"name = {name!r} cannot be a checkpoint's; use 1 to 64 small letters, digits, '_', '-' or '.', "
            "beginning with a letter or digit"
        )
    folder = RunFolder(catalog.find(run))
    spec = folder.spec()
    saved = folder.steps()
    chosen = sorted(set(steps if steps is not None else saved[-1:]))
    absent = [step for step in chosen if step not in saved]
    if not chosen or absent:
        raise CheckpointError(f"{folder.path} has no checkpoint of step {absent}; saved steps: {saved or 'none'}")
    problem = data.missing(spec.data)
    if problem:
        raise DataError(f"a card needs figures on test data: {problem}")

    root = catalog.checkpoints_root()
    temporary = root / f".tmp-{name}-{os.getpid()}"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        _fill(temporary, folder, spec, chosen, with_training_nets, half, samples)
        _write_card(temporary, name, folder, spec)
        target = root / name
        if target.exists():
            trash = root / f".trash-{name}-{os.getpid()}"
            os.replace(target, trash)
            os.replace(temporary, target)
            shutil.rmtree(trash)
        else:
            os.replace(temporary, target)
    except OSError as error:
        raise CheckpointError(f"{name!r} could not be published: {error}. Nothing was changed") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _fill(
    target: Path, folder: RunFolder, spec: Spec, steps: list[int], training_nets: bool, half: bool, samples: int
) -> None:
    for step in steps:
        copy = target / folder.step_path(step).name
        shutil.copytree(folder.step_path(step), copy)
        checkpoint.strip(copy, training_nets=training_nets and step == steps[-1], half=half)
    write_json(target / CONFIG, folder.config())
    model = checkpoint.load_model(target)
    write_json(target / CONFIG, {**_without_folders(folder.config()), "capabilities": capabilities.of(model)})
    lines, _ = folder.metrics()
    figures = evaluate(model, spec, samples=samples)
    seconds = _seconds(lines)
    facts = {
        "metrics": figures,
        "train_seconds": seconds,
        "half": half,
        "curves": _curves(lines),
        "over_training": _over_training(folder, spec, steps[-1], lines, figures, samples),
    }
    write_json(target / MEASURED, facts)
    image = _picture(model, spec)
    if image is not None:
        (target / PREVIEW).write_bytes(preview.png(image))


def _without_folders(config: dict[str, Any]) -> dict[str, Any]:
    """The config with a user's own files by name alone: where they lie is nobody else's business."""
    spec = config["spec"]
    names = {key: Path(spec["data"][key]).name for key in _PATHS if spec["data"].get(key)}
    return {**config, "spec": {**spec, "data": {**spec["data"], **names}}}


def _picture(model: Model, spec: Spec) -> Image | None:
    if model.modality == "audio":
        return preview.heard(model)
    arrays = data.load(spec.data, "test")
    return preview.picture(
        model, to_float(torch.from_numpy(arrays.images[:64].copy())), torch.from_numpy(arrays.labels[:64].copy())
    )


def _over_training(
    folder: RunFolder,
    spec: Spec,
    published: int,
    lines: Sequence[Mapping[str, Any]],
    last: Mapping[str, float],
    samples: int,
) -> list[dict[str, float]]:
    """The figures worth following, of each step the run saved, published or not: what a student sees fall, and when."""
    rows = []
    for step in (step for step in folder.steps() if step < published):
        figures = evaluation.brief(checkpoint.load_model(folder.path, step), spec, samples=samples)
        rows.append({"step": step, "seconds": _seconds([line for line in lines if line["step"] <= step]), **figures})
    if rows:
        rows.append(
            {"step": published, "seconds": _seconds(lines), **{key: last[key] for key in rows[0] if key in last}}
        )
    return rows


def _seconds(lines: Sequence[Mapping[str, Any]]) -> float:
    """Time at work: gaps of over a minute between logged points are pauses."""
    times = [float(line["time"]) for line in lines if "time" in line]
    gaps = [b - a for a, b in pairwise(times)]
    return round(sum(gap for gap in gaps if 0 <= gap < 60), 1)


def _curves(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[list[float]]]:
    """Each metric as at most 200 points of [step, mean of the points it stands for]."""
    series: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        for name, value in line.items():
            if name not in ("step", "time"):
                series.setdefault(name, []).append((int(line["step"]), float(value)))
    curves = {}
    for name, points in series.items():
        size = -(-len(points) // _CURVE_POINTS)
        groups = [points[i : i + size] for i in range(0, len(points), size)]
        curves[name] = [[group[-1][0], round(sum(v for _, v in group) / len(group), 6)] for group in groups]
    return curves


def _write_card(target: Path, name: str, folder: RunFolder, spec: Spec) -> None:
    info = catalog.describe(target, published=True)
    config = folder.config()
    runtime = config.get("runtime", {})
    missed = misses(info.metrics, spec.expect)
    facts = [
        ("model", f"`{spec.model}`: {registry.get(spec.model).paper}"),
        ("recipe", f"`{spec.recipe or spec.model}`" + (f", preset `{spec.preset}`" if spec.preset else "")),
        ("source", spec.source),
        ("data", f"{spec.data_spec.title}, {spec.data_spec.train_size:,} training examples. {spec.data_spec.source}"),
        ("licence of the data", spec.data_spec.licence),
        ("licence of the weights", "MIT, as the code; the data's own licence applies to what resembles the data"),
        ("steps", f"{info.steps[-1]:,} of batch size {spec.train.batch_size}"),
        ("saved steps", ", ".join(map(str, info.steps))),
        ("time", f"{_duration(target)} on {runtime.get('device', '?')}, CPU threads: {runtime.get('threads', '?')}, "
                 f"{runtime.get('precision', '?')}"),
        ("stored as", "float16" if _facts(target)["half"] else "float32"),
    ]  # fmt: skip
    rows = [
        f"| {metric} | {value:.4g} | {range_text(*spec.expect[metric]) if metric in spec.expect else ''} |"
        for metric, value in sorted(info.metrics.items())
    ]
    verdict = "Every expected figure is reached." if spec.expect else "Nothing was expected of these settings."
    if missed:
        verdict = "Not reached: " + "; ".join(missed) + "."
    settings = "\n".join(f"- `{key}`: {value}" for key, value in spec.config.items())
    command = recipes.command_of(spec)
    for key in _PATHS:
        path, submitted = getattr(spec.data, key), config["spec"]["data"].get(key)
        command = command.replace(path, Path(submitted).name) if path and submitted else command
    text = f"""# {spec.title}

{info.description}

![{_caption(info)}]({PREVIEW})

| | |
|---|---|
{chr(10).join(f"| {key} | {value} |" for key, value in facts)}

## Measured

By `python -m genmodels evaluate {name}` on the test split ({spec.data_spec.test_size:,} examples), fixed seeds,
on the weights as they are stored here.

| figure | value | expected |
|---|---|---|
{chr(10).join(rows)}

{verdict}
{_table_over_training(target)}
## Limits

{_limits(info, spec)}

## Settings

{settings}

Train it again: `{command}`
"""
    (target / CARD).write_text(text, encoding="utf-8")


def _table_over_training(target: Path) -> str:
    rows = _facts(target)["over_training"]
    if not rows:
        return ""
    names = [name for name in rows[0] if name not in ("step", "seconds")]
    if not names:
        return ""
    lines = [
        f"| {row['step']:,} | {row['seconds']:.0f} | "
        + " | ".join(f"{row.get(name, float('nan')):.4g}" for name in names)
        + " |"
        for row in rows
    ]
    head = f"| step | seconds | {' | '.join(names)} |\n|{'---|' * (len(names) + 2)}"
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
    return "What it draws from seeds 0, 1, 2, ..."


def _facts(target: Path) -> dict[str, Any]:
    return dict(read_json(target / MEASURED))


def _duration(target: Path) -> str:
    seconds = float(_facts(target)["train_seconds"])
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
