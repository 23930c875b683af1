"""The service layer under the interface: validated, bounded requests in; PNG, GIF and plain numbers out.

One module or folder per page, named like the page. Shared: `inference` (threads and model cache), `fair_queue`,
`sessions`, `requests`, `cache`, `gif`, `dataset_images` and `large_images`. Nothing here depends on the interface.

The names of this package are imported when they are first used: some modules of it do not need torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genmodels.service.inference import PredictedClass
    from genmodels.service.latent import (
        AXIS_RANGE,
        MAX_AXES,
        MAX_PINS,
        MAX_TRUNCATION,
        Point,
        RenderedImage,
        axes_count,
        estimate_of,
        estimate_seconds,
        latent_checkpoints,
        render,
        render_enlarged,
        thumbnail,
        walk_gif,
        walk_of_seeds,
    )

__all__ = [
    "AXIS_RANGE",
    "MAX_AXES",
    "MAX_PINS",
    "MAX_TRUNCATION",
    "RenderedImage",
    "Point",
    "PredictedClass",
    "axes_count",
    "render_enlarged",
    "estimate_of",
    "latent_checkpoints",
    "render",
    "estimate_seconds",
    "thumbnail",
    "walk_gif",
    "walk_of_seeds",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("genmodels.service.latent"), name)
