"""`train-jobs` or `python -m train_jobs`: the queue on the command line.

Exit codes: 0 done, 1 failed or refused, 2 usage.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from typing import Annotated, Any

import typer

from genmodels import recipes
from genmodels.errors import ConfigError, GenmodelsError, UnknownNameError
from genmodels.runs.folder import LOG
from genmodels.system import processes
from genmodels.text import duration
from train_jobs import api, foreground, live_settings, submission
from train_jobs.recovery import repair as rebuild
from train_jobs.spec import JobSpec, make_spec
from train_jobs.status import Job

app = typer.Typer(help="Train models in the background.", no_args_is_help=True, add_completion=False)

Recipe = Annotated[str, typer.Argument(help="recipe, or model family for its defaults")]
Preset = Annotated[str | None, typer.Option(help="preset of the recipe, for example quick")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="SECTION.FIELD=VALUE; may be repeated")]
Data = Annotated[str | None, typer.Option(help="data set; the same as --set data.name=NAME")]
Name = Annotated[str | None, typer.Option(help="name of the run")]
DeviceName = Annotated[str | None, typer.Option(help="auto, cpu, cuda:N or mps")]
Id = Annotated[str, typer.Argument(help="id of a run, as shown by `list`")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]

_TIMES = ("created", "started", "finished")


@app.command()
def submit(
    recipe: Recipe,
    preset: Preset = None,
    settings: Settings = None,
    data: Data = None,
    name: Name = None,
    device: DeviceName = None,
) -> None:
    """Queue a training and print its id on the last line."""
    spec = _spec(recipe, preset, settings, data, name, device)
    job = submission.submit(spec)
    typer.echo(f"{spec.title}: {spec.train.max_steps:,} steps on {spec.data.name}, in {job.folder.path}")
    typer.echo(job.id)


@app.command()
def run(
    recipe: Recipe,
    preset: Preset = None,
    settings: Settings = None,
    data: Data = None,
    name: Name = None,
    device: DeviceName = None,
) -> None:
    """Train in this terminal, with a progress bar. Ctrl-C saves and stops."""
    job = foreground.run(_spec(recipe, preset, settings, data, name, device))
    _print_end(job)
    typer.echo(job.id)
    _exit_as(job)


def _spec(*options: Any) -> JobSpec:
    api.refuse_in_public_mode("starting a training")
    recipe, preset, settings, data, name, device = options
    return make_spec(recipe, preset, settings or (), data, name=name, device=device)


@app.command("list")
def list_jobs(as_json: AsJson = False) -> None:
    """List all runs, the newest first."""
    jobs = api.jobs()
    if as_json:
        typer.echo(json.dumps([as_dict(job) for job in jobs], indent=1))
        return
    rows = [("ID", "STATE", "STEP", "OF", "DEVICE", "NAME")]
    for job in jobs:
        state = f"{job.state} ({job.position})" if job.position else job.state
        if job.silent is not None:
            state += f", {_phase(job)}"
        name = job.name if job.name != job.id else job.title
        rows.append((job.id, state, f"{job.step:,}", f"{job.max_steps:,}", job.device or "-", name))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def show(job_id: Id, as_json: AsJson = False) -> None:
    """Show one run: state, step, device, folder, error."""
    job = api.job(job_id)
    values = as_dict(job)
    if as_json:
        typer.echo(json.dumps(values, indent=1))
        return
    values["phase"] = _phase(job)
    for key, value in values.items():
        if value is not None and key != "silent":
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value)) if key in _TIMES else value
            typer.echo(f"{key.replace('_', ' '):14}{text}")


@app.command()
def logs(
    job_id: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="follow until the run ends")] = False,
) -> None:
    """Print the log of the worker."""
    path = api.job(job_id).folder.path / LOG
    offset = 0
    while True:
        # Checked before reading, so that everything written before the end is printed.
        active = follow and _watched(job_id).active
        if path.exists():
            with path.open("rb") as file:
                file.seek(offset)
                new = file.read()
            offset += len(new)
            typer.echo(new.decode("utf-8", "replace"), nl=False)
        if not active:
            return
        time.sleep(0.3)


@app.command()
def wait(
    job_id: Id,
    timeout: Annotated[float | None, typer.Option(min=0, help="seconds; by default unlimited")] = None,
) -> None:
    """Wait until a run has ended."""
    _print_end(job := _wait(job_id, timeout))
    _exit_as(job)


@app.command()
def stop(job_id: Id) -> None:
    """Stop a run; its last step is saved first."""
    job = api.stop(job_id)
    if job.state == "STOPPED":
        typer.echo(f"{job_id} was removed from the queue")
        return
    job = _wait(job_id, None)
    if job.state == "STOPPED" and job.folder.steps():
        typer.echo(f"{job_id} stopped, saved at step {job.folder.steps()[-1]:,}")
        return
    _print_end(job)
    if job.state == "FAILED":
        raise typer.Exit(1)


@app.command()
def resume(job_id: Id) -> None:
    """Queue a stopped or failed run again; it goes on from its last checkpoint."""
    steps = submission.resume(job_id).folder.steps()
    typer.echo(f"goes on from step {steps[-1]:,}" if steps else "begins at step 0")
    typer.echo(job_id)


@app.command("set")
def set_(
    job_id: Id,
    settings: Annotated[list[str], typer.Argument(help="model.FIELD=VALUE, for example model.generator_lr=1e-4")],
) -> None:
    """Change live settings of a running training, such as learning rates, from its next step on."""
    sections = recipes.parse_overrides(settings)
    for section in sections.keys() - {"model"}:
        raise ConfigError(f"{section}.* cannot be changed while training, only live settings of the model: model.*")
    changed = live_settings.update(job_id, sections["model"])
    for name, (old, new) in changed.items():
        typer.echo(f"model.{name} from {old:g} to {new:g}")
    if not changed:
        typer.echo("nothing changed: these are its current values")


@app.command()
def delete(job_id: Id) -> None:
    """Delete a run and its folder."""
    api.delete(job_id)
    typer.echo(f"{job_id} was deleted")


@app.command()
def rename(job_id: Id, name: Annotated[str, typer.Argument(help="1 to 80 characters")]) -> None:
    """Give a run another name."""
    typer.echo(f"{job_id} is now called {api.rename(job_id, name).name!r}")


@app.command()
def repair() -> None:
    """Rebuild a damaged queue from the run folders."""
    moved = rebuild()
    typer.echo(f"the damaged queue is now {moved}; the new one lists {len(api.jobs())} runs")


def _phase(job: Job) -> str | None:
    """The phase, with the age of the last report if it is overdue."""
    if job.silent is None:
        return job.phase
    detail = {"not responding": "its process runs; stop ends it", "lost": "its process has ended"}.get(job.phase or "")
    return f"{job.phase}, last report {duration(job.silent)} ago" + (f" ({detail})" if detail else "")


def as_dict(job: Job) -> dict[str, Any]:
    """The fields of a job as JSON values."""
    return {**vars(job), "folder": str(job.folder.path)}


def _wait(job_id: str, timeout: float | None) -> Job:
    end = None if timeout is None else time.monotonic() + timeout
    while (job := _watched(job_id)).active:
        if end is not None and time.monotonic() > end:
            raise GenmodelsError(
                f"{job_id} is still {job.state} after {timeout:g} s, at step {job.step:,} of {job.max_steps:,}"
            )
        time.sleep(0.2)
    return job


def _watched(job_id: str) -> Job:
    """The job, after a scheduler that has died is replaced: a command that waits must not wait forever."""
    api.watch_scheduler()
    return api.job(job_id)


def _print_end(job: Job) -> None:
    if job.state == "FAILED":
        typer.echo(f"error: {job.id} failed at step {job.step:,}: {job.error}", err=True)
    elif job.state == "STOPPED":
        steps = job.folder.steps()
        saved = f"saved at step {steps[-1]:,}" if steps else "before its first checkpoint"
        typer.echo(f"{job.id} stopped, {saved}; `python -m train_jobs resume {shlex.quote(job.id)}` goes on", err=True)
    else:
        typer.echo(f"{job.id} finished at step {job.step:,}", err=True)


def _exit_as(job: Job) -> None:
    if job.state != "SUCCEEDED":
        raise typer.Exit(1)


def main() -> None:
    try:
        app()
    except GenmodelsError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigError | UnknownNameError) else 1)
    except KeyboardInterrupt:
        sys.exit(1)


def command() -> None:
    """The console command `train-jobs`: `main`, then the end of the process."""
    try:
        main()
    except SystemExit as end:
        processes.leave_as(end)


if __name__ == "__main__":
    command()
