"""The files of a run: their names are known here and in checkpoint.py, and nowhere else. No torch.

<run>/ config.json     format version, resolved spec, versions, licence of the data, how it is run
       step-020000/    weights after 20,000 batches (checkpoint.py)
       metrics.jsonl   one line a logged step, append-only       previews/020000.png
       status.json     the worker's report                       worker.log
       control.jsonl   requests to a running worker              events.jsonl   what happened before which step
       inputs/         a user's own pictures that a job needs        name.json      the name given by "rename"
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from genmodels import data, leftovers, processes
from genmodels.errors import CheckpointError, ConfigError, UnknownNameError
from genmodels.recipes import Spec
from genmodels.run_files import JSON_BYTES, append_line, open_regular, read_json, read_lines, read_png, write_json

__all__ = [
    "CARD",
    "CONFIG",
    "CONTROL",
    "EVENTS",
    "FORMAT",
    "INPUTS",
    "LOG",
    "MEASURED",
    "METRICS",
    "PREVIEW",
    "PREVIEWS",
    "RESUME_JSON",
    "STATUS",
    "RunFolder",
    "append_line",
    "git_commit",
    "read_json",
    "read_lines",
    "runs_root",
    "versions",
    "write_json",
]

FORMAT = 2
"""Version of config.json and metrics.json; `python -m genmodels migrate` converts older ones."""
CONFIG, METRICS, STATUS, CONTROL, EVENTS = (
    "config.json",
    "metrics.jsonl",
    "status.json",
    "control.jsonl",
    "events.jsonl",
)
RESUME_JSON = "resume.json"
LOG, PREVIEWS, INPUTS = "worker.log", "previews", "inputs"
CARD, MEASURED, PREVIEW = "README.md", "metrics.json", "preview.png"
NAME = "name.json"
_STEP = re.compile(r"step-(\d{6,9})", re.ASCII)  # TrainConfig allows 100,000,000 steps
_CONFIG_BYTES = (
    2 * 2**20
)  # some kilobytes usually; the names of 10,000 classes fit, a list of a million layers does not
_PREVIEW = re.compile(r"(\d{1,9})\.png", re.ASCII)
_PROJECT = Path(__file__).parents[1]


def runs_root() -> Path:
    """Where a user's runs are: GENMODELS_RUNS, or `runs/` beside the project's code."""
    return Path(os.environ.get("GENMODELS_RUNS") or _PROJECT / "runs").expanduser()


class RunFolder:
    """One run's files, for the worker that writes them and the pages that read them."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: Path, spec: Spec) -> RunFolder:
        """A new folder with its config.json, and copies of a user's few pictures that the run needs (`inputs/`).

        Raises CheckpointError where one is already there, DataError where such a picture cannot be used.
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
        """Whether anything of a run is here; a damaged run is one, somebody's folder of photographs is not."""
        return any((self.path / name).exists() for name in (CONFIG, METRICS, STATUS)) or bool(self.steps())

    def config(self) -> dict[str, Any]:
        """config.json, checked for its format version; raises CheckpointError."""
        config = read_json(self.path / CONFIG, _CONFIG_BYTES)
        found = config.get("format") if isinstance(config, dict) else None
        if found != FORMAT:
            raise CheckpointError(
                f"{self.path / CONFIG} has format version {found!r}, this program reads {FORMAT}. {self._remedy(found)}"
            )
        return dict(config)

    def _remedy(self, version: object) -> str:
        if not isinstance(version, int) or version < 1:
            return "Train it again"
        if version > FORMAT:
            return "Update Genmodels Studio"
        return f"Convert it: python -m genmodels migrate {shlex.quote(str(self.path))}"

    def spec(self) -> Spec:
        """The resolved spec; raises CheckpointError where config.json holds none that this program understands.

        Pictures that were copied when it was submitted are named by their copies: the originals may have gone.
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
        """How the run is executed (precision, compile, layout, threads), once the worker has chosen it."""
        runtime: dict[str, Any] | None = self.config().get("runtime")
        return runtime

    def set_runtime(self, runtime: Mapping[str, Any]) -> None:
        write_json(self.path / CONFIG, {**self.config(), "runtime": dict(runtime)})

    def given_name(self) -> str | None:
        """The name that a user gave to the run after it was submitted; None without one or if the file is damaged."""
        try:
            name = read_json(self.path / NAME)
        except CheckpointError:
            return None
        return name if isinstance(name, str) and 0 < len(name) <= 80 and name.isprintable() else None

    def set_given_name(self, name: str) -> None:
        """In a file of its own: a worker may be writing config.json."""
        write_json(self.path / NAME, name)

    def set_initial(self, source: Mapping[str, Any]) -> None:
        """Keep whose weights the training began with: {"name", "step", "commit"}."""
        write_json(self.path / CONFIG, {**self.config(), "initial": dict(source)})

    # ------------------------------------------------------------- checkpoints

    def steps(self) -> list[int]:
        """Steps with a whole checkpoint, ascending."""
        return [step for step, _ in self._steps()]

    def resumable(self) -> bool:
        """Whether training can go on from the last checkpoint, or begin where there is none yet."""
        return not self.steps() or self.steps()[-1] in self.resumable_steps()

    def resumable_steps(self) -> list[int]:
        """Steps that hold what training needs to go on, ascending."""
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
        found = [(int(m[1]), path) for path in entries if (m := _STEP.fullmatch(path.name)) and _is_own_folder(path)]
        return sorted((step, path) for step, path in found if path == self.step_path(step))  # not step-0000010

    def remove_step(self, step: int) -> None:
        """Renamed away first, so that a reader never meets half a checkpoint."""
        trash = self.path / f".trash-{step}-{os.getpid()}"
        os.replace(self.step_path(step), trash)
        shutil.rmtree(trash)

    def set_aside(self, step: int) -> None:
        """Hide a damaged checkpoint, without losing what may be left of it."""
        os.replace(self.step_path(step), self.path / f".damaged-{step:06d}-{time.time_ns()}")

    def clear_leftovers(self) -> None:
        """Remove what a killed worker left half-written."""
        names = (CONFIG, METRICS, STATUS, EVENTS, NAME)
        patterns = (".tmp-*", ".trash-*", *(f".{name}.*" for name in names), f"{PREVIEWS}/*.tmp")
        for path in [path for pattern in patterns for path in self.path.glob(pattern)]:
            if leftovers.is_abandoned(path):
                leftovers.discard(path)

    # ---------------------------------------------------------- curves, pictures

    def append_metrics(self, step: int, values: Mapping[str, float]) -> None:
        append_line(self.path / METRICS, {"step": step, "time": round(time.time(), 3), **values})

    def metrics(self, offset: int = 0, limit: int = -1) -> tuple[list[dict[str, Any]], int]:
        """Logged points from byte `offset` on, in at most `limit` bytes, and the offset after them."""
        return read_lines(self.path / METRICS, offset, limit)

    def metrics_stamp(self) -> tuple[int, int]:
        """(which file, its size); a resume that cuts the curves back makes another file, so readers begin again."""
        try:
            found = (self.path / METRICS).stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_ino, found.st_size

    def truncate(self, step: int) -> None:
        """Forget points, events and pictures after `step`: a resumed run writes them again.

        Turned knobs stay: an exact resume turns them again before the same step. -1 if training starts from scratch.
        """
        for name in (METRICS, EVENTS):
            path = self.path / name
            lines, _ = read_lines(path)
            kept = [line for line in lines if line.get("step", 0) <= step or line.get("kind") == "set"]
            if len(kept) < len(lines) or (path.exists() and not path.read_bytes().endswith(b"\n")):
                temporary = path.with_name(f".{name}.{os.getpid()}")
                try:
                    temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
                    os.replace(temporary, path)
                except OSError:
                    leftovers.discard(temporary)
                    raise
        for preview_step, preview in self.previews():
            if preview_step > step:
                preview.unlink(missing_ok=True)

    def preview_path(self, step: int) -> Path:
        return self.path / PREVIEWS / f"{step:06d}.png"

    def previews(self) -> list[tuple[int, Path]]:
        """(step, picture), ascending; the same seeds from step 0 on."""
        paths = (self.path / PREVIEWS).glob("*.png") if _is_own_folder(self.path / PREVIEWS) else ()
        found = [(int(match[1]), path) for path in paths if (match := _PREVIEW.fullmatch(path.name))]
        return sorted((step, path) for step, path in found if path == self.preview_path(step))  # not 5.png

    def preview(self, step: int) -> bytes:
        """The picture of a step; raises CheckpointError if it is damaged, FileNotFoundError if it is not there."""
        return read_png(self.preview_path(step), self.path)

    # ------------------------------------------------------ worker and its users

    def write_status(self, **report: Any) -> None:
        report |= processes.stamp()
        try:
            write_json(self.path / STATUS, report)
        except OSError as error:
            # On a full disk nothing new can be made, but the old report's block can be written again. A reader that
            # meets it half-written sees no report for a moment; without this it would never learn why training ended.
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not (self.path / STATUS).exists():
                raise
            with (self.path / STATUS).open("r+b") as file:
                file.write(json.dumps(report, sort_keys=True).encode())
                file.truncate()

    def status(self) -> dict[str, Any]:
        """The worker's last report; {} before the first, or where it is damaged. Without numbers that none can be."""
        try:
            status = read_json(self.path / STATUS)
        except CheckpointError:
            return {}
        report = status if isinstance(status, dict) else {}
        # JSON holds infinity, NaN and numbers of 400 digits, too; with those no clock and no step can be compared.
        return {key: value for key, value in report.items() if not isinstance(value, int | float) or abs(value) < 1e15}

    def request(self, action: str, **values: Any) -> None:
        """Ask the running worker: stop, save, sample, set."""
        append_line(self.path / CONTROL, {"action": action, **values})

    def requests(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        return read_lines(self.path / CONTROL, offset)

    def requests_end(self) -> int:
        """The offset behind all requests made so far: a worker starts there, old requests are not for it."""
        path = self.path / CONTROL
        return path.stat().st_size if path.exists() else 0

    def add_event(self, step: int, kind: str, **values: Any) -> None:
        append_line(self.path / EVENTS, {"step": step, "kind": kind, "time": time.time(), **values})

    def events(self) -> list[dict[str, Any]]:
        """What happened, oldest first; a page reads it with each run. Raises CheckpointError if it is damaged."""
        return read_lines(self.path / EVENTS, most=JSON_BYTES)[0]

    def log_tail(self, lines: int = 100) -> str:
        """The last lines of worker.log; reads at most 64 kB. Raises CheckpointError if it is not a file."""
        try:
            with open_regular(self.path / LOG) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 65_536))
                return "\n".join(file.read(65_536).decode("utf-8", "replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def files(self) -> Iterator[Path]:
        """Every file worth downloading, less what is half-written and what links name outside of the folder."""
        root = self.path.resolve()
        for path in sorted(self.path.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(self.path).parts)
            if path.is_file() and not hidden and path.resolve().is_relative_to(root):
                yield path

    def check_files(self) -> None:
        """Raises CheckpointError for what stands in the place of one of the run's files without being one."""
        for name in (METRICS, STATUS, CONTROL, EVENTS, LOG):
            with suppress(FileNotFoundError):
                open_regular(self.path / name).close()


def _is_own_folder(path: Path) -> bool:
    """Whether it is a folder, and inside of the run: a link may not bring in another one."""
    return path.is_dir() and (not path.is_symlink() or path.resolve().is_relative_to(path.parent.resolve()))


def versions() -> dict[str, str]:
    """Of what decides the numbers; read from package metadata, so nothing heavy is imported."""
    found = {"python": sys.version.split()[0]}
    for package in ("torch", "numpy", "safetensors"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def git_commit() -> str | None:
    """The project's commit, or None outside a checkout."""
    try:
        command = ["git", "-C", str(_PROJECT), "rev-parse", "HEAD"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None
