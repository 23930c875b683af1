"""Training throughput of the convolutional GANs at 64 x 64 against a tutorial's loop, in one process."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import tutorials
from benchmarks.training import race
from genmodels import checkpoint, data, recipes
from genmodels.data.loader import MemoryLoader, to_float
from genmodels.recipes import Spec

BATCH, STEPS, PICTURES = 64, 20, 512
_WITHOUT_PREVIEWS = {"preview_every": 10_000_000, "save_every": 10_000_000, "keep_steps": [], "max_epochs": None}


def a_folder_of_pictures(root: Path) -> Path:
    """Digits, enlarged to colour pictures: what they show does not change what a step costs."""
    digits = data.load(data.DataConfig(name="digits"), first=PICTURES).images
    for index, digit in enumerate(digits):
        Image.fromarray(digit[0]).convert("RGB").resize((64, 64)).save(root / f"{index}.png")
    return root


def megaflop_an_image(spec: Spec, loader: MemoryLoader) -> float:
    """Counted, not estimated: convolutions and products of one step, forward and backward."""
    model = checkpoint.build(spec.model_dump()).train()
    with FlopCounterMode(display=False) as counter:
        model.training_step(loader.batch(0), model.configure_optimizers(), 0)
    return float(counter.get_total_flops()) / spec.train.batch_size / 1e6


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "name": "image_folder",
            "path": str(a_folder_of_pictures(Path(folder))),
            "size": 64,
            "channels": 3,
            "limit": None,
        }
        spec = recipes.resolve(
            recipes.get("dcgan_64"),
            overrides={"data": own, "train": {"max_steps": STEPS, "batch_size": BATCH, **_WITHOUT_PREVIEWS}},
        )
        arrays = data.load(spec.data)
        loader = MemoryLoader(arrays, BATCH, 0, torch.device("cpu"))
        pictures = to_float(torch.from_numpy(arrays.images.copy()))
        race(
            "dcgan_64, batch 64, against a tutorial's loop",
            spec,
            loader,
            lambda: tutorials.tutorial_dcgan_rate(pictures, STEPS),
            target=3,
            megaflop=megaflop_an_image(spec, loader),
        )


if __name__ == "__main__":
    main()
