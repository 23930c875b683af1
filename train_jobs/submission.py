"""Queue a training: a new run with its folder and row, or a stopped or failed one again."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from genmodels import data
from genmodels.errors import CheckpointError
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.system import leftovers
from train_jobs import api, devices
from train_jobs.errors import JobError, writing_to
from train_jobs.rows import adopt, new_job
from train_jobs.spec import JobSpec, make_spec
from train_jobs.status import INCOMPLETE, Job, damage
from train_jobs.store import Store


def submit(spec: JobSpec) -> Job:
    """Queue a job and start the scheduler if none runs. Raises ConfigError, QueueError or PublicModeError."""
    api.refuse_in_public_mode("starting a training")
    devices.check(spec.run.device)
    job_id = enter(spec)
    api.ensure_scheduler()
    return api.job(job_id)


def submit_pair(
    content: bytes,
    style: bytes,
    *,
    recipe: str = "style_transfer",
    preset: str | None = None,
    assignments: Sequence[str] = (),
    name: str | None = None,
) -> Job:
    """Queue a style transfer of two image files, `content` and `style`, which only the run folder stores.

    `assignments` are as in `make_spec`, for example "data.size=256". Raises DataError naming the damaged image, and
    what `submit` raises.
    """
    api.refuse_in_public_mode("starting a training")
    try:
        with tempfile.TemporaryDirectory(prefix="genmodels-", ignore_cleanup_errors=True) as folder:
            paths = {"path": Path(folder, "content"), "path_b": Path(folder, "style")}
            for path, raw in zip(paths.values(), (content, style), strict=True):
                path.write_bytes(raw)
            files = [f"data.{field}={path}" for field, path in paths.items()]
            return submit(make_spec(recipe, preset, [*assignments, *files], "style_pair", name=name))
    except OSError as error:
        raise JobError(
            f"the two images could not be written to a temporary folder: {error}. Free some space there, or set TMPDIR"
        ) from error


def enter(spec: JobSpec, running: tuple[str, int, float] | None = None) -> str:
    """Create the run folder and its row, both or neither; returns the id."""
    store = Store()
    with new_folder(store) as prepared:
        folder = RunFolder.create(prepared, spec)
        return store.add(new_job(folder, spec), prepared, running=running)


@contextmanager
def new_folder(store: Store) -> Iterator[Path]:
    """The hidden path of a run that the block makes and gives its name; what the block leaves there is removed."""
    with writing_to(store.root):
        store.root.mkdir(parents=True, exist_ok=True)
        leftovers.sweep(store.root, *INCOMPLETE)
        with leftovers.at_work(store.root):
            prepared = store.root / f".new-{uuid.uuid4().hex}"
            try:
                yield prepared
            finally:
                leftovers.discard(prepared)


def resume(job_id: str) -> Job:
    """Queue a stopped or failed job again; it goes on from its last checkpoint."""
    api.refuse_in_public_mode("resuming a training")
    run = api.run_to_change(job_id)
    if run.active:
        raise JobError(f"{job_id} is {run.state}; there is nothing to resume. Stop it first, or wait for it")
    if run.state == "SUCCEEDED":
        raise JobError(
            f"{job_id} has finished, at step {run.step:,} of {run.max_steps:,}; "
            "for a longer training submit it again with a larger --set train.max_steps"
        )
    problem = damage(run.folder)
    if problem:
        raise CheckpointError(f"{job_id} cannot be resumed: {problem}")
    if not run.folder.resumable():
        raise CheckpointError(
            f"{job_id} cannot be resumed: its last checkpoint, step {run.folder.steps()[-1]:,}, was saved without "
            "the state that training needs (a published or trimmed copy). Submit its recipe again instead"
        )
    store = Store()
    spec = run.folder.spec()
    devices.check(spec.run.device)
    adopt(store, run)
    row = store.row(job_id)
    # The data root of the submitter, unless this process finds the data itself.
    local_root = str(data.data_root().absolute())
    root = local_root if row is None or data.missing(spec.data) is None else row.data_root
    # Initial weights come from the submitter's checkpoints as long as that folder exists.
    submitted = row.checkpoints_root if row is not None else None
    checkpoints = submitted if submitted and Path(submitted).is_dir() else str(catalog.checkpoints_root().absolute())
    if not store.requeue(job_id, root, checkpoints):
        raise JobError(f"{job_id} changed while it was being resumed; look at it again")
    api.ensure_scheduler()
    return api.job(job_id)
