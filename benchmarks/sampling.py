"""64 samples of every MNIST GAN, as a page asks for them: model time on the one inference thread."""

from __future__ import annotations

import statistics
import time

import torch

from benchmarks import options
from genmodels import catalog, checkpoint, recipes
from genmodels.capabilities import SupportsSampling
from genmodels.model import Model
from genmodels.service import half_precision, inference

PICTURES, ROUNDS, TARGET_MS = 64, 50, 20.0


def networks() -> list[tuple[str, str, Model]]:
    """Name, "published" or "untrained", and model of every recipe that plays a game on MNIST.

    What a generator costs does not depend on its weights, so a recipe that is not published is built from its settings.
    """
    published = {info.recipe: info for info in catalog.list_checkpoints() if info.published}
    found: list[tuple[str, str, Model]] = []
    for name in recipes.names():
        recipe = recipes.get(name)
        if recipe.data.get("name") != "mnist":
            continue
        if name in published:
            model, state = catalog.load(published[name].path), "published"
        else:
            # The embedded digits have MNIST's shape and classes.
            spec = recipes.resolve(recipe, overrides={"data": {"name": "digits"}})
            model, state = checkpoint.build(spec.model_dump()).eval().requires_grad_(False), "untrained"
        if isinstance(model, SupportsSampling) and type(model).training_only:
            # As the pages hold it; which number format is faster is timed on the thread that will draw.
            found.append((name, state, inference.run(lambda model=model: half_precision.with_faster_generator(model))))  # type: ignore[misc]
    return found


def milliseconds(model: Model, rounds: int) -> list[float]:
    """Model time of each drawing, without the way to the thread and back; the first ones warm up."""
    assert isinstance(model, SupportsSampling)

    def timed(seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        start = time.perf_counter()
        model.sample(PICTURES, generator=generator)
        return 1e3 * (time.perf_counter() - start)

    return [inference.run(lambda seed=seed: timed(seed)) for seed in range(rounds + 5)][5:]  # type: ignore[misc]


def main() -> None:
    rounds = options.length(__doc__).of(ROUNDS)
    print(f"{PICTURES} samples, one thread, {rounds} times each; aim: median under {TARGET_MS:g} ms")
    for name, state, model in networks():
        times = milliseconds(model, rounds)
        median = statistics.median(times)
        verdict = "reached" if median < TARGET_MS else "missed"
        print(f"  {name:22} {state:10} {median:6.2f} ms (slowest {max(times):6.2f}): {verdict}", flush=True)


if __name__ == "__main__":
    main()
