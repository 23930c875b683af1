"""The input of a page in its address: the name of a bundled file, or the number of an example.

What a visitor uploads, records or draws is never in the address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import streamlit as st

from pages.components import address, source_picker
from pages.components.i18n import t
from pages.components.source_picker import Source

_CANVAS = "canvas"


@dataclass(frozen=True)
class Input:
    """The choice of `source_picker.pick(key, ...)` as `?name=`.

    `named` maps texts of the address to values of the widget `pick`, which the source `named_source` shows. `count`
    returns the number of examples. `canvas`: the address may name the canvas. `default` is left out of the address.
    """

    page: str
    name: str
    key: str
    default: str
    named: Mapping[str, str] = field(default_factory=dict)
    named_source: Source = "bundled"
    pick: str = ""
    count: Callable[[], int] | None = None
    canvas: bool = False

    def read(self) -> None:
        """Set the source, and the file or example, to what the address requests; call it before the widgets."""
        memory = st.session_state
        if address.left_out(self.page, [self.name]):
            for key in (f"{self.key}_source", f"{self.key}_index", self.pick):
                memory.pop(key, None)
        found = address.requested(self.page, self.name, self._parse, self._problem)
        if found is None:
            return
        source, value = found
        memory[f"{self.key}_source"] = source
        if source == self.named_source:
            memory[self.pick] = value
        elif source == "example":
            memory[f"{self.key}_index"] = value

    def text(self) -> str | None:
        """The value for the address, after the widgets; None for the default and for what it must not contain."""
        memory, source = st.session_state, source_picker.picked(self.key)
        text = None
        if source == self.named_source:
            text = next((text for text, value in self.named.items() if value == memory.get(self.pick)), None)
        elif source == "example":
            text = str(memory.get(f"{self.key}_index", 0))
        elif source == _CANVAS and self.canvas:
            text = _CANVAS
        return None if text == self.default else text

    def _parse(self, text: str) -> tuple[Source, str | int]:
        if text in self.named:
            return self.named_source, self.named[text]
        if self.canvas and text == _CANVAS:
            return "canvas", ""
        if self.count is None:
            raise ValueError(text)
        return "example", address.integer(0, self.count() - 1)(text)

    def _problem(self, value: str) -> str:
        words = [*self.named, *([_CANVAS] if self.canvas else [])]
        parts = [address.one_of(words)] if words else []
        if self.count is not None and (count := self.count()):
            parts.append(address.between(0, count - 1))
        return address.problem(self.name, t("common.address.or").join(parts) or t("common.address.none"))(value)
