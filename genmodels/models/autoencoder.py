"""Autoencoder: Hinton and Salakhutdinov 2006, doi 10.1126/science.1127647. Denoising autoencoder: Vincent et al. 2008,
doi 10.1145/1390156.1390294.

An encoder f maps an image x to a short code, a decoder g reconstructs x from the code:

    loss(x) = BCE(g(f(x~)), x)

BCE is the binary cross entropy, summed over the pixels. x~ is x or, with `salt` above 0, x with this fraction of its
pixels set to white: a denoising autoencoder.

    variable  paper     meaning
    clean     x         pixels as probabilities in [0, 1]
    salted    x~        corrupted input (Vincent et al.)
    code      y = f(x~) output of `encoder`
    logits    z = g(y)  output of `decoder`, before the sigmoid

The distribution of the codes is not constrained, unlike in a VAE: between them are holes. `encode` and `decode`
standardise codes with their running mean and standard deviation from training, so z ~ N(0, I) falls near real codes.
Images are (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from genmodels.config import ModelConfig, live


class AutoencoderConfig(ModelConfig):
    """A fully connected autoencoder; the decoder mirrors the encoder."""

    hidden_sizes: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = Field(
        (400,), min_length=1, max_length=8, description="widths of the encoder's hidden layers, mirrored in the decoder"
    )
    latent_dim: int = Field(20, ge=1, le=1024, description="dimension of the code")
    salt: float = Field(
        0.0, ge=0, lt=1, description="fraction of the input's pixels set to white; the target stays clean"
    )
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")


# Everything above the next line is read without torch (genmodels/registry.py).
import math

import torch
from torch import Tensor
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.losses import bernoulli_entropy, bernoulli_nll
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
from genmodels.networks.mlp import mlp
from genmodels.registry import register

_MOMENTUM = 0.01  # of the running statistics: about the last hundred batches


@register("autoencoder")
class Autoencoder(Model):
    Config = AutoencoderConfig
    title = "Autoencoder"
    paper = "Hinton & Salakhutdinov 2006, doi 10.1126/science.1127647"
    config: AutoencoderConfig
    code_mean: Tensor
    code_variance: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config)
        pixels, hidden = math.prod(config.shape), list(config.hidden_sizes)
        self.encoder = mlp([pixels, *hidden, config.latent_dim])  # (B, C * H * W) -> (B, latent_dim)
        self.decoder = mlp([config.latent_dim, *reversed(hidden), pixels])  # (B, latent_dim) -> (B, C * H * W)
        self.register_buffer("code_mean", torch.zeros(config.latent_dim))
        self.register_buffer("code_variance", torch.ones(config.latent_dim))

    @property
    def latent_dim(self) -> int:
        return self.config.latent_dim

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self, self.config.lr)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        clean = _to_probability(batch["image"]).flatten(1)  # x: (B, C * H * W)
        salted = self._add_salt(clean, None)  # x~
        code = self.encoder(salted).float()  # f(x~): (B, latent_dim)

        # minimise BCE(g(f(x~)), x), summed over the pixels, mean over the batch
        loss = bernoulli_nll(self.decoder(code), clean).mean()
        update(optimizers["model"], loss)

        self._track_statistics(code.detach())
        return {"loss/total": loss.detach()}

    def validation_metrics(self, batch: Batch, step: int) -> Metrics:
        clean = _to_probability(batch["image"]).flatten(1)
        code = self.encoder(self._add_salt(clean, None)).float()
        return {"loss/total": bernoulli_nll(self.decoder(code), clean).mean()}

    def _add_salt(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """`x` with a fraction `salt` of its values set to 1, which is white in [0, 1] and in [-1, 1]."""
        if not self.config.salt:
            return x
        chance = torch.rand(x.shape, generator=generator, device=x.device)
        return torch.where(chance < self.config.salt, 1.0, x)

    @torch.no_grad()
    def _track_statistics(self, code: Tensor) -> None:
        """Update the running mean and variance of the codes (B, latent_dim)."""
        variance, mean = torch.var_mean(code, dim=0, correction=0)
        if len(code) == 1:  # one code has no variance: its distance from the running mean estimates it
            variance = (mean - self.code_mean).square()
        self.code_mean.lerp_(mean, _MOMENTUM)
        self.code_variance.lerp_(variance, _MOMENTUM)

    # --------------------------------------------------------------- inference

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] -> standardised codes (B, latent_dim)."""
        code: Tensor = self.encoder(_to_probability(x).flatten(1))
        return (code - self.code_mean) / self._code_std()

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        """Standardised codes (B, latent_dim) -> images (B, C, H, W) in [-1, 1]."""
        logits = self.decoder(z * self._code_std() + self.code_mean)
        return torch.sigmoid(logits).mul(2).sub(1).view(-1, *self.config.shape)

    def corrupt(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] corrupted as in training: with salt, unchanged if `salt` is 0."""
        return self._add_salt(x, generator)

    def _code_std(self) -> Tensor:
        return self.code_variance.sqrt().clamp_min(1e-3)  # never 0: a constant code is divided by it

    # ----------------------------------------------------------------- metrics

    def logged_metrics(self, batch: Batch, metrics: Metrics) -> Metrics:
        floor = bernoulli_entropy(_to_probability(batch["image"])).mean()
        return {**metrics, "loss/recon_above_entropy": metrics["loss/total"] - floor}

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve(
                "reconstruction (nats)",
                "Binary cross entropy per image. It includes the images' own entropy, a lower bound for any decoder.",
            ),
            "loss/recon_above_entropy": Curve(
                "reconstruction above entropy (nats)",
                "Reconstruction loss without the images' own entropy; 0 is a perfect reconstruction.",
                0,
            ),
        }


def _to_probability(x: Tensor) -> Tensor:
    """Pixels in [-1, 1] -> probabilities of white in [0, 1]."""
    return x.add(1).mul(0.5)
