"""The bundled pictures and sounds: each is listed with author and licence, and together they stay small."""

from __future__ import annotations

from PIL import Image

from pages.components import assets
from pages.components.assets import FOLDER, LIST, Asset

_LICENCES = {"public domain", "MIT", *assets.LICENCES}
_MAX_BYTES = 2_000_000


def test_every_bundled_file_is_listed_and_may_be_redistributed() -> None:
    files = {path.name for path in FOLDER.iterdir() if path != LIST and not path.name.startswith(".")}
    assert set(assets.assets()) == files
    for listed in assets.assets().values():
        assert listed.licence in _LICENCES, listed
        assert listed.title, listed
        assert listed.author, listed
        assert listed.made_by, listed
        # A file of ours names the command that makes it; any other one where it is from.
        assert listed.source.startswith("https://") or "`python -m" in listed.made_by, listed


def test_bundled_files_are_small_and_in_a_format_that_browsers_show() -> None:
    paths = [FOLDER / name for name in assets.assets()]
    assert sum(path.stat().st_size for path in paths) <= _MAX_BYTES
    for path in paths:
        assert path.suffix in {".jpg", ".webp", ".png", ".gif", ".flac", ".wav"}, path
        if path.suffix in {".jpg", ".webp", ".png", ".gif"}:
            with Image.open(path) as image:
                image.load()
                assert not image.getexif(), f"{path.name}: no camera's data, no place"


def test_a_credit_names_title_author_licence_and_source() -> None:
    flower = assets.asset("dahlia.jpg").credit()
    assert "A dahlia" in flower
    assert "vultilion" in flower
    assert "[CC BY 2.0](https://creativecommons.org/licenses/by/2.0/)" in flower
    assert "(https://www.flickr.com/photos/vultilion/6056698931/)" in flower
    own = Asset("a.png", "A *digit*", "us", "MIT", "", "`python -m genmodels`").credit()
    assert r"A \*digit\*" in own
    assert "](" not in own, "no link without a source"
