"""Training throughput of DCGAN and WGAN-GP against tutorials' loops, in one process."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks import options, tutorials
from benchmarks.options import Length
from benchmarks.training import race
from genmodels import data, recipes
from genmodels.data.loader import Loader, MemoryLoader, to_float
from genmodels.recipes import Spec
from genmodels.runs import checkpoint

STEPS, IMAGES = 8, 512  # a DCGAN step takes half a second to one
WGAN_GP_STEPS = 100
_WITHOUT_PREVIEWS = {"preview_every": 10_000_000, "save_every": 10_000_000, "keep_steps": [], "max_epochs": None}


def image_folder(root: Path) -> Path:
    """A folder of digits, enlarged to colour images; the content does not change the time of a step."""
    digits = data.load(data.DataConfig(name="digits"), first=IMAGES).images
    for index, digit in enumerate(digits):
        Image.fromarray(digit[0]).convert("RGB").resize((64, 64)).save(root / f"{index}.png")
    return root


class FlopCount(TorchDispatchMode):
    """Sums torch's FLOP counts of convolutions and matrix products.

    torch's FlopCounterMode also records modules, and its hooks fail for the double backward of a gradient penalty.
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def megaflop_per_image(spec: Spec, loader: Loader, steps: int = 1) -> float:
    """MFLOP per image of convolutions and matrix products, forward and backward, counted over `steps` steps."""
    model = checkpoint.build(spec.model_dump()).train()
    optimizers = model.configure_optimizers()
    with FlopCount() as counter:
        for step in range(steps):
            model.training_step(loader.batch(step), optimizers, step)
    return counter.total / steps / spec.train.batch_size / 1e6


def race_dcgan(length: Length) -> None:
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "name": "image_folder",
            "path": str(image_folder(Path(folder))),
            "size": 64,
            "channels": 3,
            "limit": None,
        }
        spec = recipes.resolve(
            recipes.get("dcgan_64"),
            overrides={
                "data": own,
                "train": {"max_steps": length.of(STEPS), "batch_size": length.batch, **_WITHOUT_PREVIEWS},
            },
        )
        arrays = data.load(spec.data)
        loader = MemoryLoader(arrays, length.batch, 0, torch.device("cpu"))
        images = to_float(torch.from_numpy(arrays.images.copy()))
        race(
            f"dcgan_64, batch {length.batch}, against a tutorial's loop",
            spec,
            loader,
            lambda: tutorials.tutorial_dcgan_rate(images, length.of(STEPS), length.batch),
            target=3,
            megaflop=megaflop_per_image(spec, loader),
            length=length,
        )


def race_wgan_gp(length: Length) -> None:
    digits = options.digits()
    steps = length.of(WGAN_GP_STEPS)
    spec = recipes.resolve(
        recipes.get("mnist_wgan_gp"),
        overrides={
            "data": {"name": digits.name},
            "train": {"max_steps": steps, "batch_size": length.batch, **_WITHOUT_PREVIEWS},
        },
    )
    arrays = data.load(spec.data)
    loader = MemoryLoader(arrays, spec.train.batch_size, 0, torch.device("cpu"))
    images = to_float(torch.from_numpy(arrays.images.copy()))
    race(
        f"mnist_wgan_gp, batch {length.batch}, against a tutorial's loop",
        spec,
        loader,
        lambda: tutorials.tutorial_wgan_gp_rate(images, steps, spec.train.batch_size),
        target=3,
        megaflop=megaflop_per_image(spec, loader, steps=int(spec.model["n_critic"])),
        length=length,
    )


def main() -> None:
    length = options.length(__doc__)
    race_dcgan(length)
    race_wgan_gp(length)


if __name__ == "__main__":
    main()
