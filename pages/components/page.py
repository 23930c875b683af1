"""The frame that the pages share: title, error box, and the note of a page that has no model to show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.runs.catalog import CheckpointInfo
from pages.components.i18n import t
from pages.components.theme import error_box, page_title


@contextmanager
def page(name: str) -> Iterator[None]:
    """Show the title of the page `name`; inside it, an error written for users ends the page with a box."""
    page_title(t(f"{name}.title"), t(f"{name}.intro"))
    try:
        yield
    except GenmodelsError as error:
        error_box(str(error))


def model_page(
    name: str,
    checkpoints: Callable[[], Sequence[CheckpointInfo]],
    body: Callable[[dict[str, CheckpointInfo]], None],
    *,
    recipe: str | None = None,
) -> None:
    """Show the page `name`: its title, then `body` with the checkpoints by name, or `no_models` if there are none."""
    with page(name):
        if infos := by_name(checkpoints()):
            body(infos)
        else:
            no_models(f"{name}.empty", recipe=recipe)


def by_name(checkpoints: Sequence[CheckpointInfo]) -> dict[str, CheckpointInfo]:
    """The checkpoints by their unique names, in the same order."""
    return {info.name: info for info in checkpoints}


def no_models(texts: str, *, recipe: str | None = None) -> None:
    """A note that there is no model to show, and a link to Train, there with `recipe` chosen.

    `texts` is the key of the note; the link's key is `<texts>_link`.
    """
    st.info(t(texts), icon=":material/model_training:")
    st.page_link(
        "train.py",
        label=t(f"{texts}_link"),
        icon=":material/arrow_forward:",
        query_params={"recipe": recipe} if recipe else None,
    )
