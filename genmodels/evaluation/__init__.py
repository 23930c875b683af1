"""Metrics of a model by its capabilities, on the test split of its training data, with fixed seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels import capabilities, data
from genmodels.capabilities import (
    SlowLikelihood,
    SupportsClassification,
    SupportsCodes,
    SupportsCompletion,
    SupportsCorruption,
    SupportsDiscriminatorLoss,
    SupportsElbo,
    SupportsEncoding,
    SupportsLatent,
    SupportsLikelihood,
    SupportsPainting,
    SupportsPerceptualLoss,
    SupportsSampling,
    SupportsTranslation,
)
from genmodels.data import object_masks
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.evaluation import (
    code_metrics,
    digit_metrics,
    discriminator_scores,
    likelihood,
    memorisation,
    modes,
    reference_classifier,
    sound_metrics,
    translation_metrics,
)
from genmodels.evaluation.digit_metrics import class_balance
from genmodels.evaluation.metric_table import name_of
from genmodels.evaluation.splits import shuffled, with_spreads
from genmodels.images.preview import diversity
from genmodels.losses import bernoulli_entropy
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.seeding import generator_of

SAMPLES = 10_000
__all__ = ["SAMPLES", "brief", "class_balance", "evaluate", "misses", "range_text"]

_BATCH = 500
_CLASSIFIED = 100  # batch size at which Darknet's activations fit the cache: 1.6 times as fast as 500
_STYLISED = 32  # photographs stylised for the metrics


def evaluate(model: Model, spec: Spec, *, samples: int = SAMPLES, seed: int = 0) -> dict[str, float]:
    """Every metric that applies to the model's capabilities; `metric_table.TABLE` describes them.

    Metrics of samples use `samples` samples. KEY_spread of a metric is its standard deviation over five splits of the
    samples. Metrics of the reference classifier need 30 images of each set. Raises DataError if the test data is
    missing.
    """
    if model.modality == "audio":
        with torch.inference_mode():
            return sound_metrics.measure(model, spec, seed=seed)
    arrays = data.load(spec.data, "test")
    metrics: dict[str, float] = {}
    with torch.inference_mode():
        if isinstance(model, SupportsClassification):
            metrics |= _accuracy(model, arrays)
        if isinstance(model, SupportsElbo):
            metrics |= _negative_elbo(model, arrays, seed)
        if isinstance(model, SupportsLikelihood):
            metrics |= likelihood.measure(model, arrays)
        lossless = isinstance(model, SlowLikelihood)
        if isinstance(model, SupportsEncoding) and isinstance(model, SupportsLatent) and not lossless:
            metrics["reconstruction/nats"] = _reconstruction(model, _batches(arrays), _batches(arrays))
            metrics["reconstruction/above_entropy"] = metrics["reconstruction/nats"] - _entropy(arrays)
        if isinstance(model, SupportsCodes):
            metrics |= code_metrics.measure(model, arrays)
        if isinstance(model, SupportsCorruption):
            noise = generator_of(seed)
            corrupted = [model.corrupt(part, generator=noise) for part in _batches(arrays)]
            if not torch.equal(corrupted[0], _batches(arrays)[0]):  # a plain autoencoder does not corrupt its input
                nats = _reconstruction(model, corrupted, _batches(arrays))
                metrics["reconstruction/corrupted_nats"] = nats
                metrics["reconstruction/corrupted_above_entropy"] = nats - _entropy(arrays)
        if isinstance(model, SupportsTranslation):
            metrics |= translation_metrics.measure(model, arrays, spec.data_spec)
            if model.config.needs_masks:
                masks = object_masks.for_test(spec.data, arrays)
                metrics |= translation_metrics.outside(model, arrays, masks)
        if isinstance(model, SupportsPerceptualLoss):
            metrics |= _style_metrics(model, arrays)
        if isinstance(model, SupportsSampling):
            generated = _samples(model, samples, seed)
            metrics |= _sample_metrics(model, generated, arrays, spec, seed)
    return metrics


def brief(model: Model, spec: Spec, *, samples: int = SAMPLES, seed: int = 0) -> dict[str, float]:
    """The metrics of `evaluate` to follow during a training, without the slow ones."""
    if model.modality == "audio":
        with torch.inference_mode():
            bits = sound_metrics.bits_per_sample(model, data.load_audio(spec.data, "test"))
        return {"likelihood/bits_per_sample": bits}
    metrics: dict[str, float] = {}
    with torch.inference_mode():
        if isinstance(model, SupportsClassification):
            metrics |= _accuracy(model, data.load(spec.data, "test"))
        if isinstance(model, SupportsElbo):
            metrics["elbo/negative"] = _negative_elbo(model, data.load(spec.data, "test"), seed)["elbo/negative"]
        if isinstance(model, SupportsLikelihood) and not isinstance(model, SlowLikelihood):
            metrics |= likelihood.measure(model, data.load(spec.data, "test"))
        if isinstance(model, SupportsTranslation):
            metrics |= translation_metrics.measure(model, data.load(spec.data, "test"), spec.data_spec)
        if isinstance(model, SupportsPerceptualLoss):
            metrics |= _style_metrics(model, data.load(spec.data, "test"))
        if isinstance(model, SupportsCodes):
            metrics |= code_metrics.measure(model, data.load(spec.data, "test"))
        # Autoregressive models generate one value at a time: thousands of samples would take too long.
        if isinstance(model, SupportsSampling) and not isinstance(model, SupportsCompletion):
            if reference_classifier.applies_to(spec.data_spec) and reference_classifier.published():
                generated = _samples(model, samples, seed)
                metrics |= digit_metrics.class_balance(reference_classifier.class_histogram(generated))
                metrics["judge/frechet"] = digit_metrics.fid(generated, data.load(spec.data, "test"))
            else:
                metrics["diversity/samples"] = diversity(_samples(model, min(samples, 1000), seed))
    return metrics


def _samples(model: Any, samples: int, seed: int) -> Tensor:
    generator = generator_of(seed, model.device)
    parts = [
        model.sample(min(_BATCH, samples - start), generator=generator).float().cpu()
        for start in range(0, samples, _BATCH)
    ]
    return torch.cat(parts)


def _accuracy(model: SupportsClassification, arrays: Arrays) -> dict[str, float]:
    labels = torch.from_numpy(arrays.labels)
    right: int = sum(
        int((model.classify(part).argmax(1) == label).sum())
        for part, label in zip(_batches(arrays, _CLASSIFIED), torch.split(labels, _CLASSIFIED), strict=True)
    )
    return {"accuracy": right / len(labels)}


def _style_metrics(model: Any, arrays: Arrays) -> dict[str, float]:
    """Mean content loss and style loss, each relative to its target."""
    if arrays.style is None:
        return {}
    style = to_float(torch.from_numpy(arrays.style.copy())).to(model.device)
    totals = {"paint/content": 0.0, "paint/style": 0.0, "paint/style_before": 0.0}
    photos = to_float(torch.from_numpy(arrays.images[:_STYLISED].copy())).to(model.device)
    if isinstance(model, SupportsPainting):
        photos = photos[:1]
    for part in torch.split(photos, 16):  # in batches: each call computes the features of the style image
        painted = model.painting() if isinstance(model, SupportsPainting) else next(model.stylize(part))
        after, before = model.perceived(painted, part, style), model.perceived(part, part, style)
        values = (after["content"], after["style"], before["style"])
        for name, value in zip(totals, values, strict=True):
            totals[name] += float(value) * len(part) / len(photos)
    return totals


def _negative_elbo(model: SupportsElbo, arrays: Arrays, seed: int) -> dict[str, float]:
    generator = generator_of(seed)
    parts = [model.elbo(part, generator=generator) for part in _batches(arrays)]
    recon = float(torch.cat([part[0] for part in parts]).double().mean())
    kl = float(torch.cat([part[1] for part in parts]).double().mean())
    above = recon - _entropy(arrays)
    return {"elbo/negative": recon + kl, "elbo/recon": recon, "elbo/recon_above_entropy": above, "elbo/kl": kl}


def _entropy(arrays: Arrays) -> float:
    """Mean entropy of the images in nats: the reconstruction loss of a perfect copy."""
    return float(torch.cat([bernoulli_entropy(part.add(1).mul(0.5)) for part in _batches(arrays)]).double().mean())


def _reconstruction(model: Any, inputs: Sequence[Tensor], targets: Sequence[Tensor]) -> float:
    """Binary cross entropy of decode(encode(input)) and the target, summed over pixels, mean over images."""
    parts = []
    for x, target in zip(inputs, targets, strict=True):
        # A predicted 0 or 1 has infinite loss if wrong; 1e-6 is below the smallest value of a float32 sigmoid here.
        probability = model.decode(model.encode(x)).float().add(1).mul(0.5).clamp(1e-6, 1 - 1e-6)
        target = target.add(1).mul(0.5)
        parts.append(F.binary_cross_entropy(probability, target, reduction="none").flatten(1).sum(1))
    return float(torch.cat(parts).double().mean())


def _sample_metrics(model: Model, generated: Tensor, arrays: Arrays, spec: Spec, seed: int) -> dict[str, float]:
    mixed = shuffled(arrays)
    real = to_float(torch.from_numpy(mixed.images[:1000].copy()))
    train = data.load(spec.data, "train")
    metrics = with_spreads(lambda part: {"diversity/samples": diversity(part)}, generated[:1000])
    metrics |= with_spreads(lambda part: {"diversity/data": diversity(part)}, real)
    if reference_classifier.applies_to(spec.data_spec) and reference_classifier.published():
        metrics |= digit_metrics.measure(generated, mixed, shuffled(train, SAMPLES))
        if model.conditions.get("label") == 10:
            metrics |= digit_metrics.class_agreement(model, len(generated), seed)
    if modes.applies_to(spec.data_spec) and reference_classifier.published():
        metrics |= modes.measure(generated)
    if len(real) > 1 and spec.data_spec.target is None:  # all samples of a single target are near-duplicates
        test = to_float(torch.from_numpy(mixed.images.copy()))
        mirrored = bool(getattr(model.config, "flip", False))  # mirrored copies count if training mirrored images
        metrics |= memorisation.measure(generated, test, train.images, mirrored=mirrored)
    if spec.data_spec.target is not None:
        target = torch.tensor(spec.data_spec.target)
        metrics["pattern/worst_error"] = float(((generated.flatten(1).mean(0) + 1) / 2 - target).abs().max())
    as_trained = discriminator_scores.as_trained(model)
    if isinstance(as_trained, SupportsDiscriminatorLoss) and "scoring" in capabilities.of(model):
        metrics["discriminator/loss"] = float(as_trained.discriminator_loss(real, generated[: len(real)]))
    return metrics | discriminator_scores.measure(model, mixed, seed)


def misses(metrics: Mapping[str, float], expect: Mapping[str, tuple[float | None, float | None]]) -> list[str]:
    """A sentence for each expected metric that is missing or out of its range."""
    sentences = []
    for name, (low, high) in expect.items():
        value = metrics.get(name)
        if value is None:
            sentences.append(f"{name_of(name)} was not measured")
        elif (low is not None and value < low) or (high is not None and value > high):
            sentences.append(f"{name_of(name)} = {value:.4g} is outside {range_text(low, high)}")
    return sentences


def range_text(low: float | None, high: float | None, number: Callable[[float], str] = "{:g}".format) -> str:
    """The range as text: `at least 0.99`, `at most 103.3`, `0.23 to 0.27`; `number` writes a limit."""
    if low is None:
        return f"at most {number(high)}" if high is not None else "anything"
    return f"at least {number(low)}" if high is None else f"{number(low)} to {number(high)}"


def _batches(arrays: Arrays, size: int = _BATCH) -> list[Tensor]:
    return [to_float(part) for part in torch.split(torch.from_numpy(arrays.images.copy()), size)]
