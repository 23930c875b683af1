"""The loops a beginner would copy, written as tutorials and the book write them. The slow side of the race."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels import data
from genmodels.data import DataConfig, mnist


def unpacked_mnist(target: Path) -> Path:
    """torchvision wants the idx files unpacked: a root with copies of them, made from the data folder's."""
    raw = target / "MNIST" / "raw"
    raw.mkdir(parents=True)
    source = mnist.located()
    if source is None:
        raise SystemExit(data.missing(DataConfig(name="mnist")))
    for path in Path(source).iterdir():
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        (raw / path.name.removesuffix(".gz")).write_bytes(content)
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
    """Images a second of the usual loop: torchvision, ToTensor, DataLoader without workers, `.item()` each step."""
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
    """Images a second of the usual GAN loop: torchvision, ToTensor and Normalize, DataLoader, BCELoss, `.item()`."""
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
    """A book's network: layers, a loss, an optimizer, one example at a time."""

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


def book_gan_rate(steps: int) -> float:
    """Images a second of the book's MNIST GAN: a pandas row, three updates, the next row."""
    import pandas as pd

    arrays = data.load(DataConfig(name="mnist"))
    table = pd.DataFrame(np.column_stack([arrays.labels[:5000], arrays.images[:5000].reshape(5000, -1)]))
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
