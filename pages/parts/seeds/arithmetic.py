"""Arithmetic with seeds: an expression, its equation of images, and the norm of its vector."""

from __future__ import annotations

import streamlit as st

from genmodels.latent import expression
from genmodels.latent.expression import ExpressionError
from genmodels.latent.norms import NormDistribution
from genmodels.service import seeds
from genmodels.service.seeds import SeedsRequest, Tile
from pages.components.i18n import t
from pages.components.theme import explain, friendly_errors, plain
from pages.parts.seeds import charts, state, tile_texts
from pages.parts.seeds.tile_texts import signed, tile_text

LOW_DIMENSIONS = 6
"""Below this dimension the norms of Gaussian vectors vary so much that the page has other texts."""
_EXAMPLES = {
    "sum": "s{a} + s{b}",
    "difference": "s{a} - s{b}",
    "halfway": "(s{a} + s{b})/2",
    "sphere": "slerp(s{a}, s{b}, 0.5)",
    "swap": "s{a} - s{b} + s{c}",
    "opposite": "-s{a}",
    "half": "0.5*s{a}",
}


@st.fragment
def show(study: SeedsRequest, norms: NormDistribution, trained: bool) -> None:
    """Show the expression, its equation of images, and its norm; `trained`: the model was trained on random z."""
    st.header(t("seeds.arithmetic"), anchor=False)
    explain(t("seeds.arithmetic_text"))
    text = st.text_input(
        t("seeds.expression"),
        key="seeds_expression",
        max_chars=expression.MAX_LENGTH,
        help=t("seeds.expression_help"),
    )
    state.write_expression()
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", key="seeds_try")
    row.caption(t("seeds.try"), width="content")
    a, b, c, *_ = (*study.seeds, study.seeds[0])
    for name, form in _EXAMPLES.items():
        example = form.format(a=a, b=b, c=c)
        row.button(
            t(f"seeds.try_name.{name}"),
            key=f"seeds_try_{name}",
            on_click=state.write,
            args=(example,),
            help=t("seeds.try_help", expression=f"`{example}`"),
        )
    with friendly_errors():
        try:
            equation = seeds.arithmetic(study, text)
        except ExpressionError as error:
            st.error(f"**{t('common.error.title')}** {plain(error.message)}", icon=":material/error:")
            if error.pointer:
                st.code(error.pointer, language=None)
            return
        *operands, value = equation.sheet.tiles
        texts = [
            tile_text(
                tile,
                norms,
                t("seeds.seed_alt", seed=seed),
                above=t("seeds.seed_name", seed=seed),
                before=signed(weight, first=index == 0),
            )
            for index, ((seed, weight), tile) in enumerate(zip(equation.weights, operands, strict=True))
        ]
        texts.append(tile_text(value, norms, t("seeds.result_alt"), above=t("seeds.result_name"), before="="))
        tile_texts.show(equation.sheet, texts, label=t("seeds.equation_label"), key="seeds_equation")
        _gauge(study, norms, value, trained)


def _gauge(study: SeedsRequest, norms: NormDistribution, value: Tile, trained: bool) -> None:
    st.subheader(t("seeds.gauge_title"), anchor=False)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        marks = {"between": "gauge_between", "sum": "gauge_sum_mark", "difference": "gauge_difference"}
        other_norms = seeds.norms_between(study, 0)
        others = {t(f"seeds.{key}"): other_norms[name] for name, key in marks.items()}
        charts.gauge(norms, value.norm, others, value.decoded_norm if study.renormalise else None, key="seeds_gauge")
    with right:
        place = "short" if value.norm < norms.low else "long" if value.norm > norms.high else "inside"
        verdict = t(f"seeds.verdict.{place}", norm=f"{value.norm:.1f}")
        verdict += " " + t(f"seeds.meaning.{place}" if trained else "seeds.not_trained")
        if study.renormalise:
            verdict += " " + t("seeds.verdict_renormalised", decoded=f"{value.decoded_norm:.1f}")
        st.markdown(verdict)
        numbers = {name: f"{getattr(norms, name):.1f}" for name in ("radius", "mean", "low", "high")}
        low = "_low" if norms.dim < LOW_DIMENSIONS else ""
        st.markdown(t(f"seeds.gauge_text{low}", dim=norms.dim, **numbers))
        st.markdown(t("seeds.gauge_sum", first=study.seeds[0], second=study.seeds[1]))
