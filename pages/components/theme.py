"""What every page shares of its looks: the title block, the error box, the mark."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from PIL import Image, ImageDraw

from genmodels.errors import GenmodelsError
from pages.components.for_visitors import without_commands_and_paths
from pages.components.i18n import t

# Four by four grey pixels that become a shape: the whole subject in one mark. Colours follow both themes.
_PIXELS = ("0.15 0.35 0.35 0.15", "0.15 0.3 0.25 1", "0.3 0.2 1 0.3", "0.2 1 1 1")

# The help text of a button opens above it and covers what stands there, often the control that is wanted next. It goes
# with the click that gives the button its focus; keyboard focus keeps it.
STYLE = """<style>
body:has([data-testid="stButton"] button:focus:not(:focus-visible):hover) [data-testid="stTooltipContent"] {
  display: none;
}
</style>"""


def mark() -> str:
    """The studio's mark and name as SVG."""
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
    """The mark as the window's icon; a name of Streamlit's own icons would be fetched from another host."""
    picture = Image.new("RGBA", (64, 64))
    draw = ImageDraw.Draw(picture)
    for y, row in enumerate(_PIXELS):
        for x, opacity in enumerate(row.split()):
            box = (16 * x, 16 * y, 16 * x + 13, 16 * y + 13)
            draw.rounded_rectangle(box, radius=3, fill=(31, 148, 155, round(255 * float(opacity))))
    return picture


def page_title(title: str, intro: str) -> None:
    """The heading of a page and one or two sentences: what it shows and why it matters."""
    st.title(title, anchor=False)
    st.markdown(intro)


def plain(text: str) -> str:
    """A user's text inside Markdown: shown as it was typed, no link, picture, icon, list or formula in it.

    Icons, emoji and bare addresses are looked for after the escapes are gone, so an invisible word joiner parts them.
    """
    text = re.sub(r"([\\`*_\[\]<>#|~$:&])", r"\\\1", text)
    text = re.sub(r":(?=[\w/+-])|@|\bwww(?=\.)", "\\g<0>\u2060", text)
    text = re.sub(r"^(\s*\d*)(?=[-+=.)])", r"\1\\", text, flags=re.MULTILINE)
    return re.sub(r"\s*\n\s*", "  \n", text)


def in_chart(text: str) -> str:
    """A user's text as a name in a Plotly chart, which reads some HTML, and fields such as %{x}."""
    return html.escape(text, quote=False).replace("%{", "%\u2060{")


def message(text: str) -> str:
    """An error written for users as Markdown: what stands between backticks is code, to be copied; the rest plain.

    It may hold the name of a file or of a run, backticks included, and what a code span holds is never Markdown. On a
    public server it names no path and no command.
    """
    text = without_commands_and_paths(text)
    pieces = text.split("`")
    if len(pieces) % 2 == 0 or any(not piece.strip() or "\n" in piece for piece in pieces[1::2]):
        return plain(text)
    return "".join(f"`{piece}`" if place % 2 else plain(piece) for place, piece in enumerate(pieces))


def error_box(text: str, heading: str = "") -> None:
    """An error written for users as a box."""
    st.error(f"**{heading}** {message(text)}" if heading else message(text), icon=":material/error:")


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Show an error written for users as a box; anything else is a defect and keeps its traceback."""
    try:
        yield
    except GenmodelsError as error:
        error_box(str(error), t("common.error.title"))


def show_unexpected_error(_: Exception) -> bool:
    """A friendly text in place of an uncaught exception, which Streamlit has logged; True: nothing more is shown."""
    with st.container(key="unexpected_error"):
        st.error(t("common.error.unexpected"), icon=":material/error:")
    return True
