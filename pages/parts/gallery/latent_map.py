"""The map at the top of the gallery: decoded codes of a VAE with a two-dimensional latent space, in one image.

Tile (row, column) of `FILE` is the code (AXIS[column], AXIS[SIDE - 1 - row]): the second coordinate points upwards. The
coordinates are quantiles of the prior, so equal areas of the map are equally probable (Kingma & Welling, arXiv
1312.6114, figure 4).
"""

from __future__ import annotations

from statistics import NormalDist

FILE, MODEL = "latent_map.webp", "mnist_vae_2d_deep"
SIDE, PIXELS = 25, 28
AXIS = tuple(NormalDist().inv_cdf((index + 0.5) / SIDE) for index in range(SIDE))
