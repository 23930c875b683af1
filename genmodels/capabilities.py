"""Protocols of what a model can do: a model has a capability if it has the protocol's methods.

Images are float32 (B, C, H, W) in [-1, 1]. `condition` maps a key of `model.conditions` to int64 (B,) or, to blend,
weights (B, K). All methods are inference: explicit generators, no `.train()` or `.eval()`, no state on the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from genmodels.model import Model
from genmodels.networks.code_settings import CodeSettings
from genmodels.networks.flow_settings import Solver
from genmodels.networks.pixel_settings import PixelSettings
from genmodels.sampling.options import SamplingOptions

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
        """Images (B, C, H, W), one per generator: image 3 of a batch is the image that generator 3 gives alone."""
        ...


@runtime_checkable
class SupportsProgressiveSampling(Protocol):
    def sample_iter(
        self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None, every: int = 1
    ) -> Iterator[Tensor]:
        """The whole canvas after every `every` steps; values that are not sampled yet hold a placeholder."""
        ...


@runtime_checkable
class SupportsCompletion(Protocol):
    def complete(
        self,
        x: Tensor,
        known_mask: Tensor,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        every: int = ...,
        options: SamplingOptions = ...,
    ) -> Iterator[Tensor]:
        """As `sample_iter`; values of `x` under `known_mask` are given: half an image, the start of a recording."""
        ...


@runtime_checkable
class SupportsLatent(Protocol):
    @property
    def latent_dim(self) -> int:
        """Dimension of z; 0 if the generator's input is a constant."""
        ...

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        """z (B, latent_dim) from N(0, I), whatever the model's own prior -> images (B, C, H, W)."""
        ...


@runtime_checkable
class SupportsEncoding(Protocol):
    def encode(self, x: Tensor) -> Tensor:
        """Images -> z (B, latent_dim), the posterior mean if the model is probabilistic."""
        ...


@runtime_checkable
class SupportsCodes(Protocol):
    """A discrete latent: a grid of codes."""

    @property
    def codebook_size(self) -> int:
        """Number of codes K; a code is 0 to K - 1."""
        ...

    @property
    def codebook(self) -> Tensor:
        """The vectors of the codes, (K, D)."""
        ...

    @property
    def code_shape(self) -> tuple[int, int]:
        """Height and width of the grid."""
        ...

    def encode_codes(self, x: Tensor) -> Tensor:
        """Images -> codes int64 (B, h, w)."""
        ...

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Codes int64 (B, h, w) -> images (B, C, H, W)."""
        ...


@runtime_checkable
class SupportsPosterior(Protocol):
    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(mu, logvar), each (B, latent_dim), of images (B, C, H, W): q(z | x) = N(mu, diag(exp(logvar)))."""
        ...


