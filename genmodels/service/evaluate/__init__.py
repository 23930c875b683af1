"""The evaluate page's requests: figures that were published, figures measured on demand, and what can be looked at.

Measuring takes 10 to 60 seconds of a core, so it is never done on the inference thread: a process of its own, at low
priority, runs `python -m genmodels evaluate`, one at a time for all visitors. What it found is kept in the runs folder
by checkpoint, step and the time the step was written.
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
from pathlib import Path
from typing import Any

from genmodels import catalog, data, evaluation
from genmodels.catalog import CheckpointInfo
from genmodels.errors import CheckpointError, GenmodelsError
from genmodels.evaluation import digit_metrics, range_text, reference_classifier
from genmodels.public import public_mode
from genmodels.publishing.expected import Promise, promise_of
from genmodels.runfolder import MEASURED, RunFolder, read_json
from genmodels.service.evaluate import kept_figures
from genmodels.service.inference import plain
from genmodels.service.real_pictures import stamp

SAMPLES, TIMEOUT, MAX_STEPS, MAX_WAITING = 1_000, 300.0, 8, 16
_ROOT = Path(__file__).parents[3]
_NICE = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """Figures of a step by name, and how many pictures were drawn for them (None: as published).

    `added` are names that the card does not give and that were measured here, with fewer pictures. `published` is how
    many pictures were drawn for a card.
    """

    step: int
    figures: Mapping[str, float]
    samples: int | None
    added: frozenset[str] = frozenset()
    published: int = evaluation.SAMPLES

    def measured_here(self, name: str) -> bool:
        """Whether a figure was measured on this machine, with fewer pictures than a card's."""
        return self.samples is not None or name in self.added


@dataclass(eq=False)
class Job:
    """A measurement that waits, runs or has ended; `problem` tells why it gave nothing."""

    name: str
    step: int
    samples: int = SAMPLES
    started: float | None = None
    ended: float | None = None
    problem: str = ""
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)
    _given_up: bool = False

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return 0.0 if self.started is None else (self.ended or time.monotonic()) - self.started


# ------------------------------------------------------------------------------ what is known


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """Every checkpoint and run that has saved, published ones first."""
    return catalog.list_checkpoints()


def known(info: CheckpointInfo, step: int) -> Measured | None:
    """The figures of a step, saved or in the card: as published, beside them as measured here; None where neither was.

    A card has few figures of earlier steps. One that was measured here stands only where the card has none.
    """
    here, facts = measured_here(info, step), _card(info)
    card = dict(info.metrics) if step == info.steps[-1] else _rows(facts).get(step, {})
    if not card:
        return here
    found = here.figures if here is not None else {}
    added = {name: value for name, value in found.items() if name.removesuffix("_spread") not in card}
    samples = int(facts.get("samples", evaluation.SAMPLES))
    return Measured(step, {**added, **card}, None, frozenset(added), samples)


def lacks(info: CheckpointInfo, found: Measured) -> bool:
    """Whether a card has less of a step than can be measured: one of an earlier step, or one older than the judge."""
    if found.step != info.steps[-1]:
        return found.step in info.steps and not {*filter(_of_pictures, info.metrics)} <= {*found.figures}
    of = RunFolder(info.path).spec().data_spec
    draws = (
        "sampling" in info.capabilities and reference_classifier.applies_to(of) and of.test_size >= digit_metrics.FEWEST
    )
    return draws and "judge/frechet" not in found.figures


def _of_pictures(name: str) -> bool:
    """Not a discriminator's answers, for earlier steps are published without one; nor an error bar."""
    return not name.startswith(("score/", "discriminator/")) and not name.endswith("_spread")


def _card(info: CheckpointInfo) -> dict[str, Any]:
    path = info.path / MEASURED
    return dict(read_json(path)) if path.is_file() else {}


