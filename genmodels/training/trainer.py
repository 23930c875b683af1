"""The training loop of every model family. Losses and networks belong to the model's `training_step`.

The Trainer is responsible for the order of batches, learning rates, mixed precision, the moving average, the times of
logs, previews and checkpoints, control requests, and for exact resume: a resumed run ends with the same weights.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from genmodels.config import Runtime, TrainConfig, live_fields
from genmodels.data.loader import Loader
from genmodels.errors import ConfigError, DivergedError, GenmodelsError
from genmodels.model import Batch, Model
from genmodels.training import accelerators

Outcome = Literal["finished", "stopped"]
_POLL_SECONDS = 0.25


class CompiledStepError(Exception):
    """A step failed under torch.compile, which compiles each part on its first use.

    The weights may be partly updated. `__cause__` is the original error; only a run without compilation shows whether
    it is the model's or the compiler's.
    """


class Recorder(Protocol):
    """Receives a Trainer's reports and provides requests, for example a run folder."""

    def requests(self) -> list[dict[str, Any]]:
        """The requests since the last call: {"action": "stop" | "save" | "sample" | "set", ...}."""
        ...

    def report(self, step: int, steps_per_second: float, phase: str) -> None: ...

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def event(self, step: int, kind: str, **values: Any) -> None: ...

    def preview(self, step: int, model: Model) -> None: ...

    def save(
        self, step: int, model: Model, average: Mapping[str, Tensor] | None, resume: Mapping[str, Any]
    ) -> None: ...


