"""What people call a figure, in cards, on the command line and in what is said of missed ones. JSON keeps the keys.

The pages translate these: their English texts are the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SPREAD = "_spread"
SPREAD_NOTE = "After ± stands the standard deviation over five splits of the pictures, each a fifth as large."

NAMES = {
    "accuracy": "accuracy",
    "cycle/error": "cycle error",
    "cycle/a": "cycle error, first kind",
    "cycle/b": "cycle error, second kind",
    "kinds/a_as_b": "first kind taken for the second",
    "kinds/b_as_a": "second kind taken for the first",
    "kinds/judge": "the judge's own accuracy",
    "kinds/judge_a": "the judge's own accuracy, first kind",
    "kinds/judge_b": "the judge's own accuracy, second kind",
    "elbo/negative": "negative ELBO",
    "elbo/recon": "reconstruction term",
    "elbo/recon_above_entropy": "reconstruction term above the data's entropy",
    "elbo/kl": "KL term",
    "likelihood/bits_per_dim": "bits a dimension",
    "likelihood/nats": "nats a picture",
    "likelihood/bits_per_sample": "bits a sample",
    "paint/style": "style",
    "paint/style_before": "style before",
    "paint/content": "content",
    "reconstruction/nats": "reconstruction",
    "reconstruction/above_entropy": "reconstruction above the data's entropy",
    "reconstruction/corrupted_nats": "from a corrupted picture",
    "reconstruction/corrupted_above_entropy": "from a corrupted picture, above the data's entropy",
    "judge/frechet": "FID (our judge's features)",
    "judge/frechet_real": "real against real",
    "judge/kernel": "kernel distance (our judge's features)",
    "judge/kernel_real": "kernel distance, real against real",
    "judge/precision": "precision",
    "judge/recall": "recall",
    "judge/density": "density",
    "judge/coverage": "coverage",
    "labels/agreement": "drawn as asked",
    "labels/agreement_real": "heard rightly of real ones",
    "classes/above_1_percent": "digits drawn",
    "classes/kl_uniform": "KL from uniform",
    "classes/min_share": "rarest digit",
    "memory/nearest_ratio": "distance to the nearest training picture",
    "memory/copied_share": "suspiciously near a training picture",
    "diversity/samples": "diversity of drawn pictures",
    "diversity/data": "diversity of the data",
    "pattern/worst_error": "largest error",
    "discriminator/loss": "discriminator's loss",
    "score/real": "discriminator's answer to real pictures",
    "score/fake": "discriminator's answer to drawn pictures",
}
_DIGIT = re.compile(r"^classes/share_(\d)$")


def name_of(key: str) -> str:
    """`FID (our judge's features)` of `judge/frechet`; a figure without a name is called by its key."""
    digit = _DIGIT.match(key)
    return f"share of {digit[1]}" if digit else NAMES.get(key, key)


def value_of(figures: Mapping[str, float], key: str) -> str:
    """Four digits, `58.18 ± 2.1` where the error is known."""
    spread = figures.get(key + SPREAD)
    return f"{figures[key]:.4g}" + ("" if spread is None else f" ± {spread:.2g}")


def shown(figures: Iterable[str]) -> list[str]:
    """The keys to list, sorted: errors stand beside their figures."""
    return sorted(key for key in figures if not key.endswith(SPREAD))
