"""`python -m genmodels evaluate`, `publish` and `card`: the commands that measure. They import torch when they run."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from genmodels import catalog
from genmodels.errors import ConfigError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Name = Annotated[str, typer.Argument(help="A checkpoint's or run's name, or the path of its folder.")]
Samples = Annotated[int, typer.Option(min=500, max=100_000, help="Pictures to draw.")]


def evaluate(
    name: Name,
    as_json: AsJson = False,
    samples: Samples = 10_000,
    step: Annotated[int | None, typer.Option(min=0, help="A saved step; the newest if not given.")] = None,
) -> None:
    """Measure a checkpoint on its test data and compare with what its recipe expects."""
    from genmodels import evaluation
    from genmodels.evaluation.metric_table import SPREAD, SPREAD_NOTE, name_of, shown, value_of
    from genmodels.publishing.expected import promise_of
    from genmodels.runfolder import RunFolder

    path = catalog.find(name)
    spec, steps = RunFolder(path).spec(), RunFolder(path).steps()
    figures = evaluation.evaluate(catalog.load(path, step), spec, samples=samples)
    promise = promise_of(spec, steps[-1] if step is None else step)
    if as_json:
        found = {"missed": evaluation.misses(figures, promise.expect), "differences": promise.differences}
        typer.echo(json.dumps({"name": path.name, "metrics": figures, **found}, indent=1, sort_keys=True))
        return
    for key in shown(figures):
        wanted = f"   expected {evaluation.range_text(*promise.expect[key])}" if key in promise.expect else ""
        typer.echo(f"{name_of(key):42} {value_of(figures, key):>20}   {key}{wanted}")
    if any(key.endswith(SPREAD) for key in figures):
        typer.echo(SPREAD_NOTE)
    typer.echo(promise.verdict(figures))


def publish(
    run: Annotated[str, typer.Argument(help="A run's name, or the path of its folder.")],
    name: Annotated[str, typer.Argument(help="The name in checkpoints/.")],
    steps: Annotated[str, typer.Option(help="Steps to keep, 0,1000,5000; the last if not given.")] = "",
    with_training_nets: Annotated[bool, typer.Option(help="Keep discriminators of the last step.")] = False,
    half: Annotated[bool, typer.Option(help="Store half precision.")] = False,
    progress: Annotated[bool, typer.Option("--progress", help="Print `progress DONE TOTAL` to stderr.")] = False,
) -> None:
    """Trim a run, measure it and write it to checkpoints/ with its card."""
    from genmodels.publishing.publish import publish as publish_run

    try:
        chosen = [int(step) for step in steps.split(",")] if steps else None
    except ValueError:
        raise ConfigError(f"--steps {steps!r} is not a list of whole numbers such as 0,1000,5000") from None

    def report(done: int, total: int) -> None:
        if progress:
            typer.echo(f"progress {done} {total}", err=True)

    typer.echo(publish_run(run, name, steps=chosen, with_training_nets=with_training_nets, half=half, report=report))


def card(
    name: Annotated[str, typer.Argument(help="A published checkpoint's name.")],
    measure: Annotated[bool, typer.Option("--measure", help="Measure again first; without, its figures stay.")] = False,
    samples: Samples = 10_000,
    path: Annotated[str | None, typer.Option(help="Where your own data lie, for a checkpoint trained on such.")] = None,
) -> None:
    """Write a published checkpoint's card anew; what stands from its limits on stays as it is."""
    from genmodels.publishing.publish import measure_again, rewrite_card

    typer.echo(measure_again(name, samples=samples, path=path) if measure else rewrite_card(name))
