"""Options of autoregressive sampling. No torch here: the command line and the service check them first."""

from __future__ import annotations

from dataclasses import dataclass

from genmodels.errors import ConfigError

MAX_GUIDANCE = 10.0
MIN_TEMPO, MAX_TEMPO = 0.25, 4.0


@dataclass(frozen=True)
class SamplingOptions:
    """How values are sampled from the predicted distributions; raises ConfigError if an option is out of range."""

    temperature: float = 1.0
    """Divides the logits: below 1 likely levels become likelier."""
    top_k: int | None = None
    """Number of likeliest levels to sample from; None for all."""
    guidance: float | None = None
    """Classifier-free guidance scale; None for the model's default."""
    tempo: float = 1.0
    """Speed of an utterance relative to the training data."""

    def __post_init__(self) -> None:
        if not 0.01 <= self.temperature <= 100:
            raise ConfigError(
                f"temperature = {self.temperature} is not allowed: choose 0.01 to 100; 1 for the trained distribution"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k = {self.top_k} is not allowed: choose 1 or more, or none for all levels")
        if self.guidance is not None and not 0 <= self.guidance <= MAX_GUIDANCE:
            raise ConfigError(f"guidance = {self.guidance:g} is not allowed: 0 to {MAX_GUIDANCE:g}")
        if not MIN_TEMPO <= self.tempo <= MAX_TEMPO:
            raise ConfigError(f"tempo = {self.tempo:g} is not allowed: {MIN_TEMPO:g} to {MAX_TEMPO:g}")


DEFAULT_OPTIONS = SamplingOptions()


def check_sampling_options(
    options: SamplingOptions, levels: int, *, guidable: bool = False, has_tempo: bool = False
) -> None:
    """Raises ConfigError if the model does not support one of the options.

    guidable: whether it was trained with condition dropout. has_tempo: whether it is conditioned on time.
    """
    if options.top_k is not None and options.top_k > levels:
        raise ConfigError(f"top_k = {options.top_k} is not allowed: choose 1 to {levels}, or none for all levels")
    if options.guidance not in (None, 1) and not guidable:
        raise ConfigError(
            f"guidance = {options.guidance:g} is not allowed: 1, for this model was trained without condition dropout"
        )
    if options.tempo != 1 and not has_tempo:
        raise ConfigError(
            f"tempo = {options.tempo:g} is not allowed: 1, for this model has no temporal conditioning (parts = 0)"
        )
