"""How the interface writes numbers, the same on every page."""

from __future__ import annotations

from pages.components.i18n import t


def percent(fraction: float, places: int = 1) -> str:
    """A fraction as "98.6 %"; only exactly 1 and 0 are written as 100 % and 0 %."""
    least = 10.0**-places
    value = 100 * fraction
    if 0 < value < least / 2:
        return f"< {least:.{places}f} %"
    if 100 - least / 2 <= value < 100:
        return f"> {100 - least:.{places}f} %"
    return f"{value:.{places}f} %"


def unbroken(text: str) -> str:
    """The text with non-breaking spaces, for table cells and captions."""
    return text.replace(" ", "\u00a0")


def of_ten(count: float) -> str:
    """A number of the ten digits as "8 of 10"; a mean of several counts has one decimal."""
    return t("common.of_ten", count=f"{count:.0f}" if abs(count - round(count)) < 0.05 else f"{count:.1f}")
