"""`python -m genmodels space`: a folder ready for a Hugging Face Space or a Docker image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genmodels.errors import ConfigError


def space(
    kind: Annotated[str, typer.Argument(help="docker: the whole studio; gradio: the Gradio interface, for ZeroGPU.")],
    out: Annotated[Path, typer.Argument(help="The folder to write; it must be empty or not exist.")],
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="A published checkpoint to include; repeat for more. Default: all."),
    ] = None,
) -> None:
    """Assemble the folder of a Hugging Face Space, list the size of its parts, and print the upload commands."""
    from genmodels.publishing import space

    if kind not in ("docker", "gradio"):
        raise ConfigError(f"KIND {kind!r} is not known; use docker for the whole studio, or gradio")
    made = space.assemble("docker" if kind == "docker" else "gradio", out, models)
    for name, size in sorted(made.sizes.items(), key=lambda item: -item[1]):
        typer.echo(f"{size / 1e6:8.2f} MB  {name}")
    typer.echo(f"{sum(made.sizes.values()) / 1e6:8.2f} MB  in {made.path}")
    typer.echo("upload it, after `hf auth login`:")
    for command in made.commands:
        typer.echo(f"  {command}")
