"""Golden numbers: what every published checkpoint computes, and the metrics of six training steps of every family.

`python -m tests.support.golden_numbers checkpoints|training` prints them as JSON; add `--write` to replace the stored
ones, `--only NAME` to compute one. They are computed in a process of their own with one thread, float32 and AVX2 code
paths on every processor, so that a newer instruction set does not change the last digits.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).with_name("golden")
COUNT = 64
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse4.2,+avx,+avx2,+fma",
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}


def computed(kind: str, only: str | None = None) -> dict[str, Any]:
    """The numbers of `checkpoints` or `training`, computed in a new process."""
    command = [
        sys.executable,
        "-m",
        "tests.support.golden_numbers",
        kind,
        "--print",
        *(["--only", only] if only else []),
    ]
    environment = {**os.environ, **PORTABLE}
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=environment, timeout=600)
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def stored(kind: str) -> dict[str, Any]:
    """The numbers in the repository."""
    result: dict[str, Any] = json.loads((GOLDEN / f"{kind}.json").read_text())
    return result


def _numbers(tensor: Any) -> list[float]:
    """COUNT values, evenly spaced over the flattened tensor."""
    flat = tensor.detach().float().flatten()
    positions = [round(i * (len(flat) - 1) / (COUNT - 1)) for i in range(COUNT)]
    return [round(float(flat[i]), 7) for i in positions]


def _images(shape: tuple[int, int, int], count: int) -> Any:
    """Smooth random images (count, C, H, W) in [-1, 1]."""
    import torch
    import torch.nn.functional as F

    channels, height, width = shape
    coarse = torch.rand(count, channels, 5, 5, generator=torch.Generator().manual_seed(3)) * 2 - 1
    return F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)


def of_checkpoint(path: Path) -> dict[str, list[float]]:
    """By capability: 64 of the numbers that the model's public methods return for fixed seeds and inputs."""
    import torch

    import genmodels
    from genmodels import capabilities
    from genmodels.latent import z_of_seeds

    model: Any = genmodels.load(path.name)
    can = set(capabilities.of(model))
    condition = {key: torch.arange(2) % count for key, count in model.conditions.items()} or None

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    found: dict[str, Any] = {}
    with torch.inference_mode():
        if model.modality == "audio":
            if "sampling" in can:
                found["sample"] = model.sample(2, condition=condition, generator=seeded())
            if "classification" in can:
                found["classify"] = model.classify(_images(model.config.image_shape, 7))
            return {name: _numbers(value) for name, value in found.items()}
        x = _images(model.config.image_shape, 7)
        if "latent" in can:
            found["decode"] = model.decode(z_of_seeds(range(2), model.latent_dim), condition=condition)
        if "sampling" in can:
            found["sample"] = model.sample(2, condition=condition, generator=seeded())
        if "encoding" in can:
            found["encode"] = model.encode(x)
        if "codes" in can:
            codes = model.encode_codes(x)
            found["codes"], found["decode_codes"] = codes, model.decode_codes(codes)
        if "likelihood" in can:
            found["log_prob"] = model.log_prob(x[:2], condition=condition)
        if "classification" in can:
            found["classify"] = model.classify(x)
        if "translation" in can:
            for direction in ("a_to_b", "b_to_a"):
                found[direction] = model.translate(x[:1], direction)
        if "stylizing" in can:
            found["stylize"] = list(model.stylize(x[:1]))[-1]
    return {name: _numbers(value) for name, value in found.items()}


def of_training(name: str) -> list[dict[str, float]]:
    """The metrics of six steps from seed 0 of a family's small configuration."""
    from genmodels.runs.folder import RunFolder
    from genmodels.training import runner
    from tests.conftest import small_spec

    spec = small_spec(name, "train.max_steps=6", "train.log_every=1", "train.batch_size=16", "train.seed=0")
    with tempfile.TemporaryDirectory() as parent:
        folder = RunFolder.create(Path(parent) / "run", spec)
        runner.train_folder(folder, device="cpu")
        lines = folder.metrics()[0]
    timed = {"time", "step", "images_per_second", "samples_per_second"}
    kept = [
        {k: v for k, v in line.items() if k not in timed and not k.startswith(("preview/", "validation/"))}
        for line in lines
    ]
    return [line for line in kept if line]


def _all(kind: str, only: str | None) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    compute: Callable[[Any], Any]
    if kind == "checkpoints":
        from genmodels.runs import catalog

        items: dict[str, Any] = {info.name: info.path for info in catalog.list_checkpoints() if info.published}
        compute = of_checkpoint
    else:
        from genmodels import registry

        items = {name: name for name in registry.names()}
        compute = of_training
    return {name: compute(item) for name, item in items.items() if only in (None, name)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["checkpoints", "training"])
    parser.add_argument("--only")
    parser.add_argument("--write", action="store_true", help="replace the stored numbers")
    parser.add_argument("--print", action="store_true", help="compute in this process")
    arguments = parser.parse_args()
    if arguments.print:
        print(json.dumps(_all(arguments.kind, arguments.only)), flush=True)
        os._exit(0)  # as workers end: a library may abort at interpreter exit
    found = computed(arguments.kind, arguments.only)
    if arguments.write:
        kept = {**(stored(arguments.kind) if arguments.only else {}), **found}
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(kept[name])}" for name in sorted(kept))
        (GOLDEN / f"{arguments.kind}.json").write_text("{\n" + lines + "\n}\n")
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
