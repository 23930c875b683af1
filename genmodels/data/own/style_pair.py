"""Two of the user's images for style transfer: the content image (data.path) and the style image (data.path_b).

Both keep their aspect ratio and are reduced to `size` and `style_size` pixels on their longer side, never enlarged. A
job copies the reduced images into its folder when it is submitted, so it does not need the originals later.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from genmodels.data.dataset import UserData
from genmodels.data.formats import image_files
from genmodels.data.own import style_image
from genmodels.data.own.from_source import UNKNOWN_LICENCE
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split

_DEFAULT_SIZE = 256


class StylePair(UserData):
    fields = ("path", "path_b", "size", "style_size")
    input_files: Mapping[str, str] = {"path": "content.png", "path_b": "style.png"}

    def missing(self, config: DataConfig) -> str | None:
        for field, what in (("path", "the content picture"), ("path_b", "the style picture")):
            path = getattr(config, field)
            if path is None:
                return (
                    f"data set 'style_pair' needs {what}: set data.{field}, for example "
                    "--set data.path=photo.jpg --set data.path_b=painting.jpg"
                )
            if not Path(path).is_file():
                return f"data.{field} = {path!r} is not a file on this machine; it has to be {what}"
        return None

    def spec(self, config: DataConfig) -> DataSpec:
        """Measured from the content image's header; raises DataError."""
        content, style = self._paths(config)
        with style_image.named(content):
            width, height = image_files.fitted(
                *image_files.size_of(image_files.read(content)), config.size or _DEFAULT_SIZE
            )
        return DataSpec(
            name=config.name,
            title=f"{Path(content).name} and {Path(style).name}",
            provides=("content", "style"),
            image_shape=(3, height, width),
            train_size=1,
            test_size=1,
            licence=UNKNOWN_LICENCE,
            source="two pictures of your own",
        )

    def load(self, config: DataConfig, split: Split, first: int | None = None) -> Arrays:
        """The content image as the only example, and the style image: the same in both splits. Raises DataError."""
        size = config.size or _DEFAULT_SIZE
        sides = (size, config.style_size or size)
        content, style = (
            style_image.read_file(path, side) for path, side in zip(self._paths(config), sides, strict=True)
        )
        return Arrays(images=content[None], labels=np.zeros(1, np.int64), style=style[None])

    def prepared_inputs(self, config: DataConfig) -> dict[str, bytes]:
        """Both images at the sizes that the run uses, as PNG; raises DataError."""
        arrays = self.load(config, "train")
        assert arrays.style is not None
        return {
            self.input_files["path"]: image_files.encode_png(arrays.images[0]),
            self.input_files["path_b"]: image_files.encode_png(arrays.style[0]),
        }

    def _paths(self, config: DataConfig) -> tuple[str, str]:
        """The files of the content and the style image; raises DataError."""
        return str(self.path(config)), config.path_b or ""


DATASET = StylePair("style_pair")
