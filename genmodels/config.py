"""Validated, frozen settings. No torch here: submitting a job must not wait two seconds for an import.

Every field has bounds and a description: the form on the Train page, the validation of `--set`, the error messages and
config.json are made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from genmodels.errors import ConfigError

Device = Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")]
MAX_SIDE = 1024
"""Largest side in pixels of a data set's images and of the images that networks are built for."""


def cosine_end() -> Any:
    """Returns the field `lr_end` of models whose learning rate follows `model.cosine`."""
    return _lr_end("along a cosine")


def linear_end() -> Any:
    """Returns the field `lr_end` of models whose learning rate follows `model.linear`."""
    return _lr_end("linearly")


def _lr_end(how: str) -> Any:
    description = f"fraction of the learning rate left at the last step, reached {how}; 1 keeps it constant"
    return Field(1.0, ge=0, le=1, description=description)


def checkpoint_name(description: str) -> Any:
    """Returns a field for the name of a published checkpoint or run, empty by default."""
    return Field(None, min_length=1, max_length=120, pattern=r"^[^./\\][^/\\]*$", description=description)


def live(default: Any, **field: Any) -> Any:
    """Returns a field that may change while a run is training; models read it from `self.config` at every step."""
    return Field(default, json_schema_extra={"live": True}, **field)


def live_fields(settings: type[BaseModel]) -> tuple[str, ...]:
    """Returns the names of the fields made by `live`."""
    extras = {name: field.json_schema_extra for name, field in settings.model_fields.items()}
    return tuple(name for name, extra in extras.items() if isinstance(extra, dict) and extra.get("live"))


def text_fields(settings: type[BaseModel]) -> frozenset[str]:
    """Returns the names of the fields that hold text or None: `--set run.name=2024` means the text 2024."""
    return frozenset(name for name, field in settings.model_fields.items() if _is_text(field.annotation))


