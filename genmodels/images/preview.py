"""Images that show what a model does: grids of samples, previews of a run, and a measure of their diversity."""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from genmodels.capabilities import (
    Direction,
    SupportsClassification,
    SupportsCodes,
    SupportsEncoding,
    SupportsLatent,
    SupportsPainting,
    SupportsSampling,
    SupportsSamplingEach,
    SupportsStylizing,
    SupportsTranslation,
)
from genmodels.data.loader import to_uint8
from genmodels.errors import CapabilityError, ConfigError
from genmodels.latent import z_of_seeds
from genmodels.model import Model
from genmodels.seeding import generator_of
from genmodels.signal.audio import spectrogram

PREVIEW_SEEDS = range(64)
MAX_CLASS_COLUMNS = 12
_RECORDINGS = 10  # in an audio preview: some seconds on one core
_TRANSLATED = 8  # images of each domain
_STYLIZED_COLUMNS = 4
_RECONSTRUCTED_ROWS = 4
_CLASSIFIED_SIDE = 64  # pixels
RIGHT, WRONG = (31, 148, 155), (214, 98, 34)
"""Teal and orange, which colour-blind people can distinguish; a check mark and a cross show the same without colour."""
_CHECK = (".......", "......#", ".....##", "#...##.", "##.##..", ".###...", "..#....")
_CROSS = ("#.....#", "##...##", ".##.##.", "..###..", ".##.##.", "##...##", "#.....#")


