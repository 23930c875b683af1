"""A WaveNet that is told how far its word has come: parts of time, lengths learned from the data, and tempo."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from genmodels.errors import ConfigError, DataError
from genmodels.layers.timing import segment_at, segment_lengths, with_segments
from genmodels.model import Batch
from genmodels.models import wavenet
from genmodels.sampling.options import SamplingOptions
from genmodels.sampling.pixels import sample_levels
from genmodels.signal import audio
from tests.support.wavenet import CONDITIONAL, condition, small_wavenet


def timed(**settings: Any) -> Any:
    """A small network that is told time, and has heard words of 24 to 44 samples."""
    model = small_wavenet(parts=5, context=8, **{**CONDITIONAL, **settings})
    model.words += 2
    model.words_samples += 2 * torch.tensor([[24, 30], [33, 37], [40, 44]])
    return model


@pytest.mark.parametrize("parts", [0, 1, 3, 16])
@pytest.mark.parametrize("words", [[1, 2], [16, 17], [47, 100]])
def test_spans_are_the_parts_that_times_lie_in(parts: int, words: list[int]) -> None:
    found = segment_at(words, parts, 60)
    for begin, count in ((0, 60), (0, 0), (13, 40)):
        counted = torch.stack([row.bincount(minlength=parts + 1) for row in found[:, begin : begin + count]])
        assert segment_lengths(words, parts, [count, count], begin) == counted.flatten().tolist()


def test_parts_by_hand() -> None:
    assert segment_at([6], 3, 8).tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]]
    assert segment_at([5], 2, 7).tolist() == [[0, 0, 0, 1, 1, 2, 2]]
    assert with_segments(torch.tensor([[7.0]]), 1).tolist() == [[[7, 1, 0], [7, 0, 1]]]


def test_what_time_it_is_changes_the_layers_and_nothing_later_is_heard() -> None:
    model = timed()
    x = torch.rand(1, 40) * 2 - 1
    asked = condition(1)
    short, long = (model.logits(x, condition=asked, length=torch.tensor([n])) for n in (20, 40))
    assert torch.equal(short[:, :4], long[:, :4]), "both in their first part"
    assert not torch.allclose(short[:, 4], long[:, 4])
    changed = x.clone()
    changed[0, 25:] *= -1
    again = model.logits(changed, condition=asked, length=torch.tensor([20]))
    assert torch.equal(short[:, :26], again[:, :26])
    slope = model.receptive_field(model.config.receptive_field + 3)
    assert bool((slope[:3] == 0).all())
    assert bool((slope[3:] > 0).all())


def test_what_it_hears_is_asked_in_the_middle_of_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = timed(), []
    logits = model.network.logits

    def recorded(x: Tensor, biases: Tensor, lengths: list[int], counts: list[int]) -> Tensor:
        asked.append(counts)
        found: Tensor = logits(x, biases, lengths, counts)
        return found

    monkeypatch.setattr(model.network, "logits", recorded)
    model.receptive_field(20)
    # 21 times of a word of 42, whose parts end at 8.4, 16.8, 25.2: the newest lies in the third of five
    assert asked == [[9, 8, 4, 0, 0, 0]]


def test_the_loss_is_told_each_words_own_length() -> None:
    model = timed(silence=5)
    x, length = torch.rand(2, 30) * 2 - 1, torch.tensor([30, 12])
    x[1, 12:] = 0
    batch = {"audio": x, "length": length, "label": torch.tensor([2, 0]), "speaker": torch.tensor([1, 0])}
    padded = torch.nn.functional.pad(x, (0, 5))
    logits = model.logits(padded, condition=batch, length=length).log_softmax(-1)
    codes = audio.mu_law_encode(padded, model.config.levels)
    nats = logits.gather(-1, codes[..., None])[..., 0]
    wanted = -(nats[0, :35].sum() + nats[1, :17].sum()) / (35 + 17)
    model.requires_grad_(True)
    loss = model.training_step(batch, model.configure_optimizers(), 0)["loss/total"]
    assert float(loss) == pytest.approx(float(wanted), rel=1e-5)


def naive(model: Any, x: Tensor, known: Tensor, words: Tensor, seed: int, guidance: float) -> Tensor:
    """The whole network for each sample, twice where it is guided."""
    told, n = condition(len(x)), len(x)
    nothing = {key: torch.zeros(n, among) for key, among in model.config.conditions.items()}
    generator = torch.Generator().manual_seed(seed)
    for among in model.config.conditions.values():
        torch.randint(0, among, (n,), generator=generator)
    uniform = torch.rand(x.shape[::-1], generator=generator).T
    x = x.clone()
    for time in range(x.shape[1]):
        logits = model.logits(x, condition=told, length=words)[:, time]
        unconditional = model.logits(x, condition=nothing, length=words)[:, time]
        logits = logits + (guidance - 1) * (logits - unconditional)
        drawn = audio.mu_law_decode(sample_levels(logits, uniform[:, time, None]), model.config.levels)
        x[:, time] = torch.where(known[time], x[:, time], drawn)
    return x


@pytest.mark.slow
@pytest.mark.parametrize("streams", [0, 99])
@pytest.mark.parametrize(("tempo", "guidance"), [(1.0, 1.0), (1.5, 2.5), (0.5, 1.0)])
@pytest.mark.parametrize("start", [0, 1, 23])
def test_queues_draw_what_the_whole_network_draws(
    streams: int, tempo: float, guidance: float, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wavenet, "_COMPILED_STREAMS", streams)
    model = timed(condition_dropout=0.1)
    x, known = torch.zeros(3, 60), torch.arange(60) < start
    x[:, :start] = torch.rand(3, start, generator=torch.Generator().manual_seed(1)) * 2 - 1
    words = (torch.tensor([24, 37, 40]) / tempo).round().int()
    wanted = naive(model, x, known, words, 7, guidance)
    generator = torch.Generator().manual_seed(7)
    options = SamplingOptions(tempo=tempo, guidance=guidance)
    *_, found = model.complete(x, known, condition=condition(3), generator=generator, every=10, options=options)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_training_measures_the_words_it_hears() -> None:
    model = small_wavenet(parts=4, **CONDITIONAL)
    nothing = torch.zeros(1, 5)
    assert model.mean_lengths(nothing).tolist() == [60], "the data's usual length, as long as nothing was heard"
    model.requires_grad_(True)
    batch: Batch = {
        "audio": torch.rand(3, 40) * 2 - 1,
        "length": torch.tensor([40, 20, 30]),
        "label": torch.tensor([0, 0, 2]),
        "speaker": torch.tensor([1, 1, 0]),
    }
    model.training_step(batch, model.configure_optimizers(), 0)
    assert model.words.tolist() == [[0, 2], [0, 0], [1, 0]]
    assert model.words_samples.tolist() == [[0, 60], [0, 0], [30, 0]]
    asked = {"label": torch.tensor([0, 2, 1]), "speaker": torch.tensor([1, 0, 0])}
    assert model.mean_lengths(model._h(asked, 3)).tolist() == [30, 30, 30], "never heard: the mean of all"
    model.words_samples[2, 0] = 90
    blend = torch.tensor([[0.5, 0, 0.5, 0.5, 0.5]])  # a quarter each: 50 never heard, 30, 90, 50 never heard
    assert model.mean_lengths(blend).tolist() == [pytest.approx((50 + 30 + 90 + 50) / 4)]


def test_time_alone_can_be_told() -> None:
    model = small_wavenet(parts=4)
    model.words += 1
    model.words_samples += 12
    slow = model.sample(2, generator=torch.Generator().manual_seed(0), samples=40, options=SamplingOptions(tempo=0.5))
    usual = model.sample(2, generator=torch.Generator().manual_seed(0), samples=40)
    assert torch.equal(slow[:, :3], usual[:, :3]), "both in their first part"
    assert not torch.equal(slow, usual)


def test_a_slow_word_is_drawn_to_its_end() -> None:
    assert [timed().sample(1, options=SamplingOptions(tempo=tempo)).shape[1] for tempo in (0.5, 1, 2)] == [120, 60, 60]


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"parts = 5 .* set model\.silence=800, or model\.parts=0"):
        timed(silence=0)
    model = timed(silence=5).requires_grad_(True)
    batch = {"audio": torch.zeros(2, 30), "length": torch.tensor([30, 30]), **(condition(2) or {})}
    batch["closes"] = torch.tensor([True, False])
    with pytest.raises(DataError, match=r"longer than a piece .* model\.parts=0, or data\.clip_seconds"):
        model.training_step(batch, model.configure_optimizers(), 0)


def test_tempo_has_bounds() -> None:
    with pytest.raises(ConfigError, match=r"tempo = 5 is not allowed: 0\.25 to 4"):
        timed().sample(1, options=SamplingOptions(tempo=5))
    with pytest.raises(ConfigError, match="tempo = 2 is not allowed: 1, for this model has no temporal conditioning"):
        small_wavenet().sample(1, options=SamplingOptions(tempo=2))
