"""Pictures of what a model does: grids, previews of a run, and how varied they are."""

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
_HEARD = 10  # recordings in a preview: some seconds on one core
_TRANSLATED = 8  # pictures of each kind in a preview
_ROW = 4  # photographs in a row of a preview of styles
_VERDICT = 64  # pixels a side of a classified picture
RIGHT, WRONG = (31, 148, 155), (214, 98, 34)
"""Teal and orange, which colour-blind people can tell apart; a check mark and a cross say the same without colour."""
_CHECK = (".......", "......#", ".....##", "#...##.", "##.##..", ".###...", "..#....")
_CROSS = ("#.....#", "##...##", ".##.##.", "..###..", ".##.##.", "##...##", "#.....#")


def grid(images: Tensor, columns: int | None = None, *, scale: int | None = None, pad: int = 2) -> Image.Image:
    """One picture of many: images (N, 1 or 3, H, W) in [-1, 1]; `scale` is whole, None makes about 500 px."""
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images must be (N, 1 or 3, H, W), not {tuple(images.shape)}")
    count, channels, height, width = images.shape
    columns = columns or max(1, round(count**0.5))
    pad = min(pad, max(1, min(height, width) // 4))  # a frame, not half the picture of a tile of one row
    rows = -(-count // columns)
    scale = scale or max(1, round(500 / (columns * (width + pad))))
    canvas = torch.full((channels, rows * (height + pad) + pad, columns * (width + pad) + pad), 128, dtype=torch.uint8)
    for index, picture in enumerate(to_uint8(images.cpu())):
        top = pad + (index // columns) * (height + pad)
        left = pad + (index % columns) * (width + pad)
        canvas[:, top : top + height, left : left + width] = picture
    array = canvas.squeeze(0).numpy() if channels == 1 else canvas.permute(1, 2, 0).contiguous().numpy()
    image = Image.fromarray(array)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def png(image: Image.Image, compress_level: int = 6) -> bytes:
    """PNG bytes; level 1 is twice as fast for grids drawn while somebody waits."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=compress_level)
    return buffer.getvalue()


def diversity(images: Tensor) -> float:
    """Mean distance of two different pictures: root mean square pixel difference, 0 (all alike) to 2 (black, white).

    Images (N, C, H, W) in [-1, 1]; 0 for fewer than two. Uses |a - b|^2 = |a|^2 + |b|^2 - 2ab: one matrix product.
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
    """Samples (N, C, H, W) in [-1, 1], one a seed; None for a model that draws no pictures.

    A model that can be asked for a class draws as many, seed by seed through `labels` (None: all its classes): picture
    i is of labels[i % len(labels)] and seeds[i // len(labels)], so in rows of len(labels) a row is a seed and a column
    a class. One picture for a generator whose input is a constant. Families that can neither decode a seed's z nor draw
    each picture from a generator of its own draw all from seeds[0]. Raises ConfigError or CapabilityError for labels
    that the model cannot be asked for.
    """
    asked = asked_labels(model, labels)
    count = len(seeds)
    condition = None
    if asked:
        condition = {"label": torch.tensor([asked[i % len(asked)] for i in range(count)], device=model.device)}
        seeds = [seeds[i // len(asked)] for i in range(count)]
    if model.modality != "image":
        return None
    with torch.inference_mode():
        if isinstance(model, SupportsLatent):
            used = seeds if model.latent_dim or asked else seeds[:1]
            z = z_of_seeds(used, model.latent_dim).to(model.device)
            return model.decode(z, condition=condition).float().cpu()
        if isinstance(model, SupportsSamplingEach):
            each = [generator_of(seed, model.device) for seed in seeds]
            return model.sample_each(each, condition=condition).float().cpu()
        if isinstance(model, SupportsSampling):
            generator = generator_of(seeds[0], model.device)
            return model.sample(count, condition=condition, generator=generator).float().cpu()
    return None


def asked_labels(model: Model, labels: Sequence[int] | None = None) -> list[int]:
    """The classes to ask for, all where `labels` is None; empty for a model that cannot be asked for one.

    Raises ConfigError for a class the model does not have, CapabilityError where it cannot be asked at all.
    """
    count = model.conditions.get("label", 0)
    if labels is None:
        return list(range(count))
    if not count:
        raise CapabilityError(
            f"{model.title} cannot be asked for a class: leave the label out, or choose a conditional model"
        )
    for label in labels:
        if not 0 <= label < count:
            raise ConfigError(
                f"label = {label} is not allowed: this {model.title} has {count} classes, 0 to {count - 1}"
            )
    return list(labels)


def columns_of(model: Model, count: int = len(PREVIEW_SEEDS)) -> int:
    """Pictures a row in a grid of `count`, such that a column is of one class where there are few enough."""
    classes = model.conditions.get("label", 0)
    if 0 < classes <= MAX_CLASS_COLUMNS:
        return min(count, classes * max(1, 8 // classes))
    return 8 if count >= 8 else 1


def picture(model: Model, images: Tensor, labels: Tensor, *, few: bool = False) -> Image.Image | None:
    """What to show of a model: samples, for an encoder with originals and reconstructions below, verdicts, trips, or
    what it paints.

    `images` (N, C, H, W) in [-1, 1] and `labels` (N,) are real examples the model was not trained on. `few`
    shows fewer photographs, for a card: those of 64 at 128 x 128 take three megabytes.
    """
    if isinstance(model, SupportsClassification):
        return _verdicts(model, images[:64], labels[:64])
    if isinstance(model, SupportsTranslation):
        return _translations(model, images, labels, _TRANSLATED // 2 if few else _TRANSLATED)
    if isinstance(model, SupportsPainting):
        return grid(model.painting().cpu(), 1, scale=1, pad=0)
    if isinstance(model, SupportsStylizing):
        return _stylized(model, images[:_TRANSLATED])
    samples = samples_of_seeds(model)
    if samples is None:
        return None
    if few and samples.shape[-1] > 64:
        samples = samples[:16]
    columns = columns_of(model, len(samples))
    samples = samples[: len(samples) // columns * columns]
    if isinstance(model, SupportsEncoding) and isinstance(model, SupportsLatent):
        originals = images[:columns].to(model.device)
        with torch.inference_mode():
            recon = model.decode(model.encode(originals)).float().cpu()
        samples = torch.cat([samples, torch.full_like(samples[:columns], 0.0), originals.cpu(), recon])
    return grid(samples, columns)


def heard(model: Model, seed: int = 0) -> Image.Image | None:
    """Spectrograms of ten recordings that a model of sound draws from one seed, of one class each where it has some.

    Low pitches are below, time runs to the right. None for a model that draws nothing.
    """
    if not isinstance(model, SupportsSampling):
        return None
    classes = model.conditions.get("label", 1)
    condition = {"label": torch.arange(_HEARD) % classes} if "label" in model.conditions else {}
    if "speaker" in model.conditions:
        condition["speaker"] = torch.arange(_HEARD) // classes % model.conditions["speaker"]
    generator = generator_of(seed, model.device)
    with torch.inference_mode():
        drawn = model.sample(_HEARD, condition=condition, generator=generator).cpu()
    return grid(spectrogram(drawn, model.config.sample_rate), 5)


def _translations(model: SupportsTranslation, images: Tensor, labels: Tensor, trips: int) -> Image.Image:
    """Three columns a kind, a picture a row: as it is, translated, and translated back. Left is A, right is B."""
    kinds = [images[labels == kind][:trips] for kind in (0, 1)]
    rows = max(1, min(map(len, kinds)))
    columns = []
    directions: tuple[Direction, Direction] = ("a_to_b", "b_to_a")
    for kind, (there, back) in zip(kinds, (directions, directions[::-1]), strict=True):
        with torch.inference_mode():
            original = kind[:rows].to(model.device)  # type: ignore[attr-defined]
            translated = model.translate(original, there)
            columns += [original, translated, model.translate(translated, back)]
    return grid(torch.stack([column.float().cpu() for column in columns], 1).flatten(0, 1), len(columns))


def _stylized(model: SupportsStylizing, images: Tensor) -> Image.Image:
    """Photographs, and each one painted below it."""
    with torch.inference_mode():
        (painted,) = model.stylize(images.to(model.device))  # type: ignore[attr-defined]
    rows = zip(torch.split(images, _ROW), torch.split(painted.cpu().clamp(-1, 1), _ROW), strict=True)
    return grid(torch.cat([part for row in rows for part in row]), min(_ROW, len(images)))


def _verdicts(model: SupportsClassification, images: Tensor, labels: Tensor) -> Image.Image:
    """Real pictures, framed teal with a check mark if the classifier is right, orange with a cross if it is wrong."""
    with torch.inference_mode():
        guessed = model.classify(images.to(model.device)).argmax(1).cpu()  # type: ignore[attr-defined]
    if max(images.shape[2:]) > _VERDICT:  # a page of photographs is megabytes, and the frames are what it is about
        images = F.interpolate(images, (_VERDICT, _VERDICT), mode="bicubic", antialias=True).clamp(-1, 1)
    frame = 3
    count, _, height, width = images.shape
    framed = torch.zeros(count, 3, height + 2 * frame, width + 2 * frame)
    for index in range(count):
        right = bool(guessed[index] == labels[index])
        framed[index] = (torch.tensor(RIGHT if right else WRONG) / 127.5 - 1)[:, None, None]
        framed[index, :, frame:-frame, frame:-frame] = images[index]
        mark = verdict_mark(right)
        framed[index, :, : mark.shape[1], -mark.shape[2] :] = mark
    return grid(framed, 8)


def verdict_mark(right: bool) -> Tensor:
    """The upper right corner of a classified picture: a white check mark or cross on its frame's colour, (3, 9, 9)."""
    color = torch.tensor(RIGHT if right else WRONG) / 127.5 - 1
    white = torch.tensor([[pixel == "#" for pixel in row] for row in (_CHECK if right else _CROSS)])
    white = F.pad(white, (1, 1, 1, 1))
    return torch.where(white, torch.tensor(1.0), color[:, None, None])
