"""Gallery: one card per checkpoint with samples of the model and a button to the page that suits it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import streamlit as st
from PIL import Image

from genmodels import service
from genmodels.errors import GenmodelsError
from genmodels.images.preview import png
from genmodels.runs.catalog import CheckpointInfo, damaged_checkpoints, list_checkpoints
from genmodels.runs.files import read_png
from genmodels.runs.folder import RunFolder
from genmodels.service.flow import has_flow
from genmodels.service.speak import can_speak
from genmodels.service.stylize import is_fast_style
from pages.components.i18n import has, t
from pages.components.numbers import percent
from pages.components.theme import message, page_title, plain
from pages.parts.gallery import speak_card

_COLUMNS = 3
# The metric shown on a card: the first one that was measured; its text is in gallery.yaml.
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
# Cards are grouped by what a visitor can do with the model.
_KINDS = ("encoding", "latent", "flow", "paint", "translation", "stylizing", "sound", "classification", "other")


@st.cache_data(max_entries=200, show_spinner=False)
def _samples(name: str, step: int, stamp: int) -> bytes | None:
    """A grid of samples; `stamp` is the modification time of the weights, so that new weights give new samples."""
    return service.thumbnail(name, step)


def _thumbnail(info: CheckpointInfo) -> bytes | None:
    step = info.steps[-1]
    stamp = RunFolder(info.path).step_path(step).stat().st_mtime_ns
    samples = _samples(info.name, step, stamp)
    if samples is None and info.preview is not None:
        return _upper_half(info.preview, info.preview.stat().st_mtime_ns)
    return samples


@st.cache_data(max_entries=50, show_spinner=False)
def _upper_half(path: Path, stamp: int) -> bytes:
    """The upper half of a square grid, so that the card of a classifier is as tall as the others."""
    with Image.open(io.BytesIO(read_png(path))) as image:
        return png(image.crop((0, 0, image.width, min(image.height, image.width // 2))))


def _kind(info: CheckpointInfo) -> str:
    if can_speak(info):
        return "sound"
    if _paints(info):
        return "paint"
    if "codes" in info.capabilities:
        return "encoding"
    if has_flow(info):
        return "flow"
    return next((kind for kind in _KINDS if kind in info.capabilities), "other")


def _paints(info: CheckpointInfo) -> bool:
    return "completion" in info.capabilities and info.modality == "image"


def _order(info: CheckpointInfo) -> tuple[bool, bool, int, int]:
    """Sort key: models with a latent space first, those with fewer dimensions before others."""
    has_latent = "latent" in info.capabilities
    rung = _LADDER.index(info.recipe) if info.recipe in _LADDER else len(_LADDER)
    return not has_latent, not info.latent_dim, info.latent_dim or 0, rung


def _metric(info: CheckpointInfo) -> str:
    name = next((name for name in _KEY_METRICS if name in info.metrics), None)
    if name is None:
        return t("gallery.no_metric", step=f"{info.steps[-1]:,}")
    value = info.metrics[name]
    key = f"gallery.metric.{name.replace('/', '_')}"
    if has(f"{key}_{_kind(info)}"):
        key = f"{key}_{_kind(info)}"
    return t(key, value=value, percent=percent(value))


def _hint(info: CheckpointInfo) -> str:
    """A suggestion to try: the checkpoint's own, that of its recipe, or that of its capabilities."""
    own = [f"gallery.try.{name}" for name in (info.name if info.published else "", info.recipe) if name]
    return t(next((key for key in own if has(key)), f"gallery.try_{_purpose(info)}"))


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


class _Target(NamedTuple):
    """The page that a card's button opens; `label` is the key of its text, `<label>_help` that of its help."""

    label: str
    icon: str
    page: str
    query: dict[str, str]
    primary: bool = True


# Label, icon and page by purpose. A comment: Streamlit would draw a string that stands alone.
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


def _target_of(info: CheckpointInfo) -> _Target:
    """The page that suits the model best."""
    part = _manifold_part(info)
    if part is not None:
        return _Target(f"open_{part}", "bubble_chart", "manifold.py", {"model": info.name, "part": part})
    if (purpose := _purpose(info)) in _TARGETS:
        return _Target(*_TARGETS[purpose], {"model": info.name})
    if "classification" in info.capabilities and info.image_shape == (1, 28, 28) and len(info.classes) == 10:
        return _Target("open_classify", "draw", "classify.py", {"model": info.name})
    if info.published and info.recipe:
        return _Target("open_train", "model_training", "train.py", {"recipe": info.recipe}, primary=False)
    return _Target("open_run", "monitoring", "runs.py", {"run": info.path.name}, primary=False)


def _open_button(info: CheckpointInfo) -> None:
    target = _target_of(info)
    clicked = st.button(
        t(f"gallery.{target.label}"),
        key=f"gallery_open_{info.name}",
        type="primary" if target.primary else "secondary",
        icon=f":material/{target.icon}:",
        help=t(f"gallery.{target.label}_help"),
    )
    if clicked:
        st.switch_page(target.page, query_params=target.query)


def _card(info: CheckpointInfo) -> None:
    with st.container(border=True, height="stretch", key=f"gallery_card_{info.name}"):
        try:
            thumbnail = _thumbnail(info)
        except (GenmodelsError, OSError) as error:
            st.warning(message(str(error)), icon=":material/broken_image:")
            thumbnail = None
        if thumbnail is not None:
            st.image(thumbnail, width="stretch", alt=t("gallery.alt", title=info.label))
        if can_speak(info):
            speak_card.hear(info)
        st.subheader(plain(info.label), anchor=False)
        st.caption(f"{plain(info.name)} · {plain(info.data)}")
        if info.name != info.path.name:
            st.caption(t("gallery.same_name", name=plain(info.path.name), id=plain(info.name)))
        st.markdown(info.description)
        st.markdown(f"**{t('gallery.try_this')}** {_hint(info)}")
        st.markdown(_metric(info))
        _open_button(info)


def _section(infos: list[CheckpointInfo], key: str) -> None:
    with st.container(key=key):
        for start in range(0, len(infos), _COLUMNS):
            for column, info in zip(st.columns(_COLUMNS), infos[start : start + _COLUMNS], strict=False):
                with column:
                    _card(info)


page_title(t("gallery.title"), t("gallery.intro"))
_infos = list_checkpoints()
_published = sorted((info for info in _infos if info.published), key=_order)
_own = [info for info in _infos if not info.published]
if not _infos:
    st.info(t("gallery.empty"), icon=":material/model_training:")
with st.container(key="gallery_published"):
    for _which in _KINDS:
        _group = [info for info in _published if _kind(info) == _which]
        if _group:
            st.header(t(f"gallery.kind.{_which}"), anchor=False)
            st.markdown(t(f"gallery.kind_intro.{_which}"))
            _section(_group, f"gallery_{_which}")
for _name, _reason in damaged_checkpoints().items():
    st.warning(t("gallery.damaged", name=plain(_name), reason=message(_reason)), icon=":material/broken_image:")
if _own:
    st.header(t("gallery.own"), anchor=False)
    st.markdown(t("gallery.own_intro"))
    _section(_own, "gallery_own")
else:
    st.header(t("gallery.own"), anchor=False)
    st.markdown(t("gallery.own_empty"))
    st.page_link("train.py", label=t("gallery.own_link"), icon=":material/model_training:")
