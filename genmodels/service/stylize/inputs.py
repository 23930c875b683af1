"""Images that the stylize page offers: paintings in the public domain, and photographs."""

from __future__ import annotations

from typing import Literal

from genmodels.data.formats import image_files
from genmodels.data.own import style_image
from genmodels.errors import UnknownNameError
from genmodels.service.large_images import ImageFile

Kind = Literal["painting", "photograph"]
# By file name in `style_images`. Only paintings in the public domain are offered; other files in the folder may not be.
WORKS: dict[Kind, dict[str, str]] = {
    "painting": {
        "starry_night_google": "The Starry Night, Vincent van Gogh, 1889",
        "the_scream": "The Scream, Edvard Munch, 1893",
        "shipwreck": "The Shipwreck, J. M. W. Turner, 1805",
        "woman-with-hat-matisse": "Woman with a Hat, Henri Matisse, 1905",
        "udnie": "Udnie, Francis Picabia, 1913",
    },
    "photograph": {
        "boston": "Boston, the harbour",
        "tubingen": "Tübingen, the Neckar front",
        "golden_gate": "San Francisco, the Golden Gate Bridge",
    },
}


def available(kind: Kind) -> dict[str, str]:
    """Titles by name, of the works whose files are on this machine."""
    here = style_image.names()
    return {name: title for name, title in WORKS[kind].items() if name in here}


def open_work(kind: Kind, name: str) -> ImageFile:
    """A work that is available, as a file; raises UnknownNameError, and DataError if it cannot be read."""
    titles = available(kind)
    path = style_image.locate(name) if name in titles else None
    if path is None:
        raise UnknownNameError(kind, name, titles)
    with style_image.named(str(path)):
        return ImageFile(path.name, image_files.read(path))


def title_of(style: str | None) -> str | None:
    """The title of a network's style image: that of the work, else its file name."""
    if style is None:
        return None
    stem = style.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return WORKS["painting"].get(stem, stem)
