"""What every face of the studio calls: validated, bounded requests in, PNG, GIF and plain numbers out.

Nothing here knows a face. `inference` holds the one thread that runs models; the other modules are a page's requests
each, and what several pages need is named here.
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
