"""Error texts for visitors of a public server: without the server's paths and commands."""

from __future__ import annotations

from genmodels.public import public_mode
from genmodels.service.error_texts import without_commands, without_paths
from pages.components.i18n import t


def without_commands_and_paths(text: str) -> str:
    """The text; on a public server with paths relative to the studio's folders and without sentences with commands."""
    if not public_mode():
        return text
    return without_commands(without_paths(text)) or t("common.error.not_offered")
