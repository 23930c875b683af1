"""Trains a run folder: a worker's job, from config.json to the last checkpoint."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from genmodels import data, registry
from genmodels.capabilities import SupportsClassification
from genmodels.config import Runtime
from genmodels.data.audio_loader import AudioLoader
from genmodels.data.loader import Loader, loader_for, to_float
from genmodels.errors import CheckpointError, DataError, GenmodelsError
from genmodels.images import preview
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.runs import checkpoint, initial_weights
from genmodels.runs.folder import RunFolder
from genmodels.seeding import canonical
from genmodels.system import leftovers
from genmodels.training import accelerators, tune
from genmodels.training.trainer import CompiledStepError, Outcome, Trainer, resolve_device

Report = Callable[[dict[str, Any]], None]


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
    folder.set_initial({"name": name, "step": step, "commit": source.config().get("git_commit")})
    recorder.event(0, "initialised_from", name=name, at=step, from_scratch=scratch, extended=extended)
    parts = (("from scratch", scratch), ("extended", extended))
    details = "; ".join(f"{what}: {', '.join(names) or 'nothing'}" for what, names in parts)
    recorder.say(f"initialised with {name} at step {step:,}; {details}")


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


class FolderRecorder:
    """A Recorder that writes to a run folder."""

    def __init__(self, folder: RunFolder, spec: Spec, on_report: Report | None) -> None:
        self.folder, self.spec, self.on_report = folder, spec, on_report
        self.device = ""
        self.device_note: str | None = None
        self._offset = folder.requests_end()
        self._step = max(folder.steps(), default=0)
        self._speed = 0.0
        self._reported = 0.0
        self._real: Tensor | None = None
        self._test: tuple[Tensor, Tensor] | None = None
        self._last: dict[str, Any] | None = None
        self._compared = -1  # the last step with preview metrics in the curves
        self._writing = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def _beat(self) -> None:
        """Repeat the last report every second: a step, a save or a compilation may take longer than a reader waits."""
        while not self._closed.wait(1.0):
            if self._last is not None:
                with self._writing, suppress(OSError):  # the training itself reports a full disk
                    self.folder.write_status(**self._last)

    def close(self) -> None:
        self._closed.set()

    def say(self, text: str) -> None:
        with suppress(OSError):  # a lost line on a full disk must not end the training
            print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    def set_examples(self, real: Tensor) -> None:
        """Set the real images that the previews' diversity is compared with."""
        self._real = real

    def read_back(self) -> None:
        """Read which steps have preview metrics: a preview on request must not add a second line for its step."""
        lines, _ = self.folder.metrics()
        self._compared = max((line.get("step", -1) for line in lines if "preview/diversity" in line), default=-1)

    def phase(self, phase: str, error: str | None = None) -> None:
        if error:
            self.say(f"failed: {error}")
        self._write(phase, error)

    def requests(self) -> list[dict[str, Any]]:
        lines, self._offset = self.folder.requests(self._offset)
        return lines

    def report(self, step: int, steps_per_second: float, phase: str) -> None:
        # An average over about ten reports: previews and saves make the raw rate jump.
        self._speed = steps_per_second if not self._speed else 0.9 * self._speed + 0.1 * steps_per_second
        self._step = step
        if time.monotonic() - self._reported > 0.5:
            self._write(phase, None)

    def _write(self, phase: str, error: str | None) -> None:
        self._reported = time.monotonic()
        left = (self.spec.train.max_steps or 0) - self._step
        report = {
            "phase": phase,
            "step": self._step,
            "max_steps": self.spec.train.max_steps,
            "steps_per_second": round(self._speed, 3),
            "examples_per_second": round(self._speed * self.spec.train.batch_size, 1),
            "seconds_left": round(left / self._speed, 1) if self._speed else None,
            "device": self.device,
            "device_note": self.device_note,
            "error": error,
        }
        self._last = report
        with self._writing:
            self.folder.write_status(**report)
        if self.on_report is not None:
            self.on_report(report)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.folder.append_metrics(step, metrics)
        self._step = step

    def event(self, step: int, kind: str, **values: Any) -> None:
        self.folder.add_event(step, kind, **values)

    def preview(self, step: int, model: Model) -> None:
        if model.modality == "audio":
            self._write_preview(step, preview.audio_preview(model))
            return
        if self._test is None:
            arrays = data.load(self.spec.data, "test")
            rows = slice(0, 64)
            self._test = (
                to_float(torch.from_numpy(arrays.images[rows].copy())),
                torch.from_numpy(arrays.labels[rows].copy()),
            )
        self._write_preview(step, preview.image_preview(model, *self._test))
        samples = None if isinstance(model, SupportsClassification) else preview.samples_of_seeds(model)
        if samples is not None and self._real is not None and len(samples) > 1 and step > self._compared:
            self._compared = step
            values = {"preview/diversity": preview.diversity(samples)}
            values["preview/diversity_data"] = preview.diversity(self._real)
            self.folder.append_metrics(step, values)

    def _write_preview(self, step: int, image: Image | None) -> None:
        if image is None:
            return
        path = self.folder.preview_path(step)
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(".tmp")
        try:
            temporary.write_bytes(preview.png(image))
            temporary.replace(path)
        except OSError:
            leftovers.discard(temporary)
            raise

    def save(self, step: int, model: Model, average: Mapping[str, Tensor] | None, resume: Mapping[str, Any]) -> None:
        checkpoint.save(self.folder, step, model, average=average, resume=resume)
        keep_last = self.spec.train.keep_last
        if keep_last is not None:
            keep = {*self.folder.steps()[-keep_last:], *self.spec.train.keep_steps}
            for old in self.folder.steps():
                if old not in keep:
                    self.folder.remove_step(old)
