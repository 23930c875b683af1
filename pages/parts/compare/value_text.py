"""The value of a metric as text, in both tables of the Compare page."""

from __future__ import annotations

from pages.components.i18n import t
from pages.components.numbers import percent, unbroken


def value_text(name: str, value: float) -> str:
    """The value of the metric `name`, with its unit; two minutes or more of training in minutes."""
    if name == "seconds":
        unit, scale = ("seconds", 1) if value < 120 else ("minutes", 60)
        return t(f"compare.{unit}", count=f"{value / scale:.0f}")
    return t(f"compare.metric.{name}.value", value=value, percent=unbroken(percent(value)))