class Trainer:
    """Trains one model on one loader, from step 0 or from the step of `restore`."""

    def __init__(self, model: Model, loader: Loader, train: TrainConfig, runtime: Runtime, recorder: Recorder) -> None:
        if train.max_steps is None:
            raise ConfigError("train.max_steps is empty: a spec is resolved before it is trained")
        self.model, self.loader, self.train, self.runtime, self.recorder = model, loader, train, runtime, recorder
        self.max_steps = train.max_steps
        self.optimizers = model.configure_optimizers()
        self.step = 0
        self.average = {k: v.clone() for k, v in _averaged(model).items()} if train.ema_decay else None
        self._scheduled = type(model).schedule is not Model.schedule
        self._shadow = _copy(model)
        self._replay: list[dict[str, Any]] = []
        self._restored = False
        self._stopping = False
        self._batch: Batch = {}

    # ------------------------------------------------------------ the loop

    def fit(self, stop: threading.Event | None = None) -> Outcome:
        """Train to max_steps, or until `stop` is set or requested. The last step is saved in both cases.

        Raises GenmodelsError, and CompiledStepError if a compiled step raises any other error.
        """
        self.model.train().requires_grad_(True)
        for part in self.model.pretrained | self.model.frozen:
            getattr(self.model, part).requires_grad_(False).eval()
        self._apply_rates()
        if not self._restored:  # a restored run has done all of this, even at step 0
            self._start()
            self._preview()
            self._save()
        autocast = self._autocast()
        polled, polled_step = time.monotonic(), self.step
        while self.step < self.max_steps:
            now = time.monotonic()
            if now - polled > _POLL_SECONDS:
                self.recorder.report(self.step, (self.step - polled_step) / (now - polled), "training")
                polled, polled_step = now, self.step
                self._handle_requests()
                if self._stopping or (stop is not None and stop.is_set()):
                    self._save()
                    return "stopped"
            if self._replay:
                self._replay_due()
            if self._scheduled:
                self._apply_rates()
            batch = self.loader.batch(self.step)
            try:
                with autocast:
                    metrics = self.model.training_step(batch, self.optimizers, self.step)
            except GenmodelsError:
                raise
            except Exception as error:
                if not self.runtime.compile:
                    raise
                raise CompiledStepError(f"step {self.step}") from error
            self.step += 1
            self._batch = batch
            self._after_step(metrics)
        return "finished"

    def _start(self) -> None:
        if type(self.model).start is Model.start or self.train.initial_weights is not None:
            return
        self.model.start(self.loader.batch(0))
        if self.average is not None:
            self.average = {k: v.clone() for k, v in _averaged(self.model).items()}

    def _after_step(self, metrics: Mapping[str, Tensor]) -> None:
        step, train, last = self.step, self.train, self.step == self.max_steps
        if self.average is not None:
            assert train.ema_decay is not None
            # Early averages are short: otherwise early samples would be those of the untrained network.
            decay = min(train.ema_decay, step / (step + 10))
            torch._foreach_lerp_(list(self.average.values()), list(_averaged(self.model).values()), 1 - decay)
        if step == 1 or step % train.log_every == 0 or last:
            self._log(metrics)
        if step % train.preview_every == 0 or last:
            self._preview()
        if step % train.save_every == 0 or step in train.keep_steps or last:
            self._save()

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.runtime.precision != "bf16":
            return nullcontext()
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16)

    def _log(self, metrics: Mapping[str, Tensor]) -> None:
        logged = self.model.logged_metrics(self._batch, dict(metrics))
        values = {name: float(value) for name, value in logged.items()}  # the only CPU-GPU synchronisation
        for name, value in values.items():
            if not math.isfinite(value):
                raise DivergedError(
                    f"{name} became {value} at step {self.step}; the last checkpoint is intact. "
                    "Lower the learning rate, or train with --set train.precision=fp32"
                )
        self.recorder.log(self.step, values)

    # ------------------------------------------------- control requests

    def _handle_requests(self) -> None:
        for request in self.recorder.requests():
            action = request.get("action")
            if action == "stop":
                self._stopping = True
            elif action == "save":
                self._save()
                self.recorder.event(self.step, "save")
            elif action == "sample":
                self._preview()
            elif action == "set":
                self._change_setting(str(request.get("path")), request.get("value"))
            else:
                self.recorder.event(self.step, "refused", reason=f"unknown request {action!r}")

    def _change_setting(self, path: str, value: Any) -> None:
        """Change a live setting of the model's config. A refused change is an event and does not end the run."""
        section, _, field = path.partition(".")
        try:
            if section != "model" or field not in live_fields(type(self.model.config)):
                raise ConfigError(f"{path} cannot be changed while training")
            old = getattr(self.model.config, field)
            self.model.config = self.model.config.replace(**{field: value})
        except ConfigError as error:
            self.recorder.event(self.step, "refused", path=path, reason=str(error))
            return
        self.recorder.event(self.step, "set", path=path, old=old, new=value)
        self._apply_rates()

    def _replay_due(self) -> None:
        while self._replay and self._replay[0]["step"] <= self.step:
            event = self._replay.pop(0)
            field = str(event["path"]).partition(".")[2]
            self.model.config = self.model.config.replace(**{field: event["new"]})
            self._apply_rates()

    def _apply_rates(self) -> None:
        factors = self.model.schedule(self.step, self.max_steps)
        for name, rate in self.model.learning_rates().items():
            for group in self.optimizers[name].param_groups:
                group["lr"] = rate * factors.get(name, 1.0)

    # ---------------------------------------------------------- saving, resuming

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs besides the weights."""
        return {
            "step": self.step,
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "random": torch.get_rng_state(),
            "device_random": _device_random(self.model.device),
            "config": self.model.config.model_dump(mode="json"),
            "average": self.average is not None,
        }

    def restore(self, state: Mapping[str, Any], events: list[dict[str, Any]], sampled: Mapping[str, Tensor]) -> None:
        """Continue from `state`. The model already has its raw weights; `sampled` has the averaged ones.

        Changes of settings in `events` from that step on are applied again before the same step.
        """
        self.step = int(state["step"])
        self._restored = True
        self.model.config = self.model.config.replace(**state["config"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
            _match_layout(optimizer)
        if self.average is not None:
            for key, value in self.average.items():
                value.copy_(sampled[key])
        self._replay = [event for event in events if event["kind"] == "set" and event["step"] >= self.step]
        torch.set_rng_state(state["random"])
        if state["device_random"] is not None:
            if self.model.device.type == "cuda":
                torch.cuda.set_rng_state(state["device_random"], self.model.device)
            elif self.model.device.type == "mps":
                torch.mps.set_rng_state(state["device_random"])

    def _save(self) -> None:
        # Losses are checked on logged steps only: a weight that is not finite must not reach a checkpoint.
        if not all(bool(value.isfinite().all()) for value in self.model.state_dict().values()):
            raise DivergedError(
                f"a weight became infinite or not a number by step {self.step}; this step was not saved and the last "
                "checkpoint is intact. Lower the learning rate, or train with --set train.precision=fp32"
            )
        self.recorder.save(self.step, self.model, self.average, self.state())

    def _preview(self) -> None:
        # A copy in eval mode: the training network keeps its mode and its random state.
        weights = self.model.state_dict()
        self._shadow.load_state_dict({**weights, **(self.average or {})})
        self.recorder.preview(self.step, self._shadow)


def _device_random(device: torch.device) -> Tensor | None:
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else None


def _match_layout(optimizer: Optimizer) -> None:
    """Give loaded moments the memory layout of their parameter: a fused kernel reads both in memory order."""
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _averaged(model: Model) -> dict[str, Tensor]:
    """The trained floating-point weights that sampling uses."""
    skip = model.training_only | model.pretrained | model.frozen
    return {k: v for k, v in model.state_dict().items() if v.is_floating_point() and k.split(".")[0] not in skip}


def _copy(model: Model) -> Model:
    """A second model of the same config for previews, built without changing the random state."""
    device = model.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        copy = type(model)(model.config)
    return copy.to(device).requires_grad_(False).eval()


def resolve_device(device: str) -> torch.device:
    """The device; `auto` is the first accelerator that torch can use, or else the CPU.

    Raises ConfigError if this machine does not have the device.
    """
    if device == "auto":
        device = (*accelerators.probe().usable, "cpu")[0]
    resolved = torch.device(device)
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (resolved.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(resolved.type, False):
        raise ConfigError(
            f"run.device = {device!r} is not on this machine, which has cpu"
            + "".join(f", cuda:{index}" for index in range(torch.cuda.device_count()))
            + (", mps" if torch.backends.mps.is_available() else "")
        )
    return resolved
