"""The files of a run. Only this module and checkpoint.py know their names. Does not import torch.

<run>/ config.json     format version, resolved spec, versions, licence of the data, runtime
       step-020000/    weights after 20,000 batches (checkpoint.py)
       metrics.jsonl   one line per logged step, append-only      previews/020000.png
       status.json     the worker's report                       worker.log
       control.jsonl   requests to a running worker              events.jsonl   events, each with the step it precedes
       inputs/         a user's own images that the run needs    name.json      the name given by `rename`
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from genmodels import data
from genmodels.errors import CheckpointError, ConfigError, UnknownNameError
from genmodels.recipes import Spec
from genmodels.runs.files import (
    JSON_BYTES,
    append_line,
    is_own_folder,
    open_regular,
    overwrite_json,
    parse_lines,
    read_json,
    read_lines,
    read_png,
    read_raw_lines,
    read_tail,
    write_json,
    write_lines,
)
from genmodels.runs.provenance import git_commit, versions
from genmodels.system import leftovers, processes
from genmodels.system.paths import storage_root

FORMAT = 3
"""Version of config.json and metrics.json; `python -m genmodels migrate` converts older ones."""
CONFIG, METRICS, STATUS, CONTROL, EVENTS = (
    "config.json",
    "metrics.jsonl",
    "status.json",
    "control.jsonl",
    "events.jsonl",
)
WEIGHTS, RESUME_JSON = "model.safetensors", "resume.json"
LOG, PREVIEWS, INPUTS = "worker.log", "previews", "inputs"
CARD, MEASURED, PREVIEW = "README.md", "metrics.json", "preview.png"
NAME = "name.json"
_STEP = re.compile(r"step-(\d{6,9})", re.ASCII)  # TrainConfig allows 100,000,000 steps
_CONFIG_BYTES = 2 * 2**20  # the names of 10,000 classes fit, a list of a million layers does not
_TAIL_BYTES = 65_536
_PREVIEW = re.compile(r"(\d{1,9})\.png", re.ASCII)
_FILES = re.compile(
    r"(config|status|name)\.json|(metrics|events|control)\.jsonl|worker\.log"
    r"|README\.md|metrics\.json|preview\.png|previews/\d{1,9}\.png|inputs/[A-Za-z0-9_][\w.-]{0,99}"
    r"|step-\d{6,9}/((model|training_nets|resume)\.safetensors|resume\.json)",
    re.ASCII,
)


def runs_root() -> Path:
    """The folder of a user's runs: GENMODELS_RUNS, or `runs/`."""
    return Path(os.environ.get("GENMODELS_RUNS") or storage_root() / "runs").expanduser()


def is_run_file(path: str) -> bool:
    """Whether a relative path, with slashes, is one that a run or a checkpoint may have."""
    return _FILES.fullmatch(path) is not None


