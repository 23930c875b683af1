"""Pictures the stylize page offers to those who bring none: paintings in the public domain, and photographs."""

from __future__ import annotations

from typing import Literal

from genmodels import data
from genmodels.data import pictures, style_picture
from genmodels.errors import UnknownNameError
from genmodels.service.translate.given import Upload

Kind = Literal["painting", "photograph"]
# By the names of their files in `style_images`. Only works whose rights have ended are offered as paintings; whatever
# else somebody keeps there may be anybody's.
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


def offered(kind: Kind) -> dict[str, str]:
    """Titles by name, of those whose files are here."""
    here = style_picture.names()
    return {name: title for name, title in WORKS[kind].items() if name in here}


def how_to_get(kind: Kind) -> str:
    """One sentence: where to put which files."""
    files = ", ".join(f"{name}.jpg" for name in WORKS[kind])
    return f"put files named {files} into the folder {style_picture.FOLDER} of {data.data_root()}"


def given(kind: Kind, name: str) -> Upload:
    """One of those offered, as a file; raises UnknownNameError, DataError where it cannot be read."""
    known = offered(kind)
    path = style_picture.located(name) if name in known else None
    if path is None:
        raise UnknownNameError(kind, name, known)
    with style_picture.named(str(path)):
        return Upload(path.name, pictures.read(path))


def title_of(style: str | None) -> str | None:
    """What a network was trained to paint like, in words: a work's title, else its file's name."""
    if style is None:
        return None
    stem = style.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return WORKS["painting"].get(stem, stem)
