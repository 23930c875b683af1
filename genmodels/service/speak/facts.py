"""What a model of sound can be asked for, read from its config without its weights."""

from __future__ import annotations

from dataclasses import dataclass

from genmodels import catalog, registry
from genmodels.capabilities import DilationConfig, GuidanceConfig, TemporalConfig
from genmodels.errors import CapabilityError
from genmodels.runfolder import RunFolder
from genmodels.service.inference import plain


@dataclass(frozen=True)
class Voice:
    """What a model of sound is, read from its config without its weights."""

    rate: int
    usual_seconds: float
    levels: int
    labels: tuple[str, ...]
    """What it can be asked to say; empty where it says what it likes."""
    speakers: tuple[str, ...]
    dilations: tuple[int, ...]
    """Of its causal layers, the lowest first; empty for a model without such layers."""
    receptive_field: int
    guidance: float | None
    """How strongly it heeds what it is told unless asked otherwise; None where it cannot be guided."""
    timed: bool
    """Whether it is told how far its word has come, so that it can be asked for a tempo."""


def voice(name: str) -> Voice:
    """Raises UnknownNameError, and CapabilityError for a model of pictures."""
    spec = RunFolder(catalog.find(plain(name))).spec()
    config = registry.config_class(spec.model).parse(spec.config)
    described = spec.data_spec
    if described.sample_rate is None:
        raise CapabilityError(f"{name} was trained on pictures, so it cannot speak; choose a model of recordings")

    def names(key: str, known: tuple[str, ...]) -> tuple[str, ...]:
        count = config.conditions.get(key, 0)
        return known if len(known) == count else tuple(map(str, range(count)))

    layered = config if isinstance(config, DilationConfig) else None
    return Voice(
        rate=described.sample_rate,
        usual_seconds=(described.clip_samples or described.sample_rate) / described.sample_rate,
        levels=getattr(config, "levels", 256),
        labels=names("label", described.classes),
        speakers=names("speaker", described.speakers),
        dilations=layered.dilations if layered else (),
        receptive_field=layered.receptive_field if layered else 0,
        guidance=config.guidance if isinstance(config, GuidanceConfig) and config.guidable else None,
        timed=isinstance(config, TemporalConfig) and config.parts > 0,
    )
