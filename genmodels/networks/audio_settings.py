"""Settings shared by the autoregressive audio models. No torch here: see `config`."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, cosine_end, live
from genmodels.sampling.options import MAX_GUIDANCE


class AudioSettings(ModelConfig):
    """Audio format, conditioning, classifier-free guidance, and the learning rate."""

    batch_keys: ClassVar[tuple[str, ...]] = ("audio",)
    shape_field: ClassVar[str] = "sample_rate"

    sample_rate: int | None = Field(
        None, ge=1_000, le=48_000, description="samples per second; taken from the data set"
    )
    clip_samples: int | None = Field(
        None, ge=16, le=480_000, description="default length of a generated recording; taken from the data set"
    )
    num_speakers: int | None = Field(None, ge=0, le=1_000, description="number of speakers; taken from the data set")
    conditional: bool = Field(False, description="condition the network on the class of each recording")
    speaker: bool = Field(False, description="condition the network on the speaker of each recording")
    parts: int = Field(
        0,
        ge=0,
        le=64,
        description="temporal segments of an utterance used as local conditioning, plus one for the time after its "
        "end; 0 for no local conditioning",
    )
    silence: int = Field(
        800, ge=0, le=48_000, description="silent samples learned after each recording, so that a generated one ends"
    )
    condition_dropout: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="fraction of the training recordings whose class and speaker are dropped; needed for "
        "classifier-free guidance",
    )
    guidance: float = Field(
        1.0,
        ge=0,
        le=MAX_GUIDANCE,
        description="default classifier-free guidance scale: 1 samples the trained distribution; above 1 speech is "
        "clearer and less varied (needs condition_dropout above 0)",
    )
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")
    lr_end: float = cosine_end()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for field, count in (("conditional", self.num_classes), ("speaker", self.num_speakers)):
            if getattr(self, field) and count is not None and count < 1:
                what = "classes" if field == "conditional" else "speakers"
                raise ValueError(f"{field} = true needs recordings with {what}; set model.{field}=false")
        if self.parts and not self.silence:
            raise ValueError(
                f"parts = {self.parts} marks the end of an utterance, which the network learns from the silence after "
                "it; set model.silence=800, or model.parts=0"
            )
        if self.guidance != 1 and not self.guidable:
            raise ValueError(
                f"guidance = {self.guidance} needs a conditional network that was trained with condition dropout; "
                "set model.condition_dropout=0.1 and model.conditional=true, or model.guidance=1"
            )
        return self

    @property
    def guidable(self) -> bool:
        """Whether training drops the condition of some recordings, so that sampling can be guided."""
        return self.condition_dropout > 0 and (self.conditional or self.speaker)

    @property
    def conditions(self) -> dict[str, int]:
        sizes = {}
        if self.conditional:
            sizes["label"] = self.num_classes or 0
        if self.speaker:
            sizes["speaker"] = self.num_speakers or 0
        return sizes
