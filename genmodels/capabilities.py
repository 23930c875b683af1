"""What a model can do, asked of an instance: the method is the flag.

Images are float32 (B, C, H, W) in [-1, 1]. `condition` maps a key of `model.conditions` to int64 (B,) or, to blend,
float (B, K). All of it is inference: explicit generators, no `.train()`/`.eval()` flips, no caches on the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from genmodels.model import Model

Condition = Mapping[str, Tensor] | None
Direction = Literal["a_to_b", "b_to_a"]


@runtime_checkable
class SupportsSampling(Protocol):
    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        """Images (n, C, H, W) or audio (n, T) in [-1, 1]."""
        ...


@runtime_checkable
class SupportsSamplingEach(Protocol):
    def sample_each(self, generators: Sequence[torch.Generator], *, condition: Condition = None) -> Tensor:
        """Images (B, C, H, W), one a generator: picture 3 of a grid is picture 3 alone."""
        ...


@runtime_checkable
class SupportsProgressiveSampling(Protocol):
    def sample_iter(
        self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None, every: int = 1
    ) -> Iterator[Tensor]:
        """The whole canvas so far, again and again."""
        ...


@runtime_checkable
class SupportsCompletion(Protocol):
    def complete(
        self, x: Tensor, known_mask: Tensor, *, condition: Condition = None, generator: torch.Generator | None = None
    ) -> Iterator[Tensor]:
        """Half a digit, a recording to continue."""
        ...


@runtime_checkable
class SupportsLatent(Protocol):
    @property
    def latent_dim(self) -> int:
        """Numbers in z; 0 where the generator's input is a constant."""
        ...

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        """z (B, latent_dim), N(0, I) whatever the model uses inside -> images (B, C, H, W)."""
        ...


@runtime_checkable
class SupportsEncoding(Protocol):
    def encode(self, x: Tensor) -> Tensor:
        """Images -> z (B, latent_dim), the mean where the model is probabilistic."""
        ...


@runtime_checkable
class SupportsPosterior(Protocol):
    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(mu, logvar), each (B, latent_dim), of images (B, C, H, W): q(z | x) = N(mu, diag(exp(logvar)))."""
        ...


@runtime_checkable
class SupportsCorruption(Protocol):
    def corrupt(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images (B, C, H, W) as the model is given them in training, to draw the clean ones from."""
        ...


@runtime_checkable
class SupportsElbo(Protocol):
    def elbo(self, x: Tensor, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(recon, kl), nats an example (B,) each; the negative ELBO is their sum."""
        ...


@runtime_checkable
class SupportsLikelihood(Protocol):
    def log_prob(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """Exact log likelihood, nats an example (B,)."""
        ...


@runtime_checkable
class SupportsScoring(Protocol):
    def score(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """The discriminator's or critic's logits (B,); raises CapabilityError where it was not kept."""
        ...


@runtime_checkable
class SupportsTranslation(Protocol):
    @property
    def multiple(self) -> int:
        """What both sides of a picture must be a multiple of."""
        ...

    @property
    def receptive_radius(self) -> int:
        """Receptive-field radius in pixels: an output pixel depends on no input pixel further away."""
        ...

    @property
    def preserves_background(self) -> bool:
        """Whether the network predicts a masked change that can be upsampled onto the original image."""
        ...

    def translate(self, x: Tensor, direction: Direction) -> Tensor:
        """Images -> the same of the other kind; raises CapabilityError where sides are no multiples of `multiple`."""
        ...


@runtime_checkable
class SupportsClassification(Protocol):
    def classify(self, x: Tensor) -> Tensor:
        """Logits (B, K)."""
        ...


@runtime_checkable
class SupportsStylizing(Protocol):
    @property
    def multiple(self) -> int:
        """What both sides of a large picture's tiles must be a multiple of."""
        ...

    @property
    def receptive_radius(self) -> int:
        """Receptive-field radius in pixels: an output pixel depends on no input pixel further away."""
        ...

    def stylize(self, content: Tensor, style: Tensor | None = None, *, steps: int = 1) -> Iterator[Tensor]:
        """Content (B, C, H, W) of any size, painted: after each of `steps`, or once where one pass does it.

        `style` (1, C, h, w) is None where the network has one baked in, and given where it has not.
        """
        ...


@runtime_checkable
class SupportsPainting(Protocol):
    def painting(self) -> Tensor:
        """The one picture (1, C, H, W) in [-1, 1] that training paints, as it is now."""
        ...


_PROTOCOLS: dict[str, type] = {
    "sampling": SupportsSampling,
    "sampling_each": SupportsSamplingEach,
    "progressive_sampling": SupportsProgressiveSampling,
    "completion": SupportsCompletion,
    "latent": SupportsLatent,
    "encoding": SupportsEncoding,
    "posterior": SupportsPosterior,
    "corruption": SupportsCorruption,
    "elbo": SupportsElbo,
    "likelihood": SupportsLikelihood,
    "scoring": SupportsScoring,
    "translation": SupportsTranslation,
    "classification": SupportsClassification,
    "stylizing": SupportsStylizing,
    "painting": SupportsPainting,
}


def of_class(cls: type[Model]) -> tuple[str, ...]:
    """Capabilities of a family, by the methods its class defines."""
    return tuple(
        name for name, protocol in _PROTOCOLS.items() if all(hasattr(cls, member) for member in _members(protocol))
    )


def _members(protocol: type) -> set[str]:
    own = {*vars(protocol), *vars(protocol).get("__annotations__", ())}
    return {member for member in own if not member.startswith("_")}


def of(model: Model) -> tuple[str, ...]:
    """Capabilities of this very model: scoring only where its discriminator or critic was kept."""
    kept = all(getattr(model, part, None) is not None for part in model.training_only)
    return tuple(name for name in of_class(type(model)) if kept or name != "scoring")
