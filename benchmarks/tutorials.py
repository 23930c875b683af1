"""Reference training loops, written as in tutorials and in the GAN book."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.data.spec import Arrays


def unpacked(arrays: Arrays, target: Path) -> Path:
    """Write the digits as idx files for torchvision, the same for both splits; returns its root."""
    raw = target / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for stem in ("train", "t10k"):
        for kind, values in (("images-idx3", arrays.images[:, 0]), ("labels-idx1", arrays.labels)):
            header = np.array([0x0800 + values.ndim, *values.shape], ">u4").tobytes()
            (raw / f"{stem}-{kind}-ubyte").write_bytes(header + values.astype(np.uint8).tobytes())
    return target


class TutorialVAE(nn.Module):
    """784-400-(20, 20)-400-784, ReLU, sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.fc3, self.fc4 = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = F.relu(self.fc1(x))
        mu, logvar = self.fc21(hidden), self.fc22(hidden)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar


def tutorial_vae_rate(root: Path, steps: int, batch_size: int = 128) -> float:
    """Images per second of the usual loop: torchvision, ToTensor, DataLoader without workers, `.item()` each step."""
    from torchvision import datasets, transforms

    dataset = datasets.MNIST(str(root), train=True, transform=transforms.ToTensor())
    loader = torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True)
    model = TutorialVAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    total = 0.0
    start = 0.0
    for step, (images, _) in enumerate(_forever(loader)):
        if step == 5:
            start = time.perf_counter()
        if step == steps + 5:
            break
        optimizer.zero_grad()
        x = images.view(-1, 784)
        recon, mu, logvar = model(x)
        bce = F.binary_cross_entropy(recon, x, reduction="sum")
        kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = bce + kld
        loss.backward()
        total += loss.item()
        optimizer.step()
    return steps * batch_size / (time.perf_counter() - start)


def _forever(loader: torch.utils.data.DataLoader) -> Iterator[list[Tensor]]:
    while True:
        yield from loader


def _wide_networks() -> tuple[nn.Sequential, nn.Sequential]:
    """Generator 100-256-512-1024-784 and discriminator 784-1024-512-256-1 with dropout 0.3."""

    def leaky(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]

    generator = nn.Sequential(*leaky(100, 256), *leaky(256, 512), *leaky(512, 1024), nn.Linear(1024, 784), nn.Tanh())
    discriminator = nn.Sequential(
        *leaky(784, 1024),
        nn.Dropout(0.3),
        *leaky(1024, 512),
        nn.Dropout(0.3),
        *leaky(512, 256),
        nn.Dropout(0.3),
        nn.Linear(256, 1),
        nn.Sigmoid(),
    )
    return generator, discriminator


def tutorial_gan_rate(root: Path, steps: int, batch_size: int) -> float:
    """Images per second of the usual GAN loop: torchvision, ToTensor and Normalize, DataLoader, BCELoss, `.item()`."""
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    loader = torch.utils.data.DataLoader(
        datasets.MNIST(str(root), train=True, transform=transform), batch_size=batch_size, shuffle=True
    )
    generator, discriminator = _wide_networks()
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4)
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4)
    criterion = nn.BCELoss()
    losses: list[tuple[float, float]] = []
    start = 0.0
    for step, (images, _) in enumerate(_forever(loader)):
        if step == 5:
            start = time.perf_counter()
        if step == steps + 5:
            break
        real = images.view(-1, 784)
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        fake = generator(torch.randn(len(real), 100))
        discriminator_loss = criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)
        discriminator_optimizer.zero_grad()
        discriminator_loss.backward()
        discriminator_optimizer.step()
        generator_loss = criterion(discriminator(generator(torch.randn(len(real), 100))), ones)
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()
        losses.append((discriminator_loss.item(), generator_loss.item()))
    return steps * batch_size / (time.perf_counter() - start)


class BookNetwork(nn.Module):
    """The GAN book's network: layers, a loss, an optimizer, one example at a time."""

    def __init__(self, sizes: tuple[int, int, int]) -> None:
        super().__init__()
        inputs, hidden, outputs = sizes
        self.model = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.LeakyReLU(0.02),
            nn.LayerNorm(hidden),
            nn.Linear(hidden, outputs),
            nn.Sigmoid(),
        )
        self.loss_function = nn.BCELoss()
        self.optimiser = torch.optim.Adam(self.parameters(), lr=0.0001)
        self.counter = 0
        self.progress: list[float] = []

    def improve(self, loss: Tensor) -> None:
        self.counter += 1
        if self.counter % 10 == 0:
            self.progress.append(loss.item())
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


def book_gan_rate(arrays: Arrays, steps: int) -> float:
    """Images per second of the book's MNIST GAN: three updates per row of a pandas table."""
    import pandas as pd

    table = pd.DataFrame(np.column_stack([arrays.labels[:4500], arrays.images[:4500].reshape(4500, -1)]))
    discriminator, generator = BookNetwork((784, 200, 1)), BookNetwork((100, 200, 784))
    one, zero = torch.FloatTensor([1.0]), torch.FloatTensor([0.0])
    start = 0.0
    for step in range(steps + 5):
        if step == 5:
            start = time.perf_counter()
        image = torch.FloatTensor(table.iloc[step % len(table), 1:].values) / 255.0
        discriminator.improve(discriminator.loss_function(discriminator.model(image), one))
        fake = generator.model(torch.randn(100)).detach()
        discriminator.improve(discriminator.loss_function(discriminator.model(fake), zero))
        fooled = discriminator.model(generator.model(torch.randn(100)))
        generator.improve(discriminator.loss_function(fooled, one))
    return steps / (time.perf_counter() - start)


