"""The loss of a critic with gradient penalty (arXiv 1704.00028), and its gradient in fewer passes than autograd takes.

L = mean f(G(z)) - mean f(x) + weight * mean (|s| - 1)^2,    s = grad f(x'),    x' = e x + (1 - e) G(z)

A critic of linear layers W_1 ... W_n (convolutions among them) and LeakyReLUs is piecewise linear: on one image each
LeakyReLU multiplies by a mask M of ones and slopes, which a small change of weights or image does not alter. With h the
input of a layer and g the gradient of f with respect to its output,

    forward     h_l = M_l (W_l h_{l-1} + b_l)        of all images, which also gives the M
    backward    g_l = M_l W_{l+1}' g_{l+1}           of all images; below the first layer it is s
    tangent     u_l = M_l W_l u_{l-1}, u_0 = dL/ds   of x' alone

and the gradient of each layer's weights is one sum over images: dL/dW_l = sum g_l u_{l-1}', where u is h for real and
generated images, whose g starts from -1/B and 1/B instead of 1. That is the work of 10 forward passes of a batch.
Autograd takes 12, since it also differentiates the M, which gives zeros, and many more operations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input, conv2d_weight

from genmodels.losses import critic_loss, gradient_penalty


class PenalisedLoss(NamedTuple):
    """The critic's `loss` can be differentiated; the scores (B, 1) and the penalty are for curves."""

    loss: Tensor
    real_scores: Tensor
    fake_scores: Tensor
    penalty: Tensor


def reference(critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor, weight: float) -> PenalisedLoss:
    """L of images (B, C, H, W), with e = `mix` (B, 1, 1, 1) from U(0, 1), as autograd differentiates it."""
    real_scores, fake_scores = critic(torch.cat([real, fake])).chunk(2)
    penalty = gradient_penalty(critic, real, fake, mix)
    return PenalisedLoss(critic_loss(real_scores, fake_scores) + weight * penalty, real_scores, fake_scores, penalty)


def supports(model: Any) -> bool:
    """Whether the model trains a critic with this loss, and the critic is piecewise linear."""
    return hasattr(model, "penalised_loss") and is_piecewise_linear(model.critic)


def use(model: Any) -> None:
    """Makes the model train its critic with `penalised_loss`."""
    model.penalised_loss = penalised_loss


def penalised_loss(critic: nn.Sequential, real: Tensor, fake: Tensor, mix: Tensor, weight: float) -> PenalisedLoss:
    """As `reference`, of a piecewise linear critic.

    In bfloat16 under autocast, with norms, means and sums of the loss in float32: the norms, which vary by 12 % over
    images, change by half a percent.
    """
    return PenalisedLoss(*_PenalisedLoss.apply(critic, real, fake, mix, weight, *critic.parameters()))


def is_piecewise_linear(critic: nn.Module) -> bool:
    """Whether the critic is a stack of exactly the layers in `_LAYERS`.

    A spectrally normalised layer is of another class: its weight is computed from other tensors.
    """
    return isinstance(critic, nn.Sequential) and all(
        type(layer) in _LAYERS
        and (not isinstance(layer, nn.Conv2d) or (layer.padding_mode == "zeros" and not isinstance(layer.padding, str)))
        for layer in critic
    )


class _PenalisedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        critic: nn.Sequential,
        real: Tensor,
        fake: Tensor,
        mix: Tensor,
        weight: float,
        *parameters: nn.Parameter,
    ) -> tuple[Tensor, ...]:
        device, size = real.device.type, len(real)
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else parameters[0].dtype
        with torch.autocast(device, enabled=False):
            layers = [_LAYERS[type(module)](module, dtype) for module in critic]
            mixed = torch.lerp(fake.float(), real.float(), mix)

            h = torch.cat([real.to(dtype), fake.to(dtype), mixed.to(dtype)])
            for layer in layers:
                h = layer.forward(h)
            real_scores, fake_scores, _ = h.chunk(3)

            g = h.new_tensor([-1 / size, 1 / size, 1]).repeat_interleave(size)[:, None]
            lowest = next(index for index, layer in enumerate(layers) if layer.weight is not None)
            for index in reversed(range(len(layers))):
                # Gradients with respect to the images themselves are needed for x' only.
                g = layers[index].backward(g, rows=slice(2 * size, None) if index == lowest else slice(None))

            s = g.float()
            norm = s.flatten(1).norm(dim=1)
            penalty = (norm - 1).square().mean()
            # dL/ds; at s = 0 the norm has no derivative and 0 is taken, as torch does.
            factor = (weight * 2 / size) * (norm - 1) / norm.clamp_min(torch.finfo(torch.float32).tiny)
            u = (s * factor.view(-1, *[1] * (s.dim() - 1))).to(dtype)
            gradients: dict[nn.Parameter, Tensor] = {}
            for layer in layers:
                u = layer.tangent(u, gradients)

        ctx.gradients = [gradients[parameter] for parameter in parameters]
        ctx.mark_non_differentiable(real_scores, fake_scores, penalty)
        return critic_loss(real_scores, fake_scores) + weight * penalty, real_scores, fake_scores, penalty

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        return (None,) * 5 + tuple(outputs[0] * gradient for gradient in ctx.gradients)


