"""WaveNet: nothing later is heard, queues change nothing, and mu-law loses only what it must."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from genmodels.capabilities import Condition
from genmodels.data import DataConfig, load_audio
from genmodels.data.audio_loader import AudioLoader
from genmodels.data.spec import Recordings
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.evaluation import sound_metrics
from genmodels.models import wavenet
from genmodels.models.gated_pixelcnn import gated
from genmodels.models.wavenet import GatedLayer
from genmodels.sampling.options import SamplingOptions
from genmodels.sampling.pixels import sample_levels
from genmodels.sampling.samples import BatchedQueues
from genmodels.sampling.samples_compiled import CompiledQueues
from genmodels.signal import audio
from tests.support.wavenet import CONDITIONAL, condition, small_wavenet


def naive(model: Any, x: Tensor, known: Tensor, condition: Condition, seed: int, options: SamplingOptions) -> Tensor:
    """A pass of the whole network for each sample, as in tutorials; two with guidance."""
    guidance = 1.0 if options.guidance is None else options.guidance
    nothing = {key: torch.zeros(1, count) for key, count in model.config.conditions.items()}
    generator = torch.Generator().manual_seed(seed)
    for count in model.config.conditions.values():
        torch.randint(0, count, (len(x),), generator=generator)
    uniform = torch.rand(x.shape[::-1], generator=generator).T
    x = x.clone()
    for time in range(x.shape[1]):
        logits = model.logits(x, condition=condition)[:, time]
        unconditional = model.logits(x, condition=nothing)[:, time]
        logits = logits + (guidance - 1) * (logits - unconditional)
        sampled = audio.mu_law_decode(sample_levels(logits, uniform[:, time, None], options), model.config.levels)
        x[:, time] = torch.where(known[time], x[:, time], sampled)
    return x


@pytest.mark.parametrize("levels", [2, 3, 16, 255, 256])
def test_mu_law_there_and_back(levels: int) -> None:
    codes = torch.arange(levels)
    decoded = audio.mu_law_decode(codes, levels)
    assert torch.equal(audio.mu_law_encode(decoded, levels), codes)
    assert (float(decoded[0]), float(decoded[-1])) == (-1.0, 1.0)
    assert bool((decoded.diff() > 0).all())
    assert int(audio.mu_law_encode(torch.zeros(1), levels)) == levels // 2
    assert audio.mu_law_encode(torch.tensor([-9.0, 9.0]), levels).tolist() == [0, levels - 1]


def test_mu_law_is_the_texts() -> None:
    # by hand: ln(1 + 255 * 0.1) / ln 256 = 0.5910, (0.5910 + 1) / 2 * 255 = 202.9
    assert int(audio.mu_law_encode(torch.tensor([0.1]))) == 203
    assert int(audio.mu_law_encode(torch.tensor([-0.1]))) == 52
    x = torch.linspace(-1, 1, 20_001)
    error = (audio.mu_law_decode(audio.mu_law_encode(x)) - x).abs()
    assert float(error.max()) < 0.5 * math.log(256) * (1 + 1 / 255) * 2 / 255 * 1.01, "half the widest step"
    assert float(error[9_950:10_051].max()) < 3e-4, "finer near silence"


@pytest.mark.parametrize("dilation", [1, 2, 4, 8])
@pytest.mark.parametrize("conditional", [False, True])
def test_a_layer_hears_now_and_one_dilation_ago_and_nothing_else(dilation: int, conditional: bool) -> None:
    torch.manual_seed(0)
    layer = GatedLayer(4, dilation, last=False)
    lengths = [20, 5, 15]
    x = torch.randn(40, 4, requires_grad=True)
    following, z = layer(x, torch.randn(3, 8) if conditional else None, lengths)
    (slope,) = torch.autograd.grad(following[12].sum() + z[12].sum(), x, retain_graph=True)
    assert slope.abs().sum(-1).nonzero().flatten().tolist() == [12 - dilation, 12]
    (slope,) = torch.autograd.grad(following[25].sum() + z[25].sum(), x)
    assert slope.abs().sum(-1).nonzero().flatten().tolist() == [25], "what another recording ends with is not its past"
    torch.testing.assert_close(following, x + layer.residual(z))  # type: ignore[misc]


@pytest.mark.parametrize("last", [False, True])
def test_a_layers_values_and_gradients_are_those_of_its_formula(last: bool) -> None:
    torch.manual_seed(0)
    layer = GatedLayer(3, 2, last=last).double()
    lengths = [7, 1, 4]
    x = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    parts = []
    for now, own in zip(x.split(lengths), bias, strict=True):
        past = torch.cat([torch.zeros(2, 3), now])[: len(now)]
        filtered, gate = (layer.gates(torch.cat([past, now], 1)) + own).chunk(2, 1)
        parts.append(filtered.tanh() * gate.sigmoid())
    wanted = torch.cat(parts)
    following, z = layer(x, bias, lengths)
    torch.testing.assert_close(z, wanted)
    total = z.sin().sum() + following.cos().sum()
    by_hand = x if last else x + layer.residual(wanted)  # type: ignore[misc]
    reference = wanted.sin().sum() + by_hand.cos().sum()
    inputs = [x, bias, *layer.parameters()]
    for one, two in zip(torch.autograd.grad(total, inputs), torch.autograd.grad(reference, inputs), strict=True):
        torch.testing.assert_close(one, two)


def test_a_layer_in_bfloat16_is_near_float32() -> None:
    torch.manual_seed(0)
    layer = GatedLayer(8, 4, last=False)
    x = torch.randn(40, 8)
    wanted = layer(x, None, [40])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(x.bfloat16(), None, [40])
    for one, two in zip(found, wanted, strict=True):
        assert one.dtype == torch.bfloat16
        torch.testing.assert_close(one.float(), two, rtol=0.05, atol=0.02)


def test_the_gate_is_its_formula() -> None:
    z = torch.tensor([[0.5, -1.0, 2.0, 0.0]])
    assert gated(z).tolist() == [[pytest.approx(math.tanh(0.5) / (1 + math.exp(-2))), pytest.approx(math.tanh(-1) / 2)]]


@pytest.mark.parametrize(("layers", "stacks", "conditional"), [*itertools.product((1, 2, 4), (1, 3), (False, True))])
def test_the_whole_network_hears_its_receptive_field_and_nothing_later(
    layers: int, stacks: int, conditional: bool
) -> None:
    model = small_wavenet(layers=layers, stacks=stacks, **(CONDITIONAL if conditional else {}))
    field = model.config.receptive_field
    assert field == stacks * (2**layers - 1) + 2
    slope = model.receptive_field(field + 5)
    assert bool((slope[:5] == 0).all())
    assert bool((slope[5:] > 0).all())
    x = torch.rand(1, field + 6) * 2 - 1
    changed = x.clone()
    changed[0, -3:] *= -1
    asked = condition(1) if conditional else None
    one, two = model.logits(x, condition=asked), model.logits(changed, condition=asked)
    assert torch.equal(one[:, :-2], two[:, :-2]), "a sample's logits know neither it nor what follows"
    assert not torch.equal(one[:, -2], two[:, -2])


def test_the_condition_changes_the_logits() -> None:
    model = small_wavenet(**CONDITIONAL)
    x = torch.rand(1, 40) * 2 - 1
    by = {k: model.logits(x, condition={"label": torch.tensor([k]), "speaker": torch.tensor([0])}) for k in range(3)}
    assert not torch.allclose(by[0], by[1])
    blend = torch.tensor([[0.0, 1.0, 0.0]])
    torch.testing.assert_close(model.logits(x, condition={"label": blend, "speaker": torch.tensor([0])}), by[1])
    with pytest.raises(CapabilityError, match="trained with speakers"):
        model.logits(x, condition={"label": torch.tensor([0])})
    with pytest.raises(ConfigError, match=r"model\.speaker=false"):
        small_wavenet(speaker=True, num_speakers=0)


@pytest.mark.parametrize("conditional", [False, True])
def test_likelihoods_of_all_short_recordings_sum_to_one(conditional: bool) -> None:
    model = small_wavenet(levels=3, **(CONDITIONAL if conditional else {}))
    codes = torch.tensor([*itertools.product(range(3), repeat=4)])
    for asked in (condition(1), None) if conditional else (None,):
        total = model.log_prob(audio.mu_law_decode(codes, 3), condition=asked).double().exp().sum()
        assert float(total) == pytest.approx(1, abs=1e-5)


def test_the_loss_is_the_cross_entropy_up_to_each_end() -> None:
    model = small_wavenet(silence=5, **CONDITIONAL)
    x, length = torch.rand(2, 30) * 2 - 1, torch.tensor([30, 12])
    x[1, 12:] = 0
    batch = {"audio": x, "length": length, "label": torch.tensor([2, 0]), "speaker": torch.tensor([1, 0])}
    nats = model.log_prob(torch.nn.functional.pad(x, (0, 5)), condition=batch, length=length + 5)
    model.requires_grad_(True)
    loss = model.training_step(batch, model.configure_optimizers(), 0)["loss/total"]
    assert float(loss) == pytest.approx(float(-nats.sum() / (30 + 12 + 10)), rel=1e-5)

    model = small_wavenet(silence=5, **CONDITIONAL)
    cut = {**batch, "closes": torch.tensor([False, True])}
    nats = model.log_prob(torch.nn.functional.pad(x, (0, 5)), condition=batch, length=torch.tensor([30, 17]))
    model.requires_grad_(True)
    loss = model.training_step(cut, model.configure_optimizers(), 0)["loss/total"]
    assert float(loss) == pytest.approx(float(-nats.sum() / (30 + 17)), rel=1e-5), "no silence behind a cut"

    model = small_wavenet(silence=5, **CONDITIONAL)
    codes = audio.mu_law_encode(x[1:, :12], 16)
    logits = model.logits(
        x[1:, :12], condition={k: v[1:] for k, v in batch.items() if k in CONDITIONAL or k == "label"}
    )
    by_hand = logits.log_softmax(-1).gather(-1, codes[..., None]).sum()
    own = model.log_prob(x[1:], condition={"label": torch.tensor([0]), "speaker": torch.tensor([0])}, length=length[1:])
    assert float(own) == pytest.approx(float(by_hand), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("streams", [0, 99])
@pytest.mark.parametrize(
    "options",
    [
        SamplingOptions(),
        SamplingOptions(temperature=0.7),
        SamplingOptions(top_k=3, temperature=1.3),
        SamplingOptions(top_k=1),
        SamplingOptions(guidance=2.5),
        SamplingOptions(guidance=0.0),
    ],
)
@pytest.mark.parametrize("start", [0, 1, 23])
def test_queues_draw_what_the_whole_network_draws(
    streams: int, options: SamplingOptions, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wavenet, "_COMPILED_STREAMS", streams)
    model = small_wavenet(condition_dropout=0.1, **CONDITIONAL)
    x = torch.zeros(3, 60)
    x[:, :start] = torch.rand(3, start, generator=torch.Generator().manual_seed(1)) * 2 - 1
    known = torch.arange(60) < start
    known[40:42] = True  # also in between
    wanted = naive(model, x, known, condition(3), 7, options)
    generator = torch.Generator().manual_seed(7)
    parts = list(model.complete(x, known, condition=condition(3), generator=generator, every=10, options=options))
    torch.testing.assert_close(parts[-1], wanted, rtol=0, atol=0)
    assert torch.equal(parts[-1][:, :start], x[:, :start])
    assert len(parts) == math.ceil((60 - start) / 10)
    assert not parts[0][:, start + 10 : 40].any(), "silent where nothing is drawn yet"


@pytest.mark.slow
def test_condition_dropout_drops_the_condition_of_a_fraction_of_the_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Tensor] = []
    model = small_wavenet(condition_dropout=0.25, guidance=2.0, **CONDITIONAL).requires_grad_(True)
    monkeypatch.setattr(model.network, "biases", lambda h: heard.append(h))
    batch = {"audio": torch.zeros(1_000, 4), "length": torch.full((1_000,), 4), **(condition(1_000) or {})}
    model.training_step(batch, model.configure_optimizers(), 0)
    assert 0.2 < float((heard[0].sum(1) == 0).float().mean()) < 0.3
    assert set(heard[0].sum(1).tolist()) == {0.0, 2.0}, "of the others, class and speaker"
    assert model.log_prob(batch["audio"][:2], condition=condition(2)).shape == (2,)
    assert heard[-1].sum(1).tolist() == [2.0, 2.0], "likelihoods are always conditional"


def test_guidance_is_the_models_own_unless_asked_otherwise() -> None:
    model = small_wavenet(condition_dropout=0.1, guidance=3.0, **CONDITIONAL)
    drawn = {
        guidance: model.sample(
            2,
            condition=condition(2),
            generator=torch.Generator().manual_seed(0),
            options=SamplingOptions(guidance=guidance),
        )
        for guidance in (None, 3.0, 1.0)
    }
    assert torch.equal(drawn[None], drawn[3.0])
    assert not torch.equal(drawn[None], drawn[1.0])
    with pytest.raises(ConfigError, match="guidance = 11 is not allowed: 0 to 10"):
        model.sample(1, options=SamplingOptions(guidance=11))
    with pytest.raises(
        ConfigError, match="guidance = 2 is not allowed: 1, for this model was trained without condition dropout"
    ):
        small_wavenet(**CONDITIONAL).sample(1, options=SamplingOptions(guidance=2))
    with pytest.raises(ConfigError, match=r"model\.condition_dropout=0\.1"):
        small_wavenet(guidance=2.0, **CONDITIONAL)


@pytest.mark.parametrize("sampler", [CompiledQueues, BatchedQueues])
@pytest.mark.parametrize("parts", [0, 5])
def test_queues_have_the_whole_networks_logits(sampler: Any, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wavenet, "_COMPILED_STREAMS", 99 if sampler is CompiledQueues else 0)
    model = small_wavenet(levels=256, channels=10, parts=parts, **CONDITIONAL)
    h, utterances = model._h(condition(2), 2), [30, 22]
    codes, start = torch.zeros(2, 40, dtype=torch.int64), 9
    codes[:, :start] = torch.randint(0, 256, (2, start))
    queues = model.sampler(codes, torch.zeros(2, 40, dtype=torch.bool), torch.rand(2, 40), h, utterances, start)
    assert isinstance(queues, sampler)
    for time in range(start, 40):
        found = queues.step(time) if isinstance(queues, BatchedQueues) else None
        if found is None:
            queues.advance(time + 1)
            found = torch.from_numpy(queues.logits)
        else:
            codes[:, time] = found.argmax(1)
        wanted = model._logits(codes.flatten(), h, [40, 40], utterances).view(2, 40, -1)[:, time]
        torch.testing.assert_close(found, wanted, rtol=0, atol=2e-5)
        assert torch.equal(found.argmax(1), wanted.argmax(1))


def test_what_was_stopped_is_completed_to_the_same_recording() -> None:
    model = small_wavenet()
    whole = model.sample(2, generator=torch.Generator().manual_seed(4))
    parts = model.sample_iter(2, generator=torch.Generator().manual_seed(4), every=25)
    first = next(parts)
    rest = model.complete(first, torch.arange(60) < 25, generator=torch.Generator().manual_seed(4))
    assert torch.equal([*rest][-1], whole)
    longer = model.sample(2, generator=torch.Generator().manual_seed(4), samples=80)
    assert torch.equal(longer[:, :60], whole)
    assert torch.equal(whole, model.sample(2, generator=torch.Generator().manual_seed(4)))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"temperature": 0.0}, r"temperature = 0\.0 .* 0\.01 to 100"),
        ({"temperature": 101}, r"temperature = 101 .* 0\.01 to 100"),
        ({"top_k": 17}, "top_k = 17 .* 1 to 16"),
        ({"top_k": 0}, "top_k = 0 .* 1 or more"),
        ({"guidance": -1}, "guidance = -1 .* 0 to 10"),
        ({"tempo": 5}, r"tempo = 5 .* 0\.25 to 4"),
    ],
)
def test_options_have_bounds(options: dict[str, Any], part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        small_wavenet().sample(1, options=SamplingOptions(**options))
    with pytest.raises(ConfigError, match="1 to 480,000, which is 60 seconds"):
        small_wavenet().sample(1, samples=480_001)
    with pytest.raises(ConfigError, match="samples = 0 is"):
        small_wavenet().sample(1, samples=0)
    with pytest.raises(ConfigError, match="every = 0"):
        list(small_wavenet().sample_iter(1, samples=20, every=0))
    with pytest.raises(DataError, match=r"label = 999 .* 0 to 2"):
        small_wavenet(conditional=True).sample(1, samples=20, condition={"label": torch.tensor([999])})
    with pytest.raises(DataError, match="cannot be completed"):
        small_wavenet().complete(torch.zeros(1, 8), torch.zeros(9, dtype=torch.bool))


def test_bits_of_a_uniform_network_are_counted_per_sample() -> None:
    model = small_wavenet(levels=256)
    for parameter in model.network.head.parameters():
        parameter.zero_()  # every level as probable: 8 bits, whatever the recordings
    rng = np.random.default_rng(0)
    clips = [rng.integers(-9000, 9000, length).astype(np.int16) for length in (40, 7, 90)]
    recordings = Recordings.of(clips, [0, 1, 2], [0, 1, 0])
    assert sound_metrics.bits_per_sample(model, recordings) == pytest.approx(8, abs=1e-5)


def test_batches_hold_every_recording_once_and_little_padding() -> None:
    recordings = load_audio(DataConfig(name="tones"))
    one, two = (AudioLoader(recordings, 8, 3, torch.device("cpu")) for _ in range(2))
    epoch = [one.batch(step) for step in range(one.steps_per_epoch)]
    assert torch.equal(epoch[7]["audio"], two.batch(7)["audio"]), "a pure function of seed and step"
    counted = torch.bincount(torch.cat([batch["label"] for batch in epoch]))
    assert counted.tolist() == [40] * 10
    heard = sum(int(batch["length"].sum()) for batch in epoch)
    assert heard == len(recordings.samples)
    assert heard > 0.95 * sum(batch["audio"].numel() for batch in epoch)
    for batch in epoch[:3]:
        row = int(batch["length"].argmin())
        assert not batch["audio"][row, int(batch["length"][row]) :].any()
    with pytest.raises(DataError, match="batch_size = 401"):
        AudioLoader(recordings, 401, 0, torch.device("cpu"))
