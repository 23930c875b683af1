"""PixelCNN and Gated PixelCNN: nothing later is seen, the likelihood is one, and caching changes nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels import capabilities, data, registry
from genmodels.capabilities import Condition
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.evaluation import brief, evaluate, likelihood
from genmodels.images import preview
from genmodels.layers.masked import CausalConv2d, HorizontalConv2d, MaskedConv2d, VerticalConv2d, colour_mask
from genmodels.runs import checkpoint
from genmodels.sampling.options import DEFAULT_OPTIONS, SamplingOptions
from genmodels.sampling.pixels import sample_levels
from tests.conftest import small_spec

FAMILIES: dict[str, dict[str, Any]] = {
    "pixelcnn": {"channels": 12, "layers": 2, "kernel_size": 5},
    "gated_pixelcnn": {"channels": 12, "dilations": (1, 2, 3), "head_channels": 9},
}
both = pytest.mark.parametrize("name", FAMILIES)


def tiny(name: str, shape: tuple[int, int, int] = (1, 7, 6), **settings: Any) -> Any:
    """A small network whose weights are large enough for its levels to differ, with statistics of its own."""
    torch.manual_seed(0)
    values = {"image_shape": shape, "num_classes": 3, "levels": 4, **FAMILIES[name], **settings}
    model = registry.get(name).build(**values)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(2)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    return model.requires_grad_(False).eval()


def naive(
    model: Any, n: int, seed: int, condition: Condition = None, options: SamplingOptions = DEFAULT_OPTIONS
) -> Tensor:
    """A pass of the whole network for each value, as in tutorials."""
    colours, height, width = model.config.image_shape
    generator = torch.Generator().manual_seed(seed)
    if condition is not None:
        torch.randint(0, 3, (n,), generator=generator)
    uniform = torch.rand(n, colours, height, width, generator=generator)
    x = torch.full((n, colours, height, width), -1.0)
    values = torch.linspace(-1, 1, model.config.levels)
    for row, column, colour in itertools.product(range(height), range(width), range(colours)):
        logits = model.logits(x, condition=condition)[:, colour, row, column]
        x[:, colour, row, column] = values[sample_levels(logits, uniform[:, colour, row, column, None], options)]
    return x


# ------------------------------------------------------------------------------------------- masks


def test_colour_masks_by_hand() -> None:
    assert colour_mask(3, 3, 3, "B").tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert colour_mask(3, 3, 3, "A").tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert colour_mask(2, 4, 2, "B").tolist() == [[1, 0], [1, 0], [1, 1], [1, 1]]
    # a filter and its gate: the colours twice
    assert colour_mask(2, 4, 2, "B", copies=2).tolist() == [[1, 0], [1, 1], [1, 0], [1, 1]]
    assert colour_mask(1, 2, 1, "A").tolist() == [[0], [0]]


def seen_by(layer: nn.Module, before: int, out_channel: int, row: int = 4, column: int = 4) -> Tensor:
    """Which inputs (before, 9, 9) one output depends on, by gradient."""
    x = torch.randn(2, before, 9, 9, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(x)[:, out_channel, row, column].sum(), x)
    return slope.abs().sum(0) > 0


@pytest.mark.parametrize(("mask", "kernel"), [*itertools.product("AB", (1, 3, 5))])
def test_a_masked_convolution_is_the_papers_masked_kernel(mask: Any, kernel: int) -> None:
    """The cut kernel gives what the k x k one with its later half zeroed gives."""
    layer = MaskedConv2d(2, 4, kernel, mask)
    whole = torch.zeros(4, 2, kernel, kernel)
    whole[:, :, : kernel // 2 + 1] = layer.weight.detach()
    whole[:, :, kernel // 2, kernel // 2 + (mask == "B") :] = 0
    x = torch.randn(2, 2, 8, 7)
    torch.testing.assert_close(layer(x), F.conv2d(x, whole, layer.bias, padding=kernel // 2))


@pytest.mark.parametrize(("mask", "dilation", "kernel"), [*itertools.product("AB", (1, 2, 3), (3, 5))])
def test_stacks_see_what_they_should(mask: Any, dilation: int, kernel: int) -> None:
    side = kernel // 2
    vertical = seen_by(VerticalConv2d(2, 2, kernel, mask, dilation=dilation), 2, 1, row=8)
    rows = {8 - dilation * step for step in range(int(mask == "A"), side + 1)}
    columns = {4 + dilation * step for step in range(-side, side + 1)}
    expected = {place for place in itertools.product(rows, columns) if min(place) >= 0 and place[1] < 9}
    assert {tuple(place) for place in vertical[0].nonzero().tolist()} == expected
    for colour in range(2):
        horizontal = seen_by(HorizontalConv2d(2, 2, kernel, mask, colours=2, dilation=dilation), 2, colour)
        own = {0} if colour == 1 or mask == "B" else set()
        for channel in range(2):
            steps = set(range(1, side + 1)) | (own if channel < colour + (mask == "B") else set())
            expected_columns = {4 - dilation * step for step in steps if 4 - dilation * step >= 0}
            assert {tuple(place) for place in horizontal[channel].nonzero().tolist()} == {
                (4, c) for c in expected_columns
            }


@both
@pytest.mark.parametrize(("colours", "conditional"), [*itertools.product((1, 3), (False, True))])
def test_no_value_sees_itself_or_a_later_one(name: str, colours: int, conditional: bool) -> None:
    model = tiny(name, (colours, 7, 6), conditional=conditional)
    order = torch.arange(7 * 6 * colours).view(7, 6, colours).permute(2, 0, 1)
    for row, column, colour in itertools.product((0, 3, 6), (0, 2, 5), range(colours)):
        slope = model.receptive_field(row, column, colour)
        later = order >= order[colour, row, column]
        assert float(slope[later].max()) == 0, (row, column, colour)
    # and the last value does see the first colour of its own pixel and of its neighbours
    last = model.receptive_field(6, 5, colours - 1)
    assert bool((last[:, 6, 4] > 0).all())
    assert bool((last[: colours - 1, 6, 5] > 0).all())


def test_the_plain_masks_have_a_blind_spot_and_the_gated_stacks_none() -> None:
    shape = (1, 9, 9)
    plain = tiny("pixelcnn", shape, layers=8, kernel_size=3, channels=16).receptive_field(8, 2)[0] > 0
    full = tiny("gated_pixelcnn", shape, dilations=(1,) * 9).receptive_field(8, 2)[0] > 0
    earlier = torch.arange(81).view(9, 9) < 8 * 9 + 2
    assert bool((full == earlier).all())
    # A 3 x 3 kernel climbs one column right for each row: a wedge to the right of that diagonal stays unseen.
    wedge = (torch.arange(9)[None, :] - 2) > (8 - torch.arange(9)[:, None])
    assert bool((plain == (earlier & ~wedge)).all())
    assert int((earlier & wedge).sum()) == 15  # 5 + 4 + 3 + 2 + 1 pixels


# -------------------------------------------------------------------------------------- likelihood


@both
@pytest.mark.parametrize("conditional", [False, True])
def test_probabilities_of_all_binary_pictures_sum_to_one(name: str, conditional: bool) -> None:
    model = tiny(name, (1, 2, 2), levels=2, conditional=conditional)
    every = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=4))).view(16, 1, 2, 2)
    nats = model.log_prob(every)
    assert float(nats.exp().sum()) == pytest.approx(1, abs=1e-5)
    assert float(nats.std()) > 0.1
    if conditional:
        each = torch.stack([model.log_prob(every, condition={"label": torch.full((16,), k)}) for k in range(3)])
        torch.testing.assert_close(each.exp().sum(1), torch.ones(3))
        torch.testing.assert_close(each.exp().mean(0), nats.exp())
        assert float((each[0] - each[1]).abs().max()) > 0.01


@both
def test_probabilities_of_all_colour_pixels_sum_to_one(name: str) -> None:
    model = tiny(name, (3, 1, 2), levels=2)
    every = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=6))).view(64, 3, 1, 2)
    assert float(model.log_prob(every).exp().sum()) == pytest.approx(1, abs=1e-5)


@both
def test_samples_are_as_frequent_as_the_likelihood_says(name: str) -> None:
    model = tiny(name, (1, 2, 2), levels=2)
    drawn = model.sample(20_000, generator=torch.Generator().manual_seed(0))
    places = torch.tensor([8.0, 4.0, 2.0, 1.0])
    counts = torch.bincount(((drawn.flatten(1) + 1) / 2 @ places).long(), minlength=16) / 20_000
    every = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=4))).view(16, 1, 2, 2)
    assert float((counts - model.log_prob(every).exp()).abs().max()) < 0.015  # four standard deviations of a half


@both
def test_the_loss_is_the_cross_entropy_of_the_levels(name: str) -> None:
    """With the last convolution zeroed every level is as probable: ln 4 a value."""
    model = tiny(name).requires_grad_(True)
    head = model.network.head if name == "pixelcnn" else model.network.head[-1]
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    x = torch.rand(5, 1, 7, 6) * 2 - 1
    metrics = model.training_step({"image": x}, model.configure_optimizers(), 0)
    assert float(metrics["loss/total"]) == pytest.approx(math.log(4), abs=1e-6)
    assert float(metrics["likelihood/bits_per_dim"]) == pytest.approx(2, abs=1e-5)
    assert float(metrics["likelihood/nats"]) == pytest.approx(42 * math.log(4), abs=1e-4)


def test_levels_are_rounded_or_drawn() -> None:
    grey = to_float(torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16))
    whole = tiny("gated_pixelcnn", (1, 16, 16), levels=256)
    torch.testing.assert_close(whole.to_levels(grey), grey)
    assert whole._index(grey).flatten().tolist() == list(range(256))
    binary = tiny("gated_pixelcnn", (1, 16, 16), levels=2, quantisation="stochastic")
    drawn = torch.cat([binary.to_levels(grey, generator=torch.Generator().manual_seed(s)) for s in range(400)])
    assert sorted(drawn.unique().tolist()) == [-1, 1]
    share = (drawn.mean(0) + 1) / 2
    assert float((share - (grey[0] + 1) / 2).abs().max()) < 0.1  # four standard deviations of 400 draws
    assert bool((drawn[:, 0, 0, 0] == -1).all())
    assert bool((drawn[:, 0, 15, 15] == 1).all())
    rounded = tiny("gated_pixelcnn", (1, 16, 16), levels=2).to_levels(grey)
    assert bool(((rounded > 0) == (grey > 0)).all())


@both
def test_the_figures_are_of_one_binary_test_set(name: str) -> None:
    model = tiny(name, (1, 28, 28), num_classes=10, levels=2, quantisation="stochastic", conditional=True)
    arrays = data.load(DataConfig(name="digits"), "test", first=30)
    figures = likelihood.measure(model, arrays)
    assert figures == likelihood.measure(model, arrays), "the grey values are quantised once"
    assert figures["likelihood/bits_per_dim"] == pytest.approx(figures["likelihood/nats"] / 784 / math.log(2))
    generator = torch.Generator().manual_seed(likelihood.BINARY_SEED)
    grey = to_float(torch.from_numpy(arrays.images.copy()))
    binary = ((grey + 1) / 2 + torch.rand(grey.shape, generator=generator) - 0.5).round() * 2 - 1
    index = ((binary + 1) / 2).long()
    logits = model.logits(binary, condition={"label": torch.from_numpy(arrays.labels.copy())})
    by_hand = -logits.log_softmax(4).gather(4, index[..., None]).sum() / 30
    assert figures["likelihood/nats"] == pytest.approx(float(by_hand), rel=1e-5)


@both
def test_evaluate_prints_the_likelihood(name: str) -> None:
    unconditional = ["model.conditional=false", "model.kernel_size=3", "model.levels=4"]
    spec = small_spec(name, "data.name=pattern_1010", "train.max_steps=1", "train.max_epochs=null", *unconditional)
    model = checkpoint.build(spec.model_dump()).requires_grad_(False).eval()
    figures = evaluate(model, spec, samples=500)
    assert {"likelihood/nats", "likelihood/bits_per_dim", "pattern/worst_error"} <= set(figures)
    assert brief(model, spec) == {key: value for key, value in figures.items() if key.startswith("likelihood/")}
    assert figures["likelihood/nats"] > 0


# ---------------------------------------------------------------------------------------- sampling


@both
@pytest.mark.parametrize(("colours", "conditional"), [*itertools.product((1, 3), (False, True))])
def test_cached_is_naive(name: str, colours: int, conditional: bool) -> None:
    model = tiny(name, (colours, 7, 6), conditional=conditional)
    condition = {"label": torch.tensor([0, 1, 2, 0])} if conditional else None
    for options in (SamplingOptions(), SamplingOptions(temperature=0.7, top_k=3)):
        cached = model.sample(4, condition=condition, generator=torch.Generator().manual_seed(3), options=options)
        assert torch.equal(cached, naive(model, 4, 3, condition, options))
        assert len(cached.unique()) == 4
    if conditional:  # a blend of classes, and the class matters
        blend = F.one_hot(torch.tensor([0, 1, 2, 0]), 3).float()
        mixed = model.sample(4, condition={"label": blend}, generator=torch.Generator().manual_seed(3))
        again = model.sample(4, condition=condition, generator=torch.Generator().manual_seed(3))
        other = model.sample(
            4, condition={"label": torch.tensor([1, 2, 0, 1])}, generator=torch.Generator().manual_seed(3)
        )
        assert torch.equal(mixed, again)
        assert not torch.equal(other, again)


@both
@pytest.mark.parametrize("colours", [1, 3])
def test_cached_logits_are_the_networks(name: str, colours: int) -> None:
    model = tiny(name, (colours, 7, 6), levels=256, conditional=True)
    label = torch.eye(3)
    x = model.to_levels(torch.rand(3, colours, 7, 6) * 2 - 1)
    wanted = model.logits(x, condition={"label": label})
    with torch.inference_mode():
        sampler = model.network.sampler(3, label)
        for row in range(7):
            if row in (2, 3):  # rows known as a whole, as in completion, between sampled rows
                sampler.feed_known_row(row, x[:, :, row])
                continue
            sampler.begin_row(row)
            for column in range(6):
                for colour in range(colours):
                    found = sampler.logits(sampler.advance(column)).view(3, colours, 256)[:, colour]
                    assert float((found - wanted[:, colour, row, column]).abs().max()) < 1e-5
                    sampler.pixels.column[column][:, colour] = x[:, colour, row, column]
            sampler.end_row(row)


@both
def test_completing_keeps_what_was_given_and_paints_the_rest(name: str) -> None:
    model = tiny(name, conditional=True)
    x = torch.rand(3, 1, 7, 6) * 2 - 1  # off the levels
    upper = torch.arange(7)[:, None].expand(7, 6) < 3
    each = (torch.rand(3, 1, 7, 6) < 0.5).logical_or(torch.arange(7)[:, None] == 2)
    for known in (upper, each):
        label = {"label": torch.tensor([0, 1, 2])}
        *_, done = model.complete(x, known, condition=label, generator=torch.Generator().manual_seed(0))
        mask = known.expand(3, 1, 7, 6)
        assert torch.equal(done[mask], x[mask])
        levels = torch.linspace(-1, 1, 4)
        assert bool(torch.isin(done[~mask], levels).all())
        # each open value was drawn from the network's own distribution, given everything before it
        generator = torch.Generator().manual_seed(0)
        torch.randint(0, 3, (3,), generator=generator)
        uniform = torch.rand(3, 1, 7, 6, generator=generator)
        logits = model.logits(done, condition=label).reshape(-1, 4)
        expected = levels[sample_levels(logits, uniform.view(-1, 1))].view(3, 1, 7, 6)
        assert torch.equal(expected[~mask], done[~mask])
    (whole,) = model.complete(x, torch.ones(7, 6, dtype=torch.bool), condition=label)
    assert torch.equal(whole, x)


@both
def test_stopping_and_going_on_is_the_same_sample(name: str) -> None:
    model = tiny(name, conditional=True)

    def rows() -> Iterator[Tensor]:
        canvases: Iterator[Tensor] = model.sample_iter(2, generator=torch.Generator().manual_seed(1))
        return canvases

    canvases = list(rows())
    assert len(canvases) == 7
    for row, canvas in enumerate(canvases):
        assert torch.equal(canvas[:, :, : row + 1], canvases[-1][:, :, : row + 1])
        assert not canvas[:, :, row + 1 :].any()
    part = next(itertools.islice(rows(), 3, None))  # four rows, then nobody asks any more
    known = torch.arange(7)[:, None].expand(7, 6) < 4
    *_, whole = model.complete(part, known, generator=torch.Generator().manual_seed(1))
    assert torch.equal(whole, canvases[-1])
    assert len(list(model.sample_iter(2, generator=torch.Generator().manual_seed(1), every=3))) == 3


@both
def test_a_picture_of_a_seed_is_the_same_alone_and_among_many(name: str) -> None:
    model = tiny(name, conditional=True)
    assert "sampling_each" in capabilities.of(model)
    together = preview.samples_of_seeds(model, range(5, 9), [2, 0])
    alone = preview.samples_of_seeds(model, [6], [0])
    assert together is not None
    assert alone is not None
    assert torch.equal(together[3], alone[0]), "seed 5 in both classes, then seed 6: the fourth is seed 6 as 0"
    (painted,) = model.sample_iter(
        1, condition={"label": torch.tensor([0])}, generator=[torch.Generator().manual_seed(6)], every=7
    )
    assert torch.equal(painted[0], alone[0])


@both
def test_many_are_drawn_in_portions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(name, conditional=True)
    whole = model.sample(7, generator=torch.Generator().manual_seed(0))
    *_, shown = model.sample_iter(7, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("genmodels.models.pixelcnn._SAMPLED", 3)
    assert torch.equal(model.sample(7, generator=torch.Generator().manual_seed(0)), whole)
    assert torch.equal(shown, whole)


def test_temperature_and_top_k_by_hand() -> None:
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().expand(5, 4)
    uniform = torch.tensor([[0.0], [0.05], [0.15], [0.5], [0.999999]])
    assert sample_levels(logits, uniform).tolist() == [0, 0, 1, 2, 3]
    assert sample_levels(logits, uniform, SamplingOptions(top_k=1)).tolist() == [3] * 5
    # the two likeliest: 3/7 and 4/7
    assert sample_levels(logits[:3], torch.tensor([[0.0], [0.42], [0.44]]), SamplingOptions(top_k=2)).tolist() == [
        2,
        2,
        3,
    ]
    # at temperature 1/2 the probabilities are squared: 1, 4, 9 and 16 of 30
    squared = sample_levels(
        logits[:4], torch.tensor([[0.03], [0.15], [0.45], [0.48]]), SamplingOptions(temperature=0.5)
    )
    assert squared.tolist() == [0, 1, 2, 3]


@both
def test_what_cannot_be_done_is_said(name: str) -> None:
    model = tiny(name, conditional=True)
    with pytest.raises(ConfigError, match="temperature = 0 is"):
        model.sample(1, options=SamplingOptions(temperature=0))
    with pytest.raises(ConfigError, match=r"top_k = 5 .* 1 to 4"):
        model.sample(1, options=SamplingOptions(top_k=5))
    with pytest.raises(DataError, match=r"mask \(7, 6\)"):
        model.complete(torch.zeros(2, 1, 7, 6), torch.zeros(6, 7, dtype=torch.bool))
    nothing_told: tuple[Condition, ...] = (None, {})
    for condition in nothing_told:
        with pytest.raises(CapabilityError, match=r"trained with classes: give condition=.*, 0 to 2"):
            model.logits(torch.zeros(1, 1, 7, 6), condition=condition)
    with pytest.raises(DataError, match=r"label = 3 .* 0 to 2"):
        model.sample(1, condition={"label": torch.tensor([3])})
    with pytest.raises(ConfigError, match="every = 0"):
        list(model.sample_iter(1, every=0))
    with pytest.raises(DataError, match="2 generators for 3 pictures"):
        model.sample(3, generator=[torch.Generator(), torch.Generator()])
    assert not model.to_levels(torch.full((1, 1, 7, 6), torch.nan)).isnan().any()
    with pytest.raises(ConfigError, match=r"channels = 13 .* 3 colours"):
        tiny(name, (3, 7, 6), channels=13)
    with pytest.raises(ConfigError, match="even kernel"):
        tiny(name, kernel_size=4)
    with pytest.raises(ConfigError, match="needs data with classes"):
        tiny(name, conditional=True, num_classes=0)


def test_every_convolution_of_both_families_is_causal_or_1x1() -> None:
    for name in FAMILIES:
        for module in tiny(name).modules():
            if isinstance(module, nn.Conv2d) and not isinstance(module, CausalConv2d):
                assert module.kernel_size == (1, 1)


def test_a_signal_outlives_seven_gates() -> None:
    """The vertical stack has no way around its gates: what enters must still differ from place to place at the end."""
    torch.manual_seed(0)
    model: Any = registry.get("gated_pixelcnn").build(image_shape=(1, 28, 28), levels=2)
    with torch.inference_mode():
        x = torch.rand(8, 1, 28, 28).round() * 2 - 1
        v, h = model.network.first_vertical(x), model.network.first_horizontal(x)
        before = float(v.std((0, 2, 3)).mean())
        for layer in model.network.layers:
            v, h = layer(v, h, None)
    assert float(v.std((0, 2, 3)).mean()) > 0.1 * before  # 0.23; with PyTorch's own weights 0.0015
