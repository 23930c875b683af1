"""Kernels that make a training step faster on some processors only.

The tuner times a step with each (`training/tune.py`) and stores the chosen ones with the run, so that a resumed run
uses the same. Without the tuner models compute with PyTorch's own operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from genmodels import kernels
from genmodels.kernels import convolution, dropout, penalised_critic


class Candidate(NamedTuple):
    supports: Callable[[Any], bool]
    """Whether the kernel computes a part of this model's training step."""
    use: Callable[[Any], None]
    """Makes the model use the kernel, in place; parameters and their names stay."""
    bf16_only: bool = False


CANDIDATES = {
    "convolution": Candidate(convolution.supports, convolution.use, bf16_only=True),
    "dropout": Candidate(dropout.supports, dropout.use),
    "penalised_critic": Candidate(penalised_critic.supports, penalised_critic.use),
}


def supported(model: Any) -> list[str]:
    """Returns the names of the candidates for a model; none if kernels are switched off."""
    return [name for name, candidate in CANDIDATES.items() if kernels.ENABLED and candidate.supports(model)]


def use(model: Any, names: Iterable[str]) -> None:
    """Makes a model use those of the named kernels that it supports; none on other devices, where none was timed."""
    if model.device.type == "cpu":
        for name in set(names).intersection(supported(model)):
            CANDIDATES[name].use(model)
