"""What the judge, the reference classifier, reads in images, and notes where its answers mean nothing."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from genmodels.service.inference import PredictedClass
from pages.components.i18n import t
from pages.components.numbers import percent, unbroken

_NOTED = 0.05
"""Fraction of the images; of real digits, 1 % are false alarms."""


def reading(key: str, prediction: PredictedClass, *, narrow: bool = False, **values: str) -> str:
    """The text `key` with class and probability, or `<key>_outside` for an image outside the judge's domain.

    `narrow`: the probability does not break, for the texts of small images.
    """
    if prediction.outside:
        return t(f"{key}_outside", **values)
    sure = percent(prediction.probability)
    return t(key, label=prediction.label, percent=unbroken(sure) if narrow else sure, **values)


def outside(predictions: Iterable[PredictedClass | None]) -> None:
    """Show how many of the images are outside the judge's domain, if they are more than its false alarms."""
    known = [prediction for prediction in predictions if prediction is not None]
    count = sum(prediction.outside for prediction in known)
    if count >= max(2, _NOTED * len(known)):
        st.caption(f":material/info: {t('common.outside', count=count, all=len(known))}")


def untrained(step: int, judged: object, text: str = "common.untrained") -> None:
    """Show the note `text` if the images of step 0 were `judged`."""
    if step == 0 and judged:
        st.caption(f":material/info: {t(text)}")
