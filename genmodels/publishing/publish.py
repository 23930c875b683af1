"""Publishing a run: the only thing that writes `checkpoints/`. Trims, measures, draws, and has the card written."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from PIL.Image import Image

from genmodels import capabilities, catalog, checkpoint, data, evaluation, leftovers, recipes
from genmodels.data.loader import to_float
from genmodels.errors import CheckpointError, ConfigError, DataError, PublicModeError
from genmodels.evaluation import SAMPLES, discriminator_scores, evaluate
from genmodels.evaluation.splits import shuffled
from genmodels.images import preview
from genmodels.model import Model
from genmodels.public import public_mode
from genmodels.publishing import card
from genmodels.recipes import Spec
from genmodels.runfolder import CONFIG, MEASURED, PREVIEW, RunFolder, runs_root, write_json

_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,63}$")
_CURVE_POINTS = 200
_PAUSE = 60.0  # seconds
_PATHS = ("path", "path_b", "style")


def publish(
    run: str | Path,
    name: str,
    *,
    steps: Sequence[int] | None = None,
    with_training_nets: bool = False,
    half: bool = False,
    samples: int = SAMPLES,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Publish a run as `checkpoints/<name>/` and return that folder; an older one of that name is replaced whole.

    `steps` None takes the last one. `with_training_nets` keeps discriminators, at the last step only; `half` stores
    half precision. `samples` pictures are drawn for the figures; only cards of as many can be compared. The figures are
    measured on what is stored, not on what was trained, but for a discriminator's answers: those are asked for before
    it is left out. `report` is called with the number of parts measured so far and of all. Raises CheckpointError,
    ConfigError, DataError or PublicModeError; then nothing has changed.
    """
    if public_mode():
        raise PublicModeError(
            "publishing is switched off on this public server (GENMODELS_PUBLIC or SPACE_ID is set). Publish on your "
            "own machine"
        )
    if not _NAME.match(name):
        raise ConfigError(
            f"name = {name!r} cannot be a checkpoint's; use 1 to 64 small letters, digits, '_', '-' or '.', "
            "beginning with a letter or digit"
        )
    own = runs_root() / name
    if os.path.lexists(own) and own.absolute().parent != catalog.checkpoints_root().absolute():
        raise ConfigError(
            f"name = {name!r} is the name of a run ({own.name} in {own.parent}). Models are found by their folder's "
            f"name, so publish it under a name that no run has, for example {_free(name)!r}"
        )
    target = catalog.checkpoints_root() / name
    if os.path.lexists(target) and not RunFolder(target).looks_like_run():
        raise ConfigError(
            f"name = {name!r} is taken: {target} is no checkpoint, so it is not replaced. Move it away, or choose "
            f"another name, for example {_free(name)!r}"
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
        root.mkdir(parents=True, exist_ok=True)
        leftovers.sweep(root, ".tmp-*", ".trash-*", rescue=leftovers.put_back)
        with leftovers.at_work(root):
            leftovers.discard(temporary)
            temporary.mkdir()
            _fill(temporary, folder, spec, chosen, with_training_nets, half, samples, report)
            card.write(temporary, name, _command(folder, spec))
            _put_in_place(temporary, root / name)
    except OSError as error:
        raise CheckpointError(f"{name!r} could not be published: {error}. Nothing was changed") from error
    finally:
        leftovers.discard(temporary)
    return root / name


def _free(name: str) -> str:
    """A name like this one that neither a run nor a published checkpoint has."""
    stem = re.sub(r"[-.]", "_", name)[:60]
    candidates = (stem, *(f"{stem}_{number}" for number in range(2, 1000)))
    return next((free for free in candidates if catalog.name_taken(free) is None), "another_name")


def measure_again(name: str, *, samples: int = SAMPLES, path: str | None = None) -> Path:
    """Measure a published checkpoint's steps as `publish` does, keep the figures in it and rewrite its card.

    What a person wrote under the card's limits stays, and so do the figures of earlier steps that were not published.
    `path` is where data of one's own lie on this machine, for a published spec names no folders. Raises
    UnknownNameError, CheckpointError or DataError; then nothing has changed.
    """
    target = _published(name)
    folder = RunFolder(target)
    spec = folder.spec()
    if path is not None:
        spec = spec.replace(data=spec.data.replace(path=path))
    problem = data.missing(spec.data)
    if problem:
        raise DataError(f"{name} cannot be measured without its test data: {problem}")
    facts = card.facts(target)
    # Answers of a discriminator that was not kept stay: the weights that gave them have not changed.
    answers = {key: value for key, value in facts["metrics"].items() if key.startswith("score/")}
    figures = answers | evaluate(checkpoint.load_model(target), spec, samples=samples)
    *earlier, last = folder.steps()
    rows = {int(row["step"]): row for row in facts.get("over_training", [])}
    for step in earlier:
        found = evaluation.brief(checkpoint.load_model(target, step), spec, samples=samples)
        rows[step] = {**rows.get(step, {"step": step}), **found}
    if rows:
        worth = next(iter(rows.values()))
        newest = rows.get(last, {"step": last, "seconds": facts["train_seconds"]})
        rows[last] = newest | {key: figures[key] for key in worth if key in figures}
    over = [rows[step] for step in sorted(rows)]
    write_json(target / MEASURED, {**facts, "metrics": figures, "samples": samples, "over_training": over})
    card.rewrite(target)
    return target


def rewrite_card(name: str) -> Path:
    """Write a published checkpoint's card from the figures it has; raises UnknownNameError or CheckpointError."""
    target = _published(name)
    card.rewrite(target)
    return target


def _published(name: str) -> Path:
    target = catalog.find(name)
    if target.resolve().parent != catalog.checkpoints_root().resolve():
        raise CheckpointError(
            f"{name} is a run and has no card: publish it, `python -m genmodels publish {shlex.quote(name)} NAME`"
        )
    return target


def _put_in_place(new: Path, target: Path) -> None:
    """Rename `new` to `target`; where that fails, what was there before is there again."""
    trash = target.with_name(f".trash-{target.name}-{os.getpid()}")
    if target.exists():
        os.replace(target, trash)
    try:
        os.replace(new, target)
    except OSError:
        if trash.exists():
            with suppress(OSError):  # it is not lost: the next publication puts it back
                os.replace(trash, target)
        raise
    leftovers.discard(trash)  # the new one is in place: what cannot be deleted is only litter


def _command(folder: RunFolder, spec: Spec) -> str:
    """What trains it again; folders of one's own by name alone."""
    command, submitted = recipes.command_of(spec), folder.config()["spec"]["data"]
    for key in _PATHS:
        path = getattr(spec.data, key)
        command = command.replace(path, Path(submitted[key]).name) if path and submitted.get(key) else command
    return command


def _fill(
    target: Path,
    folder: RunFolder,
    spec: Spec,
    steps: list[int],
    training_nets: bool,
    half: bool,
    samples: int,
    report: Callable[[int, int], None],
) -> None:
    for step in steps:
        copy = target / folder.step_path(step).name
        shutil.copytree(folder.step_path(step), copy)
        checkpoint.strip(copy, training_nets=training_nets and step == steps[-1], half=half)
    write_json(target / CONFIG, folder.config())
    model = checkpoint.load_model(target)
    write_json(target / CONFIG, {**_without_folders(folder.config()), "capabilities": capabilities.of(model)})
    lines, _ = folder.metrics()
    parts = 2 + sum(step < steps[-1] for step in folder.steps())  # with the card
    report(0, parts)
    figures = evaluate(model, spec, samples=samples)
    report(1, parts)
    if model.training_only and model.modality == "image":
        whole = checkpoint.load_model(folder.path, steps[-1])
        with torch.inference_mode():
            figures = discriminator_scores.measure(whole, shuffled(data.load(spec.data, "test"))) | figures
    seconds = _seconds(lines)
    facts = {
        "metrics": figures,
        "samples": samples,
        "train_seconds": seconds,
        "half": half,
        "curves": _curves(lines),
        "setting_changes": [
            {key: event[key] for key in ("step", "path", "old", "new")}
            for event in folder.events()
            if event["kind"] == "set" and event["step"] < steps[-1]
        ],
        "over_training": _over_training(
            folder, spec, steps[-1], lines, figures, samples, lambda done: report(1 + done, parts)
        ),
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
        return preview.audio_preview(model)
    arrays = data.load(spec.data, "test")
    images, labels = to_float(torch.from_numpy(arrays.images[:64].copy())), torch.from_numpy(arrays.labels[:64].copy())
    return preview.image_preview(model, images, labels, few=True)


def _over_training(
    folder: RunFolder,
    spec: Spec,
    published: int,
    lines: Sequence[Mapping[str, Any]],
    last: Mapping[str, float],
    samples: int,
    report: Callable[[int], None],
) -> list[dict[str, float]]:
    """The figures worth following, of each step the run saved, published or not: what a student sees fall, and when."""
    rows = []
    for step in (step for step in folder.steps() if step < published):
        figures = evaluation.brief(checkpoint.load_model(folder.path, step), spec, samples=samples)
        rows.append({"step": step, "seconds": _seconds(lines, step), **figures})
        report(len(rows))
    if rows:
        rows.append(
            {"step": published, "seconds": _seconds(lines), **{key: last[key] for key in rows[0] if key in last}}
        )
    return rows


def _seconds(lines: Sequence[Mapping[str, Any]], until: int | None = None) -> float:
    """Time at work up to a step. A gap between logged points is a pause where it is over a minute and over ten times
    the usual one: a slow run may log less than once a minute."""
    times = [(int(line["step"]), float(line["time"])) for line in lines if "time" in line]
    gaps = [(step, later - earlier) for (_, earlier), (step, later) in pairwise(times) if later >= earlier]
    if not gaps:
        return 0.0
    pause = max(_PAUSE, 10 * median(gap for _, gap in gaps))
    return round(sum(gap for step, gap in gaps if gap <= pause and (until is None or step <= until)), 1)


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
