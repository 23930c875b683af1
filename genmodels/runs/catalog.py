"""Lists model families, recipes, published checkpoints and a user's runs, without loading weights."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmodels import recipes, registry
from genmodels.errors import CheckpointError, GenmodelsError, UnknownNameError
from genmodels.runs.files import read_bytes, read_json
from genmodels.runs.folder import CARD, CONFIG, MEASURED, NAME, PREVIEW, RunFolder, runs_root
from genmodels.system.paths import storage_root

if TYPE_CHECKING:
    from genmodels.model import Model

_RUN = "~run"
_CARD_BYTES = 2**20


@dataclass(frozen=True)
class CheckpointInfo:
    """A published checkpoint, or a run with at least one saved step."""

    name: str
    """Unique; `find` returns its folder. See `id_of`."""
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
    """What samples can be conditioned on, with the number of choices; empty for an unconditional model."""
    classes: tuple[str, ...]
    """Names of the data's classes, by class number."""
    image_shape: tuple[int, int, int] | None
    train_seconds: float | None
    """Training time, for a published checkpoint."""
    given_name: str | None
    """The user's name for a run; None for a published checkpoint and for a run without such a name."""

    @property
    def label(self) -> str:
        """The text to show: the given name, or else the title. Not unique, unlike `name`."""
        return self.given_name or self.title

    @property
    def preview(self) -> Path | None:
        """The path of the preview image, if there is one."""
        published = self.path / PREVIEW
        if published.is_file():
            return published
        previews = RunFolder(self.path).previews()
        return previews[-1][1] if previews else None

    @property
    def condition_names(self) -> tuple[str, ...]:
        """Names of the classes to condition on, or their numbers if the data has no names; empty if unconditional."""
        count = self.conditions.get("label", 0)
        return self.classes if len(self.classes) == count else tuple(map(str, range(count)))

    @property
    def card(self) -> str:
        """The card's Markdown; empty for an unpublished run. Raises CheckpointError if it is not a text file."""
        path = self.path / CARD
        try:
            return read_bytes(path, _CARD_BYTES).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""


@dataclass(frozen=True)
class ModelInfo:
    """A model family."""

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
    """The folder of published checkpoints: GENMODELS_CHECKPOINTS, or `checkpoints/`."""
    return Path(os.environ.get("GENMODELS_CHECKPOINTS") or storage_root() / "checkpoints").expanduser()


def list_models() -> tuple[ModelInfo, ...]:
    """Every model family, sorted by name. Imports torch."""
    from genmodels import capabilities

    families = []
    for name in registry.names():
        cls = registry.get(name)
        families.append(ModelInfo(name, cls.title, cls.paper, cls.modality, capabilities.of_class(cls)))
    return tuple(families)


def list_recipes() -> tuple[RecipeInfo, ...]:
    """Every recipe, sorted by name."""
    infos = []
    for name in recipes.names():
        r = recipes.get(name)
        data_name = str(r.data.get("name"))
        infos.append(
            RecipeInfo(r.name, r.title, r.description, r.source, r.family, data_name, tuple(r.presets), r.expect)
        )
    return tuple(infos)


def list_checkpoints() -> tuple[CheckpointInfo, ...]:
    """Published checkpoints, then a user's runs with a saved step, each sorted by name, without damaged folders.

    `damaged_checkpoints` lists the damaged published ones; the Runs page shows damaged runs with the reason.
    """
    infos = []
    for root, published in _roots():
        for path in sorted(root.glob(f"[!.]*/{CONFIG}")):  # hidden folders are incomplete
            try:
                info = describe(path.parent, published=published)
            except GenmodelsError:
                continue
            if info.steps:
                infos.append(info)
    return tuple(infos)


def _roots() -> list[tuple[Path, bool]]:
    """The folders of checkpoints, and whether each holds published ones. A folder used for both occurs once."""
    published, own = checkpoints_root(), runs_root()
    return [(published, True)] + ([(own, False)] if own.absolute() != published.absolute() else [])


