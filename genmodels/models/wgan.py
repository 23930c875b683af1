"""Wasserstein GAN: Arjovsky, Chintala and Bottou, arXiv 1701.07875.

A critic f assigns each image a score, not a probability. If f is Lipschitz, here by clipping its weights, the largest
difference of its mean scores estimates the Wasserstein (earth mover's) distance between real and generated images, and
its gradient does not vanish while the generator improves.

    critic:     minimise  mean f(G(z)) - mean f(x),  then clip every weight to [-clip, clip]     each batch
    generator:  minimise  -mean f(G(z))                                                          every n_critic batches

    variable        paper       meaning
    real            x           images (B, C, H, W) in [-1, 1]
    z               z           latent vectors (B, latent_dim) from N(0, I)
    fake            g(z)        generated images
    critic          f_w         (B, C, H, W) -> scores (B, 1)
    clip, n_critic  c, n_critic

The networks are DCGAN's or fully connected.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from genmodels.config import live
from genmodels.networks.gan_settings import EitherNetworks, joint_or_separate


class WGANConfig(EitherNetworks):
    """Networks of `EitherNetworks`, the clipping, and how often each network is updated."""

    clip: float = live(0.01, gt=0, le=10, description="the critic's weights are clipped to plus and minus this value")
    n_critic: int = Field(5, ge=1, le=1000, description="critic updates per generator update")
    critic_boost: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="critic updates for each of the generator's first 25 updates and every 500th, 100 in the authors' "
        "code; empty: always n_critic",
    )
    discriminator_updates: Literal["joint", "separate"] = joint_or_separate()
    lr: float = live(5e-5, gt=0, le=1, description="learning rate of RMSprop, for both networks")
    lr_drop: float = Field(
        1.0, gt=0, le=1, description="factor of the learning rate in the second half of the training"
    )


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.losses import critic_loss
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
from genmodels.models import dcgan
from genmodels.registry import register


@register("wgan")
class WGAN(Model):
    Config: ClassVar[type[EitherNetworks]] = WGANConfig
    title = "Wasserstein GAN"
    paper = "Arjovsky et al. 2017, arXiv 1701.07875"
    training_only = frozenset({"critic"})
    config: WGANConfig

    def __init__(self, config: WGANConfig) -> None:
        super().__init__(config)
        self.generator = dcgan.generator(config, config.latent_dim)
        self.critic: nn.Sequential | None = dcgan.discriminator(config, last_bias=False)

    @property
    def latent_dim(self) -> int:
        return self.config.latent_dim

    def learning_rates(self) -> dict[str, float]:
        return {"generator": self.config.lr, "critic": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {name: make_optimizer("rmsprop", getattr(self, name), lr) for name, lr in self.learning_rates().items()}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return dict.fromkeys(("generator", "critic"), self.config.lr_drop if 2 * step >= max_steps else 1.0)

    # --------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        critic, real = self.required("critic"), batch["image"]  # x (B, C, H, W)
        with torch.no_grad():
            fake = self._generate(len(real))  # G(z) (B, C, H, W)

        # critic: minimise  mean f(G(z)) - mean f(x)
        if self.config.discriminator_updates == "separate":
            real_scores = critic(real)  # (B, 1)
            update(optimizers["critic"], -real_scores.float().mean())
            fake_scores = critic(fake)
            update(optimizers["critic"], fake_scores.float().mean())
            loss = critic_loss(real_scores, fake_scores)
        else:
            real_scores, fake_scores = critic(real), critic(fake)
            loss = critic_loss(real_scores, fake_scores)
            update(optimizers["critic"], loss)
        # then clip every weight to [-clip, clip]
        with torch.no_grad():
            torch._foreach_clamp_min_(list(critic.parameters()), -self.config.clip)
            torch._foreach_clamp_max_(list(critic.parameters()), self.config.clip)

        # generator: minimise  -mean f(G(z)), with f frozen
        if generator_is_due(step, self.config.n_critic, self.config.critic_boost):
            critic.requires_grad_(False)
            update(optimizers["generator"], -critic(self._generate(len(real))).float().mean())
            critic.requires_grad_(True)

        return {
            "distance/wasserstein": -loss.detach(),
            "loss/generator": -fake_scores.detach().float().mean(),
            "score/real": real_scores.detach().float().mean(),
        }

    def _generate(self, count: int) -> Tensor:
        """G(z) (count, C, H, W) of new z."""
        images: Tensor = self.generator(torch.randn(count, self.latent_dim, device=self.device))
        return images

    def curves(self) -> dict[str, Curve]:
        return {
            "distance/wasserstein": Curve(
                "critic's distance",
                "Estimate, up to a factor, of the Wasserstein distance between real and generated images; it falls "
                "while the generator improves.",
                0,
            ),
            "loss/generator": Curve(
                "generator", "Minus the critic's mean score of fakes; only changes have a meaning."
            ),
            "score/real": Curve("f(real)", "The critic's mean score of real images; only differences have a meaning."),
        }

    # --------------------------------------------------------------- sampling and scores

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        images: Tensor = self.generator(z)
        return images

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        return self.decode(torch.randn(n, self.latent_dim, generator=generator, device=self.device))

    def score(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        scores: Tensor = self.required("critic")(x)
        return scores.squeeze(1)


def generator_is_due(step: int, n_critic: int, boost: int | None) -> bool:
    """Whether the generator is updated after the critic's update number `step`, counted from 0."""
    if boost is None:
        return (step + 1) % n_critic == 0

    def critic_updates(generator_updates: int) -> int:
        """Number of critic updates that belong to so many generator updates."""
        boosted = min(generator_updates, 25) + max(0, (generator_updates - 1) // 500)
        return generator_updates * n_critic + boosted * (boost - n_critic)

    # critic_updates increases strictly: look for the number that is reached with this step.
    index = bisect_left(range(step + 2), step + 1, key=critic_updates)
    return index <= step + 1 and critic_updates(index) == step + 1
