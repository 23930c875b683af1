"""Properties of single GANs: the penalty, the clipping, the update schedule, the classes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genmodels import recipes, registry
from genmodels.config import Runtime
from genmodels.errors import ConfigError
from genmodels.losses import adversarial_loss, critic_loss, gradient_penalty
from genmodels.models.cgan import CGAN, LabelledDiscriminator
from genmodels.models.wgan import generator_is_due
from genmodels.runs import catalog
from genmodels.training import tune
from tests.conftest import digit_batch, small_model


def test_a_wasserstein_loss_is_linear_and_no_hinge() -> None:
    real, fake = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.5], [-0.5]])
    assert critic_loss(real, fake).item() == pytest.approx(-2.0)
    assert critic_loss(100 * real, fake).item() == pytest.approx(-200.0), "a hinge would have stopped at -1"


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic_in_closed_form(slope: float) -> None:
    direction = torch.zeros(4)
    direction[:2] = torch.tensor([0.6, 0.8]) * slope  # |direction| = slope
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(5, 1, 2, 2, generator=generator), torch.randn(5, 1, 2, 2, generator=generator)
    mix = torch.rand(5, 1, 1, 1, generator=generator)
    penalty = gradient_penalty(lambda x: x.flatten(1) @ direction, real, fake, mix)
    assert penalty.item() == pytest.approx((slope - 1) ** 2, abs=1e-6)


def test_the_penalty_is_taken_at_true_interpolates() -> None:
    """f(x) = |x|^2 / 2 has gradient x: the penalty tells where it was taken."""
    real, fake = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), 1.0)
    mix = torch.tensor([0.0, 0.5]).view(2, 1, 1, 1)  # x = 1 and 2: (1 - 1)^2 and (2 - 1)^2
    penalty = gradient_penalty(lambda x: 0.5 * x.square().flatten(1).sum(1), real, fake, mix)
    assert penalty.item() == pytest.approx(0.5)


def test_the_penalty_reaches_the_critics_weights() -> None:
    critic = nn.Linear(4, 1, bias=False)
    x = torch.ones(3, 1, 2, 2)
    gradient_penalty(lambda x: critic(x.flatten(1)), x, -x, torch.full((3, 1, 1, 1), 0.5)).backward()
    length = critic.weight.detach().norm()
    expected = 2 * (length - 1) * critic.weight.detach() / length
    assert critic.weight.grad is not None
    assert torch.allclose(critic.weight.grad, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"layer_norm": True}, (1, 1)),
        ({"layer_norm": True, "discriminator_layer_norm": False}, (1, 0)),
        ({"layer_norm": False, "discriminator_layer_norm": True}, (0, 0)),
    ],
)
def test_a_gans_discriminator_may_go_without_normalisation(
    settings: dict[str, bool], expected: tuple[int, int]
) -> None:
    model = small_model("gan", **settings)
    networks = (model.generator, model.discriminator)
    assert tuple(sum(isinstance(m, nn.LayerNorm) for m in network) for network in networks) == expected


def test_label_smoothing_by_hand() -> None:
    logit = torch.tensor([1.0986123])  # D = 0.75
    # -0.9 ln 0.75 - 0.1 ln 0.25
    assert adversarial_loss(logit, real=True, smoothing=0.1).item() == pytest.approx(0.397543, abs=1e-5)
    assert adversarial_loss(logit, real=True, kind="mse", smoothing=0.1).item() == pytest.approx(0.0225, abs=1e-6)
    assert adversarial_loss(logit, real=False, smoothing=0.1).item() == pytest.approx(1.386294, abs=1e-5), "one-sided"


@pytest.mark.parametrize("networks", ["conv", "mlp"])
def test_initial_weights_have_their_standard_deviation_also_under_spectral_norm(networks: str) -> None:
    torch.manual_seed(0)
    model = registry.get("cgan").build(
        image_shape=(1, 28, 28), num_classes=10, label_as="one_hot", networks=networks, init_std=0.02,
        discriminator_norm="spectral", discriminator_sizes=[256, 128],
    )  # fmt: skip
    assert isinstance(model, CGAN)
    assert model.discriminator is not None
    body = model.discriminator.body.eval()
    initial = {key: value for key, value in body.named_parameters() if "weight" in key}
    assert len(initial) == 3
    for key, value in initial.items():
        assert key.endswith("parametrizations.weight.original")
        assert float(value.detach().std()) == pytest.approx(0.02, rel=0.15), key
    for layer in body:
        if isinstance(layer, nn.Conv2d | nn.Linear):  # bounded at once: the estimate starts from these weights
            norm = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
            assert float(norm) == pytest.approx(1, rel=0.1)


def test_networks_that_cannot_be_built_are_refused() -> None:
    settings = {"image_shape": (1, 28, 28), "num_classes": 10, "upsample": "nearest", "padding": "none"}
    with pytest.raises(ConfigError, match=r"upsample = 'nearest' with padding = 'none' .* take padding = 'same'"):
        registry.get("cgan").build(networks="conv", **settings)
    registry.get("cgan").build(networks="mlp", **settings)


@pytest.mark.parametrize("name", ["wgan", "wgan_gp"])
def test_the_generator_is_updated_every_n_critic_steps(name: str) -> None:
    model = small_model(name, n_critic=3).train()
    optimizers = model.configure_optimizers()
    changed = []
    for step in range(7):
        before = [p.clone() for p in model.generator.parameters()]
        critic_before = [p.clone() for p in model.critic.parameters()]
        model.training_step(digit_batch(8), optimizers, step)
        changed.append(any(not torch.equal(a, b) for a, b in zip(before, model.generator.parameters(), strict=True)))
        assert any(not torch.equal(a, b) for a, b in zip(critic_before, model.critic.parameters(), strict=True))
    assert changed == [False, False, True, False, False, True, False]


def test_the_authors_schedule_boosts_the_critic_for_25_updates_and_every_500th() -> None:
    due = [step for step in range(60_000) if generator_is_due(step, 5, 100)]
    costs = [after - before for before, after in zip([-1, *due], due, strict=False)]
    assert costs[:25] == [100] * 25
    assert [index for index, cost in enumerate(costs[25:], start=25) if cost == 100] == list(
        range(500, len(costs), 500)
    )
    assert {cost for index, cost in enumerate(costs[25:], start=25) if index % 500} == {5}


def test_every_weight_of_a_wgan_critic_is_clipped_and_none_of_the_generator() -> None:
    model = small_model("wgan", clip=0.003, lr=0.05).train()
    optimizers = model.configure_optimizers()
    for step in range(4):
        model.training_step(digit_batch(8), optimizers, step)
    largest = max(float(p.detach().abs().max()) for p in model.critic.parameters())
    assert largest == pytest.approx(0.003)
    assert max(float(p.detach().abs().max()) for p in model.generator.parameters()) > 0.003


@pytest.mark.parametrize("label_as", ["embedding", "one_hot", "product"])
@pytest.mark.parametrize("networks", ["mlp", "conv"])
def test_a_conditional_gan_uses_its_condition(label_as: str, networks: str) -> None:
    small = {"generator_channels": [16, 8, 8], "discriminator_channels": [8, 8]} if networks == "conv" else {}
    model = small_model("cgan", label_as=label_as, networks=networks, **small).train()
    optimizers = model.configure_optimizers()
    model.training_step(digit_batch(8), optimizers, 0)
    model.eval().requires_grad_(False)
    z = torch.randn(1, model.latent_dim, generator=torch.Generator().manual_seed(0)).repeat(10, 1)
    images = model.decode(z, condition={"label": torch.arange(10)})
    assert len({tuple(image.flatten().tolist()) for image in images}) == 10, "same z, other class, other image"
    scores = model.score(images[:1].repeat(10, 1, 1, 1), condition={"label": torch.arange(10)})
    assert len(set(scores.tolist())) == 10, "the discriminator uses the class too"
    again = model.decode(z, condition={"label": torch.arange(10)})
    assert torch.equal(images, again)


@pytest.mark.parametrize(
    ("recipe", "label", "generator", "discriminator"),
    [
        ("mnist_cgan_onehot", None, "(100+10)-200-784", "(784+10)-200-1"),
        ("mnist_cgan_embedding", (10, 10), "110-256-512-1024-784", "794-1024-512-256-1"),
        ("mnist_cgan_product", (784, 10), "z-128-256-512-784", "784-256-128-1"),
    ],
)
def test_a_conditional_gan_is_as_wide_as_its_source_says(
    recipe: str, label: tuple[int, int] | None, generator: str, discriminator: str
) -> None:
    source = recipes.get(recipe)
    model = registry.get("cgan").build(**source.model, image_shape=(1, 28, 28), num_classes=10)
    assert isinstance(model, CGAN)
    assert model.discriminator is not None
    for network, widths in ((model.generator, generator), (model.discriminator, discriminator)):
        assert widths in source.source
        written = [sum(map(int, part.strip("()").split("+"))) for part in widths.replace("z", "100").split("-")]
        layers = [layer for layer in network.body if isinstance(layer, nn.Linear)]
        assert [layers[0].in_features, *(layer.out_features for layer in layers)] == written
    learned = [tuple(weight.shape) for weight in model.discriminator.label.parameters()]
    assert learned == ([label] if label else [])


@pytest.mark.parametrize(("label_as", "channels"), [("embedding", 2), ("one_hot", 11), ("product", 1)])
def test_convolutions_get_the_class_as_channels(label_as: str, channels: int) -> None:
    model = small_model("cgan", networks="conv", label_as=label_as)
    first = model.discriminator.body[0]  # type: ignore[index, union-attr]
    assert isinstance(first, nn.Conv2d)
    assert first.in_channels == channels


def test_a_fully_connected_discriminator_gets_the_class_with_the_pixels() -> None:
    x, y = digit_batch(4)["image"], torch.eye(10)[[3, 1, 4, 1]]
    for label_as in ("one_hot", "embedding"):
        network = small_model("cgan", label_as=label_as, dropout=0).discriminator
        assert isinstance(network, LabelledDiscriminator)
        vector = y if label_as == "one_hot" else y @ network.label.weight.T  # type: ignore[union-attr, operator]
        expected = network.body(torch.cat([x.flatten(1), vector], 1))
        assert torch.allclose(network(x, y), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["mnist_cgan_conv", "mnist_cgan_product"])
def test_published_conditional_gans_load_and_use_their_condition(name: str) -> None:
    model: Any = catalog.load(name)
    z, label = torch.zeros(10, model.latent_dim).add(0.5), torch.arange(10)
    assert len({tuple(image.flatten().tolist()) for image in model.decode(z, condition={"label": label})}) == 10


def test_classes_can_be_blended() -> None:
    model = small_model("cgan", label_as="embedding").eval()
    z = torch.randn(3, model.latent_dim, generator=torch.Generator().manual_seed(0))[:1].repeat(3, 1)
    weights = torch.zeros(3, 10)
    weights[0, 3] = weights[2, 8] = 1.0
    weights[1, 3] = weights[1, 8] = 0.5
    with torch.no_grad():
        three, between, eight = model.decode(z, condition={"label": weights})
        exact = model.decode(z[:2], condition={"label": torch.tensor([3, 8])})
    assert torch.allclose(three, exact[0], atol=1e-6)
    assert torch.allclose(eight, exact[1], atol=1e-6)
    assert not torch.allclose(between, three, atol=1e-4)


def test_without_a_condition_a_conditional_gan_samples_every_class() -> None:
    model = small_model("cgan")
    seen: list[Tensor] = []
    model.generator.register_forward_hook(lambda _module, given, _out: seen.append(given[1]))
    model.sample(500, generator=torch.Generator().manual_seed(0))
    assert float(seen[0].sum(0).min()) > 20
    assert model.conditions == {"label": 10}


SHAPES = [(1, 28, 28), (3, 32, 32), (1, 64, 64), (3, 128, 128), (3, 48, 64)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("upsample", ["transposed", "nearest"])
@pytest.mark.parametrize("kernel", [3, 4, 5, 8])
def test_convolutional_networks_generate_images_of_any_size(
    shape: tuple[int, int, int], upsample: str, kernel: int
) -> None:
    model = registry.get("dcgan").build(
        image_shape=shape,
        generator_channels=(8, 8),
        generator_strides=(2, 2),
        generator_kernel=kernel,
        upsample=upsample,
        discriminator_channels=(4, 4),
        discriminator_kernel=kernel,
    )
    with torch.no_grad():
        images = model.decode(torch.randn(2, 100))
        assert images.shape == (2, *shape)
        assert float(images.abs().max()) <= 1
        assert model.score(images).shape == (2,)


def test_the_books_unpadded_networks_have_its_sizes() -> None:
    """3x11x11 in, three 8x8 layers of stride 2, the last cropped by 1; back to 3x10x10 = 300 values."""
    model = registry.get("dcgan").build(
        image_shape=(3, 128, 128),
        generator_channels=(3, 8, 8),
        generator_strides=(2, 2, 2),
        generator_kernel=8,
        padding="none",
        discriminator_channels=(8, 8, 3),
        discriminator_strides=(2, 2, 2),
        discriminator_kernel=8,
    )
    assert model.generator[0].out_features == 3 * 11 * 11
    assert model.discriminator[-1].in_features == 300
    with torch.no_grad():
        assert model.decode(torch.randn(2, 100)).shape == (2, 3, 128, 128)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"image_shape": (1, 30, 30)}, "multiple"),
        ({"generator_strides": (1, 2)}, "give one per layer"),
        ({"generator_kernel": 4}, "odd kernel"),
        (
            {"discriminator_channels": (8,) * 8, "discriminator_strides": (2,) * 8, "discriminator_kernel": 4},
            "nothing left",
        ),
        ({"padding": "none", "generator_kernel": 1, "image_shape": (1, 28, 28)}, "padding = 'same'"),
    ],
)
def test_networks_that_do_not_fit_say_which_setting_to_change(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        registry.get("dcgan").build(**{"image_shape": (1, 28, 28), **settings})


def test_a_penalised_critic_may_not_mix_images() -> None:
    with pytest.raises(ConfigError, match="forbids"):
        registry.get("wgan_gp").build(image_shape=(1, 28, 28), discriminator_norm="batch")


@pytest.mark.slow
def test_a_penalised_critic_is_not_compiled_because_its_gradient_is_differentiated() -> None:
    model = registry.get("wgan_gp").build(image_shape=(1, 28, 28))
    tune.prepare(model, Runtime(threads=1, compile=True))
    assert model.generator._compiled_call_impl is not None
    assert model.critic._compiled_call_impl is None


@pytest.mark.parametrize(("norm", "together"), [("none", True), ("spectral", True), ("batch", False)])
def test_real_and_generated_images_share_a_batch_unless_that_would_mix_them(norm: str, together: bool) -> None:
    torch.manual_seed(0)
    model = registry.get("dcgan").build(image_shape=(1, 28, 28), discriminator_norm=norm).train()
    discriminator = model.discriminator
    for _ in range(30):  # until the spectral norms no longer move
        discriminator(torch.randn(2, 1, 28, 28))
    seen: list[int] = []
    discriminator[0].register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    real, fake = torch.randn(6, 1, 28, 28), 0.1 * torch.randn(6, 1, 28, 28)
    logits = model._logits(real, fake)
    assert seen == ([12] if together else [6, 6])
    for own_logits, images in zip(logits, (real, fake), strict=True):
        assert torch.allclose(own_logits, discriminator(images), atol=1e-3)
