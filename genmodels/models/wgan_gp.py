"""Wasserstein GAN with gradient penalty: Gulrajani et al., arXiv 1704.00028.

A WGAN whose critic is Lipschitz not by clipping but by a penalty on the norm of its gradient, which should be 1 on the
lines between real and generated images. It trains far faster than with clipping, with Adam.

    x' = e x + (1 - e) G(z),  e ~ U(0, 1), one per image
    critic:     minimise  mean f(G(z)) - mean f(x) + gp_weight * mean (|grad f(x')| - 1)^2     each batch
    generator:  minimise  -mean f(G(z))                                                        every n_critic batches

    variable        paper       meaning
    real, fake      x, x~       images (B, C, H, W) in [-1, 1], generated images G(z)
    mix, mixed      epsilon, x^ random numbers (B, 1, 1, 1), images between real and generated ones
    critic          D           (B, C, H, W) -> scores (B, 1)
    gp_weight       lambda

The penalty is on each image alone, so the critic may have no batch normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

from pydantic import Field, model_validator

from genmodels.config import linear_end, live
from genmodels.networks.gan_settings import EitherNetworks


class WGANGPConfig(EitherNetworks):
    """Networks of `EitherNetworks`, the penalty, and how often each network is updated."""

    gp_weight: float = live(10.0, ge=0, le=1000, description="weight of the gradient penalty")
    n_critic: int = Field(5, ge=1, le=1000, description="critic updates per generator update")
    beta1: float = Field(0.0, ge=0, lt=1, description="Adam's decay rate of the first moment")
    beta2: float = Field(0.9, ge=0, lt=1, description="Adam's decay rate of the second moment")
    lr: float = live(1e-4, gt=0, le=1, description="learning rate of Adam, for both networks")
    lr_end: float = linear_end()

    @model_validator(mode="after")
    def _critic_has_no_batch_norm(self) -> Self:
        if self.discriminator_norm == "batch":
            raise ValueError("discriminator_norm = 'batch' mixes images, which the penalty forbids: use 'none'")
        return self


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
from torch import Tensor
from torch.optim import Optimizer

from genmodels.losses import critic_loss
from genmodels.model import Batch, Curve, Metrics, linear, make_optimizer, update
from genmodels.models.wgan import WGAN
from genmodels.registry import register


@register("wgan_gp")
class WGANGP(WGAN):
    Config = WGANGPConfig
    title = "Wasserstein GAN with gradient penalty"
    paper = "Gulrajani et al. 2017, arXiv 1704.00028"
    differentiated_twice = frozenset({"critic"})
    config: WGANGPConfig  # type: ignore[assignment]  # a penalty instead of WGAN's clipping
    penalised_loss: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]] | None = None
    """Set by kernels/penalised_critic.py, if the tuner timed it as faster."""

    def configure_optimizers(self) -> dict[str, Optimizer]:
        betas = (self.config.beta1, self.config.beta2)
        return {
            name: make_optimizer("adam", getattr(self, name), lr, betas) for name, lr in self.learning_rates().items()
        }

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return dict.fromkeys(("generator", "critic"), linear(step, max_steps, self.config.lr_end))

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        critic, real, weight = self.required("critic"), batch["image"], self.config.gp_weight  # x (B, C, H, W)
        with torch.no_grad():
            fake = self._generate(len(real)).to(real.dtype)  # G(z) (B, C, H, W)
        mix = torch.rand(len(real), 1, 1, 1, device=real.device)  # e

        # critic: minimise  mean f(G(z)) - mean f(x) + gp_weight * mean (|grad f(x')| - 1)^2
        if self.penalised_loss is not None:  # the same, with a gradient in fewer passes
            loss, real_scores, fake_scores, penalty = self.penalised_loss(critic, real, fake, mix, weight)
        else:
            real_scores, fake_scores = critic(torch.cat([real, fake])).chunk(2)  # (B, 1) each
            mixed = torch.lerp(fake.float(), real.float(), mix).requires_grad_()  # x' = e x + (1 - e) G(z)
            (gradient,) = torch.autograd.grad(critic(mixed).float().sum(), mixed, create_graph=True)  # (B, C, H, W)
            penalty = (gradient.flatten(1).norm(dim=1) - 1).square().mean()  # mean (|grad f(x')| - 1)^2
            loss = critic_loss(real_scores, fake_scores) + weight * penalty
        update(optimizers["critic"], loss)

        # generator: minimise  -mean f(G(z)), with f frozen
        if (step + 1) % self.config.n_critic == 0:
            critic.requires_grad_(False)
            update(optimizers["generator"], -critic(self._generate(len(real))).float().mean())
            critic.requires_grad_(True)

        return {
            "distance/wasserstein": -critic_loss(real_scores, fake_scores).detach(),
            "loss/penalty": penalty.detach(),
            "loss/generator": -fake_scores.detach().float().mean(),
            "score/real": real_scores.detach().float().mean(),
        }

    def curves(self) -> dict[str, Curve]:
        curves = super().curves()
        penalty = "Mean (|gradient| - 1)^2 of the critic; near 0 its Lipschitz constant is about 1."
        return {
            "distance/wasserstein": curves.pop("distance/wasserstein"),
            "loss/penalty": Curve("gradient penalty", penalty, 0),
            **curves,
        }