def _dcgan_networks() -> tuple[nn.Sequential, nn.Sequential]:
    """The PyTorch tutorial's networks: latent 100, 64 x 64 colour images, 64 channels, 4x4 kernels, batch norm."""
    upsampling: list[nn.Module] = []
    channels = [100, 512, 256, 128, 64]
    for index, (before, after) in enumerate(pairwise(channels)):
        stride, padding = (1, 0) if index == 0 else (2, 1)
        upsampling += [
            nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(True),
        ]
    generator = nn.Sequential(*upsampling, nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh())
    downsampling: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for before, after in pairwise([64, 128, 256, 512]):
        downsampling += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, True)]
    discriminator = nn.Sequential(*downsampling, nn.Conv2d(512, 1, 4, 1, 0, bias=False), nn.Sigmoid())
    return generator, discriminator


def tutorial_dcgan_rate(images: Tensor, steps: int, batch_size: int = 64) -> float:
    """Images per second of the usual DCGAN loop: float32, BCELoss, two backward passes for D, `.item()` four times.

    `images` (N, 3, 64, 64) in [-1, 1] are in memory: decoding files is not timed.
    """
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images), batch_size=batch_size, shuffle=True)
    generator, discriminator = _dcgan_networks()
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCELoss()
    history: list[tuple[float, ...]] = []
    start = 0.0
    for step, (real,) in enumerate(_forever(loader)):
        if step == 2:
            start = time.perf_counter()
        if step == steps + 2:
            break
        label = torch.full((len(real),), 1.0)
        discriminator.zero_grad()
        real_score = discriminator(real).view(-1)
        real_loss = criterion(real_score, label)
        real_loss.backward()
        fake = generator(torch.randn(len(real), 100, 1, 1))
        fake_score = discriminator(fake.detach()).view(-1)
        fake_loss = criterion(fake_score, label.fill_(0.0))
        fake_loss.backward()
        discriminator_optimizer.step()
        generator.zero_grad()
        generator_loss = criterion(discriminator(fake).view(-1), label.fill_(1.0))
        generator_loss.backward()
        generator_optimizer.step()
        losses = (real_loss + fake_loss, generator_loss, real_score.mean(), fake_score.mean())
        history.append(tuple(value.item() for value in losses))
    return steps * batch_size / (time.perf_counter() - start)


def _wgan_gp_networks() -> tuple[nn.Sequential, nn.Sequential]:
    """mnist_wgan_gp's networks: generator 64-128x7x7-64-32-1 (nearest upsampling, 3x3), critic 1-32-64-128 (4x4)."""
    generator = nn.Sequential(
        nn.Linear(64, 128 * 7 * 7, bias=False),
        nn.Unflatten(1, (128, 7, 7)),
        nn.BatchNorm2d(128),
        nn.ReLU(True),
        nn.Conv2d(128, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(True),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(64, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(True),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(32, 1, 3, padding=1),
        nn.Tanh(),
    )
    downsampling: list[nn.Module] = []
    for before, after, stride in ((1, 32, 2), (32, 64, 2), (64, 128, 1)):
        downsampling += [nn.Conv2d(before, after, 4, stride, 1), nn.LeakyReLU(0.2, True)]
    critic = nn.Sequential(*downsampling, nn.Flatten(), nn.Linear(128 * 6 * 6, 1, bias=False))
    return generator, critic


def tutorial_wgan_gp_rate(images: Tensor, steps: int, batch_size: int = 64) -> float:
    """Images per second of the usual WGAN-GP loop: float32, five critic steps per generator step, `.item()` each step.

    `images` (N, 1, 28, 28) in [-1, 1] are in memory: decoding files is not timed.
    """
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images), batch_size=batch_size, shuffle=True)
    generator, critic = _wgan_gp_networks()
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.0, 0.9))
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=(0.0, 0.9))
    history: list[tuple[float, ...]] = []
    start, generator_loss = 0.0, torch.zeros(())
    for step, (real,) in enumerate(_forever(loader)):
        if step == 5:
            start = time.perf_counter()
        if step == steps + 5:
            break
        critic_optimizer.zero_grad()
        fake = generator(torch.randn(len(real), 64))
        alpha = torch.rand(len(real), 1, 1, 1)
        mixed = (alpha * real + (1 - alpha) * fake.detach()).requires_grad_(True)
        mixed_score = critic(mixed)
        gradients = torch.autograd.grad(
            outputs=mixed_score,
            inputs=mixed,
            grad_outputs=torch.ones_like(mixed_score),
            create_graph=True,
            retain_graph=True,
            only_inputs=True,
        )[0]
        penalty = ((gradients.view(len(real), -1).norm(2, dim=1) - 1) ** 2).mean()
        critic_loss = -critic(real).mean() + critic(fake.detach()).mean() + 10 * penalty
        critic_loss.backward()
        critic_optimizer.step()
        if step % 5 == 4:
            generator_optimizer.zero_grad()
            generator_loss = -critic(generator(torch.randn(len(real), 64))).mean()
            generator_loss.backward()
            generator_optimizer.step()
        history.append((critic_loss.item(), generator_loss.item()))
    return steps * batch_size / (time.perf_counter() - start)