@runtime_checkable
class SupportsCorruption(Protocol):
    def corrupt(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images with the corruption that the model learns to undo."""
        ...


@runtime_checkable
class SupportsElbo(Protocol):
    def elbo(self, x: Tensor, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(recon, kl), each (B,) in nats per example; the negative ELBO is their sum."""
        ...


@runtime_checkable
class SupportsLikelihood(Protocol):
    def log_prob(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """Exact log likelihood (B,) in nats per example."""
        ...


@runtime_checkable
class SupportsScoring(Protocol):
    def score(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """Logits (B,) of the discriminator or critic; raises CapabilityError if the checkpoint lacks it."""
        ...


@runtime_checkable
class SupportsTranslation(Protocol):
    @property
    def multiple(self) -> int:
        """Both sides of an image must be multiples of this."""
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
        """Images of one domain -> images of the other; raises CapabilityError if a side is no multiple."""
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
        """Both sides of a large image's tiles must be multiples of this."""
        ...

    @property
    def receptive_radius(self) -> int:
        """Receptive-field radius in pixels: an output pixel depends on no input pixel further away."""
        ...

    def stylize(self, content: Tensor, style: Tensor | None = None, *, steps: int = 1) -> Iterator[Tensor]:
        """Stylised content (B, C, H, W) of any size: after each of `steps`, or once if a single pass does it.

        `style` is (1, C, h, w), or None for a network that is trained for one style.
        """
        ...


@runtime_checkable
class SupportsOnePassStylizing(SupportsStylizing, Protocol):
    """A style network, which is trained for one style. The canvas of an optimisation is not one."""

    @property
    def training_side(self) -> int:
        """Longer side of the training images in pixels: the scale at which images are stylised by default."""
        ...

    def stylize_full_size(self, content: Tensor) -> Tensor:
        """Content (B, C, H, W) of any size, stylised in one pass at its own size."""
        ...


@runtime_checkable
class SupportsPainting(Protocol):
    def painting(self) -> Tensor:
        """The image (1, C, H, W) in [-1, 1] that training optimises, in its current state."""
        ...


# Further methods, which evaluation or single pages use. They are not listed as capabilities of a family.


@runtime_checkable
class SupportsDiscriminatorLoss(Protocol):
    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss on images, as its curve shows it."""
        ...


@runtime_checkable
class SlowLikelihood(Protocol):
    """A likelihood that takes many evaluations of the network; its model encodes and decodes without loss."""

    likelihood_images: int

    def log_prob(self, x: Tensor, *, condition: Condition = None) -> Tensor: ...


@runtime_checkable
class SupportsFlow(Protocol):
    """An invertible flow from noise at time 0 to images at time 1."""

    def flow(
        self,
        x: Tensor,
        *,
        condition: Condition = None,
        start: float = 0.0,
        end: float = 1.0,
        steps: int | None = None,
        solver: Solver | None = None,
        guidance: float | None = None,
    ) -> Iterator[Tensor]:
        """x (B, C, H, W) after each solver step from time `start` to `end`; None takes the config's value."""
        ...

    def predicted_image(
        self, x: Tensor, t: float, *, condition: Condition = None, guidance: float | None = None
    ) -> Tensor:
        """The image (B, C, H, W) that the velocity at (x, t) points to."""
        ...


@runtime_checkable
class SupportsCodeSampling(SupportsCodes, Protocol):
    """Samples a grid of codes in reading order, each from a softmax over the codes, and decodes it."""

    def encode_known(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """(codes, known codes), (B, h, w) each, of images of which only pixels under bool (B, 1, H, W) are given."""
        ...

    def complete_codes(
        self,
        codes: Tensor,
        known: Tensor,
        *,
        condition: Condition = None,
        generator: Sequence[torch.Generator] | None = None,
        options: SamplingOptions = ...,
    ) -> Iterator[Tensor]:
        """All codes (B, h, w) after each row; `known`, bool (h, w) or (B, h, w), are given."""
        ...

    def code_logits(self, codes: Tensor, *, condition: Condition = None) -> Tensor:
        """(B, h, w, K): of each code, from the codes before it."""
        ...

    def code_log_prob(self, codes: Tensor, *, condition: Condition = None) -> Tensor:
        """Exact log-likelihood (B,) in nats of codes; it is no likelihood of an image."""
        ...


@runtime_checkable
class SupportsPerceptualLoss(Protocol):
    def perceived(self, x: Tensor, content: Tensor, style: Tensor) -> dict[str, Tensor]:
        """The losses `content`, `style` and `variation` of images."""
        ...


@runtime_checkable
class SupportsLevels(Protocol):
    def to_levels(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images rounded to the levels that the model is trained on; stochastic rounding uses `generator`."""
        ...


@runtime_checkable
class SupportsFeatures(Protocol):
    def features(self, x: Tensor) -> Tensor:
        """Hidden layer (B, D) of a classifier."""
        ...


@runtime_checkable
class SupportsProbabilities(Protocol):
    def probabilities(self, x: Tensor) -> Tensor:
        """Outputs (B, K) in [0, 1] of a classifier that defines its own; they need not sum to 1."""
        ...


@runtime_checkable
class SupportsPixelSampling(Protocol):
    """Samples pixels in reading order, each from a softmax over levels."""

    config: PixelSettings

    def complete(
        self,
        x: Tensor,
        known_mask: Tensor,
        *,
        condition: Condition = None,
        generator: Sequence[torch.Generator] | None = None,
        options: SamplingOptions = ...,
    ) -> Iterator[Tensor]: ...

    def logits(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """(B, C, H, W, levels): of each value, from the values before it."""
        ...

    def to_levels(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor: ...

    def receptive_field(self, row: int, column: int, colour: int = 0) -> Tensor: ...


@runtime_checkable
class SupportsAudioReceptiveField(Protocol):
    def receptive_field(self, samples: int | None = None) -> Tensor:
        """Influence (samples,) of each past sample on the next one, the newest last."""
        ...


# Configs that pages read without loading weights.


@runtime_checkable
class FlowConfig(Protocol):
    """Settings of models that integrate a flow: the images' shape, and how the model itself samples."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def steps(self) -> int: ...

    @property
    def solver(self) -> Solver: ...

    @property
    def solvers(self) -> tuple[Solver, ...]:
        """The solvers that the model has."""
        ...

    @property
    def guidance(self) -> float: ...

    @property
    def trained_guidance(self) -> float | None:
        """The guidance scale that training built into the velocity; None if it is chosen when sampling."""
        ...

    @property
    def guidable(self) -> bool:
        """Whether the condition is dropped for some training examples, so that guidance has a meaning."""
        ...


@runtime_checkable
class CodeConfig(Protocol):
    """Settings of a prior over the codes of another model."""

    @property
    def code_settings(self) -> CodeSettings:
        """The settings of the model that has the codes."""
        ...


@runtime_checkable
class GuidanceConfig(Protocol):
    """Settings of models with classifier-free guidance (arXiv 2207.12598)."""

    @property
    def guidable(self) -> bool:
        """Whether the condition is dropped for some training examples, so that guidance has a meaning."""
        ...

    @property
    def guidance(self) -> float:
        """Default classifier-free guidance scale."""
        ...


@runtime_checkable
class TemporalConfig(Protocol):
    """Settings of models that can be conditioned on the position within the utterance."""

    @property
    def parts(self) -> int:
        """Number of temporal segments used as local conditioning; 0 for none."""
        ...


@runtime_checkable
class DilationConfig(Protocol):
    """Settings of models with dilated causal layers."""

    @property
    def dilations(self) -> tuple[int, ...]:
        """Dilation of each layer, the lowest first."""
        ...

    @property
    def receptive_field(self) -> int:
        """Number of past samples that a sample depends on."""
        ...


_PROTOCOLS: dict[str, type] = {
    "sampling": SupportsSampling,
    "sampling_each": SupportsSamplingEach,
    "progressive_sampling": SupportsProgressiveSampling,
    "completion": SupportsCompletion,
    "latent": SupportsLatent,
    "encoding": SupportsEncoding,
    "codes": SupportsCodes,
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
    """Returns the capabilities of a family: those whose methods its class defines."""
    return tuple(
        name for name, protocol in _PROTOCOLS.items() if all(hasattr(cls, member) for member in _members(protocol))
    )


def _members(protocol: type) -> set[str]:
    names = {*vars(protocol), *vars(protocol).get("__annotations__", ())}
    return {name for name in names if not name.startswith("_")}


def of(model: Model) -> tuple[str, ...]:
    """Returns the capabilities of this model: without scoring if the checkpoint lacks its discriminator or critic."""
    complete = all(getattr(model, part, None) is not None for part in model.training_only)
    return tuple(name for name in of_class(type(model)) if complete or name != "scoring")
