"""Settings of models that draw sound sample by sample. No torch here: see `config`."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, cosine_end, live

MAX_GUIDANCE = 10.0


class SoundSettings(ModelConfig):
    """What the recordings are, what the network is told, how drawing heeds it, and the learning rate."""

    batch_keys: ClassVar[tuple[str, ...]] = ("audio",)
    shape_field: ClassVar[str] = "sample_rate"

    sample_rate: int | None = Field(None, ge=1_000, le=48_000, description="samples a second; taken from the data set")
    clip_samples: int | None = Field(
        None, ge=16, le=480_000, description="samples drawn unless asked otherwise; taken from the data set"
    )
    num_speakers: int | None = Field(None, ge=0, le=1_000, description="number of speakers; taken from the data set")
    conditional: bool = Field(False, description="tell the network each recording's class, to be asked for it")
    speaker: bool = Field(False, description="tell the network who speaks, to be asked for a voice")
    parts: int = Field(
        0,
        ge=0,
        le=64,
        description="equal parts of a word's time: the network is told in which one each sample lies, or that the word "
        "has ended; 0 tells it nothing of time",
    )
    silence: int = Field(
        800, ge=0, le=48_000, description="silent samples learned behind each recording's end, so that a drawn one ends"
    )
    untold: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of the recordings that training does not tell the network class and speaker of; needed to "
        "guide drawing",
    )
    guidance: float = Field(
        1.0,
        ge=0,
        le=MAX_GUIDANCE,
        description="how strongly drawing heeds what it is told, unless asked otherwise: 1 as trained, above it speech "
        "is clearer and less varied (needs untold above 0)",
    )
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")
    lr_end: float = cosine_end()

    @model_validator(mode="after")
    def _there_is_what_it_is_told(self) -> Self:
        for field, count in (("conditional", self.num_classes), ("speaker", self.num_speakers)):
            if getattr(self, field) and count is not None and count < 1:
                what = "classes" if field == "conditional" else "speakers"
                raise ValueError(f"{field} = true needs recordings with {what}; set model.{field}=false")
        if self.parts and not self.silence:
            raise ValueError(
                f"parts = {self.parts} tells the network that a word has ended, which is learned from silence behind "
                "it; set model.silence=800, or model.parts=0"
            )
        if self.guidance != 1 and not self.guidable:
            raise ValueError(
                f"guidance = {self.guidance} needs a network that is told something, and sometimes nothing; "
                "set model.untold=0.1 and model.conditional=true, or model.guidance=1"
            )
        return self

    @property
    def guidable(self) -> bool:
        """Whether it was also trained untold, so that drawing can be guided."""
        return self.untold > 0 and (self.conditional or self.speaker)

    @property
    def conditions(self) -> dict[str, int]:
        asked = {"label": self.num_classes} if self.conditional else {}
        return {k: v or 0 for k, v in {**asked, **({"speaker": self.num_speakers} if self.speaker else {})}.items()}
