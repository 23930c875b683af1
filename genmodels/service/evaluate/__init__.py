"""Requests of the evaluate page: published metrics, and metrics measured on demand.

Measuring takes 10 to 60 seconds of a core. It runs in a separate process with low priority
(`python -m genmodels evaluate`), one at a time for all visitors. Results are stored in the runs folder.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from genmodels import data, evaluation
from genmodels.errors import CheckpointError, GenmodelsError
from genmodels.evaluation import digit_metrics, range_text, reference_classifier
from genmodels.public import public_mode
from genmodels.publishing.expected import Expectation, expectation_of
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import MEASURED, RunFolder, read_json
from genmodels.service.dataset_images import modified
from genmodels.service.evaluate import stored_metrics
from genmodels.service.inference import plain
from genmodels.system.paths import PROJECT

SAMPLES, TIMEOUT, MAX_STEPS, MAX_WAITING = 1_000, 300.0, 8, 16
_NICE = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """Metrics of a step by name, and the number of samples they were measured with (None: as published).

    `added` are metrics that the card does not have and that were measured here with fewer samples. `published` is the
    number of samples of the card's metrics.
    """

    step: int
    metrics: Mapping[str, float]
    samples: int | None
    added: frozenset[str] = frozenset()
    published: int = evaluation.SAMPLES

    def measured_here(self, name: str) -> bool:
        """Whether a metric was measured on this machine, with fewer samples than the card's."""
        return self.samples is not None or name in self.added


@dataclass(eq=False)
class Job:
    """A measurement that waits, runs or has ended; `problem` says why it failed."""

    name: str
    step: int
    samples: int = SAMPLES
    started: float | None = None
    ended: float | None = None
    problem: str = ""
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)
    _cancelled: bool = False

    @property
    def seconds(self) -> float:
        """The time since its start."""
        return 0.0 if self.started is None else (self.ended or time.monotonic()) - self.started


# ------------------------------------------------------------------------------ known metrics


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """All checkpoints, and runs with a saved step, published ones first."""
    return catalog.list_checkpoints()


def metrics_of(info: CheckpointInfo, step: int) -> Measured | None:
    """The metrics of a step: those of the card, completed by those measured here; None if there are neither.

    A card has few metrics of earlier steps. A metric that was measured here is used only if the card has none.
    """
    here, card = local_metrics(info, step), _card(info)
    published = dict(info.metrics) if step == info.steps[-1] else _rows(card).get(step, {})
    if not published:
        return here
    local = here.metrics if here is not None else {}
    added = {name: value for name, value in local.items() if name.removesuffix("_spread") not in published}
    samples = int(card.get("samples", evaluation.SAMPLES))
    return Measured(step, {**added, **published}, None, frozenset(added), samples)


def is_incomplete(info: CheckpointInfo, measured: Measured) -> bool:
    """Whether more metrics of a step can be measured than its card has, because the step or the card is older."""
    if measured.step != info.steps[-1]:
        return measured.step in info.steps and not {*filter(_is_of_samples, info.metrics)} <= {*measured.metrics}
    spec = RunFolder(info.path).spec().data_spec
    classifiable = (
        "sampling" in info.capabilities
        and reference_classifier.applies_to(spec)
        and spec.test_size >= digit_metrics.FEWEST
    )
    return classifiable and "judge/frechet" not in measured.metrics


def _is_of_samples(name: str) -> bool:
    """Whether it is neither a metric of the discriminator, which earlier steps do not have, nor an error bar."""
    return not name.startswith(("score/", "discriminator/")) and not name.endswith("_spread")


def _card(info: CheckpointInfo) -> dict[str, Any]:
    path = info.path / MEASURED
    return dict(read_json(path)) if path.is_file() else {}


