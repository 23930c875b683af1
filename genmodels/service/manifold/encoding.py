"""Encodes one drawing with a model with a two-dimensional z, and decodes what the posterior allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genmodels.capabilities import SupportsPosterior
from genmodels.data.loader import hash_seed
from genmodels.errors import DataError
from genmodels.images import drawing
from genmodels.losses import bernoulli_entropy, bernoulli_nll, gaussian_kl
from genmodels.service.dataset_images import tile_png
from genmodels.service.inference import run
from genmodels.service.manifold import Plane, accepts_drawings, plane_model


@dataclass(frozen=True)
class Encoded:
    """An encoded image: z, the posterior's standard deviation if there is one, and the reconstruction.

    The reconstruction term of the ELBO is `nats`, what the reconstruction loses, plus the image's own `entropy`.
    `samples` are decoded from samples of the posterior.
    """

    prepared: bytes
    z: tuple[float, float]
    sigma: tuple[float, float] | None
    reconstruction: bytes
    nats: float
    entropy: float
    kl: float | None
    samples: tuple[bytes, ...]


def encode(plane: Plane, ink: np.ndarray, *, draws: int = 5, seed: int = 0) -> Encoded:
    """Encode a drawing (white on black, uint8 (H, W)); decode z and `draws` samples of the posterior.

    Raises EmptyDrawingError if nothing is drawn, DataError if the model's images do not have MNIST's format.
    """
    if not accepts_drawings(plane.model):
        raise DataError(f"{plane.model} has pictures of another format than 1 x 28 x 28; choose a model of digits")
    if not 0 <= draws <= 16:
        raise DataError(f"draws = {draws} is not allowed: 0 to 16")
    x = drawing.to_mnist(ink).unsqueeze(0)

    def task() -> Encoded:
        model, _ = plane_model(plane)
        sigma: tuple[float, float] | None = None
        kl: float | None = None
        samples: tuple[bytes, ...] = ()
        if isinstance(model, SupportsPosterior):
            z, logvar = model.posterior(x)
            deviation = (0.5 * logvar).exp()
            sigma, kl = _pair(deviation), float(gaussian_kl(z, logvar))
            generator = torch.Generator().manual_seed(hash_seed(seed, draws))
            images = model.decode(z + deviation * torch.randn(draws, 2, generator=generator))
            samples = tuple(tile_png(image) for image in images)
        else:
            z = model.encode(x)
        reconstruction = model.decode(z)
        entropy = float(bernoulli_entropy(x.add(1).mul(0.5)))
        return Encoded(
            tile_png(x), _pair(z), sigma, tile_png(reconstruction), nats(reconstruction, x), entropy, kl, samples
        )

    return run(task)


def nats(reconstruction: Tensor, x: Tensor) -> float:
    """Nats that a reconstruction of one image (1, C, H, W) loses, both in [-1, 1]; 0 for a perfect copy.

    Binary cross entropy summed over the pixels, minus the image's own entropy: the KL divergence of two Bernoullis.
    """
    target = x.add(1).mul(0.5)
    # A certain and wrong pixel would cost infinitely many nats. Float32 separates 1e-6 from 0, and 1 - 1e-6 from 1.
    probability = reconstruction.add(1).mul(0.5).clamp(1e-6, 1 - 1e-6)
    return max(0.0, float(bernoulli_nll(torch.logit(probability), target) - bernoulli_entropy(target)))


def _pair(values: Tensor) -> tuple[float, float]:
    first, second = values.flatten().tolist()
    return first, second
