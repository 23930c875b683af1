"""Fast style transfer: Johnson, Alahi and Fei-Fei, arXiv 1603.08155.

A network f that paints any photograph in one pass in the style it was trained for. Its loss is that of Gatys
(`style_transfer`), paid once while it learns instead of anew for each picture:

    minimise over f:  content_weight * sum_l w_l |F_l(f(x)) - F_l(x)|^2     / |F_l(x)|^2
                      + style_weight * sum_l v_l |G_l(f(x)) - G_l(style)|^2 / |G_l(style)|^2
                      + tv_weight    * total variation of f(x)

over photographs x, with one style picture. Instance norm (Ulyanov et al., arXiv 1607.08022) takes out each photograph's
contrast, which the style is not to depend on; borders are reflected, maps grow by repeated pixels and a convolution,
which leaves no checkerboard. Images (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from genmodels.config import live
from genmodels.networks.perceptual_settings import PerceptualSettings, content_layer, style_layer


class FastStyleConfig(PerceptualSettings):
    """The network that paints, and how it learns; what the losses are is in `PerceptualSettings`."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image", "style")

    content_relu3_2: float = content_layer("3_2", 1.0)
    content_relu4_2: float = content_layer("4_2")
    style_relu5_1: float = style_layer("5_1", 0.0)
    width: int = Field(32, ge=1, le=256, description="channels at full size; four times as many in the blocks")
    residual_blocks: int = Field(5, ge=1, le=24, description="residual blocks, at a quarter of the size")
    kernel: Literal[3, 5, 7, 9] = Field(9, description="side of the first and the last convolution")
    flip: bool = Field(True, description="mirror half of the training pictures; not for digits and letters")
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")
    decay_from: float = Field(
        0.7, ge=0, le=1, description="share of the training after which the rate falls evenly to 0; 1 keeps it"
    )


import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.errors import CapabilityError
from genmodels.layers import augment
from genmodels.layers.instance_norm import InstanceNorm
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
from genmodels.models.style_transfer import PerceptualLoss, weighted
from genmodels.registry import register

# Pixels painted around a picture and cut off again. The halving convolutions put zeros around it, by which a network
# knows the border and learns to paint a strip there; a wider margin than in training takes nearly all of that away, at
# the price of a fifth more pixels at 256 x 256.
_MARGIN, _TRAINING_MARGIN = 12, 8


class ReflectionPad(nn.Module):
    """Mirrors `width` pixels at each border, in the type it is given: autocast would copy all to float32 and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.pad(x, (self.width,) * 4, mode="reflect")


class ResidualBlock(nn.Module):
    """x + two convolutions of it (arXiv 1512.03385), with borders reflected."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_normalised(ReflectionPad(1), nn.Conv2d(channels, channels, 3, bias=False)),
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            InstanceNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def resnet(
    channels: int, width: int, blocks: int, drawn: int | None = None, *, transposed: bool = False, kernel: int = 7
) -> nn.Sequential:
    """Images (B, channels, H, W) in [-1, 1] -> (B, drawn, H, W) in [-1, 1], as many channels if nothing is said.

    The ResNet of arXiv 1603.08155; sides are multiples of 4, from 8 on.

    A first convolution of `kernel`, two halvings, residual blocks, two enlargements, a last convolution and tanh.
    """
    border = kernel // 2
    layers = _normalised(ReflectionPad(border), nn.Conv2d(channels, width, kernel, bias=False))
    for before in (width, 2 * width):
        layers += _normalised(nn.Conv2d(before, 2 * before, 3, 2, 1, bias=False))
    layers += [ResidualBlock(4 * width) for _ in range(blocks)]
    for before in (4 * width, 2 * width):
        after = before // 2
        if transposed:
            layers += _normalised(nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1, bias=False))
        else:
            enlarge = nn.Upsample(scale_factor=2, mode="nearest")
            layers += _normalised(enlarge, ReflectionPad(1), nn.Conv2d(before, after, 3, bias=False))
    return nn.Sequential(*layers, ReflectionPad(border), nn.Conv2d(width, drawn or channels, kernel), nn.Tanh())


def _normalised(*layers: nn.Module) -> list[nn.Module]:
    return [*layers, InstanceNorm(), nn.ReLU(inplace=True)]


