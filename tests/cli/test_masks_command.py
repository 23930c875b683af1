"""`python -m genmodels masks`: it stores the masks of a set, shows them, and takes other parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genmodels.cli.masks import masks
from genmodels.errors import ConfigError
from genmodels.images import object_masks


def test_it_stores_and_shows_masks_and_takes_other_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    monkeypatch.setattr(object_masks, "_SIDE", 96)  # a tenth of the time
    out, pixels = tmp_path / "overview.png", np.random.default_rng(0)
    for domain in ("cats", "dogs"):
        (tmp_path / "pets" / domain).mkdir(parents=True)
        for index in range(4):
            image = Image.fromarray(pixels.integers(0, 256, (28, 28, 3), np.uint8))
            image.save(tmp_path / "pets" / domain / f"{index}.png")
    options: Any = {"size": 28, "path": str(tmp_path / "pets")}
    masks("unpaired", out, **options)
    first = capsys.readouterr().out
    assert "part 0: " in first
    assert "  object" in first
    (file,) = (tmp_path / "masks").iterdir()
    with Image.open(out) as image:
        assert image.width == 28 * (1 + 8 + 2), "the image, its parts, the mask, and the image inside the mask"
    with pytest.raises(ConfigError, match=r"none/overview\.png' cannot be written"):
        masks("unpaired", tmp_path / "none" / "overview.png", **options)
    capsys.readouterr()
    masks("unpaired", out, **options, parts="1,2")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if line.endswith("object")] == ["part 1", "part 2"]
    assert list((tmp_path / "masks").iterdir()) == [file]


def test_wrong_arguments_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no two domains"):
        masks("digits", tmp_path / "overview.png")
    with pytest.raises(ConfigError, match=r"does not end in \.png"):
        masks("digits2inverted", tmp_path / "overview.jpg")
    with pytest.raises(ConfigError, match="numbers separated by commas"):
        masks("digits2inverted", tmp_path / "overview.png", parts="all")
