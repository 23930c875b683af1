"""WaveNet: cached sampling against a full forward pass per sample, and training against a tutorial's Conv1d loop.

Times are CPU seconds of one thread, so that other load on the machine is not measured.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import options, tutorials_wavenet
from benchmarks.options import Length
from benchmarks.tutorials_wavenet import TutorialWaveNet
from genmodels import data, recipes
from genmodels.config import Runtime
from genmodels.data.audio_loader import AudioLoader
from genmodels.runs import checkpoint
from genmodels.sampling.options import SamplingOptions
from genmodels.signal.audio import mu_law_encode
from genmodels.training import tune

STEPS, BATCH = 2, 8
SHORT_BATCH, SHORT_SAMPLES = 2, 1_000
NAIVE = 12  # samples of the naive loop, which takes equally long for each


def model_of() -> Any:
    """fsdd_wavenet's network with random weights, which do not change the time."""
    torch.manual_seed(0)
    spec = recipes.resolve(recipes.get("fsdd_wavenet"), overrides={"data": {"name": "tones"}})
    return checkpoint.build(spec.model_dump())


def seconds(task: Callable[[], object]) -> float:
    start = time.process_time()
    task()
    return time.process_time() - start


def sampling(length: Length) -> None:
    model = model_of().requires_grad_(False).eval()
    config = model.config
    tutorial = TutorialWaveNet(config.dilations, config.channels, config.skip_channels).eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"WaveNet, {len(config.dilations)} layers, {config.channels} channels, {config.skip_channels} skip channels, "
        f"{config.levels} levels, {parameters:,} parameters, receptive field {config.receptive_field:,}"
    )
    model.sample(1, samples=10)  # compiles, once per machine
    count = length.of(NAIVE)
    naive = count / seconds(lambda: tutorials_wavenet.generate(tutorial, config.receptive_field, count))
    print(f"   naive: {naive:.1f} samples/s ({count} timed)")
    for guidance in (1.0, config.guidance):
        print(
            f"   guidance {guidance:g}, "
            f"{'conditional and unconditional pass' if guidance != 1 else 'conditional pass'} per sample:"
        )
        for streams, samples in ((1, length.of(8_000)), (64, length.of(500))):

            def sample(streams: int = streams, samples: int = samples, guidance: float = guidance) -> object:
                return model.sample(streams, samples=samples, options=SamplingOptions(guidance=guidance))

            rates = [streams * samples / seconds(sample) for _ in range(length.rounds)]
            middle = statistics.median(rates)
            verdict = f"; target 8,000: {'reached' if middle >= 8_000 else 'missed'}" if streams == 1 else ""
            values = ", ".join(f"{rate:,.0f}" for rate in rates)
            print(f"  {streams:2} at once: {middle:,.0f} samples/s ({values}), {middle / naive:,.0f}x naive{verdict}")
        exact(guidance, length.of(2_000))


def exact(guidance: float, samples: int) -> None:
    """Print how many samples of cached greedy sampling equal those of the full network."""
    model = model_of().requires_grad_(False).eval()
    condition = {"label": torch.tensor([3]), "speaker": torch.tensor([1])}
    no_condition = {key: torch.zeros(1, among) for key, among in model.conditions.items()}
    generator = torch.Generator().manual_seed(0)
    model.words += 1
    model.words_samples += samples * 3 // 4  # the word ends within the compared samples
    word = torch.tensor([samples * 3 // 4])
    options = SamplingOptions(top_k=1, guidance=guidance)
    sampled = model.sample(1, condition=condition, samples=samples, options=options, generator=generator)
    with torch.inference_mode():
        unconditional = model.logits(sampled, condition=no_condition, length=word)
        expected = unconditional.lerp(model.logits(sampled, condition=condition, length=word), guidance).argmax(-1)
    same = int((mu_law_encode(sampled) == expected).sum())
    print(f"  greedy samples equal to the full network's: {same:,} of {samples:,}")


def training(length: Length) -> None:
    size = SHORT_BATCH if length.short else BATCH
    loader = AudioLoader(data.load_audio(data.DataConfig(name="tones")), size, 0, torch.device("cpu"))
    batches = [loader.batch(step) for step in range(1 if length.short else STEPS)]
    if length.short:
        batches = [{**batch, "audio": batch["audio"][:, :SHORT_SAMPLES]} for batch in batches]
    for batch in batches:  # as long as the longest, to which the tutorial pads and ours does not
        batch["length"] = torch.full_like(batch["length"], batch["audio"].shape[1])
    codes = [mu_law_encode(torch.nn.functional.pad(batch["audio"], (0, 800))) for batch in batches]
    count = sum(part.numel() for part in codes)
    config = model_of().config
    tutorial = TutorialWaveNet(config.dilations, config.channels, config.skip_channels)
    theirs = torch.optim.Adam(tutorial.parameters(), lr=1e-4)
    ours = model_of().train()
    optimizers = ours.configure_optimizers()

    def step_through(precision: str) -> None:
        tune.apply(Runtime.parse({"precision": precision}))
        for step, batch in enumerate(batches):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
                ours.training_step(batch, optimizers, step)
        tune.apply(Runtime())

    def by_tutorial() -> None:
        for part in codes:
            tutorials_wavenet.train(tutorial, theirs, part)

    tasks: dict[str, Callable[[], None]] = {"tutorial": by_tutorial}
    tasks |= {name: lambda name=name: step_through(name) for name in ("fp32", "bf16", "bf16_matmul")}  # type: ignore[misc]
    for task in tasks.values():
        task()
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(length.rounds):
        for name, task in tasks.items():
            times[name].append(seconds(task))
    rates = {name: count / statistics.median(values) for name, values in times.items()}
    best = max(rate for name, rate in rates.items() if name != "tutorial") / rates["tutorial"]
    print("training, samples/s: " + ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items()))
    print(f"  best against the tutorial's: {best:.2f}x; target 1.8: {'reached' if best >= 1.8 else 'missed'}")


def main() -> None:
    length = options.length(__doc__)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    sampling(length)
    training(length)


if __name__ == "__main__":
    main()