class _Flatten:
    """A layer in the three passes; the last third of the rows belongs to x'."""

    weight: Tensor | None = None
    x: Tensor
    y: Tensor

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        self.module: Any = module

    def forward(self, x: Tensor) -> Tensor:
        """h of the layer's output from h of its input."""
        self.x, self.y = x, self.apply(x)
        return self.y

    def backward(self, g: Tensor, rows: slice) -> Tensor:
        """`rows` of g of the layer's input, from g of its output."""
        g = g[rows]
        return self.transpose(g, self.x[-len(g) :])

    def tangent(self, u: Tensor, gradients: dict[nn.Parameter, Tensor]) -> Tensor:
        """u of the layer's output from u of its input; adds the gradients of the layer's parameters."""
        return self.apply(u)

    def apply(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def transpose(self, g: Tensor, x: Tensor) -> Tensor:
        """The transpose of `apply`: from the output's shape to the shape and layout of the input x."""
        return torch.empty_like(x).copy_(g.reshape(x.shape))


class _LeakyReLU(_Flatten):
    def apply(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.module.negative_slope)

    def backward(self, g: Tensor, rows: slice) -> Tensor:
        return self._masked(g[rows])

    def tangent(self, u: Tensor, gradients: dict[nn.Parameter, Tensor]) -> Tensor:
        return self._masked(u)

    def _masked(self, rows: Tensor) -> Tensor:
        """Rows times M: 1 if the layer's output is positive, else its slope."""
        signs = self.y[-len(rows) :]
        masked: Tensor = torch.ops.aten.leaky_relu_backward(rows, signs, self.module.negative_slope, True)
        return masked


class _Linear(_Flatten):
    g: Tensor

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__(module, dtype)
        self.weight: Tensor = self.module.weight.to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        if self.module.bias is not None:
            y += self.module.bias.to(y.dtype).view(-1, *[1] * (y.dim() - 2))
        return y

    def backward(self, g: Tensor, rows: slice) -> Tensor:
        self.g = g
        return super().backward(g, rows)

    def tangent(self, u: Tensor, gradients: dict[nn.Parameter, Tensor]) -> Tensor:
        self.x[-len(u) :] = u  # in place of h of x', which is no longer needed: one product gives the whole gradient
        gradients[self.module.weight] = self.gradient().to(self.module.weight.dtype)
        if self.module.bias is not None:
            axes = [axis for axis in range(self.g.dim()) if axis != 1]
            gradients[self.module.bias] = self.g[: -len(u)].sum(axes, dtype=self.module.bias.dtype)
        return self.apply(u)

    def apply(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)

    def transpose(self, g: Tensor, x: Tensor) -> Tensor:
        return g @ self.weight

    def gradient(self) -> Tensor:
        """The sum over images of g u'."""
        return self.g.t() @ self.x


class _Convolution(_Linear):
    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__(module, dtype)
        self.settings = self.module.stride, self.module.padding, self.module.dilation, self.module.groups

    def apply(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, None, *self.settings)

    def transpose(self, g: Tensor, x: Tensor) -> Tensor:
        result: Tensor = conv2d_input(x.shape, self.weight, g, *self.settings)  # type: ignore[no-untyped-call]
        return result

    def gradient(self) -> Tensor:
        result: Tensor = conv2d_weight(self.x, self.weight.shape, self.g, *self.settings)  # type: ignore[no-untyped-call]
        return result


_LAYERS: dict[type[nn.Module], type[_Flatten]] = {
    nn.Flatten: _Flatten,
    nn.LeakyReLU: _LeakyReLU,
    nn.Linear: _Linear,
    nn.Conv2d: _Convolution,
}
