"""VQ-VAE: van den Oord, Vinyals and Kavukcuoglu, Neural Discrete Representation Learning, arXiv 1711.00937.

An autoencoder with a discrete latent. The encoder maps an image x to a grid of vectors z_e(x), each is replaced by the
nearest vector of a codebook, and the decoder reconstructs the image from those:

    k = argmin_j |z_e(x) - e_j|^2,    z_q = e_k,    loss(x) = -log p(x|z_q) + beta |z_e(x) - sg[z_q]|^2

per image: summed over pixels and over the grid. sg stops the gradient. The quantisation has no gradient; the
straight-through estimator copies the decoder's to the encoder, as if z_q were z_e. The second term, the commitment
loss, keeps the encoder close to the codebook. The codebook follows the encoder's outputs by moving averages (the
paper's appendix): with n_j vectors z of the batch assigned to code j,

    N_j <- gamma N_j + (1 - gamma) n_j,    m_j <- gamma m_j + (1 - gamma) sum z,    e_j = m_j / N'_j

where N'_j is N_j with Laplace smoothing, so that a code without vectors does not divide by zero. A code that hardly
gets any, N_j < `restart_below`, restarts at a random output of the encoder. Outputs far from their code are more
probable, as in k-means++: most of a digit's grid is background, where a second code would never be the nearest.

    variable       paper      meaning
    z_e            z_e(x)     encoder's output (B, D, h, w)
    index          k          codes (B, h, w), 0 to K - 1
    z_q            z_q(x)     codebook vectors of the codes (B, D, h, w)
    codebook       e          (K, D)
    running_count  N          moving average of the vectors per code and batch (K,)
    running_sum    m          moving average of their sum (K, D)
    commitment     beta
    decay          gamma

Images are (B, C, H, W) in [-1, 1]. The prior over the codes is uniform here; `vqvae_prior` is the second stage, which
learns it and generates images.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from pydantic import Field

from genmodels.config import cosine_end, live
from genmodels.networks.code_settings import CodeSettings


class VQVAEConfig(CodeSettings):
    """The networks (`CodeSettings`), the moving averages of the codebook, and the learning rate."""

    commitment: float = live(0.25, ge=0, le=100, description="weight beta of the commitment loss")
    decay: float = Field(0.99, ge=0, lt=1, description="decay gamma of the codebook's moving averages")
    restart_below: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="a code restarts at a random output of the encoder if it gets fewer vectors per batch; 0: never",
    )
    flip: bool = Field(False, description="mirror half of the training images; not for digits and letters")
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")
    lr_end: float = cosine_end()


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.errors import DataError
from genmodels.layers import augment
from genmodels.losses import bernoulli_nll
from genmodels.model import Batch, Curve, Metrics, Model, cosine, make_optimizer, update
from genmodels.registry import register

_SMOOTHING = 1e-5
"""Pseudo-count of every code in the Laplace smoothing; least weight of a vector that a code may restart at."""


class ResidualBlock(nn.Module):
    """x + Conv1x1(ReLU(Conv3x3(ReLU(x))))."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, hidden, 3, padding=1), nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.conv2(F.relu(self.conv1(F.relu(x))))
        return result


def _residual(config: CodeSettings) -> list[nn.Module]:
    blocks = [ResidualBlock(config.hidden_channels, config.residual_channels) for _ in range(config.residual_blocks)]
    return [*blocks, nn.ReLU()]


