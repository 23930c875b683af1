"""Reconstruction loss above the images' own entropy: 0 for a perfect reconstruction, whatever its grey pixels."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from genmodels import data, evaluation
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.losses import bernoulli_entropy, bernoulli_nll
from genmodels.runs.folder import RunFolder
from genmodels.service.manifold import encoding
from genmodels.training import runner
from tests.conftest import digit_batch, small_model, small_spec


def digits(count: int = 200) -> torch.Tensor:
    return to_float(torch.from_numpy(data.load(DataConfig(), "test").images[:count].copy()))


def test_the_entropy_is_the_lowest_cross_entropy_of_any_prediction() -> None:
    target = torch.tensor([[0.0, 0.1, 0.5, 0.9, 1.0]])
    entropy = bernoulli_entropy(target)
    assert entropy.item() == pytest.approx(0.693147 + 2 * 0.325083, abs=1e-5)
    # For each pixel the best of many logits; none is below the entropy.
    logits = torch.linspace(-12, 12, 24_001)
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[:, None].expand(-1, 5), target.expand(24_001, -1), reduction="none"
    )
    assert losses.min(0).values.sum().item() == pytest.approx(entropy.item(), abs=1e-4)
    for _ in range(20):
        assert bernoulli_nll(3 * torch.randn(1, 5), target).item() >= entropy.item()


def test_nats_are_zero_for_a_perfect_copy_and_large_for_another_digit() -> None:
    images = digits(50)
    copies = [encoding.nats(x[None], x[None]) for x in images]
    assert max(copies) < 0.01
    assert bernoulli_entropy(images.add(1).mul(0.5)).mean().item() > 20, "the entropy itself is large"
    others = [encoding.nats(x[None], y[None]) for x, y in pairwise(images)]
    assert min(others) > 50


@pytest.mark.parametrize("name", ["vae", "autoencoder"])
def test_curves_show_the_loss_above_the_entropy(name: str, tmp_path: Path) -> None:
    model = small_model(name, **({"salt": 0.0} if name == "autoencoder" else {})).eval()
    batch = digit_batch()
    metrics = model.training_step(batch, model.configure_optimizers(), 0)
    logged = model.logged_metrics(batch, metrics)
    key = "loss/recon" if name == "vae" else "loss/total"
    floor = bernoulli_entropy(batch["image"].add(1).mul(0.5)).mean()
    assert logged["loss/recon_above_entropy"].item() == pytest.approx((metrics[key] - floor).item(), rel=1e-5)
    assert {name: value.item() for name, value in logged.items() if name in metrics} == {
        name: value.item() for name, value in metrics.items()
    }
    assert model.curves()["loss/recon_above_entropy"].ideal == 0

    folder = RunFolder.create(tmp_path / "run", small_spec(name, "train.max_steps=2", "train.log_every=1"))
    runner.train_folder(folder, device="cpu")
    points = [line for line in folder.metrics()[0] if "loss/total" in line]
    assert len(points) == 2
    assert all(0 < line["loss/recon_above_entropy"] < line["loss/total"] for line in points)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("vae", [("elbo/recon", "elbo/recon_above_entropy"), ("reconstruction/nats", "reconstruction/above_entropy")]),
        ("autoencoder", [("reconstruction/corrupted_nats", "reconstruction/corrupted_above_entropy")]),
    ],
)
def test_evaluation_measures_the_loss_with_and_without_entropy(name: str, keys: list[tuple[str, str]]) -> None:
    spec = small_spec(name)
    arrays = data.load(spec.data, "test")
    floor = bernoulli_entropy(to_float(torch.from_numpy(arrays.images.copy())).add(1).mul(0.5)).mean().item()
    metrics = evaluation.evaluate(small_model(name), spec, samples=500)
    for whole, above in keys:
        assert metrics[whole] - metrics[above] == pytest.approx(floor, rel=1e-4)
    if name == "vae":
        assert metrics["elbo/negative"] == pytest.approx(metrics["elbo/recon"] + metrics["elbo/kl"]), (
            "the ELBO includes the entropy"
        )
