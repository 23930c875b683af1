"""Numbers as the interface writes them, the same on every page."""

from __future__ import annotations

_DIGITS = 10


def percent(fraction: float, places: int = 1) -> str:
    """A fraction as "98.6 %". What is not quite all or nothing never reads 100 % or 0 %."""
    least = 10.0**-places
    value = 100 * fraction
    if 0 < value < least / 2:
        return f"< {least:.{places}f} %"
    if 100 - least / 2 <= value < 100:
        return f"> {100 - least:.{places}f} %"
    return f"{value:.{places}f} %"


def unbroken(text: str) -> str:
    """The same for a cell of a table or a caption below a tile, where no line may end within it."""
    return text.replace(" ", "\u00a0")


def of_ten(count: float) -> str:
    """How many of the ten digits: "8 of 10"; a mean of several counts keeps one place."""
    return f"{count:.0f} of {_DIGITS}" if abs(count - round(count)) < 0.05 else f"{count:.1f} of {_DIGITS}"
