"""The denoising demonstration: a digit, salt of the visitor's own, and what two autoencoders make of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from genmodels import catalog
from genmodels.capabilities import SupportsEncoding, SupportsLatent
from genmodels.catalog import CheckpointInfo
from genmodels.config import Frozen
from genmodels.data import DataConfig, DataSpec, get_spec, missing
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError
from genmodels.images import drawing
from genmodels.runfolder import RunFolder
from genmodels.seeding import generator_of
from genmodels.service.inference import model_of, run
from genmodels.service.manifold import can, nats
from genmodels.service.real_pictures import test_pictures, tile_png

MAX_SALT = 0.8
DIGITS = 500


class Noise(Frozen):
    """Which digit, and how much of it is covered."""

    index: int = Field(0, ge=0, lt=DIGITS, description="number of the test digit")
    amount: float = Field(0.25, ge=0, le=MAX_SALT, description="share of the pixels set to white")
    seed: int = Field(0, description="which pixels; any integer")


@dataclass(frozen=True)
class Answer:
    """What one model draws of the noisy picture, and its distance from the clean one."""

    png: bytes
    nats: float


@dataclass(frozen=True)
class Cleaned:
    """The clean and the noisy picture, and each model's answer in the order asked."""

    clean: bytes
    noisy: bytes
    label: str
    share: float
    answers: tuple[Answer, ...]


def denoisers() -> tuple[CheckpointInfo, ...]:
    """Models of digits that learned to take salt away."""
    return tuple(info for info in _pairs_of_pictures() if _salt(info) > 0)


def plain_partner(denoiser: CheckpointInfo) -> CheckpointInfo | None:
    """The same kind of model trained without salt, of the nearest size of z; None where there is none."""
    found = [info for info in _pairs_of_pictures() if _salt(info) == 0]
    size = denoiser.latent_dim or 0
    return min(found, key=lambda info: abs((info.latent_dim or 0) - size), default=None)


def clean(
    names: tuple[str, ...], noise: Noise, ink: np.ndarray | None = None, salt: np.ndarray | None = None
) -> Cleaned:
    """Cover a digit with salt and ask each model for it.

    The digit is `ink` (white on black, uint8 (H, W)) where something was drawn, else a test digit. `salt` is drawn by
    hand over the same square; it is added to the random one. Raises UnknownNameError, CapabilityError, DataError.
    """
    x, label = _digit(noise, ink)

    def task() -> Cleaned:
        noisy = _covered(x, noise, salt)
        answers = []
        for name in names:
            model, _ = model_of(name, None)
            if not isinstance(model, SupportsLatent) or not isinstance(model, SupportsEncoding):
                raise CapabilityError(f"{name} does not draw a picture again; choose an autoencoder")
            drawn = model.decode(model.encode(noisy))
            answers.append(Answer(tile_png(drawn), nats(drawn, x)))
        share = float((noisy > x).float().mean())
        return Cleaned(tile_png(x), tile_png(noisy), label, share, tuple(answers))

    return run(task)


def digits_from() -> DataSpec:
    """Where the test digits come from: MNIST, else the digits that are always there."""
    return get_spec(_config())


def digit_png(noise: Noise, ink: np.ndarray | None = None) -> bytes:
    """The clean digit alone, for drawing salt on."""
    x, _ = _digit(noise, ink)
    return tile_png(x)


def _digit(noise: Noise, ink: np.ndarray | None) -> tuple[Tensor, str]:
    if ink is not None:
        return drawing.to_mnist(ink).unsqueeze(0), ""
    arrays = test_pictures(_config())
    index = noise.index % len(arrays.images)
    return to_float(torch.from_numpy(arrays.images[index : index + 1].copy())), str(int(arrays.labels[index]))


def _config() -> DataConfig:
    mnist = DataConfig(name="mnist")
    return mnist if missing(mnist) is None else DataConfig()


def _covered(x: Tensor, noise: Noise, salt: np.ndarray | None) -> Tensor:
    generator = generator_of(noise.seed)
    # One draw a pixel, whatever the amount: with more salt the old grains stay where they were.
    hit = torch.rand(x.shape, generator=generator) < noise.amount
    if salt is not None:
        by_hand = Image.fromarray(salt).resize((x.shape[-1], x.shape[-2]), Image.Resampling.BOX)
        hit |= torch.from_numpy(np.asarray(by_hand) > 100)
    return torch.where(hit, 1.0, x)


def _pairs_of_pictures() -> list[CheckpointInfo]:
    """Models of digits that say how they were corrupted in training, and can draw a picture again."""
    return [
        info
        for info in catalog.list_checkpoints()
        if all(can(info, name) for name in ("corruption", "encoding", "latent"))
        and RunFolder(info.path).spec().data_spec.image_shape == (1, 28, 28)
    ]


def _salt(info: CheckpointInfo) -> float:
    return float(RunFolder(info.path).spec().config.get("salt", 0.0))
