"""All models: one file of `genmodels/models/` per model, named by the file.

A model's file is loaded in two ways. `get` imports it, and with it torch. `config_class` runs only the part above its
first `import torch`, the config: so a job is validated in a fraction of a second.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, TypeVar

from genmodels.config import ModelConfig
from genmodels.errors import UnknownNameError

if TYPE_CHECKING:
    from genmodels.model import Model

    M = TypeVar("M", bound=type[Model])
else:
    M = TypeVar("M")

_FOLDER = Path(__file__).parent / "models"
_registered: dict[str, type[Model]] = {}


def register(name: str) -> Callable[[M], M]:
    """Class decorator that registers a Model as `name`; raises ValueError for a second class of that name."""

    def decorate(cls: M) -> M:
        known = _registered.get(name)
        if known is not None and known.__module__ != cls.__module__:
            raise ValueError(f"two models are called {name!r}: {known.__module__} and {cls.__module__}")
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ValueError(f"two classes in {cls.__module__} are registered as {name!r}")
        _registered[name] = cls
        cls.name = name
        cls.batch_keys = cls.Config.batch_keys
        return cls

    return decorate


def names() -> tuple[str, ...]:
    """Returns the names of all models, sorted; reads file names only."""
    stems = {path.stem for path in _FOLDER.glob("*.py") if not path.stem.startswith("_")}
    return tuple(sorted(stems | set(_registered)))


def get(name: str) -> type[Model]:
    """Returns the model class called `name`; raises UnknownNameError."""
    if name not in _registered:
        _require(name)
        importlib.import_module(f"genmodels.models.{name}")
    return _registered[name]


def config_class(name: str) -> type[ModelConfig]:
    """Returns the config class of a model, without importing torch unless the process already has."""
    if name in _registered or "torch" in sys.modules:
        return get(name).Config
    _require(name)
    return _light_config_class(name)


def _require(name: str) -> None:
    if name not in names():
        raise UnknownNameError("model", name, names(), "`python -m genmodels models` lists them.")


class _ConfigLoader(importlib.machinery.SourceFileLoader):
    """Loads the part of a model's file above its first import of torch."""

    def get_code(self, fullname: str) -> CodeType:
        # Not from the bytecode cache, which holds the whole file.
        tree = ast.parse(self.get_data(self.path), self.path)
        tree.body = list(takewhile(lambda node: not _needs_torch(node), tree.body))
        return compile(tree, self.path, "exec", dont_inherit=True)


def _needs_torch(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == "torch" for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch"


@cache
def _light_config_class(name: str) -> type[ModelConfig]:
    module_name = f"genmodels._configs_of.{name}"
    loader = _ConfigLoader(module_name, str(_FOLDER / f"{name}.py"))
    spec = importlib.util.spec_from_loader(module_name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # pydantic looks annotations up there
    loader.exec_module(module)
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ModelConfig) and value.__module__ == module_name
    ]
    if not own:
        raise TypeError(f"genmodels/models/{name}.py must define its ModelConfig above its first import of torch")
    return own[-1]
