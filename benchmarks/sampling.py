"""Time to generate 64 samples with every MNIST GAN, and 16 with mnist_flow, on the inference thread as for a page."""

from __future__ import annotations

import statistics
import time

import torch

from benchmarks import options
from genmodels import recipes, registry
from genmodels.capabilities import SupportsSampling
from genmodels.kernels.precision import Precision
from genmodels.model import Model
from genmodels.runs import catalog, checkpoint
from genmodels.service import half_precision, inference

SAMPLES, ROUNDS, TARGET_MS = 64, 50, 20.0
FLOW_SAMPLES, FLOW_ROUNDS, FLOW_TARGET_MS = 16, 10, 250.0


def networks() -> list[tuple[str, str, Model]]:
    """Name, "published" or "untrained", and model of every GAN recipe on MNIST.

    The time does not depend on the weights, so a recipe that is not published is built from its settings.
    """
    published = {info.recipe: info for info in catalog.list_checkpoints() if info.published}
    models: list[tuple[str, str, Model]] = []
    for name in recipes.names():
        recipe = recipes.get(name)
        if recipe.data.get("name") != "mnist" or not registry.get(recipe.family).training_only:
            continue
        if name in published:
            model, state = catalog.load(published[name].path), "published"
        else:
            # `digits` has MNIST's shape and classes.
            spec = recipes.resolve(recipe, overrides={"data": {"name": "digits"}})
            model, state = checkpoint.build(spec.model_dump()).eval().requires_grad_(False), "untrained"
        if isinstance(model, SupportsSampling):
            # As for the pages, which time the number formats on the inference thread.
            faster = inference.run(lambda model=model: half_precision.with_faster_generator(model))  # type: ignore[misc]
            models.append((name, state, faster))
    return models


def milliseconds(model: Model, rounds: int) -> list[float]:
    """Time of each call of `sample`, measured on the inference thread, after five for warm-up."""
    assert isinstance(model, SupportsSampling)

    def timed(seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        start = time.perf_counter()
        model.sample(SAMPLES, generator=generator)
        return 1e3 * (time.perf_counter() - start)

    return [inference.run(lambda seed=seed: timed(seed)) for seed in range(rounds + 5)][5:]  # type: ignore[misc]


def flow_milliseconds(precision: Precision, rounds: int, samples: int) -> list[float]:
    """CPU time of each call of `sample` of mnist_flow's network with random weights, after one for warm-up.

    A sample takes long enough to be interrupted by other work on the machine, which CPU time does not include.
    """
    spec = recipes.resolve(recipes.get("mnist_flow"), overrides={"data": {"name": "digits"}})
    model = checkpoint.build(spec.model_dump()).eval().requires_grad_(False)

    def timed(seed: int) -> float:
        assert isinstance(model, SupportsSampling)
        start = time.thread_time()
        model.sample(samples, generator=torch.Generator().manual_seed(seed))
        return 1e3 * (time.thread_time() - start)

    inference.run(lambda: half_precision.with_faster_generator(model, precision))
    return [inference.run(lambda seed=seed: timed(seed)) for seed in range(rounds + 1)][1:]  # type: ignore[misc]


def main() -> None:
    length = options.length(__doc__)
    rounds = length.of(ROUNDS)
    print(f"{SAMPLES} samples, one thread, {rounds} times each; target: median under {TARGET_MS:g} ms")
    for name, state, model in networks():
        times = milliseconds(model, rounds)
        median = statistics.median(times)
        verdict = "reached" if median < TARGET_MS else "missed"
        print(f"  {name:22} {state:10} {median:6.2f} ms (slowest {max(times):6.2f}): {verdict}", flush=True)
    samples = length.of(FLOW_SAMPLES)
    print(f"{samples} samples of mnist_flow, 8 Heun steps with guidance; target: under {FLOW_TARGET_MS:g} ms")
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for precision in precisions:
        times = flow_milliseconds(precision, length.of(FLOW_ROUNDS), samples)
        median = statistics.median(times)
        verdict = "reached" if median < FLOW_TARGET_MS else "missed"
        print(f"  {precision:22} {'untrained':10} {median:6.0f} ms (slowest {max(times):6.0f}): {verdict}", flush=True)


if __name__ == "__main__":
    main()
