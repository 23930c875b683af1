"""Neural style transfer: Gatys, Ecker and Bethge, A Neural Algorithm of Artistic Style, arXiv 1508.06576.

The only parameters are the pixels of one image x, the canvas. A pretrained classifier (VGG-19) extracts features from
the canvas, a content image and a style image:

    minimise over x:  content_weight * sum_l w_l |F_l(x) - F_l(content)|^2 / |F_l(content)|^2
                      + style_weight * sum_l v_l |G_l(x) - G_l(style)|^2   / |G_l(style)|^2
                      + tv_weight    * TV(x)

F_l are the activations of layer l, flattened to (channels, positions), and G_l = F_l F_l^T / positions is their Gram
matrix: which features occur together, anywhere in the image.

    variable                         paper          meaning
    canvas                           x              the image that is optimised
    content, style                   p, a           content and style image
    content_weight, style_weight     alpha, beta
    content_relu4_2, style_relu1_1   w_l            weight of a layer; the paper has the squared error without division
                                                    by the target, so the weights have another scale
    gram_matrix                      G^l
    tv_weight                        -              total variation TV (Johnson et al., arXiv 1603.08155)

The paper's optimizer, L-BFGS, needs 200 evaluations where gradient descent needs thousands. Images are (1, C, H, W) in
[-1, 1].
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from pydantic import Field

from genmodels.config import live
from genmodels.networks.perceptual_settings import CONTENT_LAYERS, STYLE_LAYERS, PerceptualSettings


class StyleTransferConfig(PerceptualSettings):
    """Optimizer, initial canvas and colours; `PerceptualSettings` has the settings of the loss."""

    optimizer: Literal["lbfgs", "adam"] = Field(
        "lbfgs",
        description="lbfgs estimates the curvature from its last steps; adam is more robust and needs more steps",
    )
    lbfgs_lr: float = live(1.0, gt=0, le=10, description="learning rate of L-BFGS: a factor of its step")
    adam_lr: float = live(0.02, gt=0, le=1, description="learning rate of Adam, for pixels from -1 to 1")
    history: int = Field(10, ge=1, le=100, description="update steps in L-BFGS's memory, each of two image sizes")
    start: Literal["content", "style", "noise"] = Field("content", description="initial canvas")
    colour: Literal["style", "statistics", "luminance"] = Field(
        "style",
        description="style: colours of the style image; statistics: the style image is first recoloured like the "
        "content image; luminance: only the luminance is optimised, the content image's colours stay",
    )


# Everything above the next line is read without torch (genmodels/registry.py).
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.errors import CapabilityError, DivergedError
from genmodels.layers import colours
from genmodels.losses import gram_matrix, relative_square, total_variation
from genmodels.model import Batch, Curve, Metrics, Model, update
from genmodels.networks.vgg import Features, fits
from genmodels.registry import register

Maps = Mapping[str, Tensor]
Targets = tuple[dict[str, Tensor], dict[str, Tensor]]
"""Activations of the content image and Gram matrices of the style image, by layer."""
# torch's L-BFGS skips a step whose gradient changes by less than 1e-10, whatever the scale of the loss.
_LBFGS_SCALE = 1e4


class PerceptualLoss(nn.Module):
    """Content loss, style loss and total variation, on VGG-19's activations. Also Johnson et al.'s loss (`fast_style`).

    Images (B, C, H, W) are in [-1, 1]. The methods for targets leave out layers for which an image is too small.
    """

    def __init__(self, config: PerceptualSettings) -> None:
        super().__init__()
        self.features = Features(config.features, config.pooling)

    def content_targets(self, x: Tensor, layers: Collection[str] = CONTENT_LAYERS) -> dict[str, Tensor]:
        """Activations F_l(x) (B, C_l, h_l, w_l) by layer, without a gradient."""
        with torch.no_grad():
            return self._activations(x, layers)

    def style_targets(self, x: Tensor, layers: Collection[str] = STYLE_LAYERS) -> dict[str, Tensor]:
        """Gram matrices G_l(x) (B, C_l, C_l) by layer, without a gradient."""
        with torch.no_grad():
            return {name: gram_matrix(maps) for name, maps in self._activations(x, layers).items()}

    def _activations(self, x: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        fitting = [layer for layer in layers if fits(x, layer)]
        maps: dict[str, Tensor] = self.features(x, fitting) if fitting else {}
        return maps

    def forward(self, x: Tensor, content: Maps, style: Maps, config: PerceptualSettings) -> dict[str, Tensor]:
        """`content`, `style` and `variation`, 0-d each, summed with the layers' weights: the terms of `weighted_sum`.

        Raises DataError if the images are too small for a layer with a weight.
        """
        content_layers, style_layers = config.content_layers, config.style_layers
        zero = x.new_zeros(())
        losses = {"content": zero, "style": zero, "variation": total_variation(x)}
        if content_layers or style_layers:
            maps = self.features(x, {*content_layers, *style_layers})  # F_l(x)
            # content = sum_l w_l |F_l(x) - F_l(content)|^2 / |F_l(content)|^2
            for name, weight in content_layers.items():
                losses["content"] = losses["content"] + weight * relative_square(maps[name], content[name])
            # style   = sum_l v_l |G_l(x) - G_l(style)|^2   / |G_l(style)|^2
            for name, weight in style_layers.items():
                losses["style"] = losses["style"] + weight * relative_square(gram_matrix(maps[name]), style[name])
        return losses


def weighted_sum(losses: Mapping[str, Tensor], config: PerceptualSettings) -> Tensor:
    """The objective: content_weight * content + style_weight * style + tv_weight * variation."""
    return (
        config.content_weight * losses["content"]
        + config.style_weight * losses["style"]
        + config.tv_weight * losses["variation"]
    )


@register("style_transfer")
class StyleTransfer(Model):
    Config = StyleTransferConfig
    title = "Neural style transfer"
    paper = "Gatys et al. 2015, arXiv 1508.06576"
    pretrained = frozenset({"vgg"})
    multiple = 1
    receptive_radius = 0
    config: StyleTransferConfig

    def __init__(self, config: StyleTransferConfig) -> None:
        super().__init__(config)
        self.canvas = nn.Parameter(0.1 * torch.randn(1, *config.shape))  # (1, C, H, W)
        self.vgg = PerceptualLoss(config)
        self._targets: tuple[Tensor, Tensor, Targets] | None = None

    def start(self, batch: Batch) -> None:
        """Initialise the canvas as `config.start` says; the noise is that of `__init__`."""
        with torch.no_grad():
            self.canvas.copy_(self._initial_canvas(batch["content"][:1], batch["style"][:1], self.canvas))

    def learning_rates(self) -> dict[str, float]:
        return {"canvas": self.config.lbfgs_lr if self.config.optimizer == "lbfgs" else self.config.adam_lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"canvas": self._optimizer(self.canvas)}

    def _optimizer(self, canvas: Tensor) -> Optimizer:
        rate = self.learning_rates()["canvas"]
        if self.config.optimizer == "adam":
            return torch.optim.Adam([canvas], lr=rate)
        # One evaluation per step: the run can be stopped, displayed and changed after each.
        return torch.optim.LBFGS(
            [canvas], lr=rate, max_iter=1, history_size=self.config.history, tolerance_grad=0, tolerance_change=0
        )

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        content, style = batch["content"], batch["style"]
        if self._targets is None or self._targets[0] is not content or self._targets[1] is not style:
            self._targets = content, style, self._compute_targets(content[:1], style[:1])
        return self._update_canvas(self.canvas, content[:1], self._targets[2], optimizers["canvas"])

    def _update_canvas(self, canvas: Tensor, content: Tensor, targets: Targets, optimizer: Optimizer) -> Metrics:
        # minimise over the canvas x:  content_weight * sum_l w_l |F_l(x) - F_l(content)|^2 / |F_l(content)|^2
        #                              + style_weight * sum_l v_l |G_l(x) - G_l(style)|^2   / |G_l(style)|^2
        #                              + tv_weight    * TV(x)
        if isinstance(optimizer, torch.optim.LBFGS):
            metrics: Metrics = {}

            def closure() -> float:
                # L-BFGS computes the loss and its gradient itself, so not through `update`.
                optimizer.zero_grad(set_to_none=True)
                loss, losses = self._loss(canvas, targets)
                value = loss.item()
                if not math.isfinite(value):
                    raise DivergedError(
                        f"the loss became {value}; the last checkpoint is intact. Lower model.lbfgs_lr, or choose "
                        "--set model.optimizer=adam"
                    )
                with torch.autocast(loss.device.type, enabled=False):
                    (loss * _LBFGS_SCALE).backward()  # type: ignore[no-untyped-call]
                metrics.update(losses)
                return value * _LBFGS_SCALE

            optimizer.step(closure)  # type: ignore[no-untyped-call]
        else:
            loss, metrics = self._loss(canvas, targets)
            update(optimizer, loss)
        if self.config.colour == "luminance":
            # The loss depends on the luminance only; restore the chrominance that the step changed.
            with torch.no_grad():
                canvas.copy_(colours.with_colours_of(canvas, content))
        return metrics

    def _loss(self, canvas: Tensor, targets: Targets) -> tuple[Tensor, Metrics]:
        losses = self.vgg(self._to_vgg_input(canvas), *targets, self.config)
        loss = weighted_sum(losses, self.config)
        return loss, {"loss/total": loss.detach()} | {f"loss/{name}": part.detach() for name, part in losses.items()}

    def _compute_targets(self, content: Tensor, style: Tensor) -> Targets:
        """F_l(content) and G_l(style), for every layer: the weight of each may be changed while the run goes on."""
        if self.config.colour == "statistics":
            style = colours.match_statistics(style, content)
        style_input = self._to_vgg_input(style)
        if self.config.colour == "luminance":
            style_input = colours.match_luminance(style_input, colours.luminance(content))
        return self.vgg.content_targets(self._to_vgg_input(content)), self.vgg.style_targets(style_input)

    def _to_vgg_input(self, x: Tensor) -> Tensor:
        return colours.luminance(x) if self.config.colour == "luminance" else x

    def _initial_canvas(self, content: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        if self.config.start == "content":
            return content
        if self.config.start == "style":
            noise = F.interpolate(style, content.shape[2:], mode="bilinear", antialias=True)
        return colours.with_colours_of(noise, content) if self.config.colour == "luminance" else noise

    # --------------------------------------------------------------- inference

    def painting(self) -> Tensor:
        """The current canvas (1, C, H, W) in [-1, 1]."""
        return self.canvas.detach().float().clamp(-1, 1)

    def stylize(
        self,
        content: Tensor,
        style: Tensor | None = None,
        *,
        steps: int = 200,
        generator: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Optimises a new canvas for `content` and `style` and yields it after each of `steps`.

        `content` is (1, C, H, W), `style` (1, C, h, w), the result (1, C, H, W) in [-1, 1]. The model's own canvas
        stays as it is. Raises CapabilityError without a style.
        """
        if style is None:
            raise CapabilityError(f"{self.title} needs a style image; a fast style network has one of its own")
        # Pages run in inference mode, whose tensors cannot require a gradient.
        with torch.inference_mode(False), torch.enable_grad():
            content, style = content.detach().clone(), style.detach().clone()
            generator = generator or torch.Generator(content.device).manual_seed(0)
            noise = 0.1 * torch.randn(content.shape, generator=generator, device=content.device)
            canvas = nn.Parameter(self._initial_canvas(content, style, noise).clone())
            targets, optimizer = self._compute_targets(content, style), self._optimizer(canvas)
        for _ in range(steps):
            with torch.inference_mode(False), torch.enable_grad():
                self._update_canvas(canvas, content, targets, optimizer)
            yield canvas.detach().float().clamp(-1, 1)

    # ----------------------------------------------------------------- metrics

    def perceived(self, x: Tensor, content: Tensor, style: Tensor) -> dict[str, Tensor]:
        """`content`, `style` and `variation` losses of images `x` (B, C, H, W), without a gradient."""
        with torch.no_grad():
            targets = self._compute_targets(content, style)
            losses: dict[str, Tensor] = self.vgg(self._to_vgg_input(x), *targets, self.config)
        return losses

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("all terms", "The objective. It hardly falls after some hundred steps."),
            "loss/content": Curve(
                "content", "Relative squared error of the photograph's features; 0: the content is unchanged."
            ),
            "loss/style": Curve(
                "style", "Relative squared error of the Gram matrices, summed over the layers; 0 is the ideal."
            ),
            "loss/variation": Curve("total variation", "Mean squared difference of neighbouring pixels."),
        }
