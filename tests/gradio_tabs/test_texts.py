"""The texts of the Gradio interface: every key that the code uses exists, and every text is used."""

from __future__ import annotations

import re

from gradio_tabs.components.texts import texts
from tests.support.browser import ROOT


def test_keys_and_texts_agree() -> None:
    sources = [ROOT / "gradio_app.py", *(ROOT / "gradio_tabs").rglob("*.py")]
    used = {key for path in sources for key in re.findall(r'\bt\(\s*"([\w.]+)"', path.read_text(encoding="utf-8"))}
    assert used - {"sample.title"} == set(texts())  # an example in a docstring


def test_every_control_has_a_help_text() -> None:
    wrong = []
    for path in (ROOT / "gradio_tabs").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for match in re.finditer(r"gr\.(Number|Slider|Dropdown|Radio|Textbox)\(", source):
            depth, end = 1, match.end()
            while depth:
                depth += {"(": 1, ")": -1}.get(source[end], 0)
                end += 1
            call = source[match.start() : end]
            if "label=" in call and "info=" not in call:
                wrong.append(f"{path.name}: {call[:60]}")
    assert wrong == []
