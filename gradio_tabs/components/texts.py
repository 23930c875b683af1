"""Texts of the Gradio interface by key: `t("sample.title")` is `title` below `sample` in `gradio_tabs/locale/en`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "locale" / "en"


@cache
def texts() -> dict[str, str]:
    """All texts by key; the name of the file and the nested keys in it are joined with dots."""
    by_key: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        _flatten(path.stem, yaml.safe_load(path.read_text(encoding="utf-8")), by_key)
    return by_key


def t(key: str, **values: Any) -> str:
    """The text `key` with `{name}` replaced by the value of `name`. Raises KeyError if there is no such text."""
    return texts()[key].format(**values) if values else texts()[key]


def _flatten(prefix: str, value: Any, by_key: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}", inner, by_key)
    else:
        by_key[prefix] = str(value).strip()
