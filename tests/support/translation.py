"""Untrained translation models, a reference classifier with known output, and images for them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder
from genmodels.service.large_images import ImageFile
from tests.support.picture_files import RED, encoded, plain
from tests.support.runs import save_run

_NETWORKS = ("model.resnet_channels=4", "model.residual_blocks=1", "model.discriminator_channels=[4]")
# PyTorch's own start: with the paper's, an untrained network paints everything the same grey.
SMALL = (*_NETWORKS, "model.init_std=null")


def save_flowers(data: Path) -> None:
    """Three photographs of each domain of `flowers_cyclegan`, in the data folder."""
    for kind in ("daisy", "sunflowers"):
        folder = data / "flower_photos" / kind
        folder.mkdir(parents=True)
        for number in range(3):
            plain(RED).save(folder / f"{number}.jpg")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Untrained CycleGANs of grey digits and of photographs whose data is missing, and a VAE."""
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    save_flowers(tmp_path / "data")
    save_run(tmp_path / "runs", "colour", "flowers_cyclegan", *SMALL, "data.size=32")
    save_run(tmp_path / "runs", "attending", "flowers_cyclegan", *SMALL, "data.size=32", "model.attention=true")
    save_run(
        tmp_path / "runs", "grey", "flowers_cyclegan", *SMALL, "data.name=digits2inverted", "data.size=null",
        "model.flip=false",
    )  # fmt: skip
    shutil.rmtree(tmp_path / "data")
    save_run(tmp_path / "runs", "vae", "mnist_vae_20", "data.name=digits")
    return tmp_path / "runs"


def photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    y, x = np.mgrid[:height, :width]
    channels = [x * 255 // width, y * 255 // height, (x + y) % 256, (x * 7) % 256][: len(mode)]
    return Image.fromarray(np.stack(channels, 2).astype(np.uint8), mode)


def image_file(image: Image.Image, name: str = "photo.png", kind: str = "PNG") -> ImageFile:
    return ImageFile(name, encoded(image, kind))


def publish_brightness_judge(root: Path) -> None:
    """A published classifier of digits and inverted digits with a known output: sigmoid of 20 (mean - 1/2)."""
    folder = save_run(
        root, "tiny_judge", "mnist_mlp_baseline", "data.name=digits2inverted", "model.hidden_sizes=[1]",
        "model.activation=leaky_relu", steps=(0,),
    )  # fmt: skip
    model = checkpoint.build(RunFolder(folder.path).spec().model_dump(mode="json"))
    linears = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        linears[0].weight.fill_(1 / 784)
        linears[0].bias.zero_()
        linears[1].weight.copy_(torch.tensor([[-10.0], [10.0]]))
        linears[1].bias.copy_(torch.tensor([5.0, -5.0]))
    checkpoint.save(folder, 1, model)