def _widths(config: CodeSettings) -> list[int]:
    """Channels after each downsampling: half of them before the last one."""
    hidden = config.hidden_channels
    return [*[hidden // 2] * (config.downsamplings - 1), hidden]


def encoder(config: CodeSettings) -> nn.Sequential:
    """Images (B, C, H, W) -> z_e (B, D, h, w)."""
    layers: list[nn.Module] = []
    before = config.shape[0]
    for width in _widths(config):
        layers += [nn.Conv2d(before, width, 4, stride=2, padding=1), nn.ReLU()]
        before = width
    layers += [nn.Conv2d(before, before, 3, padding=1), *_residual(config), nn.Conv2d(before, config.code_dim, 1)]
    return nn.Sequential(*layers)


def decoder(config: CodeSettings) -> nn.Sequential:
    """z_q (B, D, h, w) -> logits of the pixels if p(x|z) is Bernoulli, else their means, (B, C, H, W)."""
    layers: list[nn.Module] = [
        nn.Conv2d(config.code_dim, config.hidden_channels, 3, padding=1),
        *_residual(config),
    ]
    widths = [*reversed(_widths(config)), config.shape[0]]
    for before, after in pairwise(widths):
        layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@register("vqvae")
class VQVAE(Model):
    Config = VQVAEConfig
    title = "VQ-VAE"
    paper = "van den Oord et al. 2017, arXiv 1711.00937"
    config: VQVAEConfig
    running_count: Tensor
    running_sum: Tensor

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__(config)
        self.encoder, self.decoder = encoder(config), decoder(config)
        # Random until `start` places them at outputs of the encoder.
        self.register_buffer("running_count", torch.ones(config.codes))
        self.register_buffer("running_sum", torch.randn(config.codes, config.code_dim))

    @property
    def codebook(self) -> Tensor:
        """The vectors e_j of the codes, (K, D)."""
        total = self.running_count.sum()
        smoothed = (self.running_count + _SMOOTHING) / (total + self.config.codes * _SMOOTHING) * total
        return self.running_sum / smoothed[:, None]

    @property
    def codebook_size(self) -> int:
        return self.config.codes

    @property
    def code_shape(self) -> tuple[int, int]:
        return self.config.code_shape

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return {"model": cosine(step, max_steps, self.config.lr_end)}

    # ---------------------------------------------------------------- training

    @torch.no_grad()
    def start(self, batch: Batch) -> None:
        """Places every code at a random output of the encoder; those far from the mean are more probable."""
        z = _vectors(self.encoder(batch["image"]).float())
        self.running_count.fill_(self._fresh_count)
        self.running_sum.copy_(_choice(z, self.config.codes, (z - z.mean(0)).square().sum(1)) * self._fresh_count)

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        x = augment.flip(batch["image"]) if self.config.flip else batch["image"]  # (B, C, H, W)
        z_e = self.encoder(x).float()  # (B, D, h, w)
        index = self.nearest(z_e)  # (B, h, w)
        z_q = self.vectors(index)  # (B, D, h, w)

        # minimise -log p(x|z_q) + beta |z_e - sg[z_q]|^2, mean over the batch
        recon = self._negative_log_likelihood(self.decoder(straight_through(z_e, z_q)), x).mean()
        commitment = (z_e - z_q).square().flatten(1).sum(1).mean()
        loss = recon + self.config.commitment * commitment
        update(optimizers["model"], loss)
        restarted = self.update_codebook(_vectors(z_e.detach()), index.flatten())
        return {
            "loss/total": loss.detach(),
            "loss/recon": recon.detach(),
            "loss/commitment": commitment.detach(),
            "codes/perplexity": perplexity(index, self.config.codes),
            "codes/restarted": restarted,
        }

    def _negative_log_likelihood(self, output: Tensor, x: Tensor) -> Tensor:
        """-log p(x|z) in nats per image (B,), up to a constant if it is Gaussian; `output` is the decoder's."""
        if self.config.likelihood == "bernoulli":
            return bernoulli_nll(output.flatten(1), x.add(1).mul(0.5).flatten(1))
        # Unit variance: with a smaller one, the encoder's outputs grow faster than the codebook follows.
        return (output.float() - x).square().flatten(1).sum(1) / 2

    @torch.no_grad()
    def update_codebook(self, z: Tensor, index: Tensor) -> Tensor:
        """One step of the moving averages, from vectors (N, D) and their codes (N,); restarts codes that are not used.

        Returns the number of codes that restarted, a tensor without dimensions.
        """
        config, gamma = self.config, self.config.decay
        candidates = _choice(z, config.codes, (z - self.codebook[index]).square().sum(1))
        count = torch.zeros_like(self.running_count).index_add_(0, index, torch.ones_like(z[:, 0]))
        total = torch.zeros_like(self.running_sum).index_add_(0, index, z)
        self.running_count.mul_(gamma).add_(count, alpha=1 - gamma)
        self.running_sum.mul_(gamma).add_(total, alpha=1 - gamma)
        dead = self.running_count < config.restart_below
        fresh = candidates[(dead.cumsum(0) - 1).clamp_min(0)]  # what was drawn first is mostly far off
        self.running_sum.copy_(torch.where(dead[:, None], fresh * self._fresh_count, self.running_sum))
        self.running_count.copy_(torch.where(dead, self._fresh_count, self.running_count))
        return dead.float().sum()

    @property
    def _fresh_count(self) -> float:
        """The count of a code that starts or restarts: it has some steps to collect vectors before it may restart."""
        return max(1.0, 2 * self.config.restart_below)

    # --------------------------------------------------------------- inference

    def nearest(self, z_e: Tensor) -> Tensor:
        """The code (B, h, w) of each vector of z_e (B, D, h, w): the nearest in the codebook."""
        z, e = _vectors(z_e), self.codebook
        with torch.autocast(z.device.type, enabled=False):
            distances = e.square().sum(1) - 2 * z @ e.T  # (B h w, K), without |z|^2, which is the same for all codes
        return distances.argmin(1).view(len(z_e), *z_e.shape[2:])

    def vectors(self, index: Tensor) -> Tensor:
        """Codes int64 (B, h, w) -> z_q (B, D, h, w)."""
        return self.codebook[index].permute(0, 3, 1, 2)

    def encode_codes(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] -> codes int64 (B, h, w)."""
        return self.nearest(self.encoder(x).float())

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Codes int64 (B, h, w) -> images (B, C, H, W) in [-1, 1], the means of p(x|z). Raises DataError."""
        shape, last = self.config.code_shape, self.config.codes - 1
        if codes.shape[1:] != shape or codes.dtype != torch.int64 or not bool(((codes >= 0) & (codes <= last)).all()):
            raise DataError(
                f"codes {codes.dtype} of shape {tuple(codes.shape)} cannot be decoded: give int64 "
                f"(B, {shape[0]}, {shape[1]}), each 0 to {last}"
            )
        return self._mean(self.decoder(self.vectors(codes)))

    def _mean(self, output: Tensor) -> Tensor:
        """The mean of p(x|z), in [-1, 1], from the decoder's output."""
        if self.config.likelihood == "bernoulli":
            return torch.sigmoid(output).mul(2).sub(1)
        return output.clamp(-1, 1)

    def curves(self) -> dict[str, Curve]:
        codes = self.config.codes
        return {
            "loss/total": Curve("loss (nats)", "Reconstruction loss plus the weighted commitment loss."),
            "loss/recon": Curve("reconstruction (nats)", "-log p(x|z) per image, from the codes."),
            "loss/commitment": Curve(
                "commitment loss",
                "Squared distance of the encoder's outputs to their codebook vectors, summed over the grid.",
            ),
            "codes/perplexity": Curve(
                "perplexity of the codes", f"exp(entropy) of the codes in a batch: {codes} if all are equally frequent."
            ),
            "codes/restarted": Curve("restarted codes", "Codes without vectors, moved to an output of the encoder.", 0),
        }


def straight_through(z_e: Tensor, z_q: Tensor) -> Tensor:
    """The value of z_q, with the gradient copied to z_e (Bengio et al., arXiv 1308.3432)."""
    return z_e + (z_q - z_e).detach()


def perplexity(index: Tensor, codes: int) -> Tensor:
    """exp(entropy) of the frequencies of codes int64: 1 if one occurs, `codes` if all are equally frequent."""
    frequency = torch.bincount(index.flatten(), minlength=codes) / index.numel()
    return torch.exp(-torch.xlogy(frequency, frequency).sum())


def _vectors(z: Tensor) -> Tensor:
    """(B, D, h, w) -> (B h w, D)."""
    return z.permute(0, 2, 3, 1).flatten(0, 2)


def _choice(z: Tensor, count: int, weight: Tensor) -> Tensor:
    """`count` random rows of z (N, D), with probabilities proportional to weight (N,); distinct if there are enough."""
    return z[torch.multinomial(weight + _SMOOTHING, count, replacement=len(z) < count)]
