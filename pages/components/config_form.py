"""A form generated from a settings class, for any model: each field with its bounds and its description.

`fields_of` reads the JSON schema, `draw` shows one widget per field and returns the entered values, and `assignments`
lists those that differ from the recipe, as arguments of `--set`. Pydantic validates the values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from genmodels.config import FILLED, Frozen
from genmodels.errors import ConfigError
from genmodels.recipes import parse_overrides
from pages.components.i18n import has, t

Kind = Literal["integer", "number", "boolean", "choice", "numbers", "text"]


@dataclass(frozen=True)
class Field:
    """One setting, as described by its JSON schema."""

    name: str
    kind: Kind
    description: str
    optional: bool = False
    live: bool = False
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        words = [t(f"train.word.{word}") if has(f"train.word.{word}") else word for word in self.name.split("_")]
        text = " ".join(words)
        return text[:1].upper() + text[1:]

    def help(self, section: str) -> str:
        """The description, the range, and the name on the command line."""
        text = self.description[:1].upper() + self.description[1:].rstrip(".") + "."
        if self.low is not None or self.high is not None:
            text += " " + t(f"train.range.{self._range_key()}", low=_plain(self.low), high=_plain(self.high))
        if self.live:
            text += " " + t("train.help_live")
        return text + "  \n" + t("train.help_set", path=f"{section}.{self.name}")

    def problem(self, value: Any) -> str:
        """Why this number is invalid, and the valid range; "" if it is valid or the field is not a number."""
        if self.kind not in ("integer", "number") or (value is None and self.optional):
            return ""
        if value is not None and self._allows(value):
            return ""
        allowed = ""
        if self.low is not None or self.high is not None:
            allowed = t(f"train.range.{self._range_key()}", low=_plain(self.low), high=_plain(self.high))
        return (
            t("train.no_number", allowed=allowed)
            if value is None
            else t("train.out_of_range", value=_plain(value), allowed=allowed)
        )

    def _allows(self, value: float) -> bool:
        above = self.low is None or (value > self.low if self.open_low else value >= self.low)
        return above and (self.high is None or (value < self.high if self.open_high else value <= self.high))

    def _range_key(self) -> str:
        if self.high is None:
            return "above" if self.open_low else "from"
        return {(False, False): "closed", (True, False): "open_low", (False, True): "open_high"}.get(
            (self.open_low, self.open_high), "open"
        )


def fields_of(settings: type[Frozen], hidden: Collection[str] = FILLED) -> tuple[Field, ...]:
    """The fields that a user may set, in the order of the class, without `hidden`: those filled at submission."""
    properties: dict[str, Any] = settings.model_json_schema()["properties"]
    return tuple(_field(name, schema) for name, schema in properties.items() if name not in hidden)


def _field(name: str, schema: Mapping[str, Any]) -> Field:
    variants = [variant for variant in schema.get("anyOf", [schema]) if variant.get("type") != "null"]
    inner = variants[0]
    kind: Kind = "text"
    if "enum" in inner or "const" in inner:
        kind = "choice"
    elif inner.get("type") in ("integer", "number", "boolean"):
        kind = inner["type"]
    # The schema of a tuple of any length describes its items, that of a fixed length each position.
    item: Mapping[str, Any] = inner.get("items") or next(iter(inner.get("prefixItems", ())), {})
    if inner.get("type") == "array" and item.get("type") in ("integer", "number"):
        kind = "numbers"
    bounds = item if kind == "numbers" else inner
    return Field(
        name=name,
        kind=kind,
        description=str(schema.get("description", name)),
        optional="anyOf" in schema,
        live=bool(schema.get("live")),
        low=bounds.get("minimum", bounds.get("exclusiveMinimum")),
        high=bounds.get("maximum", bounds.get("exclusiveMaximum")),
        open_low="exclusiveMinimum" in bounds,
        open_high="exclusiveMaximum" in bounds,
        choices=tuple(inner.get("enum", [inner["const"]] if "const" in inner else ())),
    )


def show_fields(
    section: str, fields: Iterable[Field], values: Mapping[str, Any], *, reset: bool, columns: int = 3
) -> dict[str, Any]:
    """Show one widget per field, keyed `train_<section>_<field>`, and return their values.

    `values` are the initial values, and those after a `reset`; otherwise the session keeps what was entered.
    """
    entered: dict[str, Any] = {}
    ordered = list(fields)
    for start in range(0, len(ordered), columns):  # row by row, so that a narrow window keeps the order
        for cell, field in zip(st.columns(columns, vertical_alignment="bottom"), ordered[start:], strict=False):
            with cell:
                key = key_of(section, field.name)
                entered[field.name] = widget(field, key, values[field.name], field.help(section), reset=reset)
    return entered


def key_of(section: str, field: str) -> str:
    return f"train_{section}_{field}"


def widget(field: Field, key: str, value: Any, help: str, *, reset: bool = False, disabled: bool = False) -> Any:
    """Show the widget for a field and return its value as in JSON."""
    if reset or key not in st.session_state:
        st.session_state[key] = _shown(field, value)
    common: dict[str, Any] = {"key": key, "help": help, "disabled": disabled, "persist_state": "session"}
    if field.kind == "boolean":
        return st.toggle(field.label, wrap=True, **common)
    if field.kind == "choice":
        if field.optional:
            return st.selectbox(field.label, field.choices, index=None, placeholder=t("train.empty"), **common)
        return st.selectbox(field.label, field.choices, **common)
    if field.kind in ("integer", "number"):
        return _number(field, value, common)
    text = str(st.text_input(field.label, placeholder=t("train.empty"), **common))
    if field.kind == "numbers":
        return _numbers(text) or (None if field.optional else [])
    return text.strip() or None


def _number(field: Field, value: Any, common: dict[str, Any]) -> int | float | None:
    whole = field.kind == "integer"
    common |= {
        # Without bounds: a browser does not send a number that is out of bounds, so the page would use the old one.
        "value": None,
        "step": 1 if whole else _step(value),
        "format": "%d" if whole else "%g",
        "placeholder": t("train.empty"),
    }
    entered: int | float | None = st.number_input(field.label, **common)
    if problem := field.problem(entered):
        st.caption(f":material/error: :red[{problem}]")
    return entered


def problems(section: str, fields: Iterable[Field], entered: Mapping[str, Any]) -> list[str]:
    """One sentence for each number that is missing or out of range."""
    pairs = ((f"{section}.{field.name}", field.problem(entered[field.name])) for field in fields)
    return [f"{path}: {problem}" for path, problem in pairs if problem]


def _step(value: Any) -> float:
    """A tenth of the value's power of ten: one click changes 0.001 to 0.0011, and 1.0 to 1.1."""
    magnitude = abs(float(value or 1.0)) or 1.0
    return float(10.0 ** (math.floor(math.log10(magnitude)) - 1))


def _shown(field: Field, value: Any) -> Any:
    if field.kind == "numbers":
        return ", ".join(str(item) for item in value or ())
    if field.kind == "text":
        return "" if value is None else str(value)
    if field.kind == "number" and value is not None:
        return float(value)
    return value


def _numbers(text: str) -> list[Any]:
    """ "400, 200" -> [400, 200]; other words stay texts, which the validation then names."""
    return [_number_or_word(part) for part in text.replace(",", " ").replace(";", " ").split()]


def _number_or_word(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return text


def assignments(section: str, entered: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    """`section.field=value` for each value that differs from `base`; the command line parses the same values."""
    return [f"{section}.{name}={written(value)}" for name, value in entered.items() if not _same(value, base.get(name))]


def written(value: Any) -> str:
    """A value as an argument of `--set`: unquoted if that parses to the same value, else as JSON."""
    if isinstance(value, str):
        try:
            bare = parse_overrides([f"run.x={value}"])["run"]["x"]
        except ConfigError:
            bare = None
        return value if bare == value and value else json.dumps(value)
    return json.dumps(value)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return list(a) == list(b)
    return bool(a == b)


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:,.10g}"
