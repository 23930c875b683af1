"""Every endpoint by the real gradio_client: the same pixels as the Python API."""

from __future__ import annotations

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

import genmodels
from genmodels.images import preview

pytestmark = pytest.mark.slow


def pixels(path: str) -> np.ndarray:
    """The pixels of an answered file, which must be a PNG."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def sheet(images, columns: int) -> np.ndarray:
    """Images (N, C, H, W) in rows of `columns`, as an endpoint sends them."""
    return np.asarray(preview.grid(images, columns, scale=1, pad=0))


def test_samples_are_those_of_the_same_seeds(client: Client) -> None:
    answer = client.predict("mnist_vae_20", seed=3, n=10, api_name="/sample")
    images = preview.samples_of_seeds(genmodels.load("mnist_vae_20"), range(3, 13))
    assert np.array_equal(pixels(answer), sheet(images, 8))
