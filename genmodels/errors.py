"""Errors for users.

Every message names the field or file, its value, the allowed values and the next step. Pages and command lines print it
unchanged. Any other exception is a defect of the program and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GenmodelsError(Exception):
    """Base class of errors whose message is written for users."""


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
    """A setting that is missing, has the wrong type, is out of range or unknown."""


class DataError(GenmodelsError):
    """Data that is missing, damaged, too large, or does not have the model's shape."""


class CheckpointError(GenmodelsError):
    """A checkpoint or run folder that is missing, damaged or of another version."""


class CapabilityError(GenmodelsError):
    """An operation that the model family or this checkpoint does not support."""


class PublicModeError(GenmodelsError):
    """A change that a public server does not allow."""


class DivergedError(GenmodelsError):
    """A loss or weight that is no longer finite during training."""
