"""`genmodels` or `python -m genmodels`: list, sample, evaluate, publish.

Exit codes: 0 success, 1 failure, 2 usage error.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genmodels import data
from genmodels.cli import as_pages, images, masks, measure, migrate, space
from genmodels.cli.measure import AsJson, Name
from genmodels.errors import CapabilityError, ConfigError, GenmodelsError, UnknownNameError
from genmodels.runs import catalog
from genmodels.system import processes

app = typer.Typer(
    help="Genmodels: classic generative models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
if TYPE_CHECKING:  # importing torch takes two seconds, and listing names does not need it
    from torch import Tensor

    from genmodels.model import Model


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the model families."""
    _print(catalog.list_models(), ("name", "title", "paper", "capabilities"), as_json)


@app.command()
def checkpoints(as_json: AsJson = False) -> None:
    """List published checkpoints, and your own runs with a saved step."""
    _print(catalog.list_checkpoints(), ("name", "model", "title", "steps", "published"), as_json)


@app.command(name="recipes")
def recipes_command(as_json: AsJson = False) -> None:
    """List the recipes."""
    _print(catalog.list_recipes(), ("name", "model", "data", "presets", "title"), as_json)


@app.command()
def info(name: Name, as_json: AsJson = False) -> None:
    """Show the card of a checkpoint, or the properties of a run."""
    info = catalog.describe(catalog.find(name))
    if as_json:
        typer.echo(json.dumps(vars(info), indent=1, default=str))
    else:
        typer.echo(info.card or "\n".join(f"{key}: {value}" for key, value in vars(info).items()))


@app.command()
def sample(
    name: Name,
    count: Annotated[
        int | None, typer.Option("-n", min=1, max=4096, help="Number of images; default: about 64, in full rows.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Any integer; image i uses seed + i.")] = 0,
    out: Annotated[Path, typer.Option(help="The PNG file to write.")] = Path("samples.png"),
    step: Annotated[int | None, typer.Option(min=0, help="A saved step; default: the newest.")] = None,
    z: Annotated[
        str | None, typer.Option(help="Decode only this sum of seeds, s12 - s7 + 0.5*s3; ignores -n and --seed.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Condition on this class: its name, or its number from 0. Repeat for more classes, one column each."
        ),
    ] = None,
) -> None:
    """Write a grid of samples, or the image of a sum of seeds. The same seed gives the same image.

    A class-conditional model has one column per class and one row per seed.
    """
    from genmodels.images import preview

    model = catalog.load(name, step)
    labels = None if label is None else _class_numbers(label, name)
    if z is None:
        columns = preview.columns_of(model, count or 64) if model.conditions else None
        if labels:
            columns = len(labels) if 1 < len(labels) <= preview.MAX_CLASS_COLUMNS else None
        count = count or 64 // (columns or 1) * (columns or 1)
        images = preview.samples_of_seeds(model, range(seed, seed + count), labels)
    else:
        images, columns = _of_expression(model, z, preview.requested_labels(model, labels)), None
    if images is None:
        raise CapabilityError(
            f"{name} cannot sample images; `python -m genmodels models` lists what each family can do"
        )
    if out.suffix.lower() != ".png":
        raise ConfigError(f"--out {str(out)!r} does not end in .png, the only supported format")
    try:
        out.write_bytes(preview.png(preview.grid(images, columns)))
    except OSError as error:
        raise ConfigError(f"--out {str(out)!r} cannot be written: {error}") from error
    typer.echo(out)


def _class_numbers(labels: list[str], name: str) -> list[int]:
    """The class number of each label, which is the name of a class or its number."""
    from genmodels.runs.folder import RunFolder

    names = RunFolder(catalog.find(name)).spec().data_spec.classes
    for label in labels:
        if label not in names and not (label.isascii() and label.isdigit() and len(label) < 6):
            raise ConfigError(f"--label {label!r} is not a class of {name}; its classes: {', '.join(names) or 'none'}")
    return [names.index(label) if label in names else int(label) for label in labels]


def _of_expression(model: Model, text: str, labels: list[int]) -> Tensor:
    """The image of an expression over seeds such as `s12 - s7`, for each class in `labels`: (max(1, L), C, H, W)."""
    import torch

    from genmodels.capabilities import SupportsLatent
    from genmodels.latent.expression import combine

    if not isinstance(model, SupportsLatent) or model.latent_dim == 0:
        raise CapabilityError(f"{model.title} has no latent vector, so --z does not apply to it; leave it out")
    with torch.inference_mode():
        z = combine(text, model.latent_dim).z()[None].to(model.device)
        condition = {"label": torch.tensor(labels, device=model.device)} if labels else None
        return model.decode(z.expand(max(1, len(labels)), -1), condition=condition).float().cpu()


app.command()(images.translate)
app.command()(images.translations)
app.command()(images.stylize)
app.command()(as_pages.paint)
app.command()(as_pages.classify)
app.command(name="hard-negatives")(images.hard_negatives)