def id_of(path: Path) -> str:
    """The unique name of a checkpoint's folder, for addresses, requests and `find`.

    It is the folder's name. A run with the name of a published checkpoint, because somebody copied it there, gets the
    suffix `~run`, which no published checkpoint can have.
    """
    name = path.name
    if path.absolute().parent != runs_root().absolute() or not _is_checkpoint(checkpoints_root() / name):
        return name
    if checkpoints_root().absolute() == runs_root().absolute():
        return name
    while any(_is_checkpoint(root / name) for root, _ in _roots()):
        name += _RUN
    return name


def existing_path(name: str, *roots: Path) -> Path | None:
    """The folder or file `name` among published checkpoints, runs or in `roots`; None if there is none.

    A new folder needs a name that neither root has: the interface and the command line identify models by name.
    """
    paths = [root / name for root in (*roots, checkpoints_root(), runs_root())]
    return next((path for path in paths if os.path.lexists(path)), None)


def _is_checkpoint(path: Path) -> bool:
    return (path / CONFIG).is_file()


def damaged_checkpoints() -> dict[str, str]:
    """The reason for each published folder that `list_checkpoints` leaves out, by name."""
    reasons = {}
    for path in sorted(checkpoints_root().glob(f"[!.]*/{CONFIG}")):
        try:
            describe(path.parent, published=True)
        except GenmodelsError as error:
            reasons[path.parent.name] = str(error)
    return reasons


def describe(path: Path, *, published: bool = False) -> CheckpointInfo:
    """The CheckpointInfo of a folder. Raises CheckpointError if it is damaged."""
    folder = RunFolder(path)
    stamp = tuple(_mtime(path / name) for name in (CONFIG, MEASURED, NAME))
    return _describe(path, id_of(path), published, stamp, tuple(folder.steps()))


@lru_cache(maxsize=512)
def _describe(
    path: Path, name: str, published: bool, stamp: tuple[float, ...], steps: tuple[int, ...]
) -> CheckpointInfo:
    # Cached by the files' times: a page that lists a hundred runs parses each config once, not at every rerun.
    folder = RunFolder(path)
    config = folder.config()
    spec = folder.spec()
    cls = registry.get(spec.family)
    model_config = cls.Config.parse(spec.model, "model.")
    metrics, train_seconds = _measured(path / MEASURED)
    recipe = recipes.get(spec.recipe) if spec.recipe in recipes.names() else None
    description = recipe.description if recipe else cls.title
    return CheckpointInfo(
        name=name,
        path=path,
        model=spec.family,
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
    """The capabilities in config.json, without those that the model family does not have."""
    if not isinstance(names, list) or not names:
        return possible
    return tuple(name for name in possible if name in names)


def _measured(path: Path) -> tuple[dict[str, float], float | None]:
    """The metrics, and the training time in seconds."""
    if not path.is_file():
        return {}, None
    content = read_json(path)
    try:
        metrics = {str(name): float(value) for name, value in content["metrics"].items()}
        return metrics, float(content["train_seconds"]) if "train_seconds" in content else None
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{path} does not hold metrics ({error!r}); publish the checkpoint again") from error


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def find(name_or_path: str | Path) -> Path:
    """The folder of a checkpoint or run, given its name or path. Raises UnknownNameError."""
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
    hint = "`python -m genmodels checkpoints` lists them."
    if not checkpoints_root().is_dir():
        hint = (
            f"The folder of published checkpoints, {checkpoints_root()}, does not exist: the package has none. Set "
            "GENMODELS_CHECKPOINTS to the folder checkpoints/ of a checkout, or copy that folder there."
        )
    raise UnknownNameError("checkpoint", str(name_or_path), known, hint)


def load(name_or_path: str | Path, step: int | None = None, device: str = "cpu") -> Model:
    """The model in eval mode, without gradients; the newest step by default.

    Raises UnknownNameError or CheckpointError.
    """
    from genmodels.runs import checkpoint

    return checkpoint.load_model(find(name_or_path), step, device)
