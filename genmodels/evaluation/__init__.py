"""How good is a model? Figures by capability, on the test split of the data it was trained on, with fixed seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels import capabilities, data
from genmodels.capabilities import (
    SupportsClassification,
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
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.evaluation import (
    digit_metrics,
    discriminator_scores,
    likelihood,
    memorisation,
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
_CLASSIFIED = 100  # of that many pictures Darknet's maps stay near the processor: 1.6 times as fast as of 500
_PAINTED = 32  # photographs painted for the figures


def evaluate(model: Model, spec: Spec, *, samples: int = SAMPLES, seed: int = 0) -> dict[str, float]:
    """Every figure that the model's capabilities allow. Raises DataError where the test data is missing.

    cycle/... domains/...     of models that translate: `translation_metrics.measure`
    accuracy                  share of test pictures named rightly
    elbo/negative recon kl    nats a test picture, z drawn once with `seed`
    likelihood/nats           exact, a test picture; /bits_per_dim: the same in bits, a value
    elbo/recon_above_entropy  elbo/recon less the test pictures' own entropy, which no model can avoid
    reconstruction/nats       of a test picture from its code; corrupted_nats: from the code of the corrupted picture;
                              above_entropy, corrupted_above_entropy: the same less the test pictures' own entropy
    classes/...               of `samples` pictures, as the judge reads them: smallest share of a digit, digits above
                              1 %, KL from uniform in nats
    labels/agreement          share of pictures, asked for evenly by class, that the judge reads as asked
    judge/...                 digits only, in the judge's features, `samples` drawn against as many test pictures:
                              frechet, kernel, precision, recall, density, coverage. frechet_real and kernel_real are
                              those of training against test pictures; none where a side has fewer than 30
    memory/...                in pixels, against every training picture: `memorisation.measure`
    diversity/samples data    mean distance of two pictures, of 1,000 drawn and of 1,000 real ones
    paint/content style       losses of painted test pictures (32 at most), or of the canvas; paint/style_before: of the
                              photographs as they are
    pattern/worst_error       largest distance of the mean picture from the data's one picture, 0 to 1
    discriminator/loss        what its curve shows, on test pictures against as many drawn
    score/real fake           where the discriminator was kept: mean D of test pictures and of drawn ones, 0 to 1, each
                              with its class where D is told it; a critic's scores as they are

    Audio models: `sound_metrics.measure`. KEY_spread of a metric of samples is its standard deviation over five splits.
    """
    if model.modality == "audio":
        with torch.inference_mode():
            return sound_metrics.measure(model, spec, seed=seed)
    arrays = data.load(spec.data, "test")
    found: dict[str, float] = {}
    with torch.inference_mode():
        if isinstance(model, SupportsClassification):
            found |= _accuracy(model, arrays)
        if isinstance(model, SupportsElbo):
            found |= _negative_elbo(model, arrays, seed)
        if isinstance(model, SupportsLikelihood):
            found |= likelihood.measure(model, arrays)
        if isinstance(model, SupportsEncoding) and isinstance(model, SupportsLatent):
            found["reconstruction/nats"] = _reconstruction(model, _batches(arrays), _batches(arrays))
            found["reconstruction/above_entropy"] = found["reconstruction/nats"] - _entropy(arrays)
        if isinstance(model, SupportsCorruption):
            noise = generator_of(seed)
            salted = [model.corrupt(part, generator=noise) for part in _batches(arrays)]
            if not torch.equal(salted[0], _batches(arrays)[0]):  # a plain autoencoder corrupts nothing
                nats = _reconstruction(model, salted, _batches(arrays))
                found["reconstruction/corrupted_nats"] = nats
                found["reconstruction/corrupted_above_entropy"] = nats - _entropy(arrays)
        if isinstance(model, SupportsTranslation):
            found |= translation_metrics.measure(model, arrays, spec.data_spec)
        if isinstance(model, SupportsPerceptualLoss):
            found |= _perceived(model, arrays)
        if isinstance(model, SupportsSampling):
            drawn = _drawn(model, samples, seed)
            found |= _of_samples(model, drawn, arrays, spec, seed)
    return found


def brief(model: Model, spec: Spec, *, samples: int = SAMPLES, seed: int = 0) -> dict[str, float]:
    """The few figures of `evaluate` worth following over a training; those that take long are left out."""
    if model.modality == "audio":
        with torch.inference_mode():
            bits = sound_metrics.bits_per_sample(model, data.load_audio(spec.data, "test"))
        return {"likelihood/bits_per_sample": bits}
    found: dict[str, float] = {}
    with torch.inference_mode():
        if isinstance(model, SupportsClassification):
            found |= _accuracy(model, data.load(spec.data, "test"))
        if isinstance(model, SupportsElbo):
            found["elbo/negative"] = _negative_elbo(model, data.load(spec.data, "test"), seed)["elbo/negative"]
        if isinstance(model, SupportsLikelihood):
            found |= likelihood.measure(model, data.load(spec.data, "test"))
        if isinstance(model, SupportsTranslation):
            found |= translation_metrics.measure(model, data.load(spec.data, "test"), spec.data_spec)
        if isinstance(model, SupportsPerceptualLoss):
            found |= _perceived(model, data.load(spec.data, "test"))
        # What has an exact likelihood draws a value at a time: thousands of pictures would take longer than all else.
        if isinstance(model, SupportsSampling) and not isinstance(model, SupportsLikelihood):
            if reference_classifier.applies_to(spec.data_spec) and reference_classifier.published():
                drawn = _drawn(model, samples, seed)
                found |= digit_metrics.class_balance(reference_classifier.class_histogram(drawn))
                found["judge/frechet"] = digit_metrics.fid(drawn, data.load(spec.data, "test"))
            else:
                found["diversity/samples"] = diversity(_drawn(model, min(samples, 1000), seed))
    return found


def _drawn(model: Any, samples: int, seed: int) -> Tensor:
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


def _perceived(model: Any, arrays: Arrays) -> dict[str, float]:
    """How much of the content is lost and how far the style is, each relative to its target; means over pictures."""
    if arrays.style is None:
        return {}
    style = to_float(torch.from_numpy(arrays.style.copy())).to(model.device)
    totals = {"paint/content": 0.0, "paint/style": 0.0, "paint/style_before": 0.0}
    photos = to_float(torch.from_numpy(arrays.images[:_PAINTED].copy())).to(model.device)
    if isinstance(model, SupportsPainting):
        photos = photos[:1]
    for part in torch.split(photos, 16):  # together: the style is looked at anew for each call
        painted = model.painting() if isinstance(model, SupportsPainting) else next(model.stylize(part))
        after, before = model.perceived(painted, part, style), model.perceived(part, part, style)
        found = (after["content"], after["style"], before["style"])
        for name, value in zip(totals, found, strict=True):
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
    """Mean nats of the pictures' own entropy: what a perfect copy of each would cost."""
    return float(torch.cat([bernoulli_entropy(part.add(1).mul(0.5)) for part in _batches(arrays)]).double().mean())