def grid(images: Tensor, columns: int | None = None, *, scale: int | None = None, pad: int = 2) -> Image.Image:
    """One image of a grid of images (N, 1 or 3, H, W) in [-1, 1], row by row.

    `scale` is an integer; None gives a width of about 500 pixels. Raises ValueError for another shape.
    """
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images must be (N, 1 or 3, H, W), not {tuple(images.shape)}")
    count, channels, height, width = images.shape
    columns = columns or max(1, round(count**0.5))
    pad = min(pad, max(1, min(height, width) // 4))  # narrower than the images, which may be one row high
    rows = -(-count // columns)
    scale = scale or max(1, round(500 / (columns * (width + pad))))
    canvas = torch.full((channels, rows * (height + pad) + pad, columns * (width + pad) + pad), 128, dtype=torch.uint8)
    for index, pixels in enumerate(to_uint8(images.cpu())):
        top = pad + (index // columns) * (height + pad)
        left = pad + (index % columns) * (width + pad)
        canvas[:, top : top + height, left : left + width] = pixels
    array = canvas.squeeze(0).numpy() if channels == 1 else canvas.permute(1, 2, 0).contiguous().numpy()
    image = Image.fromarray(array)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def png(image: Image.Image, compress_level: int = 6) -> bytes:
    """PNG bytes; compression level 1 is twice as fast, for requests that a visitor waits for."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=compress_level)
    return buffer.getvalue()


def diversity(images: Tensor) -> float:
    """Mean root-mean-square distance of two different images, from 0 (all equal) to 2 (black and white).

    Images (N, C, H, W) in [-1, 1]; 0 for fewer than two. |a - b|^2 = |a|^2 + |b|^2 - 2ab: one matrix product.
    """
    flat = images.flatten(1).float().cpu()
    if len(flat) < 2:
        return 0.0
    squares = flat.square().sum(1)
    distances = (squares[:, None] + squares[None, :] - 2 * flat @ flat.T).clamp_min(0) / flat.shape[1]
    off_diagonal = ~torch.eye(len(flat), dtype=torch.bool)
    return float(distances.sqrt()[off_diagonal].mean())


def samples_of_seeds(
    model: Model, seeds: Sequence[int] = PREVIEW_SEEDS, labels: Sequence[int] | None = None
) -> Tensor | None:
    """Generated images (len(seeds), C, H, W) in [-1, 1], one per seed; None for a model that generates no images.

    A class-conditional model generates as many, over `labels` (None: all classes) for each seed: image i has
    labels[i % len(labels)] and seeds[i // len(labels)]. In a grid of len(labels) columns, a row is a seed and a column
    a class. A generator with a constant input gives one image. Families without a latent vector and without a random
    generator per image sample all images from seeds[0]. Raises ConfigError or CapabilityError as `requested_labels`.
    """
    requested = requested_labels(model, labels)
    count = len(seeds)
    condition = None
    if requested:
        classes = [requested[i % len(requested)] for i in range(count)]
        condition = {"label": torch.tensor(classes, device=model.device)}
        seeds = [seeds[i // len(requested)] for i in range(count)]
    if model.modality != "image":
        return None
    with torch.inference_mode():
        if isinstance(model, SupportsLatent):
            distinct = seeds if model.latent_dim or requested else seeds[:1]
            z = z_of_seeds(distinct, model.latent_dim).to(model.device)
            return model.decode(z, condition=condition).float().cpu()
        if isinstance(model, SupportsSamplingEach):
            generators = [generator_of(seed, model.device) for seed in seeds]
            return model.sample_each(generators, condition=condition).float().cpu()
        if isinstance(model, SupportsSampling):
            generator = generator_of(seeds[0], model.device)
            return model.sample(count, condition=condition, generator=generator).float().cpu()
    return None


def requested_labels(model: Model, labels: Sequence[int] | None = None) -> list[int]:
    """The classes to generate: `labels`, or all if None; empty for an unconditional model without `labels`.

    Raises ConfigError for a class that the model does not have, CapabilityError for labels of an unconditional model.
    """
    count = model.conditions.get("label", 0)
    if labels is None:
        return list(range(count))
    if not count:
        raise CapabilityError(f"{model.title} is unconditional: leave the label out, or choose a conditional model")
    for label in labels:
        if not 0 <= label < count:
            raise ConfigError(
                f"label = {label} is not allowed: this {model.title} has {count} classes, 0 to {count - 1}"
            )
    return list(labels)


def columns_of(model: Model, count: int = len(PREVIEW_SEEDS)) -> int:
    """Columns of a grid of `count` samples; each column has one class if the model has at most MAX_CLASS_COLUMNS."""
    classes = model.conditions.get("label", 0)
    if 0 < classes <= MAX_CLASS_COLUMNS:
        return min(count, classes * max(1, 8 // classes))
    return 8 if count >= 8 else 1


def image_preview(model: Model, images: Tensor, labels: Tensor, *, few: bool = False) -> Image.Image | None:
    """A preview of an image model; None if it has nothing to show.

    Samples, with an encoder also reconstructions below their originals (without a prior, only these); classified
    images; cycles of a translation model; stylised photographs; or the canvas. `images` (N, C, H, W) in [-1, 1] and
    `labels` (N,) are test examples. `few` shows fewer photographs, for a model card: 64 of 128 x 128 pixels are
    three megabytes.
    """
    if isinstance(model, SupportsClassification):
        return _classified(model, images[:64], labels[:64])
    if isinstance(model, SupportsTranslation):
        return _cycles(model, images, labels, _TRANSLATED // 2 if few else _TRANSLATED)
    if isinstance(model, SupportsPainting):
        return grid(model.painting().cpu(), 1, scale=1, pad=0)
    if isinstance(model, SupportsStylizing):
        large = few and images.shape[-1] > 128
        return _stylized(model, images[: _TRANSLATED // 2 if large else _TRANSLATED])
    samples = samples_of_seeds(model)
    if samples is None:
        return _reconstructed(model, images)
    if few and samples.shape[-1] > 64:
        samples = samples[:16]
    columns = columns_of(model, len(samples))
    samples = samples[: len(samples) // columns * columns]
    originals = images[:columns]
    reconstructions = _reconstructions(model, originals)
    if reconstructions is not None:
        samples = torch.cat([samples, torch.full_like(samples[:columns], 0.0), originals.cpu(), reconstructions])
    return grid(samples, columns)


def _reconstructions(model: Model, images: Tensor) -> Tensor | None:
    """Images (N, C, H, W), encoded and decoded; None for a model without an encoder."""
    with torch.inference_mode():
        x = images.to(model.device)
        if isinstance(model, SupportsCodes):
            return model.decode_codes(model.encode_codes(x)).float().cpu()
        if isinstance(model, SupportsEncoding) and isinstance(model, SupportsLatent):
            return model.decode(model.encode(x)).float().cpu()
    return None


def _reconstructed(model: Model, images: Tensor) -> Image.Image | None:
    """Rows of eight images, with the reconstruction below each; None for a model without an encoder."""
    images = images[: 8 * _RECONSTRUCTED_ROWS]
    images = images[: max(8, len(images) // 8 * 8)]
    reconstructions = _reconstructions(model, images)
    if reconstructions is None:
        return None
    rows = zip(torch.split(images.cpu(), 8), torch.split(reconstructions, 8), strict=True)
    return grid(torch.cat([part for row in rows for part in row]), min(8, len(images)))


def audio_preview(model: Model, seed: int = 0) -> Image.Image | None:
    """Spectrograms of ten recordings that an audio model generates from one seed; with classes, one per class in turn.

    Frequency rises upwards, time runs to the right. None for a model that cannot sample.
    """
    if not isinstance(model, SupportsSampling):
        return None
    classes = model.conditions.get("label", 1)
    condition = {"label": torch.arange(_RECORDINGS) % classes} if "label" in model.conditions else {}
    if "speaker" in model.conditions:
        condition["speaker"] = torch.arange(_RECORDINGS) // classes % model.conditions["speaker"]
    generator = generator_of(seed, model.device)
    with torch.inference_mode():
        audio = model.sample(_RECORDINGS, condition=condition, generator=generator).cpu()
    return grid(spectrogram(audio, model.config.sample_rate), 5)


def _cycles(model: SupportsTranslation, images: Tensor, labels: Tensor, count: int) -> Image.Image:
    """Six columns: images of domain A, translated, and translated back; then the same for domain B."""
    domains = [images[labels == domain][:count] for domain in (0, 1)]
    rows = max(1, min(map(len, domains)))
    columns = []
    directions: tuple[Direction, Direction] = ("a_to_b", "b_to_a")
    for domain, (forward, backward) in zip(domains, (directions, directions[::-1]), strict=True):
        with torch.inference_mode():
            original = domain[:rows].to(model.device)  # type: ignore[attr-defined]
            translated = model.translate(original, forward)
            columns += [original, translated, model.translate(translated, backward)]
    return grid(torch.stack([column.float().cpu() for column in columns], 1).flatten(0, 1), len(columns))


def _stylized(model: SupportsStylizing, images: Tensor) -> Image.Image:
    """Photographs, with the stylised version below each."""
    with torch.inference_mode():
        (stylized,) = model.stylize(images.to(model.device))  # type: ignore[attr-defined]
    rows = zip(
        torch.split(images, _STYLIZED_COLUMNS), torch.split(stylized.cpu().clamp(-1, 1), _STYLIZED_COLUMNS), strict=True
    )
    return grid(torch.cat([part for row in rows for part in row]), min(_STYLIZED_COLUMNS, len(images)))


def _classified(model: SupportsClassification, images: Tensor, labels: Tensor) -> Image.Image:
    """Images framed in teal with a check mark if classified correctly, in orange with a cross otherwise."""
    with torch.inference_mode():
        predicted = model.classify(images.to(model.device)).argmax(1).cpu()  # type: ignore[attr-defined]
    if max(images.shape[2:]) > _CLASSIFIED_SIDE:  # full-size photographs would be megabytes
        images = F.interpolate(images, (_CLASSIFIED_SIDE, _CLASSIFIED_SIDE), mode="bicubic", antialias=True).clamp(
            -1, 1
        )
    frame = 3
    count, _, height, width = images.shape
    framed = torch.zeros(count, 3, height + 2 * frame, width + 2 * frame)
    for index in range(count):
        right = bool(predicted[index] == labels[index])
        framed[index] = (torch.tensor(RIGHT if right else WRONG) / 127.5 - 1)[:, None, None]
        framed[index, :, frame:-frame, frame:-frame] = images[index]
        mark = _corner_mark(right)
        framed[index, :, : mark.shape[1], -mark.shape[2] :] = mark
    return grid(framed, 8)


def _corner_mark(right: bool) -> Tensor:
    """The upper right corner of a classified image, (3, 9, 9): a white check mark or cross on the frame's colour."""
    color = torch.tensor(RIGHT if right else WRONG) / 127.5 - 1
    white = torch.tensor([[pixel == "#" for pixel in row] for row in (_CHECK if right else _CROSS)])
    white = F.pad(white, (1, 1, 1, 1))
    return torch.where(white, torch.tensor(1.0), color[:, None, None])
