"""VQ-VAE and its prior: quantisation, straight-through gradient, codebook, and a prior that sees codes only."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genmodels import registry
from genmodels.errors import CapabilityError, CheckpointError, ConfigError, DataError
from genmodels.evaluation import code_metrics
from genmodels.models.vqvae import VQVAE, perplexity, straight_through
from genmodels.models.vqvae_prior import VQVAEPrior
from genmodels.runs import checkpoint, first_stage
from genmodels.runs.folder import RunFolder, runs_root
from genmodels.sampling.options import SamplingOptions
from genmodels.sampling.pixels import random_inputs
from genmodels.training import runner
from tests.conftest import digit_batch, small_model, small_spec
from train_jobs.spec import make_spec


def vqvae(**settings: Any) -> VQVAE:
    model = small_model("vqvae", **settings)
    assert isinstance(model, VQVAE)
    return model


def prior(**settings: Any) -> VQVAEPrior:
    """A prior with random weights; its codebook is placed at outputs of the encoder, so that codes vary."""
    model = small_model("vqvae_prior", **settings)
    assert isinstance(model, VQVAEPrior)
    model.first_stage.start(digit_batch(16))
    return model.requires_grad_(False).eval()


# ------------------------------------------------------------------------------ first stage


def test_a_code_is_the_index_of_the_nearest_vector() -> None:
    model = vqvae(codes=5, code_dim=3)
    z = torch.randn(2, 3, 7, 7)
    index = model.nearest(z)
    for b, row, column in ((0, 0, 0), (1, 3, 6), (1, 6, 2)):
        distances = (model.codebook - z[b, :, row, column]).norm(dim=1)
        assert int(index[b, row, column]) == int(distances.argmin())
    torch.testing.assert_close(model.vectors(index)[1, :, 3, 6], model.codebook[index[1, 3, 6]])


def test_the_straight_through_gradient_is_the_decoders_plus_the_commitment_term(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """dL/dz_e = dL/dz_q + 2 beta (z_e - z_q) / B, exactly, although the quantisation itself has no gradient."""
    model, batch, beta = vqvae(commitment=0.5, lr=1e-9), digit_batch(4), 0.5
    seen: dict[str, Tensor] = {}
    encode, decode = model.encoder.forward, model.decoder.forward

    def encoded(x: Tensor) -> Tensor:
        seen["z_e"] = encode(x)
        seen["z_e"].retain_grad()
        return seen["z_e"]

    def decoded(z: Tensor) -> Tensor:
        seen["input"] = z
        z.retain_grad()
        return decode(z)

    monkeypatch.setattr(model.encoder, "forward", encoded)
    monkeypatch.setattr(model.decoder, "forward", decoded)
    with torch.no_grad():
        z_q = model.vectors(model.nearest(encode(batch["image"])))
    model.training_step(batch, model.configure_optimizers(), 0)
    torch.testing.assert_close(seen["input"], z_q, msg="the decoder gets the codebook's vectors")
    of_decoder, of_encoder = seen["input"].grad, seen["z_e"].grad
    assert of_decoder is not None
    assert of_encoder is not None
    assert float(of_decoder.abs().max()) > 0
    torch.testing.assert_close(of_encoder, of_decoder + 2 * beta * (seen["z_e"].detach() - z_q) / 4)


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other() -> None:
    z_e, z_q = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([5.0, -1.0], requires_grad=True)
    out = straight_through(z_e, z_q)
    torch.testing.assert_close(out, z_q)
    (out * torch.tensor([3.0, 7.0])).sum().backward()
    torch.testing.assert_close(z_e.grad, torch.tensor([3.0, 7.0]))
    assert z_q.grad is None


def test_the_codebook_follows_its_moving_averages() -> None:
    """By hand: two codes with counts 4 and 2, decay 0.5, one vector for the first code and three for the second."""
    model = vqvae(codes=2, code_dim=2, decay=0.5, restart_below=0)
    model.running_count.copy_(torch.tensor([4.0, 2.0]))
    model.running_sum.copy_(torch.tensor([[4.0, 0.0], [0.0, 6.0]]))
    torch.testing.assert_close(model.codebook, torch.tensor([[1.0, 0.0], [0.0, 3.0]]), atol=1e-4, rtol=0)
    z = torch.tensor([[2.0, 2.0], [0.0, 1.0], [1.0, 1.0], [2.0, 4.0]])
    assert float(model.update_codebook(z, torch.tensor([0, 1, 1, 1]))) == 0
    torch.testing.assert_close(model.running_count, torch.tensor([2.5, 2.5]))
    torch.testing.assert_close(model.running_sum, torch.tensor([[3.0, 1.0], [1.5, 6.0]]))
    torch.testing.assert_close(model.codebook, torch.tensor([[1.2, 0.4], [0.6, 2.4]]), atol=1e-4, rtol=0)


def test_laplace_smoothing_keeps_a_code_without_vectors_finite() -> None:
    model = vqvae(codes=2, code_dim=2)
    model.running_count.copy_(torch.tensor([8.0, 0.0]))
    model.running_sum.copy_(torch.tensor([[8.0, 8.0], [0.0, 0.0]]))
    assert bool(model.codebook.isfinite().all())
    total = 8.0 + 2e-5
    torch.testing.assert_close(float(model.codebook[0, 0]), 8 / ((8 + 1e-5) / total * 8))


def test_a_dead_code_restarts_at_an_output_of_the_encoder() -> None:
    model = vqvae(codes=3, code_dim=2, decay=0.5, restart_below=1.0)
    model.running_count.copy_(torch.tensor([6.0, 1.5, 6.0]))
    model.running_sum.copy_(torch.tensor([[6.0, 0.0], [99.0, 99.0], [0.0, 6.0]]))
    z = torch.tensor([[1.0, 0.5], [1.5, 0.25]])
    assert float(model.update_codebook(z, torch.tensor([0, 2]))) == 1
    restarted = model.codebook[1]
    assert min(float((row - restarted).norm()) for row in z) < 1e-3
    assert float(model.running_count[1]) >= 1, "it has time to collect vectors"
    torch.testing.assert_close(model.running_count[[0, 2]], torch.tensor([3.5, 3.5]), msg="the others go on")
    without = vqvae(codes=3, code_dim=2, decay=0.5, restart_below=0)
    without.running_count.copy_(torch.tensor([6.0, 0.001, 6.0]))
    assert float(without.update_codebook(z, torch.tensor([0, 2]))) == 0


def test_codes_restart_where_the_codebook_fits_worst() -> None:
    """Of many copies of a vector that has a code already, and one that has none, the latter is chosen."""
    model = vqvae(codes=3, code_dim=2, decay=0.5, restart_below=1.0)
    model.running_count.copy_(torch.tensor([6.0, 0.1, 0.1]))
    model.running_sum.copy_(torch.tensor([[6.0, 6.0], [9.0, 9.0], [9.0, 9.0]]))
    z = torch.ones(500, 2)
    z[77] = torch.tensor([4.0, -2.0])
    model.update_codebook(z, torch.zeros(500, dtype=torch.int64))
    distances = (model.codebook - z[77]).norm(dim=1)
    assert float(distances.min()) < 1e-3


def test_training_begins_with_outputs_of_the_encoder_as_codebook() -> None:
    model, batch = vqvae(codes=16).requires_grad_(False), digit_batch(8)
    model.start(batch)
    z = model.encoder(batch["image"]).permute(0, 2, 3, 1).flatten(0, 2)
    distances = torch.cdist(model.codebook, z)
    assert float(distances.min(1).values.max()) < 1e-3
    few = vqvae(codes=64)
    few.start(digit_batch(1))  # 49 vectors for 64 codes
    assert bool(few.codebook.isfinite().all())


def test_perplexity_counts_equally_frequent_codes() -> None:
    assert float(perplexity(torch.tensor([[0, 1], [2, 3]]), 8)) == pytest.approx(4)
    assert float(perplexity(torch.zeros(5, dtype=torch.int64), 8)) == pytest.approx(1)
    assert code_metrics.codebook_use(torch.tensor([0, 0, 1, 1]), 4) == pytest.approx(
        {"codes/used": 0.5, "codes/perplexity": 2.0}
    )


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_loss_is_the_negative_log_likelihood_up_to_a_constant(likelihood: str) -> None:
    model = vqvae(likelihood=likelihood)
    output, x = torch.randn(2, 1, 28, 28), torch.rand(2, 1, 28, 28) * 2 - 1
    loss = model._negative_log_likelihood(output, x)
    if likelihood == "bernoulli":
        p, target = torch.sigmoid(output), (x + 1) / 2
        expected = -(target * p.log() + (1 - target) * (1 - p).log()).flatten(1).sum(1)
    else:
        normal = torch.distributions.Normal(output, 1.0)
        expected = -(normal.log_prob(x) - normal.log_prob(output)).flatten(1).sum(1)
    torch.testing.assert_close(loss, expected)


def test_wrong_codes_and_sizes_are_refused() -> None:
    model = vqvae()
    for wrong in (torch.zeros(1, 7, 6, dtype=torch.int64), torch.full((1, 7, 7), 16), torch.zeros(1, 7, 7)):
        with pytest.raises(DataError, match=r"give int64 \(B, 7, 7\), each 0 to 15"):
            model.decode_codes(wrong)
    for family in ("vqvae", "vqvae_prior"):
        with pytest.raises(ConfigError, match=r"30x30 do not fit 2 downsamplings: .* multiples of 4"):
            registry.get(family).build(image_shape=(1, 30, 30), num_classes=10)
    with pytest.raises(ConfigError, match="needs data with classes"):
        registry.get("vqvae_prior").build(image_shape=(1, 28, 28), num_classes=0, conditional=True)


# ------------------------------------------------------------------------------ the prior


def test_the_prior_sees_codes_only() -> None:
    """Two different images with the same codes have the same loss."""
    model = prior()
    x = digit_batch(2)["image"][:1]
    moved = (x + 1e-6 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    codes = model.encode_codes(x)
    assert torch.equal(codes, model.encode_codes(moved))
    assert codes.unique().numel() > 4
    assert not torch.equal(x, moved)
    losses = []
    for image in (x, moved):
        one = prior(code_dropout=0.0).requires_grad_(True)
        batch = {"image": image, "label": torch.tensor([3])}
        losses.append(float(one.training_step(batch, one.configure_optimizers(), 0)["loss/total"]))
    assert losses[0] == losses[1]
    log_prob = model.code_log_prob(codes, condition={"label": torch.tensor([3])})
    assert losses[0] == pytest.approx(-float(log_prob) / 49, rel=1e-5)


def test_a_code_depends_on_earlier_codes_only() -> None:
    """By gradient: exactly zero from the own and later codes, and from some earlier ones not."""
    model = prior(dilations=[1, 1, 1])
    embedded = torch.randn(1, 8, 7, 7, requires_grad=True)
    y = torch.eye(10)[:1]
    for row, column in ((0, 0), (2, 3), (6, 6)):
        logits = model.network(embedded, y)[0, :, row, column]
        (gradient,) = torch.autograd.grad((logits * torch.linspace(1, 2, len(logits))).sum(), embedded)
        influence = gradient.abs().sum(1).flatten()
        position = row * 7 + column
        assert float(influence[position:].sum()) == 0
        assert (float(influence[:position].sum()) > 0) == (position > 0)


def test_probabilities_of_codes_sum_to_one() -> None:
    """Over all codes of a position, and over all grids: a codebook of two on a grid of 2 x 2 has 16."""
    model = prior()
    codes = model.encode_codes(digit_batch(2)["image"])
    total = model.code_logits(codes, condition={"label": torch.tensor([1, 2])}).softmax(3).sum(3)
    torch.testing.assert_close(total, torch.ones(2, 7, 7))
    tiny = registry.get("vqvae_prior").build(
        image_shape=(1, 8, 8), first_stage_model={"codes": 2}, channels=4, dilations=[1], num_classes=0
    )
    grids = torch.cartesian_prod(*[torch.arange(2)] * 4).view(16, 2, 2)
    with torch.no_grad():
        probabilities = tiny.code_log_prob(grids).exp()  # type: ignore[operator]
    assert float(probabilities.sum()) == pytest.approx(1, abs=1e-5)
    assert float(probabilities.std()) > 0


def test_without_a_class_the_likelihood_is_the_mean_over_classes() -> None:
    model = prior()
    codes = model.encode_codes(digit_batch(2)["image"])
    # In float64: the probability of a grid is below float32's smallest number.
    each = [model.code_log_prob(codes, condition={"label": torch.full((2,), k)}).double().exp() for k in range(10)]
    torch.testing.assert_close(model.code_log_prob(codes), torch.stack(each).mean(0).log().float())
    with pytest.raises(CapabilityError, match="label"):
        model.code_logits(codes)


def test_sampled_codes_are_those_of_the_full_network() -> None:
    """The caches give each code the logits of a full forward pass: the most probable code of each is the argmax."""
    model = prior(dilations=[1, 2])
    condition = {"label": torch.tensor([3, 7])}
    start = torch.zeros(2, 7, 7, dtype=torch.int64)
    known = torch.zeros(7, 7, dtype=torch.bool)
    *_, codes = model.complete_codes(
        start, known, condition=condition, generator=_fresh(2), options=SamplingOptions(top_k=1)
    )
    assert torch.equal(codes, model.code_logits(codes, condition=condition).argmax(3))
    assert codes.unique().numel() > 1
    *_, sampled = model.complete_codes(start, known, condition=condition, generator=_fresh(2))
    _, uniform = random_inputs((2, 7, 7), 10, _fresh(2), torch.device("cpu"))
    cumulative = model.code_logits(sampled, condition=condition).softmax(3).cumsum(3)
    expected = (cumulative <= uniform[..., None]).sum(3)
    assert float((expected == sampled).float().mean()) > 0.98, "rounding may change a code at a boundary"


def _fresh(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(index) for index in range(count)]


def test_known_codes_stay_and_interrupted_sampling_gives_the_same_codes() -> None:
    model = prior()
    codes = model.encode_codes(digit_batch(2)["image"])
    known = torch.rand(2, 7, 7, generator=torch.Generator().manual_seed(0)) < 0.5
    known[:, :2] = True
    condition = {"label": torch.tensor([3, 7])}
    states = list(model.complete_codes(codes, known, condition=condition, generator=_fresh(2)))
    assert len(states) == 7
    assert torch.equal(states[-1][known], codes[known])
    assert torch.equal(states[1], states[0]), "two rows were known"
    assert not torch.equal(states[-1], codes)
    rest = known.clone()
    rest[:, :4] = True
    *_, again = model.complete_codes(states[3], rest, condition=condition, generator=_fresh(2))
    assert torch.equal(again, states[-1])
    with pytest.raises(DataError, match="cannot be completed"):
        next(model.complete_codes(codes[:, :6], known, condition=condition))
    with pytest.raises(ConfigError, match="every = 0"):
        next(model.complete_codes(codes, known, condition=condition, every=0))
    with pytest.raises(ConfigError, match="top_k = 17 is not allowed: choose 1 to 16"):
        next(model.complete_codes(codes, known, condition=condition, options=SamplingOptions(top_k=17)))


def test_completion_of_an_image_does_not_look_at_what_is_unknown() -> None:
    model = prior()
    x = digit_batch(2)["image"]
    known = torch.zeros(28, 28, dtype=torch.bool)
    known[:16] = True
    condition = {"label": torch.tensor([3, 7])}
    changed = torch.where(known, x, torch.rand_like(x))
    assert not torch.equal(model.encode_codes(x)[:, :4], model.encode_codes(changed)[:, :4])
    one, two = (list(model.complete(image, known, condition=condition, generator=_fresh(2))) for image in (x, changed))
    assert torch.equal(one[-1], two[-1])
    assert torch.equal(one[-1][..., :16, :], x[..., :16, :])
    assert bool((one[3][..., 16:, :] == 0).all()), "rows of codes that are not sampled yet are grey"
    assert not bool((one[-1][..., 16:, :] == 0).all())


# ------------------------------------------------------------------------------ two stages


@pytest.fixture
def trained(own_folders: Path) -> RunFolder:
    """A run of a small VQ-VAE called `stage`."""
    folder = RunFolder.create(runs_root() / "stage", small_spec("vqvae", "train.max_steps=4", "train.batch_size=16"))
    runner.train_folder(folder, device="cpu")
    return folder


_PRIOR = ("model.channels=8", "model.dilations=[1]", "train.max_steps=4", "train.batch_size=16", "train.compile=off")


def test_the_first_stage_is_copied_does_not_change_and_makes_the_checkpoint_complete(trained: RunFolder) -> None:
    spec = make_spec(
        "mnist_vqvae_prior", None, ["data.name=digits", "model.first_stage=stage", "train.precision=fp32", *_PRIOR]
    )
    assert spec.model["first_stage_model"]["codes"] == 16
    folder = RunFolder.create(runs_root() / "prior", spec)
    assert runner.train_folder(folder, device="cpu") == "finished"
    stage = checkpoint.load_model(trained.path)
    trained.remove_step(trained.steps()[-1])  # the prior does not need it any more
    for step in (0, 4):
        model = checkpoint.load_model(folder.path, step)
        copied = model.get_submodule("first_stage").state_dict()
        assert copied.keys() == stage.state_dict().keys()
        assert all(torch.equal(value, copied[key]) for key, value in stage.state_dict().items())
    assert isinstance(model, VQVAEPrior)
    x = digit_batch(3)["image"]
    assert torch.equal(model.encode_codes(x), stage.encode_codes(x))  # type: ignore[operator]
    assert model.sample(2, generator=torch.Generator().manual_seed(0)).shape == (2, 1, 28, 28)
    assert folder.config()["first_stage"]["name"] == "stage"
    assert folder.config()["first_stage"]["step"] == 4
    assert [event["kind"] for event in folder.events()] == ["first_stage"]


def test_a_prior_is_not_submitted_without_a_fitting_first_stage(trained: RunFolder) -> None:
    RunFolder.create(runs_root() / "gan", small_spec("gan", "train.max_steps=1", "train.max_epochs=null"))
    digits = ["data.name=digits", *_PRIOR]
    for name, message in (
        ("null", "model.first_stage is empty"),
        ("nothing", "model.first_stage = 'nothing': unknown checkpoint"),
        ("gan", "is of the family 'gan', not 'vqvae'"),
        ("../stage", "model.first_stage"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_spec("mnist_vqvae_prior", None, [*digits, f"model.first_stage={name}"])
    with pytest.raises(ConfigError, match=r"was trained on images of shape \(1, 28, 28\)"):
        make_spec(
            "mnist_vqvae_prior",
            None,
            ["data.name=pattern_1010", "model.first_stage=stage", "model.conditional=false", *_PRIOR],
        )


def test_a_prior_waits_for_no_first_stage_without_a_step(own_folders: Path) -> None:
    """It may be queued after its first stage, whose settings are known; when it starts, there must be weights."""
    RunFolder.create(runs_root() / "stage", small_spec("vqvae", "train.max_steps=4", "train.batch_size=16"))
    spec = make_spec("mnist_vqvae_prior", None, ["data.name=digits", "model.first_stage=stage", *_PRIOR])
    folder = RunFolder.create(runs_root() / "prior", spec)
    with pytest.raises(ConfigError, match=r"model\.first_stage = 'stage' has no saved step yet: train it first"):
        runner.train_folder(folder, device="cpu")
    assert first_stage.filled(small_spec("vae")) == small_spec("vae")


def test_a_first_stage_that_changed_after_the_submission_is_refused(trained: RunFolder) -> None:
    spec = make_spec("mnist_vqvae_prior", None, ["data.name=digits", "model.first_stage=stage", *_PRIOR])
    settings = {**spec.model["first_stage_model"], "codes": 8}
    folder = RunFolder.create(runs_root() / "prior", spec.replace(model={**spec.model, "first_stage_model": settings}))
    with pytest.raises(CheckpointError, match="has changed since this run was submitted"):
        runner.train_folder(folder, device="cpu")


def test_metrics_of_both_stages() -> None:
    from genmodels import evaluation

    spec = small_spec("vqvae", "train.max_steps=1", "train.max_epochs=null")
    metrics = evaluation.brief(vqvae().requires_grad_(False).eval(), spec)
    assert {"reconstruction/above_entropy", "reconstruction/squared_error", "codes/used"} <= metrics.keys()
    assert metrics["reconstruction/nats"] > metrics["reconstruction/above_entropy"] > 0
    assert 0 < metrics["codes/used"] <= 1 <= metrics["codes/perplexity"] <= 16
    assert "codes/nats" not in metrics
    with_prior = evaluation.brief(prior(), spec)
    assert with_prior["codes/bits_per_code"] == pytest.approx(with_prior["codes/nats"] / 49 / math.log(2))
    assert "likelihood/nats" not in with_prior
