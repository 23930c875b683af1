"""The denoising demonstration: a digit with salt noise, and the reconstructions of two autoencoders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from genmodels.capabilities import SupportsEncoding, SupportsLatent
from genmodels.config import Frozen
from genmodels.data import DataConfig, DataSpec, get_spec, missing
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError
from genmodels.images import drawing
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.seeding import generator_of
from genmodels.service.dataset_images import test_images, tile_png
from genmodels.service.inference import model_of, run
from genmodels.service.manifold import has_capability
from genmodels.service.manifold.encoding import nats

MAX_SALT = 0.8
DIGITS = 500


class Noise(Frozen):
    """A test digit and its salt noise."""

    index: int = Field(0, ge=0, lt=DIGITS, description="index of the test digit")
    amount: float = Field(0.25, ge=0, le=MAX_SALT, description="fraction of the pixels set to white")
    seed: int = Field(0, description="seed of the noise; any integer")


@dataclass(frozen=True)
class Reconstruction:
    """One model's reconstruction of the noisy image, and the nats it loses of the clean one."""

    png: bytes
    nats: float


@dataclass(frozen=True)
class Denoised:
    """The clean and the noisy image, and the models' reconstructions in the order of the request."""

    clean: bytes
    noisy: bytes
    label: str
    noise_fraction: float
    reconstructions: tuple[Reconstruction, ...]


def denoisers() -> tuple[CheckpointInfo, ...]:
    """Digit models trained with salt noise."""
    return tuple(info for info in _autoencoders() if _salt(info) > 0)


def baseline_of(denoiser: CheckpointInfo) -> CheckpointInfo | None:
    """The digit model trained without noise whose z has the nearest dimension; None if there is none."""
    infos = [info for info in _autoencoders() if _salt(info) == 0]
    size = denoiser.latent_dim or 0
    return min(infos, key=lambda info: abs((info.latent_dim or 0) - size), default=None)


def denoise(
    names: tuple[str, ...], noise: Noise, ink: np.ndarray | None = None, salt: np.ndarray | None = None
) -> Denoised:
    """Add salt noise to a digit and reconstruct it with each model.

    The digit is `ink` (white on black, uint8 (H, W)) if given, else a test digit. `salt` is salt noise drawn by hand on
    the same square, in addition to the random one. Raises UnknownNameError, CapabilityError and DataError.
    """
    x, label = _digit(noise, ink)

    def task() -> Denoised:
        noisy = _add_salt(x, noise, salt)
        reconstructions = []
        for name in names:
            model, _ = model_of(name, None)
            if not isinstance(model, SupportsLatent) or not isinstance(model, SupportsEncoding):
                raise CapabilityError(f"{name} does not reconstruct pictures; choose an autoencoder")
            output = model.decode(model.encode(noisy))
            reconstructions.append(Reconstruction(tile_png(output), nats(output, x)))
        fraction = float((noisy > x).float().mean())
        return Denoised(tile_png(x), tile_png(noisy), label, fraction, tuple(reconstructions))

    return run(task)


def digit_data() -> DataSpec:
    """The data of the test digits: MNIST if it is on this machine, else the embedded digits."""
    return get_spec(_config())


def digit_png(noise: Noise, ink: np.ndarray | None = None) -> bytes:
    """The clean digit, as the background of the canvas for salt drawn by hand."""
    x, _ = _digit(noise, ink)
    return tile_png(x)


def _digit(noise: Noise, ink: np.ndarray | None) -> tuple[Tensor, str]:
    if ink is not None:
        return drawing.to_mnist(ink).unsqueeze(0), ""
    arrays = test_images(_config())
    index = noise.index % len(arrays.images)
    return to_float(torch.from_numpy(arrays.images[index : index + 1].copy())), str(int(arrays.labels[index]))


def _config() -> DataConfig:
    mnist = DataConfig(name="mnist")
    return mnist if missing(mnist) is None else DataConfig()


def _add_salt(x: Tensor, noise: Noise, salt: np.ndarray | None) -> Tensor:
    generator = generator_of(noise.seed)
    # One random number per pixel for every amount: with more salt, the earlier grains stay in place.
    hit = torch.rand(x.shape, generator=generator) < noise.amount
    if salt is not None:
        by_hand = Image.fromarray(salt).resize((x.shape[-1], x.shape[-2]), Image.Resampling.BOX)
        hit |= torch.from_numpy(np.asarray(by_hand) > 100)
    return torch.where(hit, 1.0, x)


def _autoencoders() -> list[CheckpointInfo]:
    """Digit models with an encoder, a decoder and a known corruption in training."""
    return [
        info
        for info in catalog.list_checkpoints()
        if all(has_capability(info, name) for name in ("corruption", "encoding", "latent"))
        and RunFolder(info.path).spec().data_spec.image_shape == (1, 28, 28)
    ]


def _salt(info: CheckpointInfo) -> float:
    return float(RunFolder(info.path).spec().model.get("salt", 0.0))
