"""Wasserstein GAN: Arjovsky, Chintala and Bottou, arXiv 1701.07875.

A critic f gives pictures any number, not a probability. Kept Lipschitz by clipping its weights, the largest difference
of its means estimates the earth mover's distance between real and drawn pictures, and that distance falls smoothly as
the generator improves.

    critic:     minimise  mean f(G(z)) - mean f(x),  then clip every weight to [-clip, clip]     each batch
    generator:  minimise  -mean f(G(z))                                                          every n_critic batches
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from genmodels.config import live
from genmodels.networks.gan_settings import EitherNetworks


class WGANConfig(EitherNetworks):
    """Networks of `EitherNetworks`, the clipping and who is trained how often."""

    clip: float = live(0.01, gt=0, le=10, description="weights of the critic are clipped to plus and minus this")
    n_critic: int = Field(5, ge=1, le=1000, description="critic updates for one of the generator")
    critic_boost: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="critic updates for each of the generator's first 25 and every 500th, 100 in the authors' code; "
        "empty: n_critic always",
    )
    discriminator_updates: Literal["joint", "separate"] = Field(
        "joint",
        description="joint: one optimizer step per batch for the summed loss of real and generated images; separate: "
        "one step for real images, then one for generated ones",
    )
    lr: float = live(5e-5, gt=0, le=1, description="learning rate of RMSprop, for both networks")
    lr_drop: float = Field(1.0, gt=0, le=1, description="factor of the rate in the second half of the training")


import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.errors import CapabilityError
from genmodels.networks import gan
from genmodels.losses import critic_loss
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
from genmodels.registry import register


@register("wgan")
class WGAN(Model):
    Config = WGANConfig
    title = "Wasserstein GAN"
    paper = "Arjovsky et al. 2017, arXiv 1701.07875"
    training_only = frozenset({"critic"})
    config: WGANConfig

    def __init__(self, config: WGANConfig) -> None:
        super().__init__(config)
        self.generator = gan.generator(config, config.latent_dim)
        self.critic: nn.Sequential | None = gan.discriminator(config, (config.image_shape or (0,))[0], last_bias=False)

    @property
    def latent_dim(self) -> int:
        return self.config.latent_dim

    def learning_rates(self) -> dict[str, float]:
        return {"generator": self.config.lr, "critic": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {name: make_optimizer("rmsprop", getattr(self, name), lr) for name, lr in self.learning_rates().items()}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        factor = self.config.lr_drop if 2 * step >= max_steps else 1.0
        return {"generator": factor, "critic": factor}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        critic, real = self._kept_critic(), batch["image"]
        with torch.no_grad():
            fake = self._draw(len(real))

        # critic: minimise mean f(G(z)) - mean f(x), then clip
        if self.config.discriminator_updates == "separate":
            real_scores = critic(real)
            update(optimizers["critic"], -real_scores.float().mean())
            fake_scores = critic(fake)
            update(optimizers["critic"], fake_scores.float().mean())
            loss = critic_loss(real_scores, fake_scores)
        else:
            real_scores, fake_scores = critic(real), critic(fake)
            loss = critic_loss(real_scores, fake_scores)
            update(optimizers["critic"], loss)
        with torch.no_grad():
            torch._foreach_clamp_min_(list(critic.parameters()), -self.config.clip)
            torch._foreach_clamp_max_(list(critic.parameters()), self.config.clip)

        # generator, when it is due: minimise -mean f(G(z))
        if generator_is_due(step, self.config.n_critic, self.config.critic_boost):
            critic.requires_grad_(False)
            update(optimizers["generator"], -critic(self._draw(len(real))).float().mean())
            critic.requires_grad_(True)

        return {
            "distance/wasserstein": -loss.detach(),
            "loss/generator": -fake_scores.detach().float().mean(),
            "score/real": real_scores.detach().float().mean(),
        }

    def _draw(self, count: int) -> Tensor:
        pictures: Tensor = self.generator(torch.randn(count, self.latent_dim, device=self.device))
        return pictures

    def curves(self) -> dict[str, Curve]:
        return {
            "distance/wasserstein": Curve(
                "critic's distance",
                "Up to a factor the earth mover's distance of real and drawn; falling is learning.",
                0,
            ),
            "loss/generator": Curve("generator", "Minus the critic's score of fakes; only its changes mean something."),
            "score/real": Curve("f(real)", "The critic's score of real pictures; only differences mean something."),
        }

    # --------------------------------------------------------------- inference

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        pictures: Tensor = self.generator(z)
        return pictures

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        return self.decode(torch.randn(n, self.latent_dim, generator=generator, device=self.device))

    def score(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        scores: Tensor = self._kept_critic()(x)
        return scores.squeeze(1)

    def _kept_critic(self) -> nn.Sequential:
        if self.critic is None:
            raise CapabilityError("this checkpoint was published without its critic, so it cannot score")
        return self.critic


def generator_is_due(step: int, n_critic: int, boost: int | None) -> bool:
    """Whether the generator is updated after the critic's update number `step`, from 0: a pure function of it."""
    if boost is None:
        return (step + 1) % n_critic == 0

    def critic_updates(generator_updates: int) -> int:
        """How many of the critic's come with so many of the generator's."""
        boosted = min(generator_updates, 25) + max(0, (generator_updates - 1) // 500)
        return generator_updates * n_critic + boosted * (boost - n_critic)

    # Numbers grow strictly: look for the one that is reached with this step.
    index = bisect_left(range(step + 2), step + 1, key=critic_updates)
    return index <= step + 1 and critic_updates(index) == step + 1
