"""The loss of a critic with gradient penalty (arXiv 1704.00028), and its gradient in fewer passes than autograd's.

    L = mean f(G(z)) - mean f(x) + weight * mean (|s| - 1)^2,    s = grad f(x'),    x' = e x + (1 - e) G(z)

Between its kinks a critic of linear layers W_1 ... W_n, convolutions among them, and LeakyReLU is linear: on one
picture each LeakyReLU multiplies by ones and slopes M, which a small change of weights or picture does not move. With
h the input of a layer and g what f gains for each unit of its output,

    forwards    h_l = M_l (W_l h_{l-1} + b_l)        of all pictures, which also finds the M
    backwards   g_l = M_l W_{l+1}' g_{l+1}           of all pictures; below the first layer it is s
    forwards    u_l = M_l W_l u_{l-1}, u_0 = dL/ds   of x' alone

and each layer's weights have one gradient, a sum over pictures: dL/dW_l = sum g_l u_{l-1}', where u is h for real and
drawn pictures, whose g starts from -1/B and 1/B instead of 1. That is the work of 10 forward passes of a batch.
Autograd takes 12, since it differentiates the M as well, which gives zeros, and many more operations: a step of
`mnist_wgan_gp` takes two thirds of its time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input, conv2d_weight

from genmodels.kernels import convolution
from genmodels.losses import critic_loss, gradient_penalty


class PenalisedLoss(NamedTuple):
    """`loss` is what the critic minimises and can be differentiated; the others are for curves."""

    loss: Tensor
    real_scores: Tensor
    fake_scores: Tensor
    penalty: Tensor


def penalised_loss(critic: nn.Sequential, real: Tensor, fake: Tensor, mix: Tensor, weight: float) -> PenalisedLoss:
    """L of pictures (B, C, H, W), with e = `mix` (B, 1, 1, 1) from U(0, 1); the scores are (B, 1).

    Critics of other layers than linear ones, convolutions, LeakyReLU and Flatten are left to autograd. In bfloat16
    under autocast; lengths, means and sums of the loss in float32.
    """
    fake = fake.to(real.dtype)
    if not is_linear_between_kinks(critic):
        real_scores, fake_scores = critic(torch.cat([real, fake])).chunk(2)
        penalty = gradient_penalty(critic, real, fake, mix)
        loss = critic_loss(real_scores, fake_scores) + weight * penalty
        return PenalisedLoss(loss, real_scores, fake_scores, penalty)
    return PenalisedLoss(*_PenalisedLoss.apply(critic, real, fake, mix, weight, *critic.parameters()))


def is_linear_between_kinks(critic: nn.Module) -> bool:
    """Whether the passes above are those of this critic.

    Exactly the classes of `_LAYERS`: one with spectral normalisation is of a class of its own, and its weight is made
    of other tensors.
    """
    return isinstance(critic, nn.Sequential) and all(
        type(layer) in _LAYERS
        and (type(layer) is not convolution.Conv2d or convolution.symmetric_padding(layer) is not None)
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
                h = layer.forwards(h)
            real_scores, fake_scores, _ = h.chunk(3)

            g = h.new_tensor([-1 / size, 1 / size, 1]).repeat_interleave(size)[:, None]
            lowest = next(index for index, layer in enumerate(layers) if layer.weight is not None)
            for index in reversed(range(len(layers))):
                # Nobody asks how real and drawn pictures themselves should change.
                g = layers[index].backwards(g, wanted=slice(2 * size, None) if index == lowest else slice(None))

            slope = g.float()
            length = slope.flatten(1).norm(dim=1)
            penalty = (length - 1).square().mean()
            # Where the slope is zero its length has no derivative; zero is taken, as torch does.
            pull = (weight * 2 / size) * (length - 1) / length.clamp_min(torch.finfo(torch.float32).tiny)
            u = (slope * pull.view(-1, *[1] * (slope.dim() - 1))).to(dtype)
            gradients: dict[nn.Parameter, Tensor] = {}
            for layer in layers:
                u = layer.along(u, gradients)

        ctx.gradients = [gradients[parameter] for parameter in parameters]
        ctx.mark_non_differentiable(real_scores, fake_scores, penalty)
        return critic_loss(real_scores, fake_scores) + weight * penalty, real_scores, fake_scores, penalty

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        return (None,) * 5 + tuple(outputs[0] * gradient for gradient in ctx.gradients)


class _Flatten:
    """A layer in the three passes; the last third of its rows are of x'."""

    weight: Tensor | None = None
    x: Tensor
    y: Tensor

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        self.module: Any = module

    def forwards(self, x: Tensor) -> Tensor:
        """h of the layer's output from h of its input."""
        self.x, self.y = x, self.apply(x)
        return self.y

    def backwards(self, g: Tensor, wanted: slice) -> Tensor:
        """g of the layer's input from g of its output, or the `wanted` rows of it."""
        g = g[wanted]
        return self.turned(g, self.x[-len(g) :])

    def along(self, u: Tensor, gradients: dict[nn.Parameter, Tensor]) -> Tensor:
        """u of the layer's output from u of its input; notes the gradients of its weights."""
        return self.apply(u)

    def apply(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def turned(self, g: Tensor, x: Tensor) -> Tensor:
        """`apply` transposed: what reaches an input shaped and laid out as x."""
        return torch.empty_like(x).copy_(g.reshape(x.shape))


class _LeakyReLU(_Flatten):
    def apply(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.module.negative_slope)

    def backwards(self, g: Tensor, wanted: slice) -> Tensor:
        return self._masked(g[wanted])

    def along(self, u: Tensor, gradients: dict[nn.Parameter, Tensor]) -> Tensor:
        return self._masked(u)

    def _masked(self, rows: Tensor) -> Tensor:
        """Rows times 1 where the layer's output is positive, times its slope elsewhere."""
        signs = self.y[-len(rows) :]
        masked: Tensor = torch.ops.aten.leaky_relu_backward(rows, signs, self.module.negative_slope, True)
        return masked


class _Linear(_Flatten):
    g: Tensor

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__(module, dtype)
        self.weight: Tensor = self.module.weight.to(dtype)

    def forwards(self, x: Tensor) -> Tensor:
        y = super().forwards(x)
        if self.module.bias is not None:
            y += self.module.bias.to(y.dtype).view(-1, *[1] * (y.dim() - 2))
        return y

    def backwards(self, g: Tensor, wanted: slice) -> Tensor:
        self.g = g
        return super().backwards(g, wanted)

    def along(self, u: Tensor, gradients: dict[nn.Parameter, Tensor]) -> Tensor:
        self.x[-len(u) :] = u  # h of x' has done its part, and real, drawn and u give the gradient in one product
        gradients[self.module.weight] = self.gradient().to(self.module.weight.dtype)
        if self.module.bias is not None:
            over = [axis for axis in range(self.g.dim()) if axis != 1]
            gradients[self.module.bias] = self.g[: -len(u)].sum(over, dtype=self.module.bias.dtype)
        return self.apply(u)

    def apply(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)

    def turned(self, g: Tensor, x: Tensor) -> Tensor:
        return g @ self.weight

    def gradient(self) -> Tensor:
        """The sum over pictures of g x'."""
        return self.g.t() @ self.x


class _Convolution(_Linear):
    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__(module, dtype)
        self.stride, self.padding = self.module.stride[0], convolution.symmetric_padding(self.module) or 0
        # There `convolution` chooses between products and torch's own by the size of maps.
        self.by_products = dtype == torch.bfloat16 and self.weight.device.type == "cpu"

    def apply(self, x: Tensor) -> Tensor:
        if self.by_products:
            return convolution.convolve(x, self.weight, self.stride, self.padding)
        return F.conv2d(x, self.weight, None, self.stride, self.padding)

    def turned(self, g: Tensor, x: Tensor) -> Tensor:
        if self.by_products:
            return convolution.spread(g, self.weight, self.stride, self.padding, x.shape[2:])
        found: Tensor = conv2d_input(x.shape, self.weight, g, self.stride, self.padding)  # type: ignore[no-untyped-call]
        return found

    def gradient(self) -> Tensor:
        if self.by_products:
            return convolution.weight_gradient(self.x, self.g, self.weight.shape[2], self.stride, self.padding)
        found: Tensor = conv2d_weight(self.x, self.weight.shape, self.g, self.stride, self.padding)  # type: ignore[no-untyped-call]
        return found


_LAYERS: dict[type[nn.Module], type[_Flatten]] = {
    nn.Flatten: _Flatten,
    nn.LeakyReLU: _LeakyReLU,
    nn.Linear: _Linear,
    convolution.Conv2d: _Convolution,
}
