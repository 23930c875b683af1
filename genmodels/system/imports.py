"""Imports of large libraries without garbage collections. Does not import torch."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Suspend the garbage collector during the imports of the block, then exclude all present objects from collections.

    An import creates objects that stay. Searching them for garbage again and again takes a fifth of the processor time
    of importing torch and torch._dynamo.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
