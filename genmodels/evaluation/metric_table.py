"""Name and meaning of every metric, for pages, cards and the command line. JSON files contain only the keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

SPREAD = "_spread"
SPREAD_NOTE = "After ±: the standard deviation over five splits of the images, each a fifth as large."


class Entry(NamedTuple):
    """A metric's name, and what it measures in one or two sentences."""

    name: str
    meaning: str


TABLE = {
    "accuracy": Entry("accuracy", "Fraction of test images classified correctly."),
    "cycle/error": Entry(
        "cycle error",
        "Mean absolute difference between a test image and its cycle (A to B to A, B to A to B), mean of both domains; "
        "2 is white instead of black. A model that changes nothing scores 0, so read the translation rates as well.",
    ),
    "cycle/a": Entry("cycle error, A to B to A", "The cycle error of the test images of domain A."),
    "cycle/b": Entry("cycle error, B to A to B", "The cycle error of the test images of domain B."),
    "outside/error": Entry(
        "change outside the objects",
        "Mean absolute change of test images where there is no object, mean of both domains; 2 is white instead of "
        "black. A translation should leave the background as it is. The objects are found without labels.",
    ),
    "outside/a": Entry("change outside the objects, A to B", "The same for the test images of domain A."),
    "outside/b": Entry("change outside the objects, B to A", "The same for the test images of domain B."),
    "domains/a_as_b": Entry(
        "A to B translations classified as B",
        "Fraction of translated test images of A that the reference classifier of this data assigns to B.",
    ),
    "domains/b_as_a": Entry("B to A translations classified as A", "The same for the other direction."),
    "domains/judge": Entry(
        "classifier accuracy on real images",
        "Fraction of real test images, at the size of the translations, that this classifier assigns correctly; mean "
        "of both domains.",
    ),
    "domains/judge_a": Entry(
        "classifier accuracy on real images of A",
        "Translations to A are rarely classified as A more often than real images of A are.",
    ),
    "domains/judge_b": Entry("classifier accuracy on real images of B", "The same for domain B."),
    "elbo/negative": Entry(
        "negative ELBO",
        "Nats per test image: an upper bound on -log p(x), the reconstruction term plus the KL term. Lower is better. "
        "GANs have none.",
    ),
    "elbo/recon": Entry(
        "reconstruction term",
        "Expected -log p(x | z) in nats per test image. It includes the images' own entropy: a perfect copy of a "
        "digit's grey pixels still costs 45 nats.",
    ),
    "elbo/recon_above_entropy": Entry(
        "reconstruction term above the data's entropy", "Nats lost by encoding and decoding; 0 for a perfect copy."
    ),
    "elbo/kl": Entry("KL term", "KL(q(z|x) || p(z)) in nats per test image; at 0 the decoder ignores z."),
    "likelihood/bits_per_dim": Entry(
        "bits per dimension",
        "Exact -log₂ p per value of a test image. Lower is better; 8 bits if all 256 levels are equal.",
    ),
    "likelihood/nats": Entry(
        "nats per image",
        "Exact -log p of a test image. Compare only models with the same number of grey levels.",
    ),
    "likelihood/bits_per_sample": Entry(
        "bits per sample",
        "Exact -log₂ p per audio sample of the test recordings; 8 bits for uniform guesses among 256 levels. A model "
        "conditioned on the position within the utterance is given its length here.",
    ),
    "paint/style": Entry("style loss", "Distance of stylised test photographs to the style image; 0 is equal."),
    "paint/style_before": Entry("style loss before", "The same distance for the unchanged photographs."),
    "paint/content": Entry(
        "content loss", "Distance of the stylised photographs to the original ones in feature space; 0 is unchanged."
    ),
    "reconstruction/nats": Entry(
        "reconstruction loss",
        "Nats per test image, binary cross entropy of decode(encode(x)). It includes the images' own entropy, which "
        "even a perfect copy costs. Lower is better.",
    ),
    "reconstruction/above_entropy": Entry(
        "reconstruction loss above the data's entropy", "Nats lost by encoding and decoding; 0 for a perfect copy."
    ),
    "reconstruction/corrupted_nats": Entry(
        "denoising loss", "The reconstruction loss from the corrupted image to the clean one."
    ),
    "reconstruction/corrupted_above_entropy": Entry(
        "denoising loss above the data's entropy", "The denoising loss in nats; 0 for a perfect result."
    ),
    "reconstruction/squared_error": Entry(
        "squared error of reconstructions",
        "Mean squared difference between the values of a test image, -1 to 1, and of its reconstruction.",
    ),
    "codes/used": Entry("codes in use", "Fraction of the codebook that occurs in the codes of the test images."),
    "codes/perplexity": Entry(
        "perplexity of the codes",
        "exp(entropy) of the codes of all test images: the size of the codebook if all codes are equally frequent.",
    ),
    "codes/bits_per_code": Entry(
        "bits per code",
        "Exact -log₂ p of a code of a test image, given those before it. Compare only priors of the same VQ-VAE.",
    ),
    "codes/nats": Entry(
        "nats of the codes",
        "Exact -log p of all codes of a test image. It is no likelihood of the image: the loss of the VQ-VAE is not in "
        "it.",
    ),
    "judge/frechet": Entry(
        "FID (classifier features)",
        "Fréchet distance between Gaussians fitted to the features of generated and of test images. Lower is better. "
        "Not comparable with an Inception FID.",
    ),
    "judge/frechet_real": Entry(
        "FID, real vs. real",
        "The same distance between training and test images. A model can hardly get below this.",
    ),
    "judge/kernel": Entry(
        "KID (classifier features)",
        "Squared maximum mean discrepancy with a cubic kernel. Unbiased, so it may be slightly below 0.",
    ),
    "judge/kernel_real": Entry("KID, real vs. real", "The same between training and test images: near 0."),
    "judge/precision": Entry(
        "precision", "Fraction of generated images inside the real distribution. Low: many are no digits."
    ),
    "judge/recall": Entry(
        "recall", "Fraction of real images inside the generated distribution. Low: some digits or styles never occur."
    ),
    "judge/density": Entry("density", "Like precision, less sensitive to outliers; about 1 for real images."),
    "judge/coverage": Entry(
        "coverage", "Fraction of real images with a generated neighbour. Like recall, less sensitive to outliers."
    ),
    "labels/agreement": Entry(
        "class agreement",
        "Fraction of samples that the reference classifier assigns to the class they were conditioned on.",
    ),
    "labels/agreement_real": Entry(
        "accuracy on real recordings",
        "The reference classifier's accuracy on real test recordings. A model can hardly exceed it.",
    ),
    "classes/above_1_percent": Entry(
        "digits generated", "Digits that make up more than 1 % of the samples. Fewer than 10 is mode collapse."
    ),
    "classes/kl_uniform": Entry(
        "KL from uniform", "Imbalance of the generated digits in nats: 0 is balanced, 2.30 is one digit only."
    ),
    "classes/min_fraction": Entry("rarest digit", "Fraction of the digit that is generated least often."),
    "memory/nearest_ratio": Entry(
        "nearest-neighbour distance ratio",
        "Median pixel distance of generated images to the nearest training image, divided by that of test images. "
        "Near 1 is new, near 0 is memorised. A model that copies one image in three still scores near 1, so read the "
        "near-duplicate rate as well.",
    ),
    "memory/copied_fraction": Entry(
        "near-duplicate rate",
        "Fraction of generated images closer to a training image than 99 % of test images are. About 1 % is new; much "
        "more is memorised, or so blurred that it is close to many. Mirrored copies count if training mirrored images.",
    ),
    "diversity/samples": Entry(
        "diversity of samples", "Mean distance of two generated images, 0 (all alike) to 2. Compare with the data's."
    ),
    "diversity/data": Entry("diversity of the data", "The same for real images."),
    "modes/found": Entry(
        "modes found",
        "Of the 1,000 triples of digits, those that the reference classifier finds among the samples. Published "
        "figures count 26,000 samples.",
    ),
    "modes/kl": Entry(
        "KL of modes from uniform", "Imbalance of the generated modes in nats: 0 is balanced, 6.91 is one mode only."
    ),
    "pattern/worst_error": Entry(
        "largest error", "Largest difference between the mean generated image and the target pattern, 0 to 1."
    ),
    "discriminator/loss": Entry(
        "discriminator loss", "The discriminator's loss on test images and as many generated ones."
    ),
    "score/real": Entry(
        "discriminator output, real images",
        "Mean D(x) of test images, 0 to 1, given their class if D is conditional. Both means are 0.5 if D cannot "
        "separate real from generated images. A critic's scores have no zero and no unit: only the difference of the "
        "means counts.",
    ),
    "score/fake": Entry(
        "discriminator output, generated images",
        "Mean D(G(z)) of as many generated images, balanced over classes if the model is conditional.",
    ),
}
_DIGIT = re.compile(r"^classes/fraction_(\d)$")


def name_of(key: str) -> str:
    """The metric's name, `class agreement` for `labels/agreement`; the key itself if it is not in the table."""
    digit = _DIGIT.match(key)
    if digit:
        return f"fraction of {digit[1]}"
    return TABLE[key].name if key in TABLE else key


def meaning_of(key: str) -> str:
    """What the metric measures; empty if it is not in the table."""
    return TABLE[key].meaning if key in TABLE else ""


def value_of(metrics: Mapping[str, float], key: str) -> str:
    """The value with four digits, `58.18 ± 2.1` if its spread is known."""
    spread = metrics.get(key + SPREAD)
    return f"{metrics[key]:.4g}" + ("" if spread is None else f" ± {spread:.2g}")


def shown(metrics: Iterable[str]) -> list[str]:
    """The sorted keys without those of spreads, which are shown with their metric."""
    return sorted(key for key in metrics if not key.endswith(SPREAD))
