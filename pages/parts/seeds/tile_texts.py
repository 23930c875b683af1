"""The texts of the images on the Seeds page: norm, reading, signs of an equation."""

from __future__ import annotations

import math

from genmodels.latent.norms import NormDistribution
from genmodels.service.seeds import Sheet, Tile
from pages.components import judge_note, strip
from pages.components.i18n import t
from pages.components.strip import TileText


def tile_text(tile: Tile, norms: NormDistribution, alt: str, *, above: str = "", before: str = "") -> TileText:
    """The texts of a tile: its norm, marked if it is outside the expected range, and the judge's reading."""
    norm, decoded = f"{tile.norm:.1f}", f"{tile.decoded_norm:.1f}"
    mark = t("seeds.below_range") if tile.norm < norms.low else t("seeds.above_range") if tile.norm > norms.high else ""
    key = "seeds.norm" if norm == decoded else "seeds.norm_renormalised"
    lines = [t(key, norm=f"{norm} {mark}".strip(), decoded=decoded)]
    if tile.prediction:
        lines.append(judge_note.reading("seeds.reading", tile.prediction, narrow=True))
    spoken = " ".join([alt, t("seeds.norm_alt", norm=norm), *lines[1:]])
    return TileText(spoken, above, tuple(lines), before, warn=bool(mark))


def signed(weight: float, *, first: bool) -> str:
    """A weight as written before an image in an equation, such as "", "-" or "+ 0.5 x", with three digits."""
    size = abs(weight)
    sign = "\N{MINUS SIGN}" if weight < 0 else "" if first else "+"
    factor = "" if math.isclose(size, 1, rel_tol=5e-4) else f"{size:.3g} \N{MULTIPLICATION SIGN}"
    return f"{sign} {factor}".strip()


def show(sheet: Sheet, tiles: list[TileText], *, label: str, key: str, columns: int | None = None) -> None:
    """Show the tiles of a sheet in rows of `columns`, or as an equation."""
    strip.strip(sheet.png, (sheet.width, sheet.height), tiles, label=label, key=key, columns=columns)
