"""Prior of a VQ-VAE: van den Oord, Vinyals and Kavukcuoglu, arXiv 1711.00937, sections 3.3 and 4.1.

The second stage. A trained VQ-VAE, whose weights no longer change, turns every image into a grid of codes; a gated
PixelCNN (arXiv 1606.05328) learns their distribution, conditioned on the class y, in raster order:

    p(k) = prod_i p(k_i | k_1 ... k_(i-1), y),      loss(x) = -1/N sum_i log p(k_i | k_1 ... k_(i-1), y)

An image is sampled by sampling codes and decoding them: for 7x7 codes in 49 steps, instead of the 784 of a PixelCNN.
The loss is the exact likelihood of the codes. It is no likelihood of the image: the VQ-VAE's own loss is not in it.

    variable     paper    meaning
    codes        z, k     codes (B, h, w) of an image, 0 to K - 1; N = h w of them
    embedding             the network's input for each code (K, channels): codes have no order
    network               gated PixelCNN with a softmax over the codes: `GatedNetwork`
    first_stage           the VQ-VAE: encoder, codebook and decoder
    y                     class as one-hot weights

Images are (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import Field

from genmodels.config import ModelConfig, checkpoint_name, cosine_end, live
from genmodels.networks.code_settings import CodeSettings
from genmodels.networks.conditional_settings import ClassConditional
from genmodels.networks.pixel_settings import GatedSettings


class VQVAEPriorConfig(ClassConditional, GatedSettings):
    """The first stage, and a gated PixelCNN over its codes."""

    first_stage_family: ClassVar[str | None] = "vqvae"
    first_stage_settings: ClassVar[tuple[str, ...]] = tuple(CodeSettings.model_fields)

    first_stage: str | None = checkpoint_name(
        "first stage: name of the published VQ-VAE, or of a run of one, whose codes the prior learns"
    )
    first_stage_model: CodeSettings | None = Field(
        None, description="settings of the first stage; taken from its checkpoint"
    )
    code_dropout: float = Field(
        0.0, ge=0, lt=1, description="fraction of the input codes hidden in training, against memorising few images"
    )
    flip: bool = Field(False, description="mirror half of the training images; not for digits and letters")
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")
    lr_end: float = cosine_end()

    @property
    def code_settings(self) -> CodeSettings:
        """The settings of the first stage, for these images; raises ConfigError if their size does not fit."""
        return (self.first_stage_model or CodeSettings()).replace(image_shape=self.image_shape)


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.errors import ConfigError, DataError
from genmodels.layers import augment
from genmodels.model import Batch, Curve, Metrics, cosine, update
from genmodels.models.gated_pixelcnn import GatedNetwork
from genmodels.models.vqvae import VQVAE, VQVAEConfig
from genmodels.registry import register
from genmodels.sampling.codes import sample_codes
from genmodels.sampling.completion import CompletionModel
from genmodels.sampling.options import DEFAULT_OPTIONS, SamplingOptions, check_sampling_options
from genmodels.sampling.pixels import UNKNOWN, Randomness

_CHUNK = 256  # images sampled, or measured, at once


@register("vqvae_prior")
class VQVAEPrior(CompletionModel):
    Config: ClassVar[type[ModelConfig]] = VQVAEPriorConfig
    title = "Prior of a VQ-VAE"
    paper = "van den Oord et al. 2017, arXiv 1711.00937"
    frozen = frozenset({"first_stage"})
    config: VQVAEPriorConfig

    def __init__(self, config: VQVAEPriorConfig) -> None:
        super().__init__(config)
        settings = config.code_settings
        self.embedding = nn.Embedding(settings.codes, config.channels)
        self.network = GatedNetwork(config, (config.channels, *settings.code_shape), settings.codes)
        self.first_stage = VQVAE(VQVAEConfig.parse(settings.model_dump())).requires_grad_(False)

    @property
    def choices(self) -> int:
        return self.codebook_size

    @property
    def codebook_size(self) -> int:
        return self.first_stage.codebook_size

    @property
    def code_shape(self) -> tuple[int, int]:
        return self.first_stage.code_shape

    @property
    def codebook(self) -> Tensor:
        """The vectors of the codes, (K, D)."""
        return self.first_stage.codebook

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": torch.optim.Adam(self.trainable().values(), lr=self.config.lr, fused=True)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return {"model": cosine(step, max_steps, self.config.lr_end)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        x = augment.flip(batch["image"]) if self.config.flip else batch["image"]  # (B, C, H, W)
        with torch.no_grad():
            codes = self.encode_codes(x)  # (B, h, w)
        embedded = self._embedded(codes)  # (B, channels, h, w)
        if self.config.code_dropout:
            embedded = embedded * (torch.rand(codes.shape, device=codes.device) >= self.config.code_dropout)[:, None]

        # loss = -1/N sum_i log p(k_i | k_1 ... k_(i-1), y), the mean over codes and images
        logits = self.network(embedded, self.class_weights(batch, len(codes))).float()  # (B, K, h, w)
        loss = F.cross_entropy(logits, codes)
        update(optimizers["model"], loss)
        loss = loss.detach()
        return {
            "loss/total": loss,
            "codes/bits_per_code": loss / math.log(2),
            "codes/nats": loss * codes[0].numel(),
        }

    def _embedded(self, codes: Tensor) -> Tensor:
        """Codes (B, h, w) -> (B, channels, h, w)."""
        embedded: Tensor = self.embedding(codes)
        return embedded.permute(0, 3, 1, 2)

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve(
                "cross entropy (nats)",
                f"Per code; uniform guessing costs ln {self.codebook_size} = {math.log(self.codebook_size):.2f}.",
            ),
            "codes/bits_per_code": Curve("bits per code", "The mean cost of coding one code."),
            "codes/nats": Curve("-log p of the codes (nats)", "Of all codes of a training image, exact."),
        }

    # ------------------------------------------------------------- likelihood of codes

    def code_logits(self, codes: Tensor, *, condition: Condition = None) -> Tensor:
        """(B, h, w, K): of each code, from the earlier codes of `codes` int64 (B, h, w)."""
        logits: Tensor = self.network(self._embedded(codes), self.class_weights(condition, len(codes)))
        return logits.float().permute(0, 2, 3, 1)

    def code_log_prob(self, codes: Tensor, *, condition: Condition = None) -> Tensor:
        """Exact log-likelihood (B,) in nats of codes int64 (B, h, w), given the class.

        For a conditional model without a condition: log of the mean over the classes.
        """
        if self.config.conditional and condition is None:
            return self.over_classes(lambda label: self.code_log_prob(codes, condition=label), len(codes))
        log_p = self.code_logits(codes, condition=condition).log_softmax(3)
        return log_p.gather(3, codes[..., None]).flatten(1).sum(1)

    # ---------------------------------------------------------------- sampling

    def encode_codes(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] -> codes int64 (B, h, w), by the first stage."""
        return self.first_stage.encode_codes(x)

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Codes int64 (B, h, w) -> images (B, C, H, W) in [-1, 1], by the first stage. Raises DataError."""
        return self.first_stage.decode_codes(codes)

    def encode_known(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (B, h, w) of images (B, C, H, W) of which only pixels under `known`, bool (B, 1, H, W), are given.

        Returns the codes, and which of them are known: those of cells whose pixels all are. To the encoder, the other
        pixels have the median value of the known ones, so what is there has no influence.
        """
        codes = self.encode_codes(torch.where(known, x, _median(x, known)))
        cell = self.config.shape[1] // self.code_shape[0]
        return codes, -F.max_pool2d(-known.float(), cell)[:, 0] == 1  # the minimum over each cell

    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: Randomness = None,
        options: SamplingOptions = DEFAULT_OPTIONS,
    ) -> Tensor:
        shape = (n, *self.code_shape)
        y, uniform = self.random_inputs(shape, condition, generator)
        parts = []
        for start in range(0, n, _CHUNK):
            rows = slice(start, start + _CHUNK)
            codes = torch.zeros(shape, dtype=torch.int64, device=self.device)[rows]
            known = torch.zeros_like(codes, dtype=torch.bool)
            *_, codes = self._complete(codes, known, None if y is None else y[rows], uniform[rows], options)
            parts.append(self.decode_codes(codes))
        return torch.cat(parts)

    def _steps(
        self,
        x: Tensor,
        known: Tensor,
        condition: Condition,
        generator: Randomness,
        every: int,
        options: SamplingOptions,
    ) -> Iterator[Tensor]:
        """`encode_known` says which codes the known pixels determine."""
        size = 2**self.config.code_settings.downsamplings
        codes, known_codes = self.encode_known(x, known)
        steps = self.complete_codes(
            codes, known_codes, condition=condition, generator=generator, every=every, options=options
        )
        for count, partial in enumerate(steps, start=1):
            rows = torch.arange(codes.shape[1], device=self.device)[:, None] < count * every
            done = (known_codes | rows).repeat_interleave(size, 1).repeat_interleave(size, 2)[:, None]
            yield torch.where(known, x, torch.where(done, self.decode_codes(partial), UNKNOWN))

    def complete_codes(
        self,
        codes: Tensor,
        known: Tensor,
        *,
        condition: Condition = None,
        generator: Randomness = None,
        every: int = 1,
        options: SamplingOptions = DEFAULT_OPTIONS,
    ) -> Iterator[Tensor]:
        """Sample the codes int64 (B, h, w) where `known`, bool (h, w) or (B, h, w), is false.

        Yields all codes after each `every` rows and at the end; rows below are not sampled yet. Each code has its own
        number from `generator`: interrupted sampling, completed with the same generator, gives the same codes. Raises
        DataError if shapes do not fit, ConfigError if an option is out of range.
        """
        shape = self.code_shape
        if codes.shape[1:] != shape or known.shape not in (shape, codes.shape):
            raise DataError(
                f"codes of shape {tuple(codes.shape)} with a mask of {tuple(known.shape)} cannot be completed; give "
                f"(N, {shape[0]}, {shape[1]}) and a mask ({shape[0]}, {shape[1]})"
            )
        if every < 1:
            raise ConfigError(f"every = {every} is not allowed: choose 1 or more rows")
        y, uniform = self.random_inputs(codes.shape, condition, generator)
        rows = self._complete(codes, known.to(self.device).expand_as(codes), y, uniform, options)
        for count, current in enumerate(rows, start=1):
            if count % every == 0 or count == shape[0]:
                yield current

    def _complete(
        self, codes: Tensor, known: Tensor, y: Tensor | None, uniform: Tensor, options: SamplingOptions
    ) -> Iterator[Tensor]:
        """The codes after each row, known rows included."""
        check_sampling_options(options, self.codebook_size)
        codes = codes.to(self.device).clone()
        with torch.inference_mode():
            sampler, embedding = self.network.sampler(len(codes), y), self.embedding.weight
        shown = 0
        for row in sample_codes(sampler, codes, known, uniform, embedding, options):
            while shown <= row:
                shown += 1
                yield codes.clone()
        while shown < codes.shape[1]:
            shown += 1
            yield codes.clone()


def _median(x: Tensor, known: Tensor) -> Tensor:
    """The median (B, C, 1, 1) of the known values of each channel of x (B, C, H, W); UNKNOWN if none is known."""
    values = torch.where(known, x, torch.nan).flatten(2)
    return values.nanmedian(2).values.nan_to_num(UNKNOWN)[..., None, None]
