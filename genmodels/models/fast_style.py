"""Fast style transfer: Johnson, Alahi and Fei-Fei, Perceptual Losses for Real-Time Style Transfer, arXiv 1603.08155.

A network f is trained for one style image and stylises any photograph x in a single pass. Its objective is the one of
Gatys et al. (`style_transfer`), as a training loss over photographs:

    minimise over f:  content_weight * sum_l w_l |F_l(f(x)) - F_l(x)|^2     / |F_l(x)|^2
                      + style_weight * sum_l v_l |G_l(f(x)) - G_l(style)|^2 / |G_l(style)|^2
                      + tv_weight    * TV(f(x))

    variable                      paper            meaning
    photos                        x = y_c          batch of photographs: input and content target
    style                         y_s              style image
    stylized                      y^ = f_W(x)      output of `network`
    content                       phi_j(y_c)       VGG-19 activations F_l of the photographs
    grams                         G_j(y_s)         Gram matrices G_l of the style image
    content_weight, style_weight  lambda_c, lambda_s
    tv_weight                     lambda_TV        total variation

As in Ulyanov et al. (arXiv 1607.08022) the network has instance norm, which removes each photograph's contrast. Borders
are reflected; nearest-neighbour upsampling before a convolution avoids checkerboard artefacts. Images are (B, C, H, W)
in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from genmodels.config import live
from genmodels.networks.perceptual_settings import PerceptualSettings, content_layer, style_layer


class FastStyleConfig(PerceptualSettings):
    """Network and training; `PerceptualSettings` has the settings of the loss."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image", "style")

    content_relu3_2: float = content_layer("3_2", 1.0)
    content_relu4_2: float = content_layer("4_2")
    style_relu5_1: float = style_layer("5_1", 0.0)
    width: int = Field(32, ge=1, le=256, description="channels at full resolution; four times as many in the blocks")
    residual_blocks: int = Field(5, ge=1, le=24, description="residual blocks, at a quarter of the resolution")
    kernel: Literal[3, 5, 7, 9] = Field(9, description="kernel size of the first and the last convolution")
    flip: bool = Field(True, description="mirror half of the training images; not for digits and letters")
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")
    decay_from: float = Field(
        0.7,
        ge=0,
        le=1,
        description="fraction of the training after which the learning rate falls linearly to 0; 1: constant",
    )


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.errors import CapabilityError
from genmodels.layers import augment
from genmodels.layers.instance_norm import InstanceNorm
from genmodels.model import Batch, Curve, Metrics, Model, constant_then_linear, make_optimizer, update
from genmodels.models.style_transfer import PerceptualLoss, weighted_sum
from genmodels.registry import register

# Pixels added around an image and cropped again. The strided convolutions pad with zeros, by which the network
# recognises the border and draws a strip there. A margin wider than in training removes nearly all of it, for a fifth
# more pixels at 256 x 256.
_MARGIN, _TRAINING_MARGIN = 12, 8


class ReflectionPad(nn.Module):
    """Reflects `width` pixels at each border, in the input's dtype: autocast would convert to float32 and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.pad(x, (self.width,) * 4, mode="reflect")


class ResidualBlock(nn.Module):
    """x + norm(conv3x3(ReLU(norm(conv3x3(x))))), with reflected borders (He et al., arXiv 1512.03385)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_norm_relu(ReflectionPad(1), nn.Conv2d(channels, channels, 3, bias=False)),
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            InstanceNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def resnet(
    channels: int, width: int, blocks: int, outputs: int | None = None, *, transposed: bool = False, kernel: int = 7
) -> nn.Sequential:
    """The paper's image transformation network, also CycleGAN's generator.

    Shape: (B, channels, H, W) in [-1, 1] -> (B, outputs, H, W) in [-1, 1]; `outputs` is `channels` if None. H and W are
    multiples of 4, at least 8. Convolutions in front of a norm have no bias: the norm subtracts it.
    """
    border = kernel // 2
    layers = _norm_relu(ReflectionPad(border), nn.Conv2d(channels, width, kernel, bias=False))  # (B, width, H, W)
    for before in (width, 2 * width):  # (B, 2 width, H/2, W/2), then (B, 4 width, H/4, W/4)
        layers += _norm_relu(nn.Conv2d(before, 2 * before, 3, 2, 1, bias=False))
    layers += [ResidualBlock(4 * width) for _ in range(blocks)]  # (B, 4 width, H/4, W/4)
    for before in (4 * width, 2 * width):  # (B, 2 width, H/2, W/2), then (B, width, H, W)
        after = before // 2
        if transposed:
            layers += _norm_relu(nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1, bias=False))
        else:
            upsample = nn.Upsample(scale_factor=2, mode="nearest")
            layers += _norm_relu(upsample, ReflectionPad(1), nn.Conv2d(before, after, 3, bias=False))
    last = nn.Conv2d(width, outputs or channels, kernel)
    return nn.Sequential(*layers, ReflectionPad(border), last, nn.Tanh())  # (B, outputs, H, W)


def _norm_relu(*layers: nn.Module) -> list[nn.Module]:
    return [*layers, InstanceNorm(), nn.ReLU(inplace=True)]