@app.command()
def speak(
    name: Name,
    out: Annotated[Path, typer.Argument(help="The WAV file to write.")],
    digit: Annotated[
        str | None, typer.Option("--digit", "--label", help="The class, by its name or its number from 0.")
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="The speaker, by name or number from 0.")] = None,
    seed: Annotated[int, typer.Option(help="Any integer; the same seed gives the same recording.")] = 0,
    seconds: Annotated[float | None, typer.Option(min=0.01, max=60, help="Length; the data's if not given.")] = (None),
    temperature: Annotated[float, typer.Option(help="Below 1, likely values become likelier.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Sample from this many likeliest levels only.")] = None,
    guidance: Annotated[
        float | None, typer.Option(help="Classifier-free guidance scale: 1 as trained, above it clearer.")
    ] = None,
    tempo: Annotated[
        float,
        typer.Option(
            help="Speed of the utterance, 0.25 to 4, 1 as in the data; for models with temporal conditioning. "
            "The utterance begins at the start of --after."
        ),
    ] = 1.0,
    after: Annotated[Path | None, typer.Option(help="A WAV, FLAC, OGG, MP3 or AIFF file to continue.")] = None,
    step: Annotated[int | None, typer.Option(min=0, help="A saved step; default: the newest.")] = None,
) -> None:
    """Generate a recording with a model of audio such as a WaveNet, or continue one."""
    import torch

    from genmodels import synthesis
    from genmodels.cli import inputs
    from genmodels.sampling.options import SamplingOptions

    if out.suffix.lower() != ".wav":
        raise ConfigError(f"{str(out)!r} does not end in .wav, the one format written here")
    condition = {key: value for key, value in {"label": digit, "speaker": speaker}.items() if value is not None}
    options = SamplingOptions(temperature, top_k, guidance, tempo)
    request = synthesis.SpeechRequest(condition, seed, seconds, options)
    known = None if after is None else torch.from_numpy(inputs.read_recording(after, synthesis.sample_rate(name)))
    recording = synthesis.synthesise(name, request, step=step, after=known)
    try:
        out.write_bytes(recording.wav)
    except OSError as error:
        raise ConfigError(f"{str(out)!r} cannot be written: {error}") from error
    typer.echo(f"{out}: {recording.seconds:.2f} s, {recording.samples_per_second:,.0f} samples per second")


app.command()(measure.evaluate)
app.command()(measure.publish)
app.command()(measure.card)
app.command()(migrate.migrate)
app.command()(masks.masks)
app.command()(space.space)


@app.command()
def download(name: Annotated[str, typer.Argument(help="Name of a data set.")]) -> None:
    """Download a data set to the folder GENMODELS_DATA."""
    typer.echo(data.download(name))


@app.command()
def pack(
    images_path: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGES",
            help="A folder or zip file of images, or of CSV (label and grey levels per line), idx or .npz files; one "
            "such file; or the GAN book's HDF5 file of faces.",
        ),
    ],
    out: Annotated[Path, typer.Argument(help="The HDF5 file to write, ending in .h5.")],
    size: Annotated[int, typer.Option(min=4, max=1024, help="Width and height of the images in pixels.")] = 64,
    grey: Annotated[bool, typer.Option("--grey", help="One channel instead of three.")] = False,
    background: Annotated[
        str, typer.Option(help="Background of transparent images: black, white, grey, or a level from 0 to 255.")
    ] = "black",
    limit: Annotated[
        int | None, typer.Option(min=2, help="Maximum number of images, chosen by a fixed shuffle.")
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the data set; default: the folder's name.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the images, stored in the file.")] = "",
    origin: Annotated[str, typer.Option(help="Origin of the images, stored in the file.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Pack images of any size into one HDF5 file that is trained on without decoding. Subfolders become classes."""
    from genmodels.data.formats.background import level_of
    from genmodels.data.own import packing
    from genmodels.data.own.from_source import UNKNOWN_LICENCE

    source = packing.open_source(images_path)
    report = packing.pack(
        source,
        out,
        size=size,
        grey=grey,
        background=level_of(background),
        limit=limit,
        title=title,
        licence=licence or UNKNOWN_LICENCE,
        origin=origin,
        overwrite=force,
    )
    for name in report.skipped[:20]:
        typer.echo(f"left out {name}", err=True)
    if len(report.skipped) > 20:
        typer.echo(f"left out {len(report.skipped) - 20:,} more", err=True)
    for line in (*report.left_out.lines(), *report.notes):
        typer.echo(line, err=True)
    typer.echo(
        f"{report.count:,} images of {'x'.join(map(str, report.shape))} in {len(report.classes)} classes, "
        f"{len(report.skipped) + report.left_out.count:,} left out, {report.bytes / 1e6:.1f} MB, "
        f"{report.count / report.seconds:,.0f} images per second"
    )
    kinds = ", ".join(f"{count:,} {suffix or 'without suffix'}" for suffix, count in sorted(report.kinds.items()))
    typer.echo(f"files used: {kinds}")
    typer.echo(f"train on it: python -m train_jobs submit vae --data hdf5 --set data.path={shlex.quote(str(out))}")


def _print(items: tuple[Any, ...], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([vars(item) for item in items], indent=1, default=str))
        return
    rows = [[_cell(getattr(item, column)) for column in columns] for item in items]
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in [list(columns), *rows]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) if len(value) <= 8 else f"{value[0]} ... {value[-1]} ({len(value)})"
    return str(value)


def main() -> None:
    """Run the command line. Errors are one line on stderr; the exit code is 2 for a usage error and 1 for a failure."""
    try:
        app()
    except (UnknownNameError, ConfigError) as error:
        sys.exit(_report(error, 2))
    except GenmodelsError as error:
        sys.exit(_report(error, 1))


def _report(error: GenmodelsError, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


def command() -> None:
    """The console command `genmodels`: `main`, then the end of the process."""
    try:
        main()
    except SystemExit as end:
        processes.leave_as(end)


if __name__ == "__main__":
    command()
