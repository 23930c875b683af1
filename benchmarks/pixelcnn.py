"""Gated PixelCNN: cached sampling against a full forward pass per pixel, and training against a tutorial's loop."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks import ceiling, options, tutorials_pixelcnn
from benchmarks.convolutions import megaflop_per_image
from benchmarks.options import Length
from benchmarks.training import race
from genmodels import data, recipes
from genmodels.data.loader import MemoryLoader
from genmodels.runs import checkpoint

STEPS = 12
PIXELS = 28 * 4  # of 784; the naive loop takes equally long for each, and two minutes for all
_WITHOUT_PREVIEWS = {"preview_every": 10_000_000, "save_every": 10_000_000, "keep_steps": [], "max_epochs": None}


def model_of(**settings: Any) -> Any:
    """mnist_gated_pixelcnn's network, unconditional, with random weights, which do not change the time."""
    changes = {"data": {"name": "digits"}, "model": {"conditional": False, **settings}}
    torch.manual_seed(0)
    return (
        checkpoint.build(recipes.resolve(recipes.get("mnist_gated_pixelcnn"), overrides=changes).model_dump())
        .requires_grad_(False)
        .eval()
    )


def seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def largest_difference(model: Any, count: int, pixels: int) -> tuple[float, bool]:
    """Largest difference of cached and full logits of an image, and whether the sampled first rows are equal."""
    x = model.sample(count, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, sampler, worst = model.logits(x), model.network.sampler(count, None), 0.0
        for row in range(28):
            sampler.begin_row(row)
            for column in range(28):
                logits = sampler.logits(sampler.advance(column))
                worst = max(worst, float((logits - expected[:, 0, row, column]).abs().max()))
                sampler.pixels.column[column].copy_(x[:, :, row, column])
            sampler.end_row(row)
    uniform = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
    naive = tutorials_pixelcnn.sample(lambda v: model.network(v, None), uniform, pixels)
    rows = pixels // 28
    return worst, bool(torch.allclose(naive[:, :, :rows], x[:, :, :rows], atol=1e-6))


def sampling(length: Length) -> None:
    model, pixels = model_of(), length.of(PIXELS, least=28)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    tutorial = tutorials_pixelcnn.TutorialPixelCNN().eval()
    print(f"gated PixelCNN, 64 channels, 7 layers, 256 levels, {parameters:,} parameters, 28 x 28")
    for count, limit in ((2, 0.6),) if length.short else ((16, 0.6), (1, 0.25)):
        generator, uniform = torch.Generator().manual_seed(0), torch.rand(count, 1, 28, 28)
        model.sample(count, generator=generator)
        cached = [seconds(lambda: model.sample(count, generator=generator)) for _ in range(length.rounds)]  # noqa: B023
        naive = seconds(lambda: tutorials_pixelcnn.sample(tutorial, uniform, pixels)) * 784 / pixels  # noqa: B023
        middle, (worst, same) = statistics.median(cached), largest_difference(model, count, pixels)
        verdict = "reached" if middle <= limit and (count == 1 or naive / middle >= 200) else "missed"
        print(
            f"  {count:2} at once: cached {middle:.3f} s ({', '.join(f'{value:.3f}' for value in cached)}), "
            f"naive {naive:.1f} s ({pixels} pixels timed): {naive / middle:.0f}x; target {limit:g} s"
            f"{' and 200x' if count > 1 else ''}: {verdict}\n"
            f"     largest logit difference {worst:.1e}, equal first rows: {same}"
        )
    for count in (8,) if length.short else (64, 256):
        print(f"  {count} at once: {count / seconds(lambda: model.sample(count)):.0f} images/s")  # noqa: B023


def training(length: Length) -> None:
    steps = length.of(STEPS)
    changes = {
        "data": {"name": "digits"},
        "model": {"conditional": False},
        "train": {"max_steps": steps, "batch_size": length.batch, "ema_decay": None, **_WITHOUT_PREVIEWS},
    }
    spec = recipes.resolve(recipes.get("mnist_gated_pixelcnn"), overrides=changes)
    arrays = data.load(spec.data)
    loader = MemoryLoader(arrays, length.batch, 0, torch.device("cpu"))
    images: Tensor = torch.from_numpy(arrays.images.copy())
    race(
        f"gated PixelCNN, batch {length.batch}, against a tutorial's loop",
        spec,
        loader,
        lambda: tutorials_pixelcnn.training_rate(images, steps, length.batch),
        target=4,
        megaflop=megaflop_per_image(spec, loader),
        length=length,
    )


def main() -> None:
    length = options.length(__doc__)
    ceiling.print_ceiling(length.product)
    sampling(length)
    training(length)


if __name__ == "__main__":
    main()