def _is_text(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_text(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return all(_is_text(part) for part in get_args(annotation) if part is not NoneType)
    if origin is Literal:
        return all(isinstance(value, str) for value in get_args(annotation))
    return annotation is str


class Frozen(BaseModel):
    """Base of all settings: immutable; unknown fields are refused; a changed copy is validated again."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any], prefix: str = "") -> Self:
        """Validates `values`; raises ConfigError with field, value and allowed range instead of pydantic's error."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"{prefix or cls.__name__} = {values!r} is not a set of named settings")
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError(explain(error, cls, prefix)) from error

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with `changes`, validated as a whole; raises ConfigError."""
        return self.parse({**self.model_dump(), **changes})


NOT_FILLED = "model.{} is empty; a job fills it from its data set, in code pass it"
FIRST_STAGE = "first_stage"
"""Setting of a model that is trained on another one's output: the name of that model's checkpoint or run."""
FROM_FIRST_STAGE = "first_stage_model"
"""Setting that the first stage fills when a job is submitted: its own settings."""
FROM_DATA = ("image_shape", "num_classes", "sample_rate", "clip_samples", "num_speakers")
"""Settings of a model that the data set fills when a job is submitted, if the model has them."""
FILLED = (*FROM_DATA, FROM_FIRST_STAGE)
"""All settings of a model that are filled when a job is submitted; users do not set them."""


class ModelConfig(Frozen):
    """Base of every model's config; the data fills both fields when a job is submitted."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image",)
    """Keys of the batches that the model trains on."""
    initial_families: ClassVar[tuple[str, ...]] = ()
    """Other families whose checkpoints can initialise this one: their networks are part of its own."""
    first_stage_family: ClassVar[str | None] = None
    """Family of the trained model on whose output this one is trained; its name is the setting `first_stage`."""
    first_stage_settings: ClassVar[tuple[str, ...]] = ()
    """Settings of that family that define its networks; the setting `first_stage_model` holds them."""
    shape_field: ClassVar[str] = "image_shape"
    """The field, filled by the data, without which no network can be built: `image_shape` or `sample_rate`."""

    image_shape: tuple[int, int, int] | None = Field(
        None, description="channels, height and width of an image; taken from the data set"
    )
    num_classes: int | None = Field(None, ge=0, le=10_000, description="number of classes; taken from the data set")

    @field_validator("image_shape")
    @classmethod
    def _image_fits(cls, shape: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        if shape is not None and (shape[0] not in (1, 3) or not 1 <= min(shape[1:]) <= max(shape[1:]) <= MAX_SIDE):
            raise ValueError(
                f"images have 1 or 3 channels and sides of 1 to {MAX_SIDE:,} pixels: choose data.size within these "
                "(a packed file: pack it again with a smaller --size), or leave it empty for the data set's own"
            )
        return shape

    @property
    def shape(self) -> tuple[int, int, int]:
        """`image_shape`, once the data has filled it; raises ConfigError if it is empty."""
        if self.image_shape is None:
            raise ConfigError(NOT_FILLED.format("image_shape"))
        return self.image_shape

    @property
    def classes(self) -> int:
        """`num_classes`, once the data has filled it; raises ConfigError if it is empty."""
        if self.num_classes is None:
            raise ConfigError(NOT_FILLED.format("num_classes"))
        return self.num_classes

    @property
    def latent_size(self) -> int | None:
        """Dimension of the latent vector; 0 if the generator's input is a constant, None without a latent vector."""
        size: int | None = getattr(self, "latent_dim", None)
        return size

    @property
    def conditions(self) -> dict[str, int]:
        """Number of values of each condition, for example {"label": 10}; empty for an unconditional model."""
        return {}

    @property
    def needs_masks(self) -> bool:
        """Whether training needs object masks of its images (batch keys `mask_a` and `mask_b`)."""
        return False

    @property
    def fewest_normalised(self) -> int | None:
        """Fewest values per channel that one image gives a batch normalisation; None without batch normalisation."""
        return None

    def check_batch_size(self, batch_size: int) -> None:
        """Raises ConfigError if a batch gives batch normalisation a single value, whose variance is 0."""
        fewest = self.fewest_normalised
        if fewest is not None and fewest * batch_size < 2:
            raise ConfigError(
                f"train.batch_size = {batch_size} is not allowed here: this network's batch normalisation needs at "
                "least two values per channel, and one image gives it one; choose 2 or more, or a network without "
                "batch normalisation"
            )

    def check_steps(self, max_steps: int) -> None:
        """Raises ConfigError if training ends before all parts of the model have begun to train."""


class TrainConfig(Frozen):
    """How to train, and how long. Either max_steps or max_epochs is set; a resolved spec has max_steps."""

    max_steps: int | None = Field(None, ge=1, le=100_000_000, description="number of batches to train on")
    max_epochs: float | None = Field(
        None, gt=0, le=100_000, description="passes over the data set, converted to steps at submission"
    )
    batch_size: int = Field(64, ge=1, le=65_536, description="examples in one batch")
    seed: int = Field(0, description="seed of weights, batches and noise, any integer: same seed, same run")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="number format of the forward pass; auto times both on this machine and takes the faster"
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="torch.compile; auto tries it if the run is long enough to regain the compile time"
    )
    ema_decay: float | None = Field(
        None, ge=0.5, lt=1, description="moving average of the weights, used for samples; empty for none"
    )
    log_every: int = Field(50, ge=1, le=1_000_000, description="steps between two points of the curves")
    preview_every: int = Field(500, ge=1, le=10_000_000, description="steps between two preview images")
    save_every: int = Field(1000, ge=1, le=10_000_000, description="steps between two checkpoints")
    keep_last: int | None = Field(3, ge=1, le=10_000, description="checkpoints kept; empty keeps every one")
    initial_weights: str | None = checkpoint_name(
        "fine-tuning: name of a published checkpoint or run of the same family (mean_flow: or of flow_matching) whose "
        "weights initialise the model; weights it lacks or has in other sizes are initialised from scratch. Empty: all "
        "weights are",
    )
    keep_steps: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (0,),
        max_length=1000,
        description="steps whose checkpoints are never removed, for example 0, 1000, 10000 for a training time-lapse",
    )


class RunConfig(Frozen):
    """Where and under which name a job runs."""

    name: str | None = Field(None, min_length=1, max_length=80, description="name of the run; generated if empty")
    device: Device = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    threads: int | None = Field(
        None, ge=1, le=256, description="CPU threads; empty lets the tuner choose. The weights depend on the count"
    )


class Runtime(Frozen):
    """How a run is executed on this machine; chosen once, stored in config.json and reused on resume."""

    precision: Literal["fp32", "bf16", "bf16_matmul"] = Field(
        "fp32", description="bf16 is autocast; bf16_matmul has float32 tensors and rounds inside matrix products only"
    )
    compile: bool = False
    channels_last: bool = False
    kernels: tuple[Literal["convolution", "dropout", "penalised_critic"], ...] = Field(
        (), description="kernels that make the step faster here (kernels/candidates.py)"
    )
    threads: int = Field(1, ge=1)
    why: str = "not tuned"


def _short(value: Any) -> str:
    """Returns a value as text, cut if long: a config may hold a list of a million numbers."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:150]}... ({len(text):,} characters)"


def explain(error: ValidationError, cls: type[BaseModel], prefix: str = "") -> str:
    """Returns one sentence per error of pydantic: field, value, allowed range, next step."""
    sentences = []
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"] if not str(part).startswith(("function-", "constrained-")))
        name = f"{prefix}{path}" or cls.__name__
        field = cls.model_fields.get(str(item["loc"][0])) if item["loc"] else None
        if item["type"] == "extra_forbidden":
            # A nested setting is only named: `cls` has the fields of the outer one.
            known = ", ".join(f"{prefix}{field}" for field in cls.model_fields) if len(item["loc"]) == 1 else ""
            sentences.append(f"unknown setting {name!r}" + (f"; the settings here are {known}" if known else ""))
            continue
        message = item["msg"].removeprefix("Value error, ")
        if not path:  # settings that do not fit together: the message names them
            sentences.append(message)
            continue
        about = f" ({field.description})" if field is not None and field.description else ""
        wrong = "is empty" if item["input"] is None else f"= {_short(item['input'])} is not allowed"
        sentences.append(f"{name} {wrong}: {message[:1].lower()}{message[1:]}{about}")
    return "; ".join(dict.fromkeys(sentences))
