"""The progress bar of an image that is processed in tiles."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.delta_generator import DeltaGenerator

from pages.components.i18n import t


def tile_progress(place: DeltaGenerator, name: str, text: str = "common.tiles") -> Callable[[int, int], None]:
    """A callback that shows the progress of `name` in `place`, if there are more than two tiles."""

    def report(done: int, total: int) -> None:
        if total > 2:
            place.progress(done / total, t(text, name=name, done=done, total=total))

    return report
