"""`python -m genmodels paint` and `classify`: what the pages of these names show, as a file and as a table.

torch is imported when they run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genmodels.cli.images import Step, check_png, write_bytes
from genmodels.cli.measure import Name

Out = Annotated[Path, typer.Argument(help="The PNG to write.")]


def paint(
    name: Name,
    out: Out,
    count: Annotated[int, typer.Option("-n", min=1, help="Number of images.")] = 8,
    seed: Annotated[int, typer.Option(help="Any integer; image i uses seed + i.")] = 0,
    label: Annotated[
        int | None, typer.Option(min=0, help="Class, from 0; without one, each seed samples its own.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="Below 1, likely values become likelier.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Sample from this many likeliest levels only.")] = None,
    test_image: Annotated[int | None, typer.Option(min=0, help="Complete this test image of the model's data.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="Rows of the test image, or of its codes, that are kept.")] = 0,
    step: Step = None,
) -> None:
    """Write images that an autoregressive model samples or completes, as the Paint page shows them."""
    check_png(out)
    from genmodels.service.paint import PaintRequest, files

    request = PaintRequest.parse(
        {
            "model": name,
            "step": step,
            "count": count,
            "seed": seed,
            "label": label,
            "temperature": temperature,
            "top_k": top_k,
        }
    )
    write_bytes(out, files.painted_png(request, test_image, rows))


def classify(
    names: Annotated[list[str], typer.Argument(help="Classifiers of digits, at most eight.")],
    digit: Annotated[int, typer.Option(min=0, help="Number of the test digit.")] = 0,
) -> None:
    """Print what classifiers predict for a test digit, as the Classify page does."""
    from genmodels.service.classify import prediction_table

    typer.echo(prediction_table(names, index=digit))
