"""What the gallery says of a model: its kind, its place in the list, a hint, a metric, and the page that suits it."""

from __future__ import annotations

from typing import NamedTuple

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.flow import has_flow
from genmodels.service.speak import can_speak
from genmodels.service.stylize import is_fast_style
from pages.components.i18n import has, t
from pages.components.numbers import percent

KINDS = ("encoding", "latent", "flow", "paint", "translation", "stylizing", "sound", "classification", "other")
"""Models are grouped by what a visitor can do with them."""
SELECTION = (
    "portraits_dcgan_64",
    "mnist_flow",
    "fast_style_starry_night",
    "mnist_vae_2d_deep",
    "flowers_dcgan_64",
    "flowers_projected_128",
    "mnist_cgan_conv",
    "portraits_vqvae_prior_64",
    "fsdd_wavenet",
    "mnist_gated_pixelcnn",
    "mnist_denoising_autoencoder",
    "mnist_cnn",
)
"""The published models that a visitor sees first, chosen by eye: of each kind one or two."""
# The metric in a model's details: the first one that was measured; its text is in gallery.yaml.
_KEY_METRICS = (
    "elbo/negative",
    "accuracy",
    "cycle/error",
    "paint/style",
    "likelihood/bits_per_dim",
    "labels/agreement",
    "likelihood/bits_per_sample",
    "classes/above_1_percent",
    "pattern/worst_error",
    "reconstruction/corrupted_above_entropy",
    "reconstruction/above_entropy",
    "reconstruction/corrupted_nats",
    "reconstruction/nats",
    "reconstruction/squared_error",
    "diversity/samples",
)
# The digit classifiers in the order of the text about them: each changes one thing of the first.
_LADDER = (
    "mnist_mlp_baseline",
    "mnist_mlp_bce",
    "mnist_mlp_leaky_relu",
    "mnist_mlp_adam",
    "mnist_mlp_layer_norm",
    "mnist_mlp_combined",
    "mnist_cnn",
)


class Target(NamedTuple):
    """The page that a card's button opens; `label` is the key of its text, `<label>_help` that of its help."""

    label: str
    icon: str
    page: str
    query: dict[str, str]
    primary: bool = True


# Label, icon and page by purpose.
_TARGETS = {
    "flow": ("open_flow", "air", "flow.py"),
    "conditional": ("open_conditional", "tune", "conditional.py"),
    "constant": ("open_steps", "history", "latent.py"),
    "latent": ("open_latent", "open_with", "latent.py"),
    "paint": ("open_paint", "brush", "paint.py"),
    "translation": ("open_translate", "swap_horiz", "translate.py"),
    "stylizing": ("open_stylize", "palette", "stylize.py"),
    "sound": ("open_speak", "record_voice_over", "speak.py"),
}


def kind(info: CheckpointInfo) -> str:
    """The model's entry of KINDS."""
    if can_speak(info):
        return "sound"
    if _paints(info):
        return "paint"
    if "codes" in info.capabilities:
        return "encoding"
    if has_flow(info):
        return "flow"
    return next((name for name in KINDS if name in info.capabilities), "other")


def order(info: CheckpointInfo) -> tuple[int, bool, bool, int, int]:
    """Sort key: by kind; models with a latent space first, those with fewer dimensions before others."""
    has_latent = "latent" in info.capabilities
    rung = _LADDER.index(info.recipe) if info.recipe in _LADDER else len(_LADDER)
    return KINDS.index(kind(info)), not has_latent, not info.latent_dim, info.latent_dim or 0, rung


def metric(info: CheckpointInfo) -> str:
    """The most important metric as Markdown, or the newest step of a model that was not measured."""
    name = next((name for name in _KEY_METRICS if name in info.metrics), None)
    if name is None:
        return t("gallery.no_metric", step=f"{info.steps[-1]:,}")
    value = info.metrics[name]
    key = f"gallery.metric.{name.replace('/', '_')}"
    if has(f"{key}_{kind(info)}"):
        key = f"{key}_{kind(info)}"
    return t(key, value=value, percent=percent(value))


def hint(info: CheckpointInfo) -> str:
    """A suggestion to try: the checkpoint's own, that of its recipe, or that of its capabilities."""
    own = [f"gallery.try.{name}" for name in (info.name if info.published else "", info.recipe) if name]
    return t(next((key for key in own if has(key)), f"gallery.try_{_purpose(info)}"))


def target(info: CheckpointInfo) -> Target:
    """The page that suits the model best."""
    part = _manifold_part(info)
    if part is not None:
        return Target(f"open_{part}", "bubble_chart", "manifold.py", {"model": info.name, "part": part})
    if (purpose := _purpose(info)) in _TARGETS:
        return Target(*_TARGETS[purpose], {"model": info.name})
    if "classification" in info.capabilities and info.image_shape == (1, 28, 28) and len(info.classes) == 10:
        return Target("open_classify", "draw", "classify.py", {"model": info.name})
    if info.published and info.recipe:
        return Target("open_train", "model_training", "train.py", {"recipe": info.recipe}, primary=False)
    return Target("open_run", "monitoring", "runs.py", {"run": info.path.name}, primary=False)


def _paints(info: CheckpointInfo) -> bool:
    return "completion" in info.capabilities and info.modality == "image"


def _purpose(info: CheckpointInfo) -> str:
    if has_flow(info):
        return "flow"
    if info.condition_names and "latent" in info.capabilities:
        return "conditional"
    if "latent" in info.capabilities:
        return "latent" if info.latent_dim else "constant"
    if can_speak(info):
        return "sound"
    if _paints(info):
        return "paint"
    if is_fast_style(info):
        return "stylizing"
    if "codes" in info.capabilities:
        return "encoding"
    return "translation" if "translation" in info.capabilities else "other"


def _manifold_part(info: CheckpointInfo) -> str | None:
    """The part of the Manifold page that suits the model; None if there is none."""
    if "encoding" not in info.capabilities:
        return None
    if info.latent_dim == 2:
        return "grid"
    return "denoise" if "reconstruction/corrupted_nats" in info.metrics else None
