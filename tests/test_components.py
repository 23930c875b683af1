"""The interface's own components: what Streamlit does not check when they are registered."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

PAGES = Path(__file__).parents[1] / "pages"


def registered_names() -> list[str]:
    return [
        str(node.args[0].value)
        for path in sorted(PAGES.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "st.components.v2.component"
        if isinstance(node.args[0], ast.Constant)
    ]


def test_no_two_components_share_a_name() -> None:
    """The later one would take the earlier one's place on all pages of the server."""
    names = registered_names()
    assert len(names) >= 5
    assert [name for name, count in Counter(names).items() if count > 1] == []