def _rows(facts: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    """A card's figures over the training by step."""
    return {
        int(row["step"]): {name: float(value) for name, value in row.items() if name not in ("step", "seconds")}
        for row in facts.get("over_training", [])
    }


def measured_here(info: CheckpointInfo, step: int) -> Measured | None:
    """What was measured with fewer samples on this machine, of exactly these weights."""
    entry = kept_figures.entry(info.path, step)
    if not isinstance(entry.get("figures"), dict):
        return None
    figures = {str(name): float(value) for name, value in entry["figures"].items() if kept_figures.is_number(value)}
    return Measured(step, figures, int(entry.get("samples", SAMPLES)))


def over_training(info: CheckpointInfo) -> tuple[Measured, ...]:
    """What is known of several steps, ascending: those of the card, and those measured here."""
    found = [known(info, step) for step in sorted({*info.steps, *_rows(_card(info))})]
    return tuple(row for row in found if row is not None)


def worth_measuring(info: CheckpointInfo) -> tuple[int, ...]:
    """Saved steps without figures, at most eight, spread evenly; the first and the last are among them."""
    without = [step for step in info.steps if step not in {row.step for row in over_training(info)}]
    if len(without) <= MAX_STEPS:
        return tuple(without)
    return tuple(without[round(index * (len(without) - 1) / (MAX_STEPS - 1))] for index in range(MAX_STEPS))


def expected(info: CheckpointInfo, step: int) -> dict[str, str]:
    """What the recipe expects of a figure: `at least 0.99`; empty where it promises nothing, or nothing so early."""
    return {name: range_text(*bounds) for name, bounds in _promise(info, step).expect.items()}


def differences(info: CheckpointInfo, step: int) -> tuple[str, ...]:
    """How its settings differ from those of the recipe whose figures are expected; empty where they do not."""
    return _promise(info, step).differences


def _promise(info: CheckpointInfo, step: int) -> Promise:
    """A promise is one of the end: of earlier steps nothing is expected."""
    return promise_of(RunFolder(info.path).spec(), step) if step == info.steps[-1] else Promise()


def class_shares(name: str) -> tuple[float, ...]:
    """Share of each class in the training data; empty where that is not here."""
    spec = RunFolder(catalog.find(plain(name))).spec()
    if data.missing(spec.data) is not None:
        return ()
    counts = _class_counts(spec.data, stamp(spec.data))
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
    """Ask for the figures of a saved step; one that is waiting or running already is not asked for twice.

    Raises GenmodelsError on a public server and where too many wait, UnknownNameError, and CheckpointError for a step
    that was not saved.
    """
    global _worker
    if public_mode():
        raise GenmodelsError(
            "this server only shows: measuring takes up to a minute of its processor, so visitors cannot ask for it. "
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
    """Measurements of a checkpoint that were asked for, in that order; those that ended well are not listed."""
    with _lock:
        return tuple(job for job in _jobs.values() if job.name == name and (job.ended is None or job.problem))


def position(job: Job) -> int:
    """Its place in line among the measurements of all visitors, 1 for the next; 0 if it does not wait."""
    with _lock:
        return _waiting.index(job) + 1 if job in _waiting else 0


def cancel(name: str) -> None:
    """Give up what waits or runs for a checkpoint."""
    with _lock:
        for job in [job for job in _jobs.values() if job.name == name and job.ended is None]:
            job._given_up = True
            if job in _waiting:
                _waiting.remove(job)
                job.ended = time.monotonic()
            elif job._process is not None:
                job._process.terminate()


def forget(name: str) -> None:
    """Drop the reports of what failed."""
    with _lock:
        for key in [key for key, job in _jobs.items() if job.name == name and job.problem]:
            del _jobs[key]


def _work() -> None:
    """Measure what waits, one at a time; ends when nothing does."""
    global _worker
    while True:
        with _lock:
            if not _waiting:
                _worker = None
                return
            job = _waiting.popleft()
            job.started = time.monotonic()
        try:
            _keep(job, _figures(job))
        except (GenmodelsError, OSError) as error:
            job.problem = "" if job._given_up else str(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours: the next one is measured all the same
            _log.exception("measuring %s, step %s, failed", job.name, job.step)
            job.problem = f"{job.name}, step {job.step:,}: {type(error).__name__}: {error}"
        finally:
            job.ended = time.monotonic()


@atexit.register
def _end() -> None:
    """A measurement does not outlive the server that asked for it."""
    for job in list(_jobs.values()):
        if job._process is not None and job.ended is None:
            job._process.terminate()


def _figures(job: Job) -> dict[str, float]:
    command = [sys.executable, "-m", "genmodels", "evaluate", "--json", f"--samples={job.samples}"]
    # One thread, and behind everything else: a training or another visitor's slider must not feel it.
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, f"--step={job.step}", "--", job.name],
        cwd=_ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with _lock:
        job._process = process
        if job._given_up:  # between the start and here
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
        found = {str(name): float(value) for name, value in json.loads(output)["metrics"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise GenmodelsError(
            f"{job.name}, step {job.step:,}: what was measured cannot be read ({error!r}). "
            f"`python -m genmodels evaluate {shlex.quote(job.name)} --json` shows it"
        ) from error
    return found


def _reason(code: int, complaint: str) -> str:
    """The last line a process said, or else what ended it: a negative code is a signal, a positive one its own."""
    if said := complaint.strip().splitlines()[-1:]:
        return said[0].removeprefix("error: ")
    ended = signal.strsignal(-code) if 0 < -code < signal.NSIG else None
    return ended or f"it ended with code {code} and gave no reason"


def _keep(job: Job, figures: Mapping[str, float]) -> None:
    kept_figures.keep(catalog.find(job.name), job.step, figures, job.samples)
