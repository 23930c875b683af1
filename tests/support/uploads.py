"""Data sets uploaded as the Data page uploads them."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from genmodels.service import datasets
from genmodels.service.datasets import Upload, UploadSettings
from tests.support.picture_files import BLUE, RED, encoded, plain, zipped


def upload_set(title: str = "My cats", count: int = 30, **settings: object) -> str:
    kinds = (("a", RED), ("b", BLUE))
    files = {f"{kind}/{n}.png": encoded(plain(colour)) for kind, colour in kinds for n in range(count // 2)}
    raw = zip_of(files)
    wanted = UploadSettings.parse({"title": title, "size": 16, **settings})
    return datasets.upload([Upload("x.zip", io.BytesIO(raw), len(raw))], wanted).name


def zip_of(files: dict[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return zipped(Path(folder, "x.zip"), files).read_bytes()
