"""Facts about a model of sound, read from its config without its weights."""

from __future__ import annotations

from dataclasses import dataclass

from genmodels import registry
from genmodels.capabilities import DilationConfig, GuidanceConfig, TemporalConfig
from genmodels.errors import CapabilityError
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.service.inference import plain


@dataclass(frozen=True)
class AudioFacts:
    """What a page needs to know of a model of sound."""

    rate: int
    mean_seconds: float
    levels: int
    labels: tuple[str, ...]
    """Names of its classes; empty for an unconditional model."""
    speakers: tuple[str, ...]
    dilations: tuple[int, ...]
    """Dilations of its causal layers, the lowest layer first; empty for a model without such layers."""
    receptive_field: int
    guidance: float | None
    """Default classifier-free guidance scale; None if the model was trained without condition dropout."""
    has_tempo: bool
    """Whether it is conditioned on the position within the word, so that a tempo can be set."""


def audio_facts(name: str) -> AudioFacts:
    """The facts of a checkpoint or run; raises UnknownNameError, and CapabilityError if it is a model of images."""
    spec = RunFolder(catalog.find(plain(name))).spec()
    config = registry.config_class(spec.family).parse(spec.model)
    data = spec.data_spec
    if data.sample_rate is None:
        raise CapabilityError(f"{name} was trained on pictures, so it cannot speak; choose a model of recordings")

    def names(key: str, known: tuple[str, ...]) -> tuple[str, ...]:
        count = config.conditions.get(key, 0)
        return known if len(known) == count else tuple(map(str, range(count)))

    dilated = config if isinstance(config, DilationConfig) else None
    return AudioFacts(
        rate=data.sample_rate,
        mean_seconds=(data.clip_samples or data.sample_rate) / data.sample_rate,
        levels=getattr(config, "levels", 256),
        labels=names("label", data.classes),
        speakers=names("speaker", data.speakers),
        dilations=dilated.dilations if dilated else (),
        receptive_field=dilated.receptive_field if dilated else 0,
        guidance=config.guidance if isinstance(config, GuidanceConfig) and config.guidable else None,
        has_tempo=isinstance(config, TemporalConfig) and config.parts > 0,
    )
