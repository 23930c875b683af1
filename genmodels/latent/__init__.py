"""Moving about in latent space: seeds, straight and round ways between them, the seed plane, principal directions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genmodels.capabilities import SupportsEncoding, SupportsLatent
from genmodels.errors import CapabilityError
from genmodels.model import Model
from genmodels.seeding import generator_of


def z_of_seed(seed: int, dim: int) -> Tensor:
    """The z (dim,) of a seed (any integer), N(0, I), from its own generator: image 3 of a grid is image 3 alone."""
    return torch.randn(dim, generator=generator_of(seed))


def z_of_seeds(seeds: Sequence[int], dim: int) -> Tensor:
    """z (len(seeds), dim), row i that of seeds[i]."""
    return torch.stack([z_of_seed(seed, dim) for seed in seeds]) if len(seeds) else torch.empty(0, dim)


def lerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """The straight way from a (t = 0) to b (t = 1). Half-way it is shorter than either end."""
    return a + (b - a) * t


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The way on the sphere from a to b (White, arXiv 1609.04468): lengths stay those of Gaussian vectors.

    Falls back to the straight way where a and b are nearly parallel and the great circle is undefined or tiny.
    """
    first, second = slerp_weights(a, b, t)
    return first * a + second * b


def slerp_weights(a: Tensor, b: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """How much of a (..., dim) and of b `slerp` takes at t, each (..., 1)."""
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1, 1)
    angle = torch.arccos(cosine).unsqueeze(-1)
    sine = torch.sin(angle)
    flat = sine.abs() < 1e-4
    safe = torch.where(flat, torch.ones_like(sine), sine)
    first = torch.where(flat, torch.full_like(sine, 1 - t), torch.sin((1 - t) * angle) / safe)
    second = torch.where(flat, torch.full_like(sine, t), torch.sin(t * angle) / safe)
    return first, second


def seed_plane(x: float, y: float, dim: int) -> Tensor:
    """z (dim,) at a point of the seed plane: at whole numbers exactly that seed's z, blended between.

    The seed at column i, row j is `seed_at(i, j)`. The four corners' weights are divided by their root sum of squares,
    so the blend of independent N(0, I) vectors is N(0, I) again, not a pale average.
    """
    column, row = math.floor(x), math.floor(y)
    u, v = x - column, y - row
    corners = ((0, 0, (1 - u) * (1 - v)), (1, 0, u * (1 - v)), (0, 1, (1 - u) * v), (1, 1, u * v))
    used = [(seed_at(column + i, row + j), weight) for i, j, weight in corners if weight > 0]
    length = math.sqrt(sum(weight**2 for _, weight in used))
    return torch.stack([z_of_seed(seed, dim) * (weight / length) for seed, weight in used]).sum(0)


def seed_at(column: int, row: int) -> int:
    """The seed at a whole-numbered point of the plane: 100 a row, so row 0 is seeds 0 to 99."""
    return column + 100 * row


def axis_directions(dim: int) -> Tensor:
    """The first axes of latent space, (dim, dim): direction i moves number i."""
    return torch.eye(dim)


def principal_directions(model: Model, images: Tensor | None = None, count: int = 10) -> Tensor:
    """(k, latent_dim), k <= count: unit directions that change the pictures most.

    With an encoder: principal components of the encoded `images` (B, C, H, W). Else the right singular vectors of the
    decoder's first layer, which is what z passes first (SeFa, Shen & Zhou, arXiv 2007.06600).
    """
    if not isinstance(model, SupportsLatent) or model.latent_dim == 0:
        raise CapabilityError(f"{type(model).__name__} has no latent space to find directions in")
    with torch.inference_mode():
        if isinstance(model, SupportsEncoding) and images is not None:
            codes = model.encode(images.to(model.device)).float().cpu()
            matrix = codes - codes.mean(0)
        else:
            matrix = _first_weight(model, model.latent_dim).float().cpu()
        _, _, directions = torch.linalg.svd(matrix, full_matrices=False)
    count = min(count, model.latent_dim, len(directions))
    return _fix_signs(directions[:count])


def _first_weight(model: Model, latent_dim: int) -> Tensor:
    part = getattr(model, "decoder", None) or getattr(model, "generator", None)
    # A network that is told a class keeps what z enters in `body`; the class stands there beside z, behind it.
    part = getattr(part, "body", part)
    for module in part.modules() if part is not None else ():
        weight = getattr(module, "weight", None)
        if isinstance(weight, torch.Tensor) and weight.dim() >= 2:
            # Linear is (out, in); a transposed convolution (in, out, kh, kw)
            transposed = isinstance(module, torch.nn.modules.conv._ConvTransposeNd)
            return weight.flatten(1).T if transposed else weight.flatten(1)[:, :latent_dim]
    raise CapabilityError(f"{type(model).__name__} has no layer that z passes first")


def _fix_signs(directions: Tensor) -> Tensor:
    """A singular vector's sign is arbitrary: make the largest entry positive, so a slider means the same each time."""
    largest = directions.abs().argmax(dim=1, keepdim=True)
    return torch.mul(directions, torch.sign(directions.gather(1, largest)))
