"""Writes a training to its run folder: status, log, curves, events, previews and checkpoints."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from genmodels import data
from genmodels.capabilities import SupportsClassification
from genmodels.data.loader import to_float
from genmodels.images import preview
from genmodels.model import Batch, Model
from genmodels.recipes import Spec
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder
from genmodels.system import leftovers
from genmodels.training import validation

Report = Callable[[dict[str, Any]], None]
_OF_PREVIEWS = ("preview/diversity", validation.PREFIX)


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
        self._validation: Batch | None = None
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
        steps = [line.get("step", -1) for line in lines if any(name.startswith(_OF_PREVIEWS) for name in line)]
        self._compared = max(steps, default=-1)

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
        values = self._preview(step, model)
        if step <= self._compared:
            return
        if validation.applies_to(model):
            if self._validation is None:
                self._validation = validation.batch_of(self.spec, model.device)
            if self._validation is not None:
                values |= validation.metrics_of(model, self._validation, step)
        if values:
            self._compared = step
            self.folder.append_metrics(step, values)

    def _preview(self, step: int, model: Model) -> dict[str, float]:
        """Write the preview image, and return the diversity of the samples; {} if the model has none."""
        if model.modality == "audio":
            self._write_preview(step, preview.audio_preview(model))
            return {}
        if self._test is None:
            arrays = data.load(self.spec.data, "test")
            rows = slice(0, 64)
            self._test = (
                to_float(torch.from_numpy(arrays.images[rows].copy())),
                torch.from_numpy(arrays.labels[rows].copy()),
            )
        self._write_preview(step, preview.image_preview(model, *self._test))
        samples = None if isinstance(model, SupportsClassification) else preview.samples_of_seeds(model)
        if samples is None or self._real is None or len(samples) < 2 or step <= self._compared:
            return {}
        diversity = {"preview/diversity": samples, "preview/diversity_data": self._real}
        return {name: preview.diversity(images) for name, images in diversity.items()}

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
