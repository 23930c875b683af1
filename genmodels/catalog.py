"""What there is: models, recipes, published checkpoints and a user's own runs. Listing loads no weights."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmodels import recipes, registry
from genmodels.errors import CheckpointError, GenmodelsError, UnknownNameError
from genmodels.run_files import read_bytes
from genmodels.runfolder import CARD, CONFIG, MEASURED, NAME, PREVIEW, RunFolder, read_json, runs_root

if TYPE_CHECKING:
    from genmodels.model import Model

_RUN = "~run"


_CARD_BYTES = 2**20


@dataclass(frozen=True)
class CheckpointInfo:
    """A published checkpoint, or a run that has saved at least once."""

    name: str
    """Finds it (`find`), and differs from all others; see `id_of`."""
    path: Path
    model: str
    title: str
    description: str
    modality: str
    steps: tuple[int, ...]
    data: str
    licence: str
    capabilities: tuple[str, ...]
    metrics: dict[str, float]
    published: bool
    recipe: str | None
    latent_dim: int | None
    conditions: dict[str, int]
    """What a sample can be asked for, and among how many; empty where nothing can be asked."""
    classes: tuple[str, ...]
    """Names of the data's classes, in the order of their numbers."""
    image_shape: tuple[int, int, int] | None
    train_seconds: float | None
    """Time at work, where it was published."""
    given_name: str | None
    """What its user calls it; None for a published checkpoint and for a run without such a name."""

    @property
    def label(self) -> str:
        """The text to show for it: its given name, else its title. Not unique: `name` is."""
        return self.given_name or self.title

    @property
    def preview(self) -> Path | None:
        """The picture to show for it, if there is one."""
        published = self.path / PREVIEW
        if published.is_file():
            return published
        previews = RunFolder(self.path).previews()
        return previews[-1][1] if previews else None

    @property
    def askable(self) -> tuple[str, ...]:
        """Names of the classes a sample can be asked for, numbers where the data has no names; empty where none can."""
        count = self.conditions.get("label", 0)
        return self.classes if len(self.classes) == count else tuple(map(str, range(count)))

    @property
    def card(self) -> str:
        """The card's Markdown; "" for a run that was not published. Raises CheckpointError if it is no text file."""
        path = self.path / CARD
        try:
            return read_bytes(path, _CARD_BYTES).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""


@dataclass(frozen=True)
class ModelInfo:
    """A family of models."""

    name: str
    title: str
    paper: str
    modality: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True)
class RecipeInfo:
    """One experiment."""

    name: str
    title: str
    description: str
    source: str
    model: str
    data: str
    presets: tuple[str, ...]
    expect: dict[str, tuple[float | None, float | None]]


def checkpoints_root() -> Path:
    """Where published checkpoints are: GENMODELS_CHECKPOINTS, or `checkpoints/` beside the project's code."""
    return Path(os.environ.get("GENMODELS_CHECKPOINTS") or Path(__file__).parents[1] / "checkpoints").expanduser()


def list_models() -> tuple[ModelInfo, ...]:
    """Every family, sorted by name. Imports torch."""
    from genmodels import capabilities

    found = []
    for name in registry.names():
        cls = registry.get(name)
        found.append(ModelInfo(name, cls.title, cls.paper, cls.modality, capabilities.of_class(cls)))
    return tuple(found)


def list_recipes() -> tuple[RecipeInfo, ...]:
    """Every recipe, sorted by name."""
    found = []
    for name in recipes.names():
        r = recipes.get(name)
        data_name = str(r.data.get("name"))
        found.append(
            RecipeInfo(r.name, r.title, r.description, r.source, r.family, data_name, tuple(r.presets), r.expect)
        )
    return tuple(found)


def list_checkpoints() -> tuple[CheckpointInfo, ...]:
    """Published checkpoints, then a user's runs that have saved, each sorted by name; damaged folders are left out.

    `damaged_checkpoints` lists the published ones among those; the Runs page shows the runs, with the reason.
    """
    found = []
    for root, published in _roots():
        for path in sorted(root.glob(f"[!.]*/{CONFIG}")):  # hidden ones are half-made or half-deleted
            try:
                info = describe(path.parent, published=published)
            except GenmodelsError:
                continue
            if info.steps:
                found.append(info)
    return tuple(found)


def _roots() -> list[tuple[Path, bool]]:
    """Where checkpoints lie, and whether they are published there. One folder that serves as both is named once."""
    published, own = checkpoints_root(), runs_root()
    return [(published, True)] + ([(own, False)] if own.absolute() != published.absolute() else [])


def id_of(path: Path) -> str:
    """The unique name of a checkpoint's folder, for addresses, requests and `find`.

    It is the folder's name. A run whose folder is called as a published checkpoint, because somebody copied it there,
    gets the suffix `~run`, which no checkpoint can be published with.
    """
    name = path.name
    if path.absolute().parent != runs_root().absolute() or not _is_checkpoint(checkpoints_root() / name):
        return name
    if checkpoints_root().absolute() == runs_root().absolute():
        return name
    while any(_is_checkpoint(root / name) for root, _ in _roots()):
        name += _RUN
    return name


