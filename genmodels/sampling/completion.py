"""What autoregressive models of images share: classes, and sampling by completing an empty image."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from genmodels.capabilities import Condition
from genmodels.conditions import condition_weights
from genmodels.errors import ConfigError, DataError
from genmodels.model import Model
from genmodels.sampling.options import DEFAULT_OPTIONS, SamplingOptions, check_sampling_options
from genmodels.sampling.pixels import UNKNOWN, Randomness, random_inputs


class CompletionModel(Model):
    """Base of PixelCNN and of the prior of a VQ-VAE; the config is conditional if it has a condition `label`."""

    @property
    @abstractmethod
    def choices(self) -> int:
        """Number of values, levels or codes, that each sampled element can have."""

    @abstractmethod
    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: Randomness = None,
        options: SamplingOptions = DEFAULT_OPTIONS,
    ) -> Tensor:
        """Images (n, C, H, W), of classes sampled uniformly if no condition is given. The model must be in eval mode.

        The images that `sample_iter` ends with, computed in chunks that bound the memory.
        """

    @abstractmethod
    def _steps(
        self,
        x: Tensor,
        known: Tensor,
        condition: Condition,
        generator: Randomness,
        every: int,
        options: SamplingOptions,
    ) -> Iterator[Tensor]:
        """The images of `complete` for checked arguments on the model's device; known is bool (B, 1, H, W)."""

    def sample_each(self, generators: Sequence[torch.Generator], *, condition: Condition = None) -> Tensor:
        """An image for each generator, (B, C, H, W), independent of the others."""
        return self.sample(len(generators), condition=condition, generator=generators)

    def sample_iter(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: Randomness = None,
        every: int = 1,
        options: SamplingOptions = DEFAULT_OPTIONS,
    ) -> Iterator[Tensor]:
        """The images after each `every` rows and at the end; what is not sampled yet is 0 (grey)."""
        x = torch.full((n, *self.config.shape), UNKNOWN, device=self.device)
        known = torch.zeros(self.config.shape[1:], dtype=torch.bool)
        return self.complete(x, known, condition=condition, generator=generator, every=every, options=options)

    def complete(
        self,
        x: Tensor,
        known_mask: Tensor,
        *,
        condition: Condition = None,
        generator: Randomness = None,
        every: int = 1,
        options: SamplingOptions = DEFAULT_OPTIONS,
    ) -> Iterator[Tensor]:
        """Sample what `known_mask`, bool (H, W) or (B, 1, H, W), leaves open in images (B, C, H, W); as `sample_iter`.

        Known pixels are returned unchanged. Each value has its own number from `generator`: interrupted sampling,
        completed with the same generator, gives the same images. Raises DataError if shapes do not fit, ConfigError if
        an option is out of range.
        """
        check_sampling_options(options, self.choices)
        shape = self.config.shape
        fits = known_mask.shape in (shape[1:], (1, *shape[1:]), (1, 1, *shape[1:]), (len(x), 1, *shape[1:]))
        if x.shape[1:] != shape or not fits:
            raise DataError(
                f"images of shape {tuple(x.shape)} with a mask of {tuple(known_mask.shape)} cannot be completed; "
                f"give (N, {', '.join(map(str, shape))}) and a mask ({shape[1]}, {shape[2]})"
            )
        if every < 1:
            raise ConfigError(f"every = {every} is not allowed: choose 1 or more rows")
        known = known_mask.to(self.device).expand(len(x), 1, *shape[1:]).bool()
        return self._steps(x.to(self.device), known, condition, generator, every, options)

    def class_weights(self, condition: Condition, batch: int) -> Tensor | None:
        """(B, K); None for an unconditional model. Raises CapabilityError or DataError."""
        if not self.config.conditions:
            return None
        return condition_weights(condition, self.config.conditions, batch, self.device, broadcast=True)

    def random_inputs(
        self, shape: Sequence[int], condition: Condition, generator: Randomness
    ) -> tuple[Tensor | None, Tensor]:
        """Class weights (B, K), of random classes without a condition, and a number in [0, 1) for each value."""
        label, uniform = random_inputs(shape, self.config.conditions.get("label", 0), generator, self.device)
        return self.class_weights(condition or {"label": label}, shape[0]), uniform

    def over_classes(self, log_prob: Callable[[Condition], Tensor], batch: int) -> Tensor:
        """log of the mean over the classes of p(x | class), (B,); `log_prob` gives its logarithm for a condition."""
        classes = self.config.classes
        each = [log_prob({"label": torch.full((batch,), k)}) for k in range(classes)]
        return torch.stack(each).logsumexp(0) - math.log(classes)
