"""Two pictures of your own: one to be painted (data.path), and one to be painted like (data.path_b).

Both are reduced to `size` and `style_size` pixels on their longer side, never enlarged, and keep their shape. A job
copies them, so reduced, into its folder when it is submitted: it works on with those after the originals have gone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genmodels.data import pictures, style_picture
from genmodels.data.from_source import UNKNOWN_LICENCE
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split
from genmodels.errors import DataError

FIELDS = ("path", "path_b", "size", "style_size")
INPUTS = {"path": "content.png", "path_b": "style.png"}
DEFAULT_SIZE = 256


def problem(config: DataConfig) -> str | None:
    """None where both files are there, else one sentence."""
    for field, what in (("path", "the picture to be painted"), ("path_b", "the picture to be painted like")):
        path = getattr(config, field)
        if path is None:
            return (
                f"data set 'style_pair' needs {what}: set data.{field}, for example "
                "--set data.path=photo.jpg --set data.path_b=painting.jpg"
            )
        if not Path(path).is_file():
            return f"data.{field} = {path!r} is not a file on this machine; it is to be {what}"
    return None


def spec(config: DataConfig) -> DataSpec:
    """Measured from the content picture's header; raises DataError."""
    missing = problem(config)
    if missing or config.path is None or config.path_b is None:
        raise DataError(missing or "")
    with style_picture.named(config.path):
        width, height = pictures.fitted(*pictures.size_of(pictures.read(config.path)), config.size or DEFAULT_SIZE)
    return DataSpec(
        name=config.name,
        title=f"{Path(config.path).name} and {Path(config.path_b).name}",
        provides=("content", "style"),
        image_shape=(3, height, width),
        train_size=1,
        test_size=1,
        licence=UNKNOWN_LICENCE,
        source="two pictures of your own",
    )


def read(config: DataConfig, split: Split, first: int | None) -> Arrays:
    """The content picture as the only image, and the style beside it: the same in both splits. Raises DataError."""
    missing = problem(config)
    if missing or config.path is None or config.path_b is None:
        raise DataError(missing or "")
    size = config.size or DEFAULT_SIZE
    content, style = (
        style_picture.read_file(path, side)
        for path, side in ((config.path, size), (config.path_b, config.style_size or size))
    )
    return Arrays(images=content[None], labels=np.zeros(1, np.int64), style=style[None])


def class_counts(config: DataConfig, split: Split) -> tuple[int, ...]:
    """There are no classes."""
    return ()


def prepared(config: DataConfig) -> dict[str, bytes]:
    """Both pictures as the run will use them, PNG by file name; raises DataError."""
    arrays = read(config, "train", None)
    assert arrays.style is not None
    return {
        INPUTS["path"]: pictures.encode_png(arrays.images[0]),
        INPUTS["path_b"]: pictures.encode_png(arrays.style[0]),
    }
