"""Latent explorer."""

from __future__ import annotations

from pages.components.i18n import t
from pages.components.theme import page_title

page_title(t("latent.title"), t("latent.intro"))
