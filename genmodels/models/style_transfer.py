"""Neural style transfer: Gatys, Ecker and Bethge, arXiv 1508.06576.

One picture is painted: its pixels are the only parameters. A network that has learned to name things looks at it, at a
photograph (content) and at a painting (style), and the pixels move until it sees the things of the one and the
textures of the other.

    minimise over x:  content_weight * sum_l w_l |F_l(x) - F_l(content)|^2 / |F_l(content)|^2
                      + style_weight * sum_l v_l |G_l(x) - G_l(style)|^2   / |G_l(style)|^2
                      + tv_weight    * total variation of x

F_l are VGG-19's activations in layer l, and G_l = F_l F_l^T / places: which features occur together, wherever.
L-BFGS finds in 200 evaluations what gradient descent finds in thousands. Pictures are (1, C, H, W) in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from pydantic import Field

from genmodels.config import live
from genmodels.networks.perceptual_settings import CONTENT_LAYERS, STYLE_LAYERS, PerceptualSettings


class StyleTransferConfig(PerceptualSettings):
    """How it is painted, beside what the losses are."""

    optimizer: Literal["lbfgs", "adam"] = Field(
        "lbfgs", description="lbfgs learns the curvature from its last steps; adam is steadier and needs more steps"
    )
    lbfgs_lr: float = live(1.0, gt=0, le=10, description="share of L-BFGS's own step that is taken; 1 is its own")
    adam_lr: float = live(0.02, gt=0, le=1, description="Adam's step a pixel, of a brightness from -1 to 1")
    history: int = Field(10, ge=1, le=100, description="steps that L-BFGS remembers, each as large as two pictures")
    start: Literal["content", "style", "noise"] = Field("content", description="what is on the canvas at first")
    colour: Literal["style", "statistics", "luminance"] = Field(
        "style",
        description="style takes the painting's colours; statistics recolours the painting like the photo first; "
        "luminance paints brightness only and keeps each place's own hue",
    )


import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.errors import CapabilityError, DivergedError
from genmodels.layers import colours
from genmodels.losses import gram_matrix, relative_square, total_variation
from genmodels.networks.vgg import Features, fits
from genmodels.model import Batch, Curve, Metrics, Model, update
from genmodels.registry import register

Maps = Mapping[str, Tensor]
Targets = tuple[dict[str, Tensor], dict[str, Tensor]]
# torch's L-BFGS forgets a step whose change of gradient is below 1e-10, whatever the loss is measured in.
_LBFGS_SCALE = 1e4


class PerceptualLoss(nn.Module):
    """Holds the network that looks; what it is compared with is given to each call."""

    def __init__(self, config: PerceptualSettings) -> None:
        super().__init__()
        self.features = Features(config.features, config.pooling)

    def content_of(self, x: Tensor, layers: Collection[str] = CONTENT_LAYERS) -> dict[str, Tensor]:
        """Activations (B, C, h, w) of pictures in [-1, 1], without a gradient; of those layers that they fit."""
        with torch.no_grad():
            return self._maps(x, layers)

    def style_of(self, x: Tensor, layers: Collection[str] = STYLE_LAYERS) -> dict[str, Tensor]:
        """Gram matrices (B, C, C) of pictures in [-1, 1], without a gradient; of those layers that they fit."""
        with torch.no_grad():
            return {name: gram_matrix(maps) for name, maps in self._maps(x, layers).items()}

    def _maps(self, x: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        fitting = [layer for layer in layers if fits(x, layer)]
        found: dict[str, Tensor] = self.features(x, fitting) if fitting else {}
        return found

    def forward(self, x: Tensor, content: Maps, style: Maps, config: PerceptualSettings) -> dict[str, Tensor]:
        """`content`, `style` and `variation` of pictures in [-1, 1], weighted by layer but not against each other."""
        wanted = config.content_layers, config.style_layers
        zero = x.new_zeros(())
        found = {"content": zero, "style": zero, "variation": total_variation(x)}
        if any(wanted):
            maps = self.features(x, {*wanted[0], *wanted[1]})
            for name, weight in wanted[0].items():
                found["content"] = found["content"] + weight * relative_square(maps[name], content[name])
            for name, weight in wanted[1].items():
                found["style"] = found["style"] + weight * relative_square(gram_matrix(maps[name]), style[name])
        return found


def weighted(parts: Mapping[str, Tensor], config: PerceptualSettings) -> Tensor:
    """What is minimised."""
    return (
        config.content_weight * parts["content"]
        + config.style_weight * parts["style"]
        + config.tv_weight * parts["variation"]
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
        self.canvas = nn.Parameter(0.1 * torch.randn(1, *(config.image_shape or (0, 0, 0))))
        self.vgg = PerceptualLoss(config)
        self._seen: tuple[Tensor, Tensor, Targets] | None = None

    def start(self, batch: Batch) -> None:
        """Put on the canvas what is to be there at first; noise is there already."""
        with torch.no_grad():
            self.canvas.copy_(self._first(batch["content"][:1], batch["style"][:1], self.canvas))

    def learning_rates(self) -> dict[str, float]:
        return {"canvas": self.config.lbfgs_lr if self.config.optimizer == "lbfgs" else self.config.adam_lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"canvas": self._optimizer(self.canvas)}

    def _optimizer(self, canvas: Tensor) -> Optimizer:
        rate = self.learning_rates()["canvas"]
        if self.config.optimizer == "adam":
            return torch.optim.Adam([canvas], lr=rate)
        # One evaluation a step: the run can be stopped, looked at and turned between any two.
        return torch.optim.LBFGS(
            [canvas], lr=rate, max_iter=1, history_size=self.config.history, tolerance_grad=0, tolerance_change=0
        )

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        content, style = batch["content"], batch["style"]
        if self._seen is None or self._seen[0] is not content or self._seen[1] is not style:
            self._seen = content, style, self._targets(content[:1], style[:1])
        return self._paint(self.canvas, content[:1], self._seen[2], optimizers["canvas"])

    def _paint(self, canvas: Tensor, content: Tensor, targets: Targets, optimizer: Optimizer) -> Metrics:
        """One update of the canvas."""
        if isinstance(optimizer, torch.optim.LBFGS):
            metrics: Metrics = {}

            def closure() -> float:
                # Not through `update`: L-BFGS asks for the loss and its gradient itself.
                optimizer.zero_grad(set_to_none=True)
                loss, measured = self._losses(canvas, targets)
                value = loss.item()
                if not math.isfinite(value):
                    raise DivergedError(
                        f"the loss became {value}; the last checkpoint is intact. Lower model.lbfgs_lr, or take "
                        "--set model.optimizer=adam"
                    )
                with torch.autocast(loss.device.type, enabled=False):
                    (loss * _LBFGS_SCALE).backward()  # type: ignore[no-untyped-call]
                metrics.update(measured)
                return value * _LBFGS_SCALE

            optimizer.step(closure)  # type: ignore[no-untyped-call]
        else:
            loss, metrics = self._losses(canvas, targets)
            update(optimizer, loss)
        if self.config.colour == "luminance":
            # The losses see brightness alone: the hues that the step moved are put back, which they do not notice.
            with torch.no_grad():
                canvas.copy_(colours.with_colours_of(canvas, content))
        return metrics

    def _losses(self, canvas: Tensor, targets: Targets) -> tuple[Tensor, Metrics]:
        parts = self.vgg(self._looked_at(canvas), *targets, self.config)
        loss = weighted(parts, self.config)
        return loss, {"loss/total": loss.detach()} | {f"loss/{name}": part.detach() for name, part in parts.items()}

    def _targets(self, content: Tensor, style: Tensor) -> Targets:
        """What VGG sees of the content, and the Gram matrices of the style, in every layer that may be turned on."""
        if self.config.colour == "statistics":
            style = colours.match_statistics(style, content)
        seen_style = self._looked_at(style)
        if self.config.colour == "luminance":
            seen_style = colours.match_brightness(seen_style, colours.luminance(content))
        return self.vgg.content_of(self._looked_at(content)), self.vgg.style_of(seen_style)

    def _looked_at(self, x: Tensor) -> Tensor:
        return colours.luminance(x) if self.config.colour == "luminance" else x

    def _first(self, content: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        if self.config.start == "content":
            return content
        if self.config.start == "style":
            noise = F.interpolate(style, content.shape[2:], mode="bilinear", antialias=True)
        return colours.with_colours_of(noise, content) if self.config.colour == "luminance" else noise

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("all terms", "What is minimised; after some hundred steps it hardly falls."),
            "loss/content": Curve(
                "content", "Share of the photograph's features that is lost: 0 shows the same things."
            ),
            "loss/style": Curve("style", "Distance of the textures from the painting's, all layers added; 0 at best."),
            "loss/variation": Curve("total variation", "Mean squared difference of neighbouring pixels."),
        }

    # --------------------------------------------------------------- inference

    def painting(self) -> Tensor:
        """The canvas (1, C, H, W) in [-1, 1] as it is now."""
        return self.canvas.detach().float().clamp(-1, 1)

    def stylize(
        self,
        content: Tensor,
        style: Tensor | None = None,
        *,
        steps: int = 200,
        generator: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Paints `content` (1, C, H, W) anew in `style` (1, C, h, w) and yields the picture after each of `steps`.

        It leaves this model's canvas alone. Raises CapabilityError without a style.
        """
        if style is None:
            raise CapabilityError(f"{self.title} needs a style picture; a fast style network has one of its own")
        # Gradients are needed even where a page forbids them; a tensor made in inference mode can never have one.
        with torch.inference_mode(False), torch.enable_grad():
            content, style = content.detach().clone(), style.detach().clone()
            noise = 0.1 * torch.randn(content.shape, generator=generator or _fixed(content), device=content.device)
            canvas = nn.Parameter(self._first(content, style, noise).clone())
            targets, optimizer = self._targets(content, style), self._optimizer(canvas)
        for _ in range(steps):
            with torch.inference_mode(False), torch.enable_grad():
                self._paint(canvas, content, targets, optimizer)
            yield canvas.detach().float().clamp(-1, 1)

    def perceived(self, x: Tensor, content: Tensor, style: Tensor) -> dict[str, Tensor]:
        """`content`, `style` and `variation` losses of pictures `x` (B, C, H, W), without a gradient."""
        with torch.no_grad():
            found: dict[str, Tensor] = self.vgg(self._looked_at(x), *self._targets(content, style), self.config)
        return found


def _fixed(content: Tensor) -> torch.Generator:
    return torch.Generator(content.device).manual_seed(0)
