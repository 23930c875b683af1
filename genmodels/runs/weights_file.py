"""Reads tensor shapes from the header of a safetensors file, before building or loading anything."""

from __future__ import annotations

import json
from pathlib import Path

from genmodels.errors import CheckpointError
from genmodels.runs.files import open_regular

HEADER_BYTES = 4 * 2**20
"""The largest network here has a header of 0.1 MB; reading one of 14 MB took 4 s."""


def shapes_in(path: Path, root: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by name, read from the header. Links must not lead out of `root`.

    Raises CheckpointError. The library checks the size of the data when it reads the tensors.
    """
    try:
        with open_regular(path, root) as file:
            length = int.from_bytes(file.read(8), "little")
            if length > HEADER_BYTES:
                raise ValueError(f"its header claims {length:,} bytes, more than the {HEADER_BYTES:,} that it may have")
            header = json.loads(file.read(length))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        return {name: tuple(map(int, entry["shape"])) for name, entry in tensors.items()}
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing: the checkpoint is damaged; choose another step") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = str(error) if isinstance(error, OSError | ValueError) else "its header does not describe tensors"
        raise CheckpointError(f"{path} cannot be read: {reason}. It is damaged; choose another step") from error
