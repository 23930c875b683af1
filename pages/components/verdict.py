"""What a model can do, in a sentence: the first line of a finished run and of its metrics."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.evaluation import verdict
from genmodels.evaluation.verdict import Statement
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import evaluate
from pages.components.i18n import t
from pages.components.numbers import of_ten, percent
from train_jobs import Job


def of_run(job: Job) -> None:
    """Show the sentences about the newest step of a run that has ended; nothing if it was not measured."""
    if job.active or not job.folder.steps():
        return
    try:
        info = catalog.describe(job.folder.path)
        measured = evaluate.metrics_of(info, info.steps[-1])
    except GenmodelsError:
        return  # a damaged run; its state shows the cause
    if measured is not None:
        show(info, measured.metrics)


def show(info: CheckpointInfo, metrics: Mapping[str, float]) -> None:
    """Show the sentences about measured metrics; nothing if they say nothing that a sentence could."""
    digits = info.image_shape == (1, 28, 28) and info.classes == tuple("0123456789")
    sentences = [text(statement) for statement in verdict.of_metrics(metrics, digits=digits)]
    if sentences:
        with st.container(key="verdict"):
            st.markdown(f"**{sentences[0]}** {' '.join(sentences[1:])}".strip())


def text(statement: Statement) -> str:
    """The sentence with its numbers."""
    numbers = statement.numbers
    words: dict[str, str] = {name: f"{value:.3g}" for name, value in numbers.items()}
    if "fraction" in numbers:
        words |= {"percent": percent(numbers["fraction"], 0), "of_hundred": of_hundred(numbers["fraction"])}
    if "digit" in numbers:
        words["digits"] = t(f"verdict.digit.{int(numbers['digit'])}")
    if statement.sentence.startswith("digits"):
        words["count"] = of_ten(numbers["count"])
    for name in ("a", "b"):
        if name in numbers:
            words[name] = of_hundred(numbers[name])
    return t(f"verdict.{statement.sentence}", **words)


def of_hundred(fraction: float) -> str:
    """A fraction as a count of 100; only exactly 1 and 0 are all and none of them."""
    count = round(100 * fraction)
    return str(100 if fraction >= 1 else 0 if fraction <= 0 else min(99, max(1, count)))
