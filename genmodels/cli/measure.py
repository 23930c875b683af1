"""`python -m genmodels evaluate`, `publish` and `card`: the commands that measure. They import torch when called."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from genmodels.errors import ConfigError
from genmodels.runs import catalog

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Name = Annotated[str, typer.Argument(help="Name of a checkpoint or run, or the path of its folder.")]
Samples = Annotated[int, typer.Option(min=500, max=100_000, help="Number of generated images.")]


def evaluate(
    name: Name,
    as_json: AsJson = False,
    samples: Samples = 10_000,
    step: Annotated[int | None, typer.Option(min=0, help="A saved step; default: the newest.")] = None,
) -> None:
    """Measure a checkpoint on its test data and compare with the recipe's expected metrics."""
    from genmodels import evaluation
    from genmodels.evaluation.metric_table import SPREAD, SPREAD_NOTE, name_of, shown, value_of
    from genmodels.publishing.expected import expectation_of
    from genmodels.runs.folder import RunFolder

    path = catalog.find(name)
    spec, steps = RunFolder(path).spec(), RunFolder(path).steps()
    metrics = evaluation.evaluate(catalog.load(path, step), spec, samples=samples)
    expectation = expectation_of(spec, steps[-1] if step is None else step)
    bounds = expectation.bounds
    if as_json:
        comparison = {"missed": evaluation.misses(metrics, bounds), "differences": expectation.differences}
        typer.echo(json.dumps({"name": path.name, "metrics": metrics, **comparison}, indent=1, sort_keys=True))
        return
    for key in shown(metrics):
        expected = f"   expected {evaluation.range_text(*bounds[key])}" if key in bounds else ""
        typer.echo(f"{name_of(key):46} {value_of(metrics, key):>20}   {key}{expected}")
    if any(key.endswith(SPREAD) for key in metrics):
        typer.echo(SPREAD_NOTE)
    typer.echo(expectation.verdict(metrics))


def publish(
    run: Annotated[str, typer.Argument(help="Name of a run, or the path of its folder.")],
    name: Annotated[str, typer.Argument(help="Name of the checkpoint in checkpoints/.")],
    steps: Annotated[str, typer.Option(help="Steps to keep, such as 0,1000,5000; default: the last.")] = "",
    with_training_nets: Annotated[bool, typer.Option(help="Keep the discriminators of the last step.")] = False,
    half: Annotated[bool, typer.Option(help="Store half precision.")] = False,
    progress: Annotated[bool, typer.Option("--progress", help="Print `progress DONE TOTAL` to stderr.")] = False,
) -> None:
    """Trim a run, measure it, and write it with its card to checkpoints/."""
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
    name: Annotated[str, typer.Argument(help="Name of a published checkpoint.")],
    measure: Annotated[bool, typer.Option("--measure", help="Measure the metrics again first.")] = False,
    samples: Samples = 10_000,
    path: Annotated[str | None, typer.Option(help="Folder of your own data, for a checkpoint trained on it.")] = None,
    guidance: Annotated[
        bool, typer.Option("--guidance", help="Measure only class agreement, precision and recall by guidance scale.")
    ] = False,
) -> None:
    """Write the card of a published checkpoint again; the text from "Limits" on stays."""
    from genmodels.publishing.publish import measure_again, measure_guidance, rewrite_card

    if guidance and not measure:
        typer.echo(measure_guidance(name))
        return
    typer.echo(measure_again(name, samples=samples, path=path) if measure else rewrite_card(name))
