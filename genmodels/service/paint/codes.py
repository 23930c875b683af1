"""Priors over the codes of a VQ-VAE on the Paint page: sampled and completed codes, code maps, edits of codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels.capabilities import SupportsCodeSampling
from genmodels.errors import CapabilityError, ConfigError
from genmodels.service.fair_queue import background
from genmodels.service.inference import model_of, run, sheet_png
from genmodels.service.paint import PaintRequest, checked_facts, condition_for, device_of, generators_of, labels_of

_ATTEMPT = 1_000_003  # seeds between two attempts to sample the rest of an image
Codes = tuple[tuple[int, ...], ...]
"""The codes of one image, row by row."""


@dataclass(frozen=True, eq=False)
class CodeImages:
    """Codes int64 (N, h, w), the decoded images (N, C, H, W) in [-1, 1], and the classes, None if unconditional.

    The codes of the first `known_rows` rows are those of a given image.
    """

    request: PaintRequest
    codes: Tensor
    canvas: Tensor
    labels: tuple[int, ...] | None
    known_rows: int

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(range(self.request.seed, self.request.seed + len(self.codes)))


class Alternative(NamedTuple):
    """A code, and its probability given the codes before it."""

    code: int
    probability: float


@dataclass(frozen=True)
class Choice:
    """The most probable codes of one position, and the image with each of them as PNG, not enlarged."""

    alternatives: tuple[Alternative, ...]
    pngs: tuple[bytes, ...]
    current: Alternative


def sample(request: PaintRequest, image: Tensor | None = None, known_rows: int = 0) -> CodeImages:
    """Images of the request's seeds; with `image` (1, C, H, W) its first `known_rows` rows of codes are kept.

    What the image has below them has no influence. Raises UnknownNameError, CheckpointError,
    CapabilityError, and ConfigError if the class, `top_k`, the number of images or of rows is out of range.
    """
    known = checked_facts(request, known_rows)

    def task() -> CodeImages:
        model = _model(request)
        labels = labels_of(model, request)
        shape = (request.count, known.height, known.width)
        codes, mask = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.bool)
        if image is not None and known_rows:
            pixels = torch.zeros_like(image[:, :1], dtype=torch.bool)
            pixels[:, :, : known_rows * known.cell] = True
            given, known_codes = model.encode_known(image.to(device_of(model)), pixels.to(device_of(model)))
            codes, mask = (part.cpu().expand(shape) for part in (given, known_codes))
        codes = _completed(model, request, codes, mask, labels)
        return CodeImages(request, codes, _decoded(model, codes), labels, known_rows)

    with background():
        return run(task)


def resampled(images: CodeImages, index: int, codes: Codes, row: int, column: int, attempt: int = 0) -> Codes:
    """The codes of image `index`, with all that follow (row, column) sampled again.

    `attempt` 0 uses the numbers of the image's seed; each other attempt has its own.
    """
    _check_position(codes, row, column)
    request = images.request

    def task() -> Codes:
        model = _model(request)
        grid = torch.tensor([codes])
        order = torch.arange(grid[0].numel()).view(1, *grid.shape[1:])
        one = request.replace(seed=images.seeds[index] + _ATTEMPT * attempt, count=1)
        after = _completed(model, one, grid, order <= row * grid.shape[2] + column, _labels(images, index))
        return as_codes(after[0])

    with background():
        return run(task)


def changed(codes: Codes, row: int, column: int, code: int, size: int) -> Codes:
    """The codes with one of them replaced. Raises ConfigError if there is no such position or code."""
    _check_position(codes, row, column)
    if not 0 <= code < size:
        raise ConfigError(f"code = {code} is not allowed: choose 0 to {size - 1}")
    rows = [list(line) for line in codes]
    rows[row][column] = code
    return tuple(map(tuple, rows))


def choice(images: CodeImages, index: int, codes: Codes, row: int, column: int, count: int = 8) -> Choice:
    """The `count` most probable codes of a position of image `index`, given the codes before it."""
    _check_position(codes, row, column)
    request = images.request

    def task() -> Choice:
        model = _model(request)
        grid = torch.tensor([codes])
        condition = condition_for(model, _labels(images, index))
        logits = model.code_logits(grid.to(device_of(model)), condition=condition)[0, row, column].cpu()
        probabilities = logits.softmax(0)
        best = probabilities.topk(min(count, len(probabilities))).indices
        variants = grid.repeat(len(best), 1, 1)
        variants[:, row, column] = best
        alternatives = tuple(Alternative(int(code), float(probabilities[code])) for code in best)
        own = int(grid[0, row, column])
        pngs = tuple(sheet_png(image[None], 1) for image in _decoded(model, variants))
        return Choice(alternatives, pngs, Alternative(own, float(probabilities[own])))

    with background():
        return run(task)


def pair_png(request: PaintRequest, codes: Codes) -> bytes:
    """The decoded image and its code map side by side, not enlarged: similar vectors have similar colours."""

    def task() -> bytes:
        model = _model(request)
        grid = torch.tensor([codes])
        image = _decoded(model, grid)[0].expand(3, -1, -1)
        colours = code_colours(model.codebook.detach().cpu()).mul(2).sub(1)
        cell = image.shape[1] // grid.shape[1]
        code_map = colours[grid[0]].permute(2, 0, 1).repeat_interleave(cell, 1).repeat_interleave(cell, 2)
        return sheet_png(torch.stack([image, code_map]), 2)

    with background():
        return run(task)


def code_colours(codebook: Tensor) -> Tensor:
    """Colours (K, 3) in [0, 1] of the vectors (K, D): their first three principal components, by rank."""
    centred = codebook - codebook.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    components = centred @ directions[:3].T  # (K, up to 3)
    rank = components.argsort(0).argsort(0).float() / max(1, len(codebook) - 1)
    missing = torch.full((len(rank), 3 - rank.shape[1]), 0.5)
    return torch.cat([rank, missing], 1)


def as_codes(grid: Tensor) -> Codes:
    """Codes int64 (h, w) as a tuple."""
    return tuple(map(tuple, grid.tolist()))


# ------------------------------------------------------------------------------ on the inference thread


def _model(request: PaintRequest) -> SupportsCodeSampling:
    model = model_of(request.model, request.step)[0]
    if not isinstance(model, SupportsCodeSampling):
        raise CapabilityError(f"{request.model} does not sample codes; choose the prior of a VQ-VAE")
    return model


def _labels(images: CodeImages, index: int) -> tuple[int, ...] | None:
    return None if images.labels is None else images.labels[index : index + 1]


def _decoded(model: SupportsCodeSampling, codes: Tensor) -> Tensor:
    return model.decode_codes(codes.to(device_of(model))).float().cpu()


def _completed(
    model: SupportsCodeSampling, request: PaintRequest, codes: Tensor, known: Tensor, labels: tuple[int, ...] | None
) -> Tensor:
    *_, last = model.complete_codes(
        codes,
        known,
        condition=condition_for(model, labels),
        generator=generators_of(request),
        options=request.options,
    )
    return last.cpu()


def _check_position(codes: Codes, row: int, column: int) -> None:
    for name, value, most in (("row", row, len(codes)), ("column", column, len(codes[0]))):
        if not 0 <= value < most:
            raise ConfigError(f"{name} = {value} is not allowed: choose 0 to {most - 1}")