def name_taken(name: str, *roots: Path) -> Path | None:
    """The folder or file of that name among published checkpoints, runs or in `roots`; None if there is none.

    A new folder must have a name that neither root has: the interface and the command line find models by name.
    """
    paths = [root / name for root in (*roots, checkpoints_root(), runs_root())]
    return next((path for path in paths if os.path.lexists(path)), None)


def _is_checkpoint(path: Path) -> bool:
    return (path / CONFIG).is_file()


def damaged_checkpoints() -> dict[str, str]:
    """Published folders that `list_checkpoints` leaves out, by name, with the reason."""
    reasons = {}
    for path in sorted(checkpoints_root().glob(f"[!.]*/{CONFIG}")):
        try:
            describe(path.parent, published=True)
        except GenmodelsError as error:
            reasons[path.parent.name] = str(error)
    return reasons


def describe(path: Path, *, published: bool = False) -> CheckpointInfo:
    """The CheckpointInfo of one folder; raises CheckpointError where it is damaged."""
    folder = RunFolder(path)
    stamp = tuple(_mtime(path / name) for name in (CONFIG, MEASURED, NAME))
    return _describe(path, id_of(path), published, stamp, tuple(folder.steps()))


@lru_cache(maxsize=512)
def _describe(
    path: Path, name: str, published: bool, stamp: tuple[float, ...], steps: tuple[int, ...]
) -> CheckpointInfo:
    # Cached by the files' times: a page that lists a hundred runs parses each config once, not once a rerun.
    folder = RunFolder(path)
    config = folder.config()
    spec = folder.spec()
    cls = registry.get(spec.model)
    model_config = cls.Config.parse(spec.config, "model.")
    metrics, train_seconds = _measured(path / MEASURED)
    recipe = recipes.get(spec.recipe) if spec.recipe in recipes.names() else None
    description = recipe.description if recipe else cls.title
    return CheckpointInfo(
        name=name,
        path=path,
        model=spec.model,
        title=recipe.title if recipe else spec.title,
        description=description,
        modality=cls.modality,
        steps=steps,
        data=spec.data_spec.title,
        licence=str(config.get("licence", "")),
        capabilities=_claimed(config.get("capabilities"), _capabilities(cls)),
        metrics=metrics,
        published=published,
        recipe=spec.recipe,
        latent_dim=model_config.latent_size,
        conditions=model_config.conditions,
        classes=spec.data_spec.classes,
        image_shape=spec.data_spec.image_shape,
        train_seconds=train_seconds,
        given_name=None if published else folder.given_name() or spec.run.name,
    )


def _capabilities(cls: type[Model]) -> tuple[str, ...]:
    from genmodels import capabilities

    return capabilities.of_class(cls)


def _claimed(names: Any, possible: tuple[str, ...]) -> tuple[str, ...]:
    """What config.json says that this model of the family can do; a name that the family lacks would mislead a page."""
    if not isinstance(names, list) or not names:
        return possible
    return tuple(name for name in possible if name in names)


def _measured(path: Path) -> tuple[dict[str, float], float | None]:
    """The figures, and the seconds it was trained for."""
    if not path.is_file():
        return {}, None
    found = read_json(path)
    try:
        figures = {str(name): float(value) for name, value in found["metrics"].items()}
        return figures, float(found["train_seconds"]) if "train_seconds" in found else None
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{path} does not hold figures ({error!r}); publish the checkpoint again") from error


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def find(name_or_path: str | Path) -> Path:
    """The folder of a checkpoint or run by name, or a path to one; raises UnknownNameError."""
    if isinstance(name_or_path, str) and "/" not in name_or_path and "\\" not in name_or_path:
        for root, _ in _roots():
            if _is_checkpoint(root / name_or_path):
                return root / name_or_path
        folder = runs_root() / re.sub(f"({_RUN})+$", "", name_or_path)
        if _is_checkpoint(folder) and id_of(folder) == name_or_path:
            return folder
    elif (Path(name_or_path) / CONFIG).is_file():
        return Path(name_or_path)
    known = [info.name for info in list_checkpoints()]
    raise UnknownNameError("checkpoint", str(name_or_path), known, "`python -m genmodels checkpoints` lists them.")


def load(name_or_path: str | Path, step: int | None = None, device: str = "cpu") -> Model:
    """A model in eval mode, without gradients; the newest step unless one is named.

    Raises UnknownNameError or CheckpointError.
    """
    from genmodels import checkpoint

    return checkpoint.load_model(find(name_or_path), step, device)


def as_json(items: tuple[Any, ...]) -> str:
    """Infos as JSON text, for `--json`."""
    return json.dumps([vars(item) for item in items], indent=1, default=str)
