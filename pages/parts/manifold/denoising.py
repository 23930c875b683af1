"""Denoising: a digit, random and hand-drawn salt noise, and the reconstructions of two autoencoders."""

from __future__ import annotations

import numpy as np
import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.manifold import denoise
from genmodels.service.manifold.denoise import Noise
from pages.components import address, choice, source_picker
from pages.components.canvas import canvas
from pages.components.i18n import t
from pages.components.number_field import whole_number
from pages.components.numbers import percent
from pages.components.page import by_name, no_models
from pages.components.seed_input import set_random
from pages.components.theme import explain, friendly_errors
from pages.components.tiles import Tile, row

_SALT_BRUSH = 0.05


def read_address(known: set[str]) -> None:
    """Read `?model=`, one of `known`: every model that a part of this page shows.

    A model that cannot denoise is replaced by the picker.
    """
    address.bind(
        "manifold",
        "model",
        "manifold_denoiser",
        address.member(known),
        lambda name: t("manifold.unknown_model", name=name),
        recheck=True,
    )


def show() -> None:
    """Show controls and canvases on the left; clean image, noisy image and reconstructions on the right."""
    with friendly_errors():
        infos = by_name(denoise.denoisers())
        if not infos:
            no_models("manifold.denoise.none", recipe="mnist_denoising_autoencoder")
            return
        explain(t("manifold.denoise.text"))
        left, right = st.columns([4, 6], gap="medium")
        with left:
            info = _pick(infos)
            noise, ink = _digit()
            salt = _salt(noise, ink)
        with right:
            if source_picker.picked("manifold") == "canvas" and ink is None:
                st.info(t("manifold.draw.empty"), icon=":material/draw:")
                return
            _answers(info, noise, ink, salt)


def _pick(infos: dict[str, CheckpointInfo]) -> CheckpointInfo:
    name = choice.choose(
        t("manifold.denoise.model"),
        list(infos),
        lambda name: f"{infos[name].label} · {name}",
        key="manifold_denoiser",
        help=t("manifold.denoise.model_help"),
        persist_state="session",
    )
    if address.written("manifold", "model") in infos.keys() - {name}:
        address.write("manifold", "model", None)
    return infos[name]


def _digit() -> tuple[Noise, np.ndarray | None]:
    memory = st.session_state
    for key, value in (("index", 0), ("amount", 0.25), ("noise_seed", 0), ("wiped", 0)):
        memory.setdefault(f"manifold_{key}", value)
    ink = source_picker.pick(
        "manifold",
        "manifold.denoise",
        {"example": _test_digit, "canvas": lambda: source_picker.draw_digit("manifold")},
        on_change=_other_digit,
    )
    st.slider(
        t("manifold.denoise.amount"),
        0.0,
        denoise.MAX_SALT,
        step=0.05,
        format="percent",
        key="manifold_amount",
        help=t("manifold.denoise.amount_help"),
        persist_state="session",
    )
    st.button(
        t("common.new_seed"),
        key="manifold_reseed",
        icon=":material/casino:",
        on_click=set_random,
        args=("manifold_noise_seed",),
        help=t("manifold.denoise.new_seed_help"),
    )
    return (
        Noise.parse(
            {"index": memory.manifold_index, "amount": memory.manifold_amount, "seed": memory.manifold_noise_seed}
        ),
        ink,
    )


def _test_digit() -> None:
    """Show the field for the index of a test digit."""
    whole_number(
        t("manifold.denoise.index"),
        0,
        denoise.DIGITS - 1,
        key="manifold_index",
        on_change=_other_digit,
        help=t("manifold.denoise.index_help"),
        persist_state="session",
    )
    digits = denoise.digit_data()
    kind = "data" if digits.name == "mnist" else "data_fallback"
    st.caption(t(f"manifold.denoise.{kind}", data=digits.title))


def _salt(noise: Noise, ink: np.ndarray | None) -> np.ndarray | None:
    """Show the canvas for salt noise and return the noise; only with a test digit, not with a drawn one."""
    if ink is not None or source_picker.picked("manifold") == "canvas":
        return None
    st.markdown(f"**{t('manifold.denoise.salt')}**", help=t("manifold.denoise.salt_help"))
    return canvas(
        key="manifold_salt",
        label=t("manifold.denoise.salt_label"),
        hint=t("manifold.denoise.salt_hint"),
        brush=_SALT_BRUSH,
        under=denoise.digit_png(noise),
        cleared=st.session_state.manifold_wiped,
    )


def _answers(info: CheckpointInfo, noise: Noise, ink: np.ndarray | None, salt: np.ndarray | None) -> None:
    partner = denoise.baseline_of(info)
    names = (info.name,) if partner is None else (info.name, partner.name)
    result = denoise.denoise(names, noise, ink, salt)
    fraction = percent(result.noise_fraction)
    row(
        [
            Tile(result.clean, result.label, t("manifold.denoise.clean_alt"), t("manifold.denoise.clean")),
            Tile(
                result.noisy,
                "",
                t("manifold.denoise.noisy_alt", percent=fraction),
                t("manifold.denoise.noisy", percent=fraction),
            ),
        ],
        key="manifold_noisy",
        width=240,
    )
    roles = ("denoiser", "partner")
    tiles = []
    for role, name, answer in zip(roles, names, result.reconstructions, strict=False):
        nats = f"{answer.nats:.0f}"
        tiles.append(
            Tile(
                answer.png,
                t("manifold.denoise.output", nats=nats),
                t("manifold.denoise.output_alt", name=name, nats=nats),
                t(f"manifold.denoise.{role}"),
            )
        )
    row(tiles, key="manifold_answers", width=240)
    if partner is None:
        st.caption(t("manifold.denoise.no_partner"))
        return
    ours, theirs = (answer.nats for answer in result.reconstructions)
    times = theirs / max(ours, 1e-6)
    st.markdown(t("manifold.denoise.better", times=f"{times:.1f}") if times > 1.05 else t("manifold.denoise.worse"))


def _other_digit() -> None:
    """Clear the drawn salt noise, which belongs to the previous digit."""
    st.session_state.manifold_wiped += 1
