"""The interface's own components: what Streamlit does not check when they are registered."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.theme import message
from tests.support.pages import HOSTILE_MARKDOWN, visible

PAGES = Path(__file__).parents[2] / "pages"


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


def test_an_error_is_shown_as_it_is_written() -> None:
    """A message holds names that users choose; tests/browser/test_browser_conditional.py sees how it is rendered."""

    def page() -> None:
        from genmodels.errors import DataError
        from pages.components.theme import friendly_errors
        from tests.support.pages import HOSTILE_MARKDOWN

        with friendly_errors():
            raise DataError(HOSTILE_MARKDOWN + "\n- one\n1. two\n# three")

    (box,) = AppTest.from_function(page).run().error
    heading, _, text = box.value.partition(" ")
    assert heading.startswith("**This")
    lines = text.partition("** ")[2].split("\n")
    assert len(lines) == 4
    assert [visible(line).strip() for line in lines] == [HOSTILE_MARKDOWN, "- one", "1. two", "# three"]
    # A sign that Markdown knows stands behind a backslash, and what is looked for later is parted.
    assert not re.search(r"(?<!\\)[\[\]*`$<>~#]", text.partition("** ")[2])
    assert not re.search(r"http\\:/|www\.|a@e|:material|:red", text)
    assert lines[1].startswith(r"\-")
    assert lines[2].startswith(r"1\.")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fetch it with `python -m x a_b`, or not", "fetch it with `python -m x a_b`, or not"),
        ("`a_b`. Then", r"`a_b`\. Then"),
        ("*no* `*yes*` *no*", r"\*no\* `*yes*` \*no\*"),
        ("one ` alone", r"one \` alone"),
        ("an empty ``", r"an empty \`\`"),
        ("`over\nlines`", "\\`over  \nlines\\`"),
        ("`a`[b](http://c)`d`", "`a`\\[b\\](http\\:\u2060//c)`d`"),
    ],
)
def test_commands_in_a_message_are_code_and_all_else_is_plain(text: str, shown: str) -> None:
    assert message(text) == shown
