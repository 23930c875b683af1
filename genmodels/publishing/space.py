"""Assembles the folder of a Hugging Face Space, or of a Docker image for a server. Does not import torch."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from genmodels.errors import CheckpointError, ConfigError, UnknownNameError
from genmodels.runs.catalog import checkpoints_root
from genmodels.runs.folder import CONFIG
from genmodels.system import leftovers
from genmodels.system.paths import CHECKOUT, PROJECT

Kind = Literal["docker", "gradio"]
ALWAYS = ("mnist_judge",)
"""Checkpoints of every Space: pages evaluate digits with this reference classifier."""
ZERO_GPU = {"torch": "2.11.0", "torchvision": "0.26.0"}
"""The newest versions that ZeroGPU has."""
_CODE: dict[Kind, tuple[str, ...]] = {
    "docker": (
        *("app.py", "gradio_app.py", "pages", "gradio_tabs", "genmodels", "train_jobs"),
        *(".streamlit/config.toml", "requirements.txt", "constraints.txt", "pyproject.toml", "LICENSE"),
    ),
    "gradio": ("gradio_app.py", "gradio_tabs", "genmodels", "pyproject.toml", "LICENSE"),
}
# A Gradio Space itself installs gradio[oauth,mcp] of the front matter's `sdk_version`, and uvicorn. What Gradio needs,
# too, has a range here: gradio[mcp] allows other versions of pydantic than those that are tested.
_OF_THE_SDK = frozenset({"gradio", "uvicorn"})
_SHARED_WITH_GRADIO = frozenset({"mcp", "numpy", "pillow", "pydantic", "pyyaml", "typer"})
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Space:
    """An assembled folder."""

    path: Path
    sizes: dict[str, int]
    """Bytes of each part."""
    kind: Kind

    @property
    def commands(self) -> tuple[str, str]:
        """The commands that create the Space and upload the folder."""
        return (
            f"hf repos create USER/NAME --type space --space-sdk {self.kind}",
            f"hf upload USER/NAME {shlex.quote(str(self.path))} . --type space",
        )


def assemble(kind: Kind, out: Path, models: Sequence[str] | None = None) -> Space:
    """Write the folder `out`, which must be absent or empty, with these published models, by default all.

    Raises ConfigError, UnknownNameError or CheckpointError; `out` is as before then.
    """
    if not CHECKOUT:
        raise ConfigError(
            f"a Space is assembled from a checkout: {PROJECT} has only the package. Clone the repository and run "
            "`python -m genmodels space` there"
        )
    checkpoints = _checkpoints(models)
    existed = _check_empty(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _fill(kind, out, checkpoints)
    except OSError as error:
        _clear(out, existed)
        raise ConfigError(
            f"OUT {str(out)!r} cannot be written: {error.strerror or error}. Choose a folder that you may write to, on "
            f"a disk with {_megabytes(checkpoints) + 10:,.0f} MB of free space"
        ) from error
    parts = {part.name: _bytes([part]) for part in sorted(out.iterdir())}
    return Space(out, parts, kind)


def _fill(kind: Kind, out: Path, checkpoints: Sequence[Path]) -> None:
    for name in _CODE[kind]:
        _copy(PROJECT / name, out / name)
    for path in sorted((PROJECT / "hosting" / kind).iterdir()):
        _copy(path, out / path.name)
    for path in checkpoints:
        _copy(path, out / "checkpoints" / path.name)
    if kind == "gradio":
        (out / "requirements.txt").write_text(gradio_requirements(), encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"))
    else:
        shutil.copyfile(source, target)


def _check_empty(out: Path) -> bool:
    """Whether `out` exists. Raises ConfigError if it is not a folder, or not empty."""
    try:
        if not os.path.lexists(out):
            return False
        if not out.is_dir():
            raise ConfigError(f"OUT {str(out)!r} is not a folder. Name one that is empty or does not exist")
        if any(out.iterdir()):
            raise ConfigError(
                f"OUT {str(out)!r} is not empty. Name a folder that is empty or does not exist, or empty this one"
            )
    except OSError as error:
        raise ConfigError(f"OUT {str(out)!r} cannot be read: {error.strerror}. Name another folder") from error
    return True


def _clear(out: Path, existed: bool) -> None:
    """Remove what was written; an existing folder remains, empty."""
    for path in [*out.iterdir()] if existed and out.is_dir() else [out]:
        leftovers.discard(path)


def _checkpoints(models: Sequence[str] | None) -> list[Path]:
    """The folders of the models and of `ALWAYS`, sorted by name."""
    root = checkpoints_root()
    known = {path.parent.name: path.parent for path in root.glob(f"[!.]*/{CONFIG}")} if root.is_dir() else {}
    for name in models or ():
        if name not in known:
            hint = f"Published checkpoints are in {root}; `python -m genmodels checkpoints` lists them."
            raise UnknownNameError("published checkpoint", name, known, hint)
    names = sorted(known if models is None else {*models, *(name for name in ALWAYS if name in known)})
    for weights in (file for name in names for file in known[name].rglob("*.safetensors")):
        with weights.open("rb") as file:
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise CheckpointError(f"{weights} is a pointer of Git LFS, not the weights. Run `git lfs pull` first")
    return [known[name] for name in names]


def gradio_requirements() -> str:
    """The requirements.txt of a Gradio Space: the core and the extra `gradio`, with the tested versions.

    Without what the Space installs itself, and with ranges instead of versions for what Gradio needs, too.
    """
    project: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    constraints = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.lower().split("==") for line in constraints if "==" in line and not line.startswith("#"))
    lines = []
    for requirement in project["dependencies"] + project["optional-dependencies"]["gradio"]:
        name = re.split(r"[<>=!~\[;]", requirement)[0].strip().lower()
        if name not in _OF_THE_SDK:
            version = ZERO_GPU.get(name) or tested[name]
            lines.append(requirement if name in _SHARED_WITH_GRADIO else f"{name}=={version}")
    return "\n".join(lines) + "\n"


def _bytes(paths: Iterable[Path]) -> int:
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file())


def _megabytes(paths: Sequence[Path]) -> float:
    return _bytes(paths) / 1e6
