"""What the subprocesses of `decoding_process.py` have in common: one request, a memory limit, answers in JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from genmodels.data.sandbox import limits
from genmodels.errors import GenmodelsError

INTERVAL = 0.1
"""Seconds between two progress reports."""
Report = Callable[[dict[str, Any]], None]
"""Sends a message to the parent process."""


def serve(task: Callable[[dict[str, Any], Report], None]) -> None:
    """Read one request from stdin, limit this process, run `task` and report to stdout, in lines of JSON.

    The limits hold even if the server has ended.
    """
    request = json.loads(sys.stdin.buffer.read())
    limits.die_with_parent()
    if hasattr(os, "nice"):  # Windows has none
        os.nice(10)
    limits.limit(memory=request["memory"])
    try:
        task(request, _report)
    except GenmodelsError as error:
        _report({"error": str(error)})


def _report(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)
