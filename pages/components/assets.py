"""The bundled pictures and sounds, with the author and licence of each; `pages/assets/README.md` is their list."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pages.components.i18n import t
from pages.components.theme import plain

FOLDER = Path(__file__).parents[1] / "assets"
LIST = FOLDER / "README.md"
LICENCES = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY 2.0": "https://creativecommons.org/licenses/by/2.0/",
    "CC BY-SA 3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
    "CC BY-SA 4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
}
"""Licences that a credit links to, by the name in the list."""
_COLUMNS = 6


@dataclass(frozen=True)
class Asset:
    """A bundled file and its row in the list; `source` is an address, or empty for a file that a model here made."""

    file: str
    title: str
    author: str
    licence: str
    source: str
    made_by: str

    def read(self) -> bytes:
        return (FOLDER / self.file).read_bytes()

    def credit(self) -> str:
        """Title, author and licence as Markdown, with links to the licence and to the source if there are any."""
        address = LICENCES.get(self.licence)
        licence = f"[{self.licence}]({address})" if address else plain(self.licence)
        key = "common.credit" if self.source else "common.credit_own"
        return t(key, title=plain(self.title), author=plain(self.author), licence=licence, source=self.source)


@cache
def assets() -> dict[str, Asset]:
    """The bundled files by name, as the list has them. Raises ValueError for a row that does not have six cells."""
    found = {}
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if not line.startswith("| `"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != _COLUMNS:
            raise ValueError(f"{LIST.name}: {line} has {len(cells)} cells instead of {_COLUMNS}")
        asset = Asset(cells[0].strip("`"), *cells[1:])
        found[asset.file] = asset
    return found


@cache
def data_url(file: str) -> str:
    """A bundled WebP image as a data URL, which a page shows without another request."""
    return "data:image/webp;base64," + base64.b64encode(asset(file).read()).decode("ascii")


def asset(file: str) -> Asset:
    """The bundled file of that name; raises KeyError if the list does not have it."""
    return assets()[file]
