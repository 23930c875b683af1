"""Autoencoder: Hinton and Salakhutdinov 2006, doi 10.1126/science.1127647; denoising: Vincent et al. 2008,
doi 10.1145/1390156.1390294.

An encoder squeezes a picture x into a short code, a decoder draws it again from the code. Training minimises

    loss(x) = BCE(decoder(encoder(x')), x)

summed over the pixels, where x' is x itself or, with `salt` above 0, x with that share of its pixels set to white:
the network then learns to take the salt away.

Nothing shapes the codes, which is the lesson beside the VAE: between them lie holes. Outside, z is standardised with
the mean and spread of the codes seen in training, so that z ~ N(0, I) lands about where codes are.
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
    latent_dim: int = Field(20, ge=1, le=1024, description="numbers in the code")
    salt: float = Field(
        0.0, ge=0, lt=1, description="share of the input's pixels set to white while the target stays clean"
    )
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")


import torch
from torch import Tensor
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.networks.mlp import mlp
from genmodels.losses import bernoulli_entropy, bernoulli_nll
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
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
        pixels = torch.Size(config.image_shape or ()).numel()
        hidden = list(config.hidden_sizes)
        self.encoder = mlp([pixels, *hidden, config.latent_dim])
        self.decoder = mlp([config.latent_dim, *reversed(hidden), pixels])
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
        clean = batch["image"].add(1).mul(0.5).flatten(1)  # [-1, 1] outside, a pixel's probability inside
        code = self.encoder(self._salted(clean, None)).float()

        # minimise BCE(decoder(encoder(x')), x), summed over the pixels, the mean over the batch
        loss = bernoulli_nll(self.decoder(code), clean).mean()
        update(optimizers["model"], loss)

        with torch.no_grad():
            variance, mean = torch.var_mean(code.detach(), dim=0, correction=0)
            if len(code) == 1:  # one code has no variance: its distance from the running mean estimates it
                variance = (mean - self.code_mean).square()
            self.code_mean.lerp_(mean, _MOMENTUM)
            self.code_variance.lerp_(variance, _MOMENTUM)
        return {"loss/total": loss.detach()}

    def _salted(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """A share `salt` of the values set to 1, which is white inside and outside."""
        if not self.config.salt:
            return x
        chance = torch.rand(x.shape, generator=generator, device=x.device)
        return torch.where(chance < self.config.salt, 1.0, x)

    def logged_metrics(self, batch: Batch, metrics: Metrics) -> Metrics:
        floor = bernoulli_entropy(batch["image"].add(1).mul(0.5)).mean()
        return {**metrics, "loss/recon_above_entropy": metrics["loss/total"] - floor}

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve(
                "reconstruction (nats)",
                "Cross entropy of the decoded pixels. The images' own entropy is part of it; no decoder gets below.",
            ),
            "loss/recon_above_entropy": Curve(
                "reconstruction above entropy (nats)",
                "What is lost by squeezing an image through the code, without its own entropy; a perfect copy is at 0.",
                0,
            ),
        }

    # --------------------------------------------------------------- inference

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] -> standardised codes (B, latent_dim)."""
        code: Tensor = self.encoder(x.add(1).mul(0.5).flatten(1))
        return (code - self.code_mean) / self._spread()

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        logits = self.decoder(z * self._spread() + self.code_mean)
        return torch.sigmoid(logits).mul(2).sub(1).view(-1, *(self.config.image_shape or ()))

    def corrupt(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images in [-1, 1] as this model is given them in training: salted, where it learns to take salt away."""
        return self._salted(x, generator)

    def _spread(self) -> Tensor:
        return self.code_variance.sqrt().clamp_min(1e-3)  # a dead code has no spread, and must not divide by it
