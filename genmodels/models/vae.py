"""Variational autoencoder: Kingma and Welling, Auto-Encoding Variational Bayes, arXiv 1312.6114.

The encoder maps an image x to a Gaussian posterior q(z|x) = N(mu, diag(exp(logvar))); the decoder maps a sample z to
the probability of each pixel being white, p(x|z). Training minimises the negative ELBO, an upper bound on -log p(x), in
nats per image:

    loss(x) = BCE(decoder(z), x) + kl_weight * KL(N(mu, exp(logvar)) || N(0, I)),    z = mu + exp(logvar / 2) * eps

with eps ~ N(0, I), BCE summed over the pixels, and KL = 1/2 sum(mu^2 + exp(logvar) - 1 - logvar).

    variable    paper                meaning
    x           x                    pixels as probabilities in [0, 1]
    mu, logvar  mu, log sigma^2      parameters of q_phi(z|x): `encoder`
    eps         epsilon              noise of the reparametrisation trick
    recon       -log p_theta(x|z)    reconstruction loss: `decoder`
    kl          D_KL(q(z|x) || p(z))
    kl_weight   1                    beta in Higgins et al., openreview Sy2fzU9gl

Images are (B, C, H, W) in [-1, 1].
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
    latent_dim: int = Field(20, ge=1, le=1024, description="dimension of the latent vector z")
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")
    lr_end: float = cosine_end()
    kl_weight: float = live(
        1.0, ge=0, le=1000, description="weight of the KL term: 1 is the ELBO, above 1 a beta-VAE, 0 an autoencoder"
    )
    kl_warmup: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="steps of KL annealing: the weight of the KL term rises from a tenth of kl_weight to kl_weight",
    )


# Everything above the next line is read without torch (genmodels/registry.py).
import math

import torch
from torch import Tensor
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.losses import bernoulli_entropy, bernoulli_nll, gaussian_kl
from genmodels.model import Batch, Curve, Metrics, Model, cosine, make_optimizer, update
from genmodels.networks.mlp import mlp
from genmodels.registry import register


@register("vae")
class VAE(Model):
    Config = VAEConfig
    title = "Variational autoencoder"
    paper = "Kingma & Welling 2013, arXiv 1312.6114"
    config: VAEConfig

    def __init__(self, config: VAEConfig) -> None:
        super().__init__(config)
        pixels, hidden = math.prod(config.shape), list(config.hidden_sizes)
        # One layer predicts both mu and logvar: one matrix product instead of two.
        self.encoder = mlp([pixels, *hidden, 2 * config.latent_dim])  # (B, C * H * W) -> (B, 2 * latent_dim)
        self.decoder = mlp([config.latent_dim, *reversed(hidden), pixels])  # (B, latent_dim) -> (B, C * H * W)

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
        x = _to_probability(batch["image"])  # (B, C, H, W)

        # minimise BCE(decoder(z), x) + kl_weight * KL(N(mu, exp(logvar)) || N(0, I)), mean over the batch
        recon, kl = self._negative_elbo(x, eps=None)  # (B,) each
        recon, kl = recon.mean(), kl.mean()
        loss = recon + self.kl_weight_at(step) * kl
        update(optimizers["model"], loss)
        return {"loss/total": loss.detach(), "loss/recon": recon.detach(), "loss/kl": kl.detach()}

    def validation_metrics(self, batch: Batch, step: int) -> Metrics:
        recon, kl = (part.mean() for part in self._negative_elbo(_to_probability(batch["image"]), eps=None))
        return {"loss/total": recon + self.kl_weight_at(step) * kl}

    def _negative_elbo(self, x: Tensor, eps: Tensor | None) -> tuple[Tensor, Tensor]:
        """(BCE, KL), (B,) each, of x (B, C, H, W) in [0, 1]; `eps` (B, latent_dim) is sampled if None."""
        mu, logvar = self.encoder(x.flatten(1)).float().chunk(2, dim=1)  # (B, latent_dim) each
        z = mu + (0.5 * logvar).exp() * (torch.randn_like(mu) if eps is None else eps)
        return bernoulli_nll(self.decoder(z), x.flatten(1)), gaussian_kl(mu, logvar)

    def kl_weight_at(self, step: int) -> float:
        """The KL term's weight at `step`: KL annealing (Sonderby et al., arXiv 1602.02282).

        A small weight early on lets the clusters separate. With two latent dimensions their early positions decide the
        result, as later steps hardly move them.
        """
        warmup = self.config.kl_warmup
        fraction = min(1.0, 0.1 + 0.9 * step / warmup) if warmup else 1.0
        return fraction * self.config.kl_weight

    # --------------------------------------------------------------- inference

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        """Generated images (n, C, H, W) in [-1, 1]: decoded z ~ N(0, I)."""
        z = torch.randn(n, self.latent_dim, generator=generator, device=self.device)
        return self.decode(z)

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        """z (B, latent_dim) -> images (B, C, H, W) in [-1, 1]: the pixels' probabilities, not samples from them."""
        probability = torch.sigmoid(self.decoder(z))
        return probability.mul(2).sub(1).view(-1, *self.config.shape)

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] -> the posterior means (B, latent_dim)."""
        return self.posterior(x)[0]

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(mu, logvar), each (B, latent_dim), of images (B, C, H, W) in [-1, 1]."""
        mu, logvar = self.encoder(_to_probability(x).flatten(1)).chunk(2, dim=1)
        return mu, logvar

    # ----------------------------------------------------------------- metrics

    def elbo(self, x: Tensor, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(recon, kl) of images (B, C, H, W) in [-1, 1], in nats per image (B,); the negative ELBO is their sum."""
        eps = torch.randn(len(x), self.latent_dim, generator=generator, device=x.device)
        return self._negative_elbo(_to_probability(x), eps)

    def logged_metrics(self, batch: Batch, metrics: Metrics) -> Metrics:
        floor = bernoulli_entropy(_to_probability(batch["image"])).mean()
        return {**metrics, "loss/recon_above_entropy": metrics["loss/recon"] - floor}

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("negative ELBO (nats)", "Upper bound on -log p(x) per image; falls fast, then slowly."),
            "loss/recon": Curve(
                "reconstruction (nats)",
                "Binary cross entropy per image. It includes the images' own entropy, a lower bound for any decoder.",
            ),
            "loss/recon_above_entropy": Curve(
                "reconstruction above entropy (nats)",
                "Reconstruction loss without the images' own entropy; 0 is a perfect reconstruction.",
                0,
            ),
            "loss/kl": Curve("KL (nats)", "Information in z; 0: the decoder ignores z (posterior collapse)."),
        }


def _to_probability(x: Tensor) -> Tensor:
    """Pixels in [-1, 1] -> probabilities of white in [0, 1]."""
    return x.add(1).mul(0.5)