def _rows(card: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    """The metrics of a card over the training, by step."""
    return {
        int(row["step"]): {name: float(value) for name, value in row.items() if name not in ("step", "seconds")}
        for row in card.get("over_training", [])
    }


def local_metrics(info: CheckpointInfo, step: int) -> Measured | None:
    """The metrics of exactly these weights that were measured on this machine, with fewer samples."""
    entry = stored_metrics.entry(info.path, step)
    if not isinstance(entry.get("figures"), dict):
        return None
    metrics = {str(name): float(value) for name, value in entry["figures"].items() if stored_metrics.is_number(value)}
    return Measured(step, metrics, int(entry.get("samples", SAMPLES)))


def over_training(info: CheckpointInfo) -> tuple[Measured, ...]:
    """The known metrics of all steps, ascending: those of the card and those measured here."""
    rows = [metrics_of(info, step) for step in sorted({*info.steps, *_rows(_card(info))})]
    return tuple(row for row in rows if row is not None)


def steps_to_measure(info: CheckpointInfo) -> tuple[int, ...]:
    """At most eight saved steps without metrics: the first, the last, and others spread evenly between them."""
    without = [step for step in info.steps if step not in {row.step for row in over_training(info)}]
    if len(without) <= MAX_STEPS:
        return tuple(without)
    return tuple(without[round(index * (len(without) - 1) / (MAX_STEPS - 1))] for index in range(MAX_STEPS))


def expected(info: CheckpointInfo, step: int) -> dict[str, str]:
    """The recipe's expected range of each metric, such as `at least 0.99`; only for the last step."""
    return {name: range_text(*bounds) for name, bounds in _expectation(info, step).bounds.items()}


def differences(info: CheckpointInfo, step: int) -> tuple[str, ...]:
    """How the settings differ from those of the recipe with the expected metrics; empty if they do not."""
    return _expectation(info, step).differences


def _expectation(info: CheckpointInfo, step: int) -> Expectation:
    """Metrics are expected of the last step only."""
    return expectation_of(RunFolder(info.path).spec(), step) if step == info.steps[-1] else Expectation()


def class_fractions(name: str) -> tuple[float, ...]:
    """The fraction of each class in the training data; empty if the data is not on this machine."""
    spec = RunFolder(catalog.find(plain(name))).spec()
    if data.missing(spec.data) is not None:
        return ()
    counts = _class_counts(spec.data, modified(spec.data))
    return tuple(count / sum(counts) for count in counts)


@lru_cache(maxsize=16)
def _class_counts(config: data.DataConfig, written: int) -> tuple[int, ...]:
    return data.class_counts(config)


# ------------------------------------------------------------------------------ measuring


_lock = threading.Lock()
_waiting: deque[Job] = deque()
_jobs: OrderedDict[tuple[str, int], Job] = OrderedDict()
_worker: threading.Thread | None = None


def measure(name: str, step: int, samples: int = SAMPLES) -> Job:
    """Queue the measurement of a saved step, or return the one that already waits or runs.

    Raises GenmodelsError on a public server or if too many wait, UnknownNameError, and CheckpointError if the step does
    not exist.
    """
    global _worker
    if public_mode():
        raise GenmodelsError(
            "this server only shows: measuring takes up to a minute of its processor, so visitors cannot start it. "
            f"On a machine of your own, `python -m genmodels evaluate {shlex.quote(plain(name))}` measures it"
        )
    folder = RunFolder(catalog.find(plain(name)))
    if step not in folder.steps():
        raise CheckpointError(f"{name} has no checkpoint of step {step}; saved steps: {folder.steps()}")
    with _lock:
        old = _jobs.get((name, step))
        if old is not None and old.ended is None:
            return old
        if len(_waiting) >= MAX_WAITING:
            raise GenmodelsError(f"{MAX_WAITING} measurements are waiting already; wait until some are done")
        job = _jobs[name, step] = Job(name, step, samples)
        _jobs.move_to_end((name, step))
        while len(_jobs) > 4 * MAX_WAITING:
            _jobs.popitem(last=False)
        _waiting.append(job)
        if _worker is None or not _worker.is_alive():
            _worker = threading.Thread(target=_work, name="measuring", daemon=True)
            _worker.start()
    return job


def jobs_of(name: str) -> tuple[Job, ...]:
    """The measurements of a checkpoint in the order of the requests, without those that succeeded."""
    with _lock:
        return tuple(job for job in _jobs.values() if job.name == name and (job.ended is None or job.problem))


def position(job: Job) -> int:
    """The position among the measurements of all visitors, 1 for the next; 0 if it does not wait."""
    with _lock:
        return _waiting.index(job) + 1 if job in _waiting else 0


def cancel(name: str) -> None:
    """Cancel all measurements of a checkpoint."""
    with _lock:
        for job in [job for job in _jobs.values() if job.name == name and job.ended is None]:
            job._cancelled = True
            if job in _waiting:
                _waiting.remove(job)
                job.ended = time.monotonic()
            elif job._process is not None:
                job._process.terminate()


def forget(name: str) -> None:
    """Remove the failed measurements of a checkpoint."""
    with _lock:
        for key in [key for key, job in _jobs.items() if job.name == name and job.problem]:
            del _jobs[key]


def _work() -> None:
    """Run the waiting measurements, one at a time, until there are none."""
    global _worker
    while True:
        with _lock:
            if not _waiting:
                _worker = None
                return
            job = _waiting.popleft()
            job.started = time.monotonic()
        try:
            stored_metrics.store(catalog.find(job.name), job.step, _measure(job), job.samples)
        except (GenmodelsError, OSError) as error:
            job.problem = "" if job._cancelled else str(error)
        except Exception as error:  # noqa: BLE001 - a bug: the next measurement runs all the same
            _log.exception("measuring %s, step %s, failed", job.name, job.step)
            job.problem = f"{job.name}, step {job.step:,}: {type(error).__name__}: {error}"
        finally:
            job.ended = time.monotonic()


@atexit.register
def _end() -> None:
    """Stop all measurements when the server ends."""
    for job in list(_jobs.values()):
        if job._process is not None and job.ended is None:
            job._process.terminate()


def _measure(job: Job) -> dict[str, float]:
    command = [sys.executable, "-m", "genmodels", "evaluate", "--json", f"--samples={job.samples}"]
    # One thread, with low priority: trainings and interactive requests go first.
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, f"--step={job.step}", "--", job.name],
        cwd=PROJECT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with _lock:
        job._process = process
        if job._cancelled:  # between the start and here
            process.terminate()
    with suppress(OSError):  # it may have ended already
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
    try:
        output, complaint = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise GenmodelsError(
            f"{job.name}, step {job.step:,}: not measured in {TIMEOUT:.0f} s; the machine is busy. Try again later"
        ) from None
    if process.returncode:
        raise GenmodelsError(f"{job.name}, step {job.step:,}: {_reason(process.returncode, complaint)}")
    try:
        metrics = {str(name): float(value) for name, value in json.loads(output)["metrics"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise GenmodelsError(
            f"{job.name}, step {job.step:,}: the measured metrics cannot be read ({error!r}). "
            f"`python -m genmodels evaluate {shlex.quote(job.name)} --json` shows it"
        ) from error
    return metrics


def _reason(code: int, complaint: str) -> str:
    """The last line of stderr, or else the exit code; a negative code is a signal."""
    if lines := complaint.strip().splitlines()[-1:]:
        return lines[0].removeprefix("error: ")
    ended = signal.strsignal(-code) if 0 < -code < signal.NSIG else None
    return ended or f"it ended with code {code} and gave no reason"
