"""Latent vectors: seeds, linear and spherical interpolation, the seed plane, axis and principal directions."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from genmodels.capabilities import SupportsEncoding, SupportsLatent
from genmodels.errors import CapabilityError
from genmodels.model import Model
from genmodels.seeding import generator_of

_FIRST_DIRECTION = 2**40
"""Seed of the first direction of `seed_directions`: none that a page shows."""


def z_of_seed(seed: int, dim: int) -> Tensor:
    """The latent vector z (dim,) ~ N(0, I) of a seed (any integer), independent of all other seeds."""
    return torch.randn(dim, generator=generator_of(seed))


def z_of_seeds(seeds: Sequence[int], dim: int) -> Tensor:
    """z (len(seeds), dim); row i is that of seeds[i]."""
    return torch.stack([z_of_seed(seed, dim) for seed in seeds]) if len(seeds) else torch.empty(0, dim)


def lerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """Linear interpolation from a (t = 0) to b (t = 1). The norm is smallest in the middle."""
    return a + (b - a) * t


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Spherical interpolation from a (t = 0) to b (t = 1), which keeps the norm (White, arXiv 1609.04468).

    Linear if a and b are nearly parallel or opposite: then the great circle is undefined or tiny.
    """
    weight_a, weight_b = slerp_weights(a, b, t)
    return weight_a * a + weight_b * b


def slerp_weights(a: Tensor, b: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """The weights of a and of b (..., dim) in `slerp` at t, each (..., 1)."""
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1, 1)
    angle = torch.arccos(cosine).unsqueeze(-1)
    sine = torch.sin(angle)
    parallel = sine.abs() < 1e-4
    divisor = torch.where(parallel, torch.ones_like(sine), sine)
    weight_a = torch.where(parallel, torch.full_like(sine, 1 - t), torch.sin((1 - t) * angle) / divisor)
    weight_b = torch.where(parallel, torch.full_like(sine, t), torch.sin(t * angle) / divisor)
    return weight_a, weight_b


def seed_plane(x: float, y: float, dim: int) -> Tensor:
    """z (dim,) at a point of the seed plane: at integer coordinates exactly a seed's z, interpolated between.

    The seed at column i, row j is `seed_at(i, j)`. The bilinear weights of the four corners are divided by their root
    sum of squares, so that the sum of independent N(0, I) vectors is N(0, I) again.
    """
    column, row = math.floor(x), math.floor(y)
    u, v = x - column, y - row
    corners = ((0, 0, (1 - u) * (1 - v)), (1, 0, u * (1 - v)), (0, 1, (1 - u) * v), (1, 1, u * v))
    weighted = [(seed_at(column + i, row + j), weight) for i, j, weight in corners if weight > 0]
    norm = math.sqrt(sum(weight**2 for _, weight in weighted))
    return torch.stack([z_of_seed(seed, dim) * (weight / norm) for seed, weight in weighted]).sum(0)


def seed_at(column: int, row: int) -> int:
    """The seed at an integer point of the seed plane: 100 per row, so row 0 has seeds 0 to 99."""
    return column + 100 * row


def axis_directions(dim: int) -> Tensor:
    """Axis-aligned unit directions (dim, dim): row i changes z[i]."""
    return torch.eye(dim)


def seed_directions(dim: int, count: int, length: float) -> Tensor:
    """Directions (count, dim) towards the z of further seeds; `length` times a direction has the norm sqrt(dim)."""
    towards = z_of_seeds(range(_FIRST_DIRECTION, _FIRST_DIRECTION + count), dim)
    return torch.mul(towards, math.sqrt(dim) / (length * towards.norm(dim=1, keepdim=True)))


def principal_directions(model: Model, images: Tensor | None = None, count: int = 10) -> Tensor:
    """Unit directions (k, latent_dim), k <= count, along which the generated images vary most, in falling order.

    For a model with an encoder: principal components of the encoded `images` (B, C, H, W). Otherwise: right singular
    vectors of the first layer that z enters (SeFa: Shen and Zhou, arXiv 2007.06600). Raises CapabilityError if the
    model has no latent space.
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
    """Weight (outputs, latent_dim) of the first layer whose input depends on z."""
    probe = copy.deepcopy(model).eval()  # hooks on the model itself would be visible to other threads
    assert isinstance(probe, SupportsLatent)
    inputs: list[tuple[nn.Module, Tensor]] = []
    for module in probe.modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.dim() >= 2:
            module.register_forward_pre_hook(lambda module, args: inputs.append((module, args[0].clone())))
    passes = []
    for value in (0.0, 1.0):
        inputs.clear()
        probe.decode(torch.full((1, latent_dim), value, device=model.device))
        passes.append(list(inputs))
    for (module, first), (_, second) in zip(*passes, strict=True):
        columns = (first != second).flatten()
        if bool(columns.any()):  # a layer of the class alone gets the same input both times
            # A linear layer's weight is (out, in), a transposed convolution's (in, out, kh, kw).
            transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
            weight = cast(Tensor, module.weight).flatten(1)
            return (weight.T if transposed else weight)[:, columns]
    raise CapabilityError(f"{type(model).__name__} has no layer that z enters first")


def _fix_signs(directions: Tensor) -> Tensor:
    """Make each direction's largest entry positive: a singular vector's sign is arbitrary, and sliders need one."""
    largest = directions.abs().argmax(dim=1, keepdim=True)
    return torch.mul(directions, torch.sign(directions.gather(1, largest)))
