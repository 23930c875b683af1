"""Error texts for those who are not the server's owner: without its paths and commands. Does not import torch."""

from __future__ import annotations

import re

from genmodels import data
from genmodels.runs import catalog, folder
from genmodels.system.paths import PROJECT

_COMMAND = re.compile(r"\bpython -m\b|\bgit lfs\b|\bmake [a-z]|\bstreamlit run\b|GENMODELS_[A-Z]+|(?<!\w)--[a-z]+\b")
_ASIDE = re.compile(rf"\s*\([^()]*(?:{_COMMAND.pattern})[^()]*\)")
_FOLDERS = re.compile(r"(?<![\w/.:])(?:/[^\s/'\"`:;,()]+)+/(?=[^\s/])")
_PARTS = re.compile(r"(?<=[.;])\s+")


def without_commands(text: str) -> str:
    """The text without the sentences that contain a command; empty if nothing is left."""
    text = _ASIDE.sub("", text)
    sentences = [part for part in _PARTS.split(text) if not _COMMAND.search(part)]
    return " ".join(sentences).rstrip(";, ")


def without_paths(text: str) -> str:
    """The text with paths relative to the studio's folders, and without the folders of all others."""
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