def _reconstruction(model: Any, inputs: Sequence[Tensor], targets: Sequence[Tensor]) -> float:
    """Binary cross entropy of decode(encode(input)) against the target, summed over pixels, the mean over pictures."""
    parts = []
    for given, wanted in zip(inputs, targets, strict=True):
        # A pixel of exactly 0 or 1 would be infinitely wrong; 1e-6 is below what float32 sigmoids give near the ends.
        probability = model.decode(model.encode(given)).float().add(1).mul(0.5).clamp(1e-6, 1 - 1e-6)
        wanted = wanted.add(1).mul(0.5)
        parts.append(F.binary_cross_entropy(probability, wanted, reduction="none").flatten(1).sum(1))
    return float(torch.cat(parts).double().mean())


def _of_samples(model: Model, drawn: Tensor, arrays: Arrays, spec: Spec, seed: int) -> dict[str, float]:
    mixed = shuffled(arrays)
    real = to_float(torch.from_numpy(mixed.images[:1000].copy()))
    train = data.load(spec.data, "train")
    found = with_spreads(lambda part: {"diversity/samples": diversity(part)}, drawn[:1000])
    found |= with_spreads(lambda part: {"diversity/data": diversity(part)}, real)
    if reference_classifier.applies_to(spec.data_spec) and reference_classifier.published():
        found |= digit_metrics.measure(drawn, mixed, shuffled(train, SAMPLES))
        if model.conditions.get("label") == 10:
            found |= digit_metrics.class_agreement(model, len(drawn), seed)
    if len(real) > 1 and spec.data_spec.target is None:  # noisy copies of one picture are all near
        test = to_float(torch.from_numpy(mixed.images.copy()))
        mirrored = bool(getattr(model.config, "flip", False))  # a mirrored copy is one where that is how it was shown
        found |= memorisation.measure(drawn, test, train.images, mirrored=mirrored)
    if spec.data_spec.target is not None:
        target = torch.tensor(spec.data_spec.target)
        found["pattern/worst_error"] = float(((drawn.flatten(1).mean(0) + 1) / 2 - target).abs().max())
    asked = discriminator_scores.as_trained(model)
    if isinstance(asked, SupportsDiscriminatorLoss) and "scoring" in capabilities.of(model):
        found["discriminator/loss"] = float(asked.discriminator_loss(real, drawn[: len(real)]))
    return found | discriminator_scores.measure(model, mixed, seed)


def misses(metrics: Mapping[str, float], expect: Mapping[str, tuple[float | None, float | None]]) -> list[str]:
    """One sentence for each expected figure that is absent or out of its range."""
    found = []
    for name, (low, high) in expect.items():
        value = metrics.get(name)
        if value is None:
            found.append(f"{name_of(name)} was not measured")
        elif (low is not None and value < low) or (high is not None and value > high):
            found.append(f"{name_of(name)} = {value:.4g} is outside {range_text(low, high)}")
    return found


def range_text(low: float | None, high: float | None) -> str:
    """`at least 0.99`, `at most 103.3`, `0.23 to 0.27`."""
    if low is None:
        return f"at most {high:g}" if high is not None else "anything"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"


def _batches(arrays: Arrays, size: int = _BATCH) -> list[Tensor]:
    return [to_float(part) for part in torch.split(torch.from_numpy(arrays.images.copy()), size)]
