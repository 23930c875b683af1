"""Numbers as text, for pages, cards and command lines."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """The time in the largest suitable unit: `75 s`, `12 min`, `2.5 h`, `3.1 days`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} days"
