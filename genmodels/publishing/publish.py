"""Publish a run to `checkpoints/`: trim its checkpoints, measure it, write preview and card."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image

from genmodels import capabilities, data, evaluation, recipes
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, CheckpointError, ConfigError, DataError, PublicModeError
from genmodels.evaluation import SAMPLES, discriminator_scores, evaluate, guidance
from genmodels.evaluation.splits import shuffled
from genmodels.images import preview
from genmodels.model import Model
from genmodels.public import public_mode
from genmodels.publishing import card
from genmodels.publishing.history import over_training, thinned_curves, training_seconds
from genmodels.recipes import Spec
from genmodels.runs import catalog, checkpoint
from genmodels.runs.files import write_json
from genmodels.runs.folder import CONFIG, MEASURED, PREVIEW, RunFolder, runs_root
from genmodels.system import leftovers

_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,63}$")
_PATHS = ("path", "path_b", "style", "extra")


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
    """Publish a run as `checkpoints/<name>/`, replacing a checkpoint of that name, and return the folder.

    `steps` None publishes the last step. `with_training_nets` keeps discriminators, of the last step only; `half`
    stores half precision. Metrics use `samples` samples; only metrics of equally many can be compared. They are
    measured on the stored weights, except a discriminator's output, which is measured before it is removed. `report`
    is called with the number of parts measured so far and of all.

    Raises CheckpointError, ConfigError, DataError or PublicModeError; nothing has changed then.
    """
    if public_mode():
        raise PublicModeError(
            "publishing is disabled on this public server (GENMODELS_PUBLIC or SPACE_ID is set). Publish on your own "
            "machine"
        )
    if not _NAME.match(name):
        raise ConfigError(
            f"name = {name!r} is not a valid checkpoint name; use 1 to 64 lowercase letters, digits, '_', '-' or '.', "
            "starting with a letter or digit"
        )
    own = runs_root() / name
    if os.path.lexists(own) and own.absolute().parent != catalog.checkpoints_root().absolute():
        raise ConfigError(
            f"name = {name!r} is the name of a run ({own.name} in {own.parent}). Models are identified by their folder "
            f"name: publish under a name that no run has, for example {_free(name)!r}"
        )
    target = catalog.checkpoints_root() / name
    if os.path.lexists(target) and not RunFolder(target).looks_like_run():
        raise ConfigError(
            f"name = {name!r} is taken: {target} is not a checkpoint and is not replaced. Move it away, or choose "
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
        raise DataError(f"publishing measures metrics on the test data: {problem}")

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
    """A similar name that no run and no published checkpoint has."""
    stem = re.sub(r"[-.]", "_", name)[:60]
    candidates = (stem, *(f"{stem}_{number}" for number in range(2, 1000)))
    return next((free for free in candidates if catalog.existing_path(free) is None), "another_name")


def measure_again(name: str, *, samples: int = SAMPLES, path: str | None = None) -> Path:
    """Measure the steps of a published checkpoint as `publish` does, store the metrics and rewrite its card.

    Hand-written limits of the card stay, and so do metrics of earlier steps that were not published. `path` is the
    folder of a user's own data, which a published spec does not contain.

    Raises UnknownNameError, CheckpointError or DataError; nothing has changed then.
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
    # The output of a discriminator that is not stored stays: the weights have not changed.
    scores = {key: value for key, value in facts["metrics"].items() if key.startswith("score/")}
    metrics = scores | evaluate(checkpoint.load_model(target), spec, samples=samples)
    *earlier, last = folder.steps()
    rows = {int(row["step"]): row for row in facts.get("over_training", [])}
    for step in earlier:
        of_step = evaluation.brief(checkpoint.load_model(target, step), spec, samples=samples)
        rows[step] = {**rows.get(step, {"step": step}), **of_step}
    if rows:
        columns = next(iter(rows.values()))
        newest = rows.get(last, {"step": last, "seconds": facts["train_seconds"]})
        rows[last] = newest | {key: metrics[key] for key in columns if key in metrics}
    over = [rows[step] for step in sorted(rows)]
    curve = guidance.stored(checkpoint.load_model(target), spec, min(samples, guidance.SAMPLES))
    write_json(target / MEASURED, {**facts, **curve, "metrics": metrics, "samples": samples, "over_training": over})
    card.rewrite(target)
    return target


def measure_guidance(name: str) -> Path:
    """Measure only the curve over guidance scales of a published checkpoint, and rewrite its card.

    Raises UnknownNameError, CheckpointError, CapabilityError for a model without guidance, or DataError.
    """
    target = _published(name)
    spec, model = RunFolder(target).spec(), checkpoint.load_model(target)
    if not guidance.applies_to(model, spec):
        raise CapabilityError(f"{name} has no guidance to measure: choose a flow of digits with condition dropout")
    write_json(target / MEASURED, {**card.facts(target), **guidance.stored(model, spec)})
    card.rewrite(target)
    return target


def rewrite_card(name: str) -> Path:
    """Write the card of a published checkpoint from its stored metrics. Raises UnknownNameError or CheckpointError."""
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
    """Rename `new` to `target`; restores the previous folder if that fails."""
    trash = target.with_name(f".trash-{target.name}-{os.getpid()}")
    if target.exists():
        os.replace(target, trash)
    try:
        os.replace(new, target)
    except OSError:
        if trash.exists():
            with suppress(OSError):  # the next publication restores it
                os.replace(trash, target)
        raise
    leftovers.discard(trash)  # the new folder is in place: a failed deletion only leaves a leftover


def _command(folder: RunFolder, spec: Spec) -> str:
    """The command that repeats the training; a user's own folders by their name only."""
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
    metrics = evaluate(model, spec, samples=samples)
    report(1, parts)
    if model.training_only and model.modality == "image":
        whole = checkpoint.load_model(folder.path, steps[-1])
        with torch.inference_mode():
            metrics = discriminator_scores.measure(whole, shuffled(data.load(spec.data, "test"))) | metrics
    seconds = training_seconds(lines)
    facts = {
        **guidance.stored(model, spec, min(samples, guidance.SAMPLES)),
        "metrics": metrics,
        "samples": samples,
        "train_seconds": seconds,
        "half": half,
        "curves": thinned_curves(lines),
        "setting_changes": [
            {key: event[key] for key in ("step", "path", "old", "new")}
            for event in folder.events()
            if event["kind"] == "set" and event["step"] < steps[-1]
        ],
        "over_training": over_training(
            folder, spec, steps[-1], lines, metrics, samples, lambda done: report(1 + done, parts)
        ),
    }
    write_json(target / MEASURED, facts)
    image = _preview(model, spec)
    if image is not None:
        (target / PREVIEW).write_bytes(preview.png(image))


def _without_folders(config: dict[str, Any]) -> dict[str, Any]:
    """The config with a user's own files by their name only: their folders are private.

    Without `extra`, which only training reads: the checkpoint's test data is complete without it.
    """
    spec = config["spec"]
    names = {key: Path(spec["data"][key]).name for key in _PATHS if spec["data"].get(key)} | {"extra": None}
    return {**config, "spec": {**spec, "data": {**spec["data"], **names}}}


def _preview(model: Model, spec: Spec) -> Image | None:
    if model.modality == "audio":
        return preview.audio_preview(model)
    arrays = data.load(spec.data, "test")
    images, labels = to_float(torch.from_numpy(arrays.images[:64].copy())), torch.from_numpy(arrays.labels[:64].copy())
    return preview.image_preview(model, images, labels, few=True)
