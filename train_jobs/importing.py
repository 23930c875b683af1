"""Import a run from a zip, as the Runs page offers it for download. The zip is untrusted.

Only the files of a run are accepted, by their names: no path leads out of the folder, and nothing is unpickled. Sizes
are counted while the files are written. The run appears when all of it is there and valid, or not at all.
"""

from __future__ import annotations

import re
import stat
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from genmodels.data.formats.zip_files import ZIP_ERRORS, Limits, check_directory
from genmodels.errors import CheckpointError, DataError, GenmodelsError
from genmodels.runs import catalog
from genmodels.runs.files import write_json
from genmodels.runs.folder import CONFIG, CONTROL, STATUS, WEIGHTS, RunFolder, is_run_file
from genmodels.runs.weights_file import shapes_in
from train_jobs import api
from train_jobs.errors import JobError
from train_jobs.status import Job, damage
from train_jobs.store import Store
from train_jobs.submission import new_folder

MAX_ZIP_BYTES = 500 * 2**20
LIMITS = Limits(entries=20_000, total_bytes=2 * 2**30)
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,99}", re.ASCII)
_BLOCK = 2**20
_KEPT = ("phase", "step", "max_steps", "device", "error", "heartbeat")
"""Fields of a report that are kept; the others name a process of another machine."""


def import_run(file: BinaryIO) -> Job:
    """Store the run in a zip under the name of its folder, or that name with a number, and return it.

    Raises JobError if the zip is not one of a run or exceeds a limit, CheckpointError if the run is damaged or has
    another format version, QueueError if it cannot be written, and PublicModeError.
    """
    api.refuse_in_public_mode("importing a run")
    size = file.seek(0, 2)
    if size > MAX_ZIP_BYTES:
        raise JobError(
            f"the zip has {size / 2**20:,.0f} MB, more than the {MAX_ZIP_BYTES >> 20:,} MB that an import may have. "
            "Unpack it into the runs folder yourself, or download it without the state for resuming"
        )
    store = Store()
    with new_folder(store) as prepared:
        name = _unpack(file, prepared)
        _check(prepared)
        _end(prepared)
        target = store.root / _free_name(name)
        prepared.rename(target)
    return api.job(target.name)


def _unpack(file: BinaryIO, target: Path) -> str:
    """Write the zip's files to the new folder `target`, and return the name of the folder in the zip."""
    try:
        check_directory(file, LIMITS)
        with zipfile.ZipFile(file) as archive:
            members = [entry for entry in archive.infolist() if not entry.is_dir()]
            name, paths = _checked_paths(members)
            total = 0
            target.mkdir()
            for entry, path in zip(members, paths, strict=True):
                if path == CONTROL:
                    continue  # requests to a worker that does not exist here
                place = target / path
                place.parent.mkdir(exist_ok=True)
                with archive.open(entry) as source, place.open("xb") as output:
                    while block := source.read(_BLOCK):
                        total += len(block)  # the size in the directory may be wrong
                        if total > LIMITS.total_bytes:
                            raise JobError(_too_large())
                        output.write(block)
    except GenmodelsError as error:
        raise (JobError(f"the zip cannot be imported: {error}") if isinstance(error, DataError) else error) from error
    except ZIP_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk, not the zip
        raise JobError(f"the file is not a zip, or it is damaged ({error}). Download the run again") from error
    return name


def _checked_paths(members: list[zipfile.ZipInfo]) -> tuple[str, list[str]]:
    """The name of the one folder of the zip, and the path of each file in it. Raises JobError."""
    if not members:
        raise JobError("the zip is empty; choose the zip of a run, as the Runs page offers it for download")
    if len(members) > LIMITS.entries:
        raise JobError(f"the zip has {len(members):,} files, more than the {LIMITS.entries:,} that a run may have")
    if sum(entry.file_size for entry in members) > LIMITS.total_bytes:
        raise JobError(_too_large())
    name = members[0].filename.split("/")[0]
    paths = []
    for entry in members:
        folder, _, path = entry.filename.partition("/")
        if entry.flag_bits & 1:
            raise JobError("the zip is encrypted; zip the run without a password")
        if folder != name or not _NAME.fullmatch(folder) or not is_run_file(path) or _is_link(entry):
            raise JobError(
                f"{entry.filename[:120]!r} is no file of a run. The zip must hold one folder with the files of a run, "
                "as the Runs page offers it for download; nothing was imported"
            )
        paths.append(path)
    if len({path.casefold() for path in paths}) < len(paths):
        raise JobError("the zip has two files with the same name; download the run again")
    if CONFIG not in paths:
        raise JobError(f"the zip has no {name}/{CONFIG}, so it is no run; choose the zip of a run")
    return name, paths


def _is_link(entry: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return kind not in (0, stat.S_IFREG)


def _too_large() -> str:
    return f"unpacked, the zip has more than the {LIMITS.total_bytes / 2**30:.0f} GB that an import may have"


def _check(path: Path) -> None:
    """Raises CheckpointError if the folder is not a valid run, without the temporary name in the message."""
    folder = RunFolder(path)
    try:
        problem = damage(folder)
        for step in folder.steps() if problem is None else ():
            weights = folder.step_path(step)
            for file in sorted(weights.glob("*.safetensors")):
                shapes_in(file, path)
            if not (weights / WEIGHTS).exists():
                problem = f"step {step:,} has no weights"
    except GenmodelsError as error:
        problem = str(error)
    if problem is not None:
        raise CheckpointError(f"the zip holds no valid run: {problem.replace(str(path), 'the run')}")


def _end(path: Path) -> None:
    """Remove from the last report what would make the run look like one that trains here."""
    report = RunFolder(path).status()
    if not report:
        return
    ended: dict[str, Any] = {name: report[name] for name in _KEPT if name in report}
    if ended.get("phase") not in ("finished", "failed"):
        ended["phase"] = "stopped"
    write_json(path / STATUS, ended)


def _free_name(name: str) -> str:
    """`name`, or with a number if a checkpoint, a run or a row of the queue has it."""
    store = Store()
    for number in range(1, 1_000):
        free = name if number == 1 else f"{name}-{number}"
        if catalog.existing_path(free, store.root) is None and store.row(free) is None:
            return free
    raise JobError(f"there are too many runs called {name}; rename the folder in the zip")