def resnet_receptive_radius(blocks: int, kernel: int = 7) -> int:
    """Receptive-field radius in pixels of `networks.translation.resnet`: 87 with nine blocks."""
    # First and last convolution; 1 + 2 for the halvings; in a block two kernels of 3 at a quarter of the size; and
    # 4 + 2 where pixels are repeated before the kernel of an enlargement.
    return 2 * (kernel // 2) + 3 + 8 * blocks + 6


@register("fast_style")
class FastStyle(Model):
    Config = FastStyleConfig
    title = "Fast style transfer"
    paper = "Johnson et al. 2016, arXiv 1603.08155"
    pretrained = frozenset({"vgg"})
    config: FastStyleConfig

    multiple = 4
    """What both sides of a picture are padded to: the network halves it twice."""

    @property
    def receptive_radius(self) -> int:
        return resnet_receptive_radius(self.config.residual_blocks, self.config.kernel)

    def __init__(self, config: FastStyleConfig) -> None:
        super().__init__(config)
        channels = (config.image_shape or (0,))[0]
        self.network = resnet(channels, config.width, config.residual_blocks, kernel=config.kernel)
        self.vgg = PerceptualLoss(config)
        self._seen: tuple[Tensor, dict[str, Tensor]] | None = None

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self.network, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        start = self.config.decay_from * max_steps
        return {"model": 1.0 if step <= start else max(0.0, (max_steps - step) / (max_steps - start))}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        photos, style = batch["image"], batch["style"]
        if self.config.flip:
            photos = augment.flip(photos)
        if self._seen is None or self._seen[0] is not style:
            self._seen = style, self.vgg.style_of(style[:1])
        content = self.vgg.content_of(photos, self.config.content_layers)
        painted = self._painted(photos, _TRAINING_MARGIN)
        parts = self.vgg(painted, content, self._seen[1], self.config)
        loss = weighted(parts, self.config)
        update(optimizers["model"], loss)
        return {"loss/total": loss.detach()} | {f"loss/{name}": part.detach() for name, part in parts.items()}

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("all terms", "What is minimised, on a few photographs a step: it wanders as it falls."),
            "loss/content": Curve(
                "content", "Share of the photographs' features that is lost: 0 shows the same things."
            ),
            "loss/style": Curve("style", "Distance of the textures from the painting's, all layers added; 0 at best."),
            "loss/variation": Curve("total variation", "Mean squared difference of neighbouring pixels."),
        }

    def _painted(self, x: Tensor, margin: int) -> Tensor:
        height, width = x.shape[2:]
        painted: Tensor = self.network(_padded(x, margin))
        return painted[..., margin : margin + height, margin : margin + width]

    # --------------------------------------------------------------- inference

    def stylize(self, content: Tensor, style: Tensor | None = None, *, steps: int = 1) -> Iterator[Tensor]:
        """Yields `content` (B, C, H, W), of any size, painted: one pass, however many `steps` are asked for.

        Raises CapabilityError where a style is given: its own cannot be exchanged.
        """
        if style is not None:
            raise CapabilityError(f"{self.title} paints in the style it was trained for; leave the style out")
        yield self._painted(content, _MARGIN).float()

    def perceived(self, x: Tensor, content: Tensor, style: Tensor) -> dict[str, Tensor]:
        """`content`, `style` and `variation` losses of pictures `x` (B, C, H, W), without a gradient."""
        with torch.no_grad():
            wanted = self.vgg.content_of(content, self.config.content_layers)
            found: dict[str, Tensor] = self.vgg(
                x, wanted, self.vgg.style_of(style, self.config.style_layers), self.config
            )
        return found


def _padded(x: Tensor, margin: int) -> Tensor:
    """With a mirrored margin, and more of it right and below, to sides that the network can halve twice.

    A picture too small to be mirrored so far repeats its border.
    """
    height, width = x.shape[2:]
    below, beside = (margin + -side % 4 for side in (height, width))
    mode = "reflect" if below < height and beside < width else "replicate"
    with torch.autocast(x.device.type, enabled=False):
        return F.pad(x, (margin, beside, margin, below), mode=mode)
