"""Error texts for visitors of a public server: without the server's paths and commands."""

from __future__ import annotations

import re

from genmodels import data
from genmodels.public import public_mode
from genmodels.runs import catalog, folder
from genmodels.system.paths import PROJECT
from pages.components.i18n import t

_COMMAND = re.compile(r"\bpython -m\b|\bgit lfs\b|\bmake [a-z]|\bstreamlit run\b|GENMODELS_[A-Z]+|(?<!\w)--[a-z]+\b")
_ASIDE = re.compile(rf"\s*\([^()]*(?:{_COMMAND.pattern})[^()]*\)")
_FOLDERS = re.compile(r"(?<![\w/.:])(?:/[^\s/'\"`:;,()]+)+/(?=[^\s/])")
_PARTS = re.compile(r"(?<=[.;])\s+")


def without_commands_and_paths(text: str) -> str:
    """The text; on a public server with paths relative to the studio's folders and without sentences with commands."""
    if not public_mode():
        return text
    text = _ASIDE.sub("", _without_paths(text))
    sentences = [part for part in _PARTS.split(text) if not _COMMAND.search(part)]
    return " ".join(sentences).rstrip(";, ") or t("common.error.not_offered")


def _without_paths(text: str) -> str:
    roots = {
        folder.runs_root(): "runs",
        catalog.checkpoints_root(): "checkpoints",
        data.data_root(): "data",
        PROJECT: "studio",
    }
    for root, name in roots.items():
        for written in {str(root), str(root.absolute()), str(root.resolve())}:
            text = re.sub(rf"(?<![\w/.]){re.escape(written)}(?![\w-])", name, text)
    return _FOLDERS.sub("", text)
