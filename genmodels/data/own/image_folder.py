"""A folder of the user's images, of any size and format; its subfolders are classes.

It is decoded at every start: pack more than some thousand images once (`python -m genmodels pack`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from genmodels.data.dataset import UserData
from genmodels.data.formats.image_files import encode_png
from genmodels.data.own import from_source, style_image
from genmodels.data.own.sources import Folder
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split


class ImageFolder(UserData):
    fields = ("path", "size", "channels", "limit", "background", "style", "style_size")
    input_files: Mapping[str, str] = {"style": "style.png"}

    def missing(self, config: DataConfig) -> str | None:
        if config.path is None:
            return (
                "data set 'image_folder' needs a folder of pictures: set data.path, "
                "for example --set data.path=photos --set data.size=64"
            )
        if not Path(config.path).is_dir():
            return f"data.path = {config.path!r} is not a folder on this machine"
        return None if config.style is None else style_image.problem(config.style)

    def spec(self, config: DataConfig) -> DataSpec:
        """Counted from the file names; raises DataError."""
        spec = from_source.spec_of(self._folder(config), config)
        return spec if config.style is None else spec.replace(provides=(*spec.provides, "style"))

    def load(self, config: DataConfig, split: Split, first: int | None = None) -> Arrays:
        arrays = from_source.arrays_of(self._folder(config), config, split, first)
        return arrays if config.style is None else replace(arrays, style=style_image.read(config)[None])

    def prepared_inputs(self, config: DataConfig) -> dict[str, bytes]:
        """The style image at the size that the run uses; raises DataError."""
        return {} if config.style is None else {self.input_files["style"]: encode_png(style_image.read(config))}

    def class_counts(self, config: DataConfig, split: Split) -> tuple[int, ...]:
        """Images per class, counted from the file names."""
        return from_source.counts_of(self._folder(config), config, split)

    def _folder(self, config: DataConfig) -> Folder:
        return Folder(self.path(config))


DATASET = ImageFolder("image_folder")
