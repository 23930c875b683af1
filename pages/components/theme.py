"""The look that all pages share: title, error box, logo; and escaping of users' texts."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from PIL import Image, ImageDraw

from genmodels.errors import GenmodelsError
from pages.components.hidden import is_hidden
from pages.components.i18n import t
from pages.components.public_errors import without_commands_and_paths

# The logo: 4 x 4 pixels, from noise to a shape. Its colour suits both themes.
_PIXELS = ("0.15 0.35 0.35 0.15", "0.15 0.3 0.25 1", "0.3 0.2 1 0.3", "0.2 1 1 1")

# Streamlit's captions, navigation, code and primary buttons have a contrast below 4.5:1 in one theme or both.
# The help text of a button opens above it and covers what is there, often the next control. It is hidden after a
# click; keyboard focus keeps it.
STYLE = """<style>
[data-testid="stCaptionContainer"] { opacity: 1; color: light-dark(#566063, #a9b3b5); }
[data-testid="stTopNav"] * { color: light-dark(#465053, #b8c2c4); }
:is([data-testid="stBaseButton-primary"], [data-testid="stBaseButton-primaryFormSubmit"]):not(:disabled),
[data-testid="stMultiSelect"] [data-tag] * { color: light-dark(#fff, #12181b); }
[data-testid="stCode"] .token { color: light-dark(#566063, #a9b3b5) !important; }
[data-testid="stCode"] .token:is(.keyword, .builtin, .function) { color: light-dark(#0f5aa8, #6db3f2) !important; }
[data-testid="stCode"] .token.operator { color: light-dark(#9a4412, #f2965a) !important; }
[data-testid="stCode"] .token.string { color: light-dark(#1f6b34, #80c480) !important; }
[data-testid="stCode"] .token:is(.number, .variable) { color: light-dark(#0b6e75, #4cc3c8) !important; }
body:has([data-testid="stButton"] button:focus:not(:focus-visible):hover) [data-testid="stTooltipContent"] {
  display: none;
}
[data-testid="stLayoutWrapper"]:has(> .st-key-share_place) { position: relative; height: 0; margin-bottom: -1rem; }
.st-key-share_place { position: absolute; right: 0; top: 1.4rem; width: auto; z-index: 2; }
@media (max-width: 640px) { [data-testid="stHeading"] h1 { padding-right: 5.5rem; } }
</style>"""


def mark_section(place: int) -> None:
    """Mark the entry number `place`, from 1, of the navigation at the top: Streamlit marks pages, but not menus."""
    entry = f'[data-testid="stTopNav"] > :nth-child({place}) :is(a, button)'
    st.html(
        f"<style>{entry} {{ box-shadow: inset 0 -2px light-dark(#0b6e75, #3fb8bd); border-radius: 0; }}"
        f"{entry} * {{ color: light-dark(#1d2a2e, #e6ecec); font-weight: 650; }}</style>"
    )


def logo() -> str:
    """The studio's logo and name as SVG."""
    squares = "".join(
        f'<rect x="{4 + 8 * x}" y="{4 + 8 * y}" width="7" height="7" rx="1.5" fill="#1f949b" opacity="{opacity}"/>'
        for y, row in enumerate(_PIXELS)
        for x, opacity in enumerate(row.split())
    )
    name = html.escape(t("common.app"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="236" height="40" viewBox="0 0 236 40" role="img">'
        f'<title>{name}</title>{squares}<text x="46" y="26" font-family="sans-serif" font-size="18" font-weight="600" '
        f'fill="#1f949b">{name}</text></svg>'
    )


def icon() -> Image.Image:
    """The logo as the window's icon; one of Streamlit's named icons would be loaded from another host."""
    image = Image.new("RGBA", (64, 64))
    draw = ImageDraw.Draw(image)
    for y, row in enumerate(_PIXELS):
        for x, opacity in enumerate(row.split()):
            box = (16 * x, 16 * y, 16 * x + 13, 16 * y + 13)
            draw.rounded_rectangle(box, radius=3, fill=(31, 148, 155, round(255 * float(opacity))))
    return image


def is_dark() -> bool:
    """Whether the visitor sees the dark theme."""
    return st.context.theme.type == "dark"


def page_title(title: str, intro: str) -> None:
    """Show the title of a page and its introduction."""
    st.title(title, anchor=False)
    explain(intro)


def explain(text: str) -> None:
    """Show an explanation, unless the address hides explanations."""
    if not is_hidden("explanation"):
        st.markdown(text)


def plain(text: str) -> str:
    """A user's text escaped for Markdown: shown as typed, without links, images, icons, lists or formulas.

    Streamlit detects icons, emoji and bare URLs after it removes escapes, so a word joiner (U+2060) is inserted there.
    """
    text = re.sub(r"([\\`*_\[\]<>#|~$:&])", r"\\\1", text)
    text = re.sub(r":(?=[\w/+-])|@|\bwww(?=\.)", "\\g<0>\u2060", text)
    text = re.sub(r"^(\s*\d*)(?=[-+=.)])", r"\1\\", text, flags=re.MULTILINE)
    return re.sub(r"\s*\n\s*", "  \n", text)


def in_chart(text: str) -> str:
    """A user's text escaped for a Plotly chart, which interprets some HTML, and fields such as %{x}."""
    return html.escape(text, quote=False).replace("%{", "%\u2060{")


def message(text: str) -> str:
    """An error text as Markdown: text in backticks becomes code, the rest is escaped.

    It may contain the name of a file or of a run, even with backticks; code spans are never parsed as Markdown. On a
    public server paths and commands are removed.
    """
    text = without_commands_and_paths(text)
    pieces = text.split("`")
    if len(pieces) % 2 == 0 or any(not piece.strip() or "\n" in piece for piece in pieces[1::2]):
        return plain(text)
    return "".join(f"`{piece}`" if place % 2 else plain(piece) for place, piece in enumerate(pieces))


def error_box(text: str, heading: str = "") -> None:
    """Show an error text in a box."""
    st.error(f"**{heading}** {message(text)}" if heading else message(text), icon=":material/error:")


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Show a GenmodelsError of the body in a box; every other exception is a defect and is raised."""
    try:
        yield
    except GenmodelsError as error:
        error_box(str(error), t("common.error.title"))


def show_unexpected_error(_: Exception) -> bool:
    """Show a text in place of an uncaught exception, which Streamlit logs; True, so that it shows nothing itself."""
    with st.container(key="unexpected_error"):
        st.error(t("common.error.unexpected"), icon=":material/error:")
    return True
