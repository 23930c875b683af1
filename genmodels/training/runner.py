"""Trains a run folder: a worker's job, from config.json to the last checkpoint."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import Any

import torch

from genmodels import data, registry
from genmodels.config import FIRST_STAGE, Runtime
from genmodels.data import object_masks
from genmodels.data.audio_loader import AudioLoader
from genmodels.data.loader import Loader, loader_for, to_float
from genmodels.errors import CheckpointError, DataError, GenmodelsError
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.runs import checkpoint, first_stage, initial_weights
from genmodels.runs.folder import RunFolder
from genmodels.seeding import canonical
from genmodels.training import accelerators, tune
from genmodels.training.recorder import FolderRecorder, Report
from genmodels.training.trainer import CompiledStepError, Outcome, Trainer, resolve_device


def train_folder(
    folder: RunFolder, *, device: str = "auto", stop: Any = None, on_report: Report | None = None
) -> Outcome:
    """Start or resume the training of `folder`. Returns "finished" or "stopped"; the last step is saved in both cases.

    `stop` is a threading.Event. Reports go to status.json and to `on_report`. Raises GenmodelsError after writing the
    error to status.json.
    """
    spec = folder.spec()
    recorder = FolderRecorder(folder, spec, on_report)
    try:
        outcome = _train(folder, spec, recorder, device, stop)
        recorder.phase(outcome)
    except (GenmodelsError, OSError, RuntimeError) as error:
        text = str(error) if isinstance(error, GenmodelsError) else f"{type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            text += ". Free some space, then resume: it goes on from the last checkpoint"
        with suppress(OSError):  # the disk may be full
            recorder.phase("failed", error=text)
        if isinstance(error, OSError):
            raise CheckpointError(
                f"{folder.path} could not be written: {error}. Free some space, then resume"
            ) from error
        raise
    finally:
        recorder.close()
    return outcome


def _train(folder: RunFolder, spec: Spec, recorder: FolderRecorder, device: str, stop: Any) -> Outcome:
    recorder.phase("loading")
    folder.clear_leftovers()
    if not folder.steps():  # it ended before its first checkpoint and logs everything again
        folder.truncate(-1)
    # Small weights decay to denormal numbers, which a CPU multiplies a hundred times slower.
    torch.set_flush_denormal(True)
    where = resolve_device(device)
    recorder.device = str(where)
    unused = accelerators.probe().reason if spec.run.device == "auto" and where.type == "cpu" else None
    if unused is not None:
        recorder.device_note = f"no GPU is used: {unused}"
        recorder.say(recorder.device_note)
    loader = _loader(spec, recorder, where)

    saved = folder.runtime()
    if saved is None:
        recorder.phase("tuning")
        torch.manual_seed(canonical(spec.train.seed))
        runtime = tune.choose(spec, loader, where, recorder.say)
        folder.set_runtime({**runtime.model_dump(), "device": str(where)})
    else:
        runtime = Runtime.parse({k: v for k, v in saved.items() if k != "device"})
    recorder.say(f"{where}: {runtime.precision}, {runtime.threads} threads, compile {runtime.compile} ({runtime.why})")
    try:
        return _fit(folder, spec, recorder, loader, runtime, where, stop)
    except CompiledStepError as error:
        # The compiler worked during tuning and fails now. The run continues from its last checkpoint without
        # compilation; an error of the model itself is raised there again.
        cause = error.__cause__ or error
        if spec.train.compile == "on":
            raise tune.compile_refused(cause) from cause
        reason = tune.in_one_line(cause)
        recorder.say(f"torch.compile failed at {error}, the run goes on without it: {reason}")
        runtime = runtime.replace(compile=False, why=f"{runtime.why}; without compile since it failed at {error}")
        folder.set_runtime({**runtime.model_dump(), "device": str(where)})
        tune.remember(spec, where, runtime)
    return _fit(folder, spec, recorder, loader, runtime, where, stop, compile_failure=reason)


def _fit(
    folder: RunFolder,
    spec: Spec,
    recorder: FolderRecorder,
    loader: Loader,
    runtime: Runtime,
    where: torch.device,
    stop: Any,
    compile_failure: str | None = None,
) -> Outcome:
    """Build the model and train it from the newest checkpoint, or from the beginning."""
    tune.apply(runtime)
    torch.manual_seed(canonical(spec.train.seed))
    model = checkpoint.build(spec.model_dump()).to(where)
    try:
        tune.prepare(model, runtime)
    except Exception as error:  # torch refuses to compile on some systems and versions of Python
        if not runtime.compile:
            raise
        raise CompiledStepError(f"step {max(folder.steps(), default=0)}") from error
    if spec.train.initial_weights is not None and not folder.steps():
        _initialise_from(folder, spec.train.initial_weights, model, recorder)
    if model.frozen and not folder.steps():
        _load_first_stage(folder, model, recorder)
    trainer = Trainer(model, loader, spec.train, runtime, recorder)
    _resume(folder, trainer, recorder)
    if compile_failure is not None:
        recorder.event(trainer.step, "compile_failed", reason=compile_failure)
    recorder.phase(
        "training"
    )  # at once: previews are visible and hyperparameters can be changed before the first report
    return trainer.fit(stop)


def _loader(spec: Spec, recorder: FolderRecorder, where: torch.device) -> Loader:
    batch_size, seed = spec.train.batch_size, spec.train.seed
    if spec.data_spec.sample_rate is not None:
        return AudioLoader(data.load_audio(spec.data), batch_size, seed, where)
    arrays = data.load(spec.data)
    if arrays.images.shape[1:] != spec.data_spec.image_shape:
        raise DataError(
            f"data set {spec.data.name!r} holds images of shape {arrays.images.shape[1:]}, "
            f"the run was submitted for {spec.data_spec.image_shape}; submit it again"
        )
    recorder.set_examples(to_float(torch.from_numpy(arrays.images[:512].copy())))
    if registry.config_class(spec.family).parse(spec.model).needs_masks:
        arrays = object_masks.with_masks(arrays, recorder.say)
    return loader_for(registry.config_class(spec.family).batch_keys, arrays, batch_size, seed, where)


def _initialise_from(folder: RunFolder, name: str, model: Model, recorder: FolderRecorder) -> None:
    source, step = initial_weights.source_of(name, model.name)
    try:
        missing, extended = checkpoint.take_weights(model, source.step_path(step))
    except CheckpointError as error:
        raise CheckpointError(
            f"train.initial_weights = {name!r}: {error}; leave it empty to train from scratch, or use its settings"
        ) from error
    scratch = sorted({key.split(".")[0] for key in missing})
    folder.set_origin("initial", {"name": name, "step": step, "commit": source.config().get("git_commit")})
    recorder.event(0, "initialised_from", name=name, at=step, from_scratch=scratch, extended=extended)
    parts = (("from scratch", scratch), ("extended", extended))
    details = "; ".join(f"{what}: {', '.join(names) or 'nothing'}" for what, names in parts)
    recorder.say(f"initialised with {name} at step {step:,}; {details}")


def _load_first_stage(folder: RunFolder, model: Model, recorder: FolderRecorder) -> None:
    """Copy the weights of the first stage, whose newest step is used, into the model; they are saved with it."""
    name = model.config.first_stage
    if name is None:
        return
    source, step = first_stage.source_of(name, type(model.config))
    weights, _ = checkpoint.split_state(checkpoint.load_model(source.path, step))
    try:
        model.get_submodule(FIRST_STAGE).load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"model.first_stage = {name!r} has changed since this run was submitted ({error}); submit the run again"
        ) from error
    folder.set_origin("first_stage", {"name": name, "step": step, "commit": source.config().get("git_commit")})
    recorder.event(0, "first_stage", name=name, at=step)
    recorder.say(f"first stage: {name} at step {step:,}")


def _resume(folder: RunFolder, trainer: Trainer, recorder: FolderRecorder) -> None:
    """Resume from the newest readable checkpoint. Damaged ones are set aside, each with an event."""
    damaged: list[str] = []
    while steps := folder.steps():
        path = folder.step_path(steps[-1])
        try:
            state = checkpoint.load_resume(path)
            sampled = checkpoint.load_weights(trainer.model, path, raw=True)
        except CheckpointError as error:
            if not folder.resumable() or len(folder.resumable_steps()) < 2:  # published, or no older checkpoint
                raise
            recorder.say(f"set aside: {error}")
            damaged.append(str(error))
            folder.set_aside(steps[-1])
            continue
        trainer.restore(state, folder.events(), sampled)
        folder.truncate(trainer.step)
        recorder.read_back()
        for reason in damaged:
            recorder.event(trainer.step, "damaged", reason=reason)
        recorder.event(trainer.step, "resume")
        recorder.say(f"resumed at step {trainer.step:,}")
        return
