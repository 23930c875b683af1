"""CycleGAN as in a tutorial: PyTorch's layers, float32, one pass per image, both losses read in each step."""

from __future__ import annotations

import itertools
import random

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.block(x)
        return y


def generator(width: int = 64, blocks: int = 6) -> nn.Sequential:
    """Images (B, 3, H, W) -> the same."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU(True)]
    for before in (width, 2 * width):
        after = 2 * before
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.InstanceNorm2d(after), nn.ReLU(True)]
    layers += [Block(4 * width) for _ in range(blocks)]
    for before in (4 * width, 2 * width):
        after = before // 2
        layers += [nn.ConvTranspose2d(before, after, 3, 2, 1, 1), nn.InstanceNorm2d(after), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def discriminator(width: int = 64) -> nn.Sequential:
    """Images (B, 3, H, W) -> scores of patches."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for before, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
        after = 2 * before
        layers += [nn.Conv2d(before, after, 4, stride, 1), nn.InstanceNorm2d(after), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class Buffer:
    """Replay buffer (image pool) of 50 translations."""

    def __init__(self) -> None:
        self.images: list[Tensor] = []

    def exchange(self, fresh: Tensor) -> Tensor:
        if len(self.images) < 50:
            self.images.append(fresh)
            return fresh
        if random.random() < 0.5:
            return fresh
        slot = random.randrange(50)
        old, self.images[slot] = self.images[slot], fresh
        return old


class Tutorial:
    """Both directions with identity losses at half the cycle's weight."""

    def __init__(self, width: int = 64, blocks: int = 6) -> None:
        self.g_ab, self.g_ba = generator(width, blocks), generator(width, blocks)
        self.d_a, self.d_b = discriminator(width), discriminator(width)
        both = itertools.chain(self.g_ab.parameters(), self.g_ba.parameters())
        self.opt_g = torch.optim.Adam(both, lr=2e-4, betas=(0.5, 0.999))
        self.opt_a = torch.optim.Adam(self.d_a.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.opt_b = torch.optim.Adam(self.d_b.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.buffer_a, self.buffer_b = Buffer(), Buffer()
        self.mse, self.l1 = nn.MSELoss(), nn.L1Loss()

    def step(self, real_a: Tensor, real_b: Tensor) -> dict[str, float]:
        """Train on one pair of batches; returns the losses, read in each step as for a progress bar."""
        self.opt_g.zero_grad()
        identity = self.l1(self.g_ba(real_a), real_a) + self.l1(self.g_ab(real_b), real_b)
        fake_b, fake_a = self.g_ab(real_a), self.g_ba(real_b)
        score_b, score_a = self.d_b(fake_b), self.d_a(fake_a)
        adversarial = self.mse(score_b, torch.ones_like(score_b)) + self.mse(score_a, torch.ones_like(score_a))
        cycle = self.l1(self.g_ba(fake_b), real_a) + self.l1(self.g_ab(fake_a), real_b)
        loss = adversarial + 10 * cycle + 5 * identity
        loss.backward()
        self.opt_g.step()
        losses = {"generators": loss.item()}
        for name, network, optimizer, real, fake in (
            ("a", self.d_a, self.opt_a, real_a, self.buffer_a.exchange(fake_a.detach())),
            ("b", self.d_b, self.opt_b, real_b, self.buffer_b.exchange(fake_b.detach())),
        ):
            optimizer.zero_grad()
            on_real, on_fake = network(real), network(fake)
            discriminator_loss = 0.5 * (
                self.mse(on_real, torch.ones_like(on_real)) + self.mse(on_fake, torch.zeros_like(on_fake))
            )
            discriminator_loss.backward()
            optimizer.step()
            losses[name] = discriminator_loss.item()
        return losses
