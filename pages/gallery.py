"""Gallery: one card a checkpoint."""

from __future__ import annotations

from pages.components.i18n import t
from pages.components.theme import page_title

page_title(t("gallery.title"), t("gallery.intro"))
