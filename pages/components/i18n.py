"""Texts of the interface by key: `t("latent.title")` is `title` in `pages/locale/en/latent.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from genmodels.public import public_mode

FOLDER = Path(__file__).parents[1] / "locale" / "en"


@cache
def texts() -> dict[str, str]:
    """All texts by key; the name of the file and the nested keys in it are joined with dots."""
    by_key: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        _flatten(path.stem, yaml.safe_load(path.read_text(encoding="utf-8")) or {}, by_key)
    return by_key


def t(key: str, **values: Any) -> str:
    """The text `key` with `{name}` replaced by the value of `name`. Raises KeyError if there is no such text.

    A public server uses the text in `public.yaml` if there is one: its visitors have no runs and no command line.
    """
    text = texts()[key]
    if public_mode():
        text = texts().get(f"public.{key}", text)
    return text.format(**values) if values else text


def has(key: str) -> bool:
    """Whether there is a text `key`."""
    return key in texts()


def _flatten(prefix: str, value: Any, by_key: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}", inner, by_key)
    else:
        by_key[prefix] = str(value).strip()
