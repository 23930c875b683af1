"""The service layer under the interface: validated, bounded requests in; PNG, GIF and plain numbers out.

One module or folder per page, named like the page. Shared: `inference` (threads and model cache), `fair_queue`,
`sessions`, `requests`, `cache`, `gif`, `dataset_images` and `large_images`. Nothing here depends on the interface.
"""

from __future__ import annotations

from genmodels.service.inference import Reading
from genmodels.service.latent import (
    AXIS_RANGE,
    MAX_AXES,
    MAX_PINS,
    MAX_TRUNCATION,
    Picture,
    Point,
    axes_count,
    enlarged_png,
    estimate_of,
    latent_checkpoints,
    render,
    seconds_of,
    thumbnail,
    walk_gif,
    walk_of_seeds,
)

__all__ = [
    "AXIS_RANGE",
    "MAX_AXES",
    "MAX_PINS",
    "MAX_TRUNCATION",
    "Picture",
    "Point",
    "Reading",
    "axes_count",
    "enlarged_png",
    "estimate_of",
    "latent_checkpoints",
    "render",
    "seconds_of",
    "thumbnail",
    "walk_gif",
    "walk_of_seeds",
]
