"""Variational autoencoder: Kingma and Welling, Auto-Encoding Variational Bayes, arXiv 1312.6114.

An encoder maps a picture x to a bell curve N(mu, diag(exp(logvar))) over z, a decoder maps a z drawn from it back to
the probability of each pixel being white. Training minimises the negative ELBO, in nats a picture:

    loss(x) = BCE(decoder(z), x) + kl_weight * KL(N(mu, var) || N(0, I)),     z = mu + exp(logvar / 2) * eps

with BCE summed over the pixels and KL = 1/2 sum(mu^2 + var - 1 - log var). Pictures outside are [-1, 1]; inside,
where a pixel is a probability, [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from genmodels.config import ModelConfig, cosine_end, live


class VAEConfig(ModelConfig):
    """A fully connected VAE; the decoder mirrors the encoder."""

    hidden_sizes: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = Field(
        (400,), min_length=1, max_length=8, description="widths of the encoder's hidden layers, mirrored in the decoder"
    )
    latent_dim: int = Field(20, ge=1, le=1024, description="numbers in the latent vector z")
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")
    lr_end: float = cosine_end()
    kl_weight: float = live(
        1.0, ge=0, le=1000, description="weight of the KL term: 1 is the ELBO, more is a beta-VAE, 0 an autoencoder"
    )
    kl_warmup: int = Field(
        0, ge=0, le=10_000_000, description="steps over which the KL term's weight rises from a tenth to kl_weight"
    )


import torch
from torch import Tensor
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.networks.mlp import mlp
from genmodels.losses import bernoulli_entropy, bernoulli_nll, gaussian_kl
from genmodels.model import Batch, Curve, Metrics, Model, cosine, make_optimizer, update
from genmodels.registry import register


@register("vae")
class VAE(Model):
    Config = VAEConfig
    title = "Variational autoencoder"
    paper = "Kingma & Welling 2013, arXiv 1312.6114"
    config: VAEConfig

    def __init__(self, config: VAEConfig) -> None:
        super().__init__(config)
        pixels = torch.Size(config.image_shape or ()).numel()
        hidden = list(config.hidden_sizes)
        # One layer gives both mu and logvar: one matrix product instead of two.
        self.encoder = mlp([pixels, *hidden, 2 * config.latent_dim])
        self.decoder = mlp([config.latent_dim, *reversed(hidden), pixels])

    @property
    def latent_dim(self) -> int:
        return self.config.latent_dim

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return {"model": cosine(step, max_steps, self.config.lr_end)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        x = _to_probability(batch["image"])

        # minimise BCE(decoder(z), x) + kl_weight * KL(N(mu, var) || N(0, I)), the mean over the batch
        recon, kl = self._negative_elbo(x, eps=None)
        recon, kl = recon.mean(), kl.mean()
        loss = recon + self.kl_weight_at(step) * kl
        update(optimizers["model"], loss)
        return {"loss/total": loss.detach(), "loss/recon": recon.detach(), "loss/kl": kl.detach()}

    def kl_weight_at(self, step: int) -> float:
        """Low at first where asked for, so that classes find their places before they are pressed together.

        On two latent numbers those places decide the result, and later steps hardly move them (arXiv 1602.02282).
        """
        warmup = self.config.kl_warmup
        share = min(1.0, 0.1 + 0.9 * step / warmup) if warmup else 1.0
        return share * self.config.kl_weight

    def _negative_elbo(self, x: Tensor, eps: Tensor | None) -> tuple[Tensor, Tensor]:
        mu, logvar = self.encoder(x.flatten(1)).float().chunk(2, dim=1)
        z = mu + (0.5 * logvar).exp() * (torch.randn_like(mu) if eps is None else eps)
        return bernoulli_nll(self.decoder(z), x.flatten(1)), gaussian_kl(mu, logvar)

    def logged_metrics(self, batch: Batch, metrics: Metrics) -> Metrics:
        floor = bernoulli_entropy(_to_probability(batch["image"])).mean()
        return {**metrics, "loss/recon_above_entropy": metrics["loss/recon"] - floor}

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("negative ELBO (nats)", "Falls fast, then slowly; an upper bound on -log p(x)."),
            "loss/recon": Curve(
                "reconstruction (nats)",
                "Cross entropy of the decoded pixels. The images' own entropy is part of it; no decoder gets below.",
            ),
            "loss/recon_above_entropy": Curve(
                "reconstruction above entropy (nats)",
                "What is lost by squeezing an image through z, without its own entropy; a perfect copy is at 0.",
                0,
            ),
            "loss/kl": Curve("KL (nats)", "Information z carries; 0 would mean the decoder ignores it."),
        }

    # --------------------------------------------------------------- inference

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(mu, logvar), each (B, latent_dim), of images (B, C, H, W) in [-1, 1]."""
        mu, logvar = self.encoder(_to_probability(x).flatten(1)).chunk(2, dim=1)
        return mu, logvar

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        """The pixels' probabilities (not draws from them), as images in [-1, 1]."""
        probability = torch.sigmoid(self.decoder(z))
        return probability.mul(2).sub(1).view(-1, *(self.config.image_shape or ()))

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        z = torch.randn(n, self.latent_dim, generator=generator, device=self.device)
        return self.decode(z)

    def elbo(self, x: Tensor, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        eps = torch.randn(len(x), self.latent_dim, generator=generator, device=x.device)
        return self._negative_elbo(_to_probability(x), eps)


def _to_probability(x: Tensor) -> Tensor:
    """[-1, 1] outside -> [0, 1] inside."""
    return x.add(1).mul(0.5)
