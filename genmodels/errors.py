"""Errors meant for the person at the keyboard.

Every message names the thing, the value it had, what would be allowed and what to do next. Pages and command
lines print them as they are; anything else that is raised is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GenmodelsError(Exception):
    """Base of all errors whose text is written for a user."""


class UnknownNameError(GenmodelsError, LookupError):
    """A model, recipe, data set, checkpoint or field name that does not exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        text = f"unknown {kind} {name!r}"
        text += f"; did you mean {close[0]!r}?" if close else ""
        text += f" (known: {', '.join(names) if names else 'none yet'})"
        super().__init__(f"{text}. {hint}" if hint else text)


class ConfigError(GenmodelsError, ValueError):
    """A setting that is missing, of the wrong type, out of range or unknown."""


class DataError(GenmodelsError):
    """Data that is missing, damaged, too large, or of another shape than the model's."""


class CheckpointError(GenmodelsError):
    """A checkpoint or run folder that is missing, damaged or of another version."""


class CapabilityError(GenmodelsError):
    """A model was asked for something its family, or this checkpoint of it, cannot do."""


class PublicModeError(GenmodelsError):
    """A change was asked for on a server that only shows."""


class DivergedError(GenmodelsError):
    """Training produced a loss that is not a finite number."""