def resnet_radius(blocks: int, kernel: int = 7) -> int:
    """Receptive-field radius of `resnet` in pixels, its strided layers' phase included: 87 with nine blocks."""
    # First and last convolution; 1 + 2 for downsampling; per block two kernels of 3 at a quarter of the resolution;
    # 4 + 2 for nearest-neighbour upsampling before a kernel of 3.
    return 2 * (kernel // 2) + 3 + 8 * blocks + 6


@register("fast_style")
class FastStyle(Model):
    Config = FastStyleConfig
    title = "Fast style transfer"
    paper = "Johnson et al. 2016, arXiv 1603.08155"
    pretrained = frozenset({"vgg"})
    multiple = 4
    """Both sides are padded to a multiple of this: two downsampling layers."""
    config: FastStyleConfig

    def __init__(self, config: FastStyleConfig) -> None:
        super().__init__(config)
        self.network = resnet(config.shape[0], config.width, config.residual_blocks, kernel=config.kernel)
        self.vgg = PerceptualLoss(config)
        self._style: tuple[Tensor, dict[str, Tensor]] | None = None

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self.network, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return {"model": constant_then_linear(step, max_steps, self.config.decay_from)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        photos = augment.flip(batch["image"]) if self.config.flip else batch["image"]  # (B, C, H, W)
        content = self.vgg.content_targets(photos, self.config.content_layers)  # F_l(x)
        grams = self._style_grams(batch["style"])  # G_l(style)
        stylized = self._forward(photos, _TRAINING_MARGIN)  # f(x): (B, C, H, W)

        # minimise   content_weight * sum_l w_l |F_l(f(x)) - F_l(x)|^2     / |F_l(x)|^2
        #          + style_weight   * sum_l v_l |G_l(f(x)) - G_l(style)|^2 / |G_l(style)|^2
        #          + tv_weight      * TV(f(x))
        losses = self.vgg(stylized, content, grams, self.config)  # content, style, variation
        loss = weighted_sum(losses, self.config)
        update(optimizers["model"], loss)
        return {"loss/total": loss.detach()} | {f"loss/{name}": part.detach() for name, part in losses.items()}

    def _style_grams(self, style: Tensor) -> dict[str, Tensor]:
        """Gram matrices of the style image, computed again only if a batch brings another one."""
        if self._style is None or self._style[0] is not style:
            self._style = style, self.vgg.style_targets(style[:1])
        return self._style[1]

    def _forward(self, x: Tensor, margin: int) -> Tensor:
        """f(x) with `margin` extra pixels on each side, cropped again. Shape: (B, C, H, W), any size."""
        height, width = x.shape[2:]
        y: Tensor = self.network(_pad(x, margin))
        return y[..., margin : margin + height, margin : margin + width]

    # --------------------------------------------------------------- inference

    @property
    def receptive_radius(self) -> int:
        return resnet_radius(self.config.residual_blocks, self.config.kernel)

    @property
    def training_side(self) -> int:
        """Longer side of the training images in pixels."""
        return max(self.config.shape[1:])

    def stylize(self, content: Tensor, style: Tensor | None = None, *, steps: int = 1) -> Iterator[Tensor]:
        """Yields `content` stylised, float32, the same shape: one image, as one pass is all, whatever `steps` is.

        Larger images go through the network at the scale of training, `training_side`, and the result is upsampled:
        brush strokes and swirls then have the same size in the image as in training. `stylize_full_size` keeps their
        size in pixels instead. Shape: (B, C, H, W) in [-1, 1], any size. Raises CapabilityError if a style is given.
        """
        if style is not None:
            raise CapabilityError(f"{self.title} has only the style it was trained for; leave the style out")
        height, width = content.shape[2:]
        factor = min(1.0, self.training_side / max(height, width))
        if factor == 1:
            yield self.stylize_full_size(content)
            return
        size = max(1, round(height * factor)), max(1, round(width * factor))
        small = F.interpolate(content, size, mode="bicubic", antialias=True).clamp(-1, 1)
        stylized = self.stylize_full_size(small)
        yield F.interpolate(stylized, (height, width), mode="bicubic").clamp(-1, 1)

    def stylize_full_size(self, content: Tensor) -> Tensor:
        """`content` stylised in one pass at its own size, float32. Shape: (B, C, H, W) in [-1, 1], any size."""
        return self._forward(content, _MARGIN).float()

    # ----------------------------------------------------------------- metrics

    def perceived(self, x: Tensor, content: Tensor, style: Tensor) -> dict[str, Tensor]:
        """`content`, `style` and `variation` losses of images `x` (B, C, H, W), without a gradient."""
        with torch.no_grad():
            targets = self.vgg.content_targets(content, self.config.content_layers)
            grams = self.vgg.style_targets(style, self.config.style_layers)
            losses: dict[str, Tensor] = self.vgg(x, targets, grams, self.config)
        return losses

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("all terms", "The weighted sum, over few photographs per step: it fluctuates."),
            "loss/content": Curve(
                "content", "Relative squared error of the photographs' features; 0: the content is unchanged."
            ),
            "loss/style": Curve(
                "style", "Relative squared error of the Gram matrices, summed over the layers; 0 is the ideal."
            ),
            "loss/variation": Curve("total variation", "Mean squared difference of neighbouring pixels."),
        }


def _pad(x: Tensor, margin: int) -> Tensor:
    """Pad by reflection: `margin` pixels, and more at the bottom and right up to multiples of 4.

    An image smaller than the margin repeats its border pixels.
    """
    height, width = x.shape[2:]
    bottom, right = (margin + -side % 4 for side in (height, width))
    mode = "reflect" if bottom < height and right < width else "replicate"
    with torch.autocast(x.device.type, enabled=False):
        return F.pad(x, (margin, right, margin, bottom), mode=mode)