class RunFolder:
    """The files of one run, for the worker that writes them and the pages that read them."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: Path, spec: Spec) -> RunFolder:
        """A new folder with config.json and copies of the user's images that the run needs (`inputs/`).

        Raises CheckpointError if the folder exists, DataError if such an image cannot be used.
        """
        inputs = data.prepared_inputs(spec.data)
        try:
            path.mkdir(parents=True, exist_ok=False)
        except FileExistsError:
            raise CheckpointError(f"{path} exists already; choose another run name") from None
        folder = cls(path)
        if inputs:
            (path / INPUTS).mkdir()
        for name, raw in inputs.items():
            (path / INPUTS / name).write_bytes(raw)
        write_json(
            path / CONFIG,
            {
                "format": FORMAT,
                "spec": spec.model_dump(mode="json"),
                "licence": spec.data_spec.licence,
                "versions": versions(),
                "git_commit": git_commit(),
                "created": time.time(),
            },
        )
        return folder

    @property
    def name(self) -> str:
        return self.path.name

    def looks_like_run(self) -> bool:
        """Whether the folder has any file of a run. True for a damaged run, False for a folder of photographs."""
        return any((self.path / name).exists() for name in (CONFIG, METRICS, STATUS)) or bool(self.steps())

    def config(self) -> dict[str, Any]:
        """The content of config.json. Raises CheckpointError if its format version is another one."""
        config = read_json(self.path / CONFIG, _CONFIG_BYTES)
        version = config.get("format") if isinstance(config, dict) else None
        if version != FORMAT:
            raise CheckpointError(
                f"{self.path / CONFIG} has format version {version!r}, this program reads {FORMAT}. "
                f"{self._remedy(version)}"
            )
        return dict(config)

    def _remedy(self, version: object) -> str:
        if not isinstance(version, int) or version < 1:
            return "Train it again"
        if version > FORMAT:
            return "Update Genmodels Studio"
        return f"Convert it: python -m genmodels migrate {shlex.quote(str(self.path))}"

    def spec(self) -> Spec:
        """The resolved spec. Raises CheckpointError if config.json has no valid one.

        Paths of the user's images are those of the copies in `inputs/`: the originals may be gone.
        """
        try:
            spec = Spec.parse(self.config().get("spec", {}))
            located = data.with_inputs(spec.data, self.path.absolute() / INPUTS)
            return spec if located is spec.data else spec.replace(data=located)
        except (ConfigError, UnknownNameError) as error:
            raise CheckpointError(
                f"{self.path / CONFIG} is damaged, or was written by another version of the program: {error}"
            ) from error

    def runtime(self) -> dict[str, Any] | None:
        """Precision, compilation, layout and threads; None until the worker has chosen them."""
        runtime: dict[str, Any] | None = self.config().get("runtime")
        return runtime

    def set_runtime(self, runtime: Mapping[str, Any]) -> None:
        write_json(self.path / CONFIG, {**self.config(), "runtime": dict(runtime)})

    def given_name(self) -> str | None:
        """The name given to the run after its submission; None without one or if the file is damaged."""
        try:
            name = read_json(self.path / NAME)
        except CheckpointError:
            return None
        return name if isinstance(name, str) and 0 < len(name) <= 80 and name.isprintable() else None

    def set_given_name(self, name: str) -> None:
        """Store the name in its own file: a worker may be writing config.json."""
        write_json(self.path / NAME, name)

    def set_origin(self, part: Literal["initial", "first_stage"], source: Mapping[str, Any]) -> None:
        """Store the origin of the initial weights or of the first stage: {"name", "step", "commit"}."""
        write_json(self.path / CONFIG, {**self.config(), part: dict(source)})

    # ------------------------------------------------------------- checkpoints

    def steps(self) -> list[int]:
        """Steps with a complete checkpoint, ascending."""
        return [step for step, _ in self._steps()]

    def resumable(self) -> bool:
        """Whether training can continue from the last checkpoint, or start if there is none yet."""
        return not self.steps() or self.steps()[-1] in self.resumable_steps()

    def resumable_steps(self) -> list[int]:
        """Steps with the state for resuming, ascending."""
        return [step for step in self.steps() if (self.step_path(step) / RESUME_JSON).exists()]

    def step_path(self, step: int) -> Path:
        return self.path / f"step-{step:06d}"

    def step_key(self, step: int | None = None) -> tuple[Path, int, int]:
        """(path, step, modification time in ns): changes if the step is rewritten; None takes the newest step.

        The time is 0 if the step does not exist.
        """
        chosen = step if step is not None else max(self.steps(), default=0)
        try:
            return self.path, chosen, self.step_path(chosen).stat().st_mtime_ns
        except OSError:
            return self.path, chosen, 0

    def _steps(self) -> list[tuple[int, Path]]:
        try:
            entries = list(self.path.iterdir())
        except OSError:
            return []
        numbered = [(int(m[1]), path) for path in entries if (m := _STEP.fullmatch(path.name)) and is_own_folder(path)]
        return sorted((step, path) for step, path in numbered if path == self.step_path(step))  # not step-0000010

    def remove_step(self, step: int) -> None:
        """Remove a checkpoint. It is renamed first: a reader never sees an incomplete one."""
        trash = self.path / f".trash-{step}-{os.getpid()}"
        os.replace(self.step_path(step), trash)
        shutil.rmtree(trash)

    def set_aside(self, step: int) -> None:
        """Hide a damaged checkpoint without deleting it."""
        os.replace(self.step_path(step), self.path / f".damaged-{step:06d}-{time.time_ns()}")

    def clear_leftovers(self) -> None:
        """Remove incomplete files of a killed worker."""
        names = (CONFIG, METRICS, STATUS, EVENTS, NAME)
        patterns = (".tmp-*", ".trash-*", *(f".{name}.*" for name in names), f"{PREVIEWS}/*.tmp")
        for path in [path for pattern in patterns for path in self.path.glob(pattern)]:
            if leftovers.is_abandoned(path):
                leftovers.discard(path)

    # ---------------------------------------------------------- curves, previews

    def append_metrics(self, step: int, values: Mapping[str, float]) -> None:
        append_line(self.path / METRICS, {"step": step, "time": round(time.time(), 3), **values})

    def metrics(self, offset: int = 0, limit: int = -1) -> tuple[list[dict[str, Any]], int]:
        """The logged points from byte `offset` on, in at most `limit` bytes, and the offset after them."""
        return read_lines(self.path / METRICS, offset, limit)

    def raw_metrics(self, offset: int, limit: int) -> tuple[bytes, int]:
        """The same as JSON lines that are not parsed yet; `parsed_metrics` parses them."""
        return read_raw_lines(self.path / METRICS, offset, limit)

    def parsed_metrics(self, raw: bytes) -> list[dict[str, Any]]:
        """The points in bytes that `raw_metrics` returned. Raises CheckpointError if too many lines are damaged."""
        return parse_lines(raw, self.path / METRICS)

    def metrics_stamp(self) -> tuple[int, int]:
        """(inode, size). A resume that truncates the curves writes a new file, so readers start again."""
        try:
            status = (self.path / METRICS).stat()
        except FileNotFoundError:
            return 0, 0
        return status.st_ino, status.st_size

    def truncate(self, step: int) -> None:
        """Drop metrics, events and previews after `step`, which a resumed run writes again; -1 drops all.

        Events of changed hyperparameters stay: an exact resume applies them again before the same step.
        """
        for name in (METRICS, EVENTS):
            path = self.path / name
            lines, _ = read_lines(path)
            remaining_lines = [line for line in lines if line.get("step", 0) <= step or line.get("kind") == "set"]
            if len(remaining_lines) < len(lines) or (path.exists() and not path.read_bytes().endswith(b"\n")):
                write_lines(path, remaining_lines)
        for preview_step, preview in self.previews():
            if preview_step > step:
                preview.unlink(missing_ok=True)

    def preview_path(self, step: int) -> Path:
        return self.path / PREVIEWS / f"{step:06d}.png"

    def previews(self) -> list[tuple[int, Path]]:
        """(step, path) of every preview, ascending. All use the same seeds."""
        paths = (self.path / PREVIEWS).glob("*.png") if is_own_folder(self.path / PREVIEWS) else ()
        numbered = [(int(match[1]), path) for path in paths if (match := _PREVIEW.fullmatch(path.name))]
        return sorted((step, path) for step, path in numbered if path == self.preview_path(step))  # not 5.png

    def preview(self, step: int) -> bytes:
        """The preview of a step. Raises CheckpointError if it is damaged, FileNotFoundError if it does not exist."""
        return read_png(self.preview_path(step), self.path)

    # ------------------------------------------------------ worker and users

    def write_status(self, **report: Any) -> None:
        overwrite_json(self.path / STATUS, report | processes.stamp())

    def status(self) -> dict[str, Any]:
        """The worker's last report, without numbers out of range; {} before the first, or if it is damaged."""
        try:
            status = read_json(self.path / STATUS)
        except CheckpointError:
            return {}
        report = status if isinstance(status, dict) else {}
        # JSON may contain infinity, NaN and numbers of 400 digits, which cannot be compared with clocks and steps.
        return {key: value for key, value in report.items() if not isinstance(value, int | float) or abs(value) < 1e15}

    def request(self, action: str, **values: Any) -> None:
        """Send a request to the running worker: stop, save, sample or set."""
        append_line(self.path / CONTROL, {"action": action, **values})

    def requests(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        return read_lines(self.path / CONTROL, offset)

    def requests_end(self) -> int:
        """The offset after the last request. A new worker starts there and ignores older requests."""
        path = self.path / CONTROL
        return path.stat().st_size if path.exists() else 0

    def add_event(self, step: int, kind: str, **values: Any) -> None:
        append_line(self.path / EVENTS, {"step": step, "kind": kind, "time": time.time(), **values})

    def events(self) -> list[dict[str, Any]]:
        """The events, oldest first. Raises CheckpointError if the file is damaged."""
        return read_lines(self.path / EVENTS, most=JSON_BYTES)[0]

    def log_tail(self, lines: int = 100) -> str:
        """The last lines of worker.log, at most 64 kB. Raises CheckpointError if it is not a regular file."""
        return "\n".join(read_tail(self.path / LOG, _TAIL_BYTES).splitlines()[-lines:])

    def files(self) -> Iterator[Path]:
        """Every file for the download, without incomplete files and links that lead out of the folder."""
        root = self.path.resolve()
        for path in sorted(self.path.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(self.path).parts)
            if path.is_file() and not hidden and path.resolve().is_relative_to(root):
                yield path

    def check_files(self) -> None:
        """Raises CheckpointError if one of the run's files is not a regular file."""
        for name in (METRICS, STATUS, CONTROL, EVENTS, LOG):
            with suppress(FileNotFoundError):
                open_regular(self.path / name).close()
