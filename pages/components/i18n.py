"""Every text of the interface, by key: `t("latent.title")` is `title` in `pages/locale/en/latent.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from genmodels.public import public_mode

FOLDER = Path(__file__).parents[1] / "locale" / "en"


@cache
def texts() -> dict[str, str]:
    """All texts by key, one file a page; nested headings in a file are joined with dots."""
    found: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        _flatten(path.stem, yaml.safe_load(path.read_text(encoding="utf-8")) or {}, found)
    return found


def t(key: str, **values: Any) -> str:
    """The text of `key` with `{name}` filled in. Raises KeyError: a missing text is our defect, never the user's.

    Visitors of a public server get the text in `public.yaml`, if there is one: the runs are not theirs, and they have
    no command line.
    """
    text = texts()[key]
    if public_mode():
        text = texts().get(f"public.{key}", text)
    return text.format(**values) if values else text


def has(key: str) -> bool:
    """Whether a text exists, for texts that only some recipes have."""
    return key in texts()


def _flatten(prefix: str, value: Any, found: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}", inner, found)
    else:
        found[prefix] = str(value).strip()
