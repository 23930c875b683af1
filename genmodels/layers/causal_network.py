"""WaveNet's network (arXiv 1609.03499): gated causal layers with skip connections, from codes to logits.

Its equations stand in `models/wavenet.py`; here is how they are computed, and what the queues read of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.kernels.causal import GatedLayer, SkipSum, delayed
from genmodels.sampling.samples import Voice, Weights


class CausalNetwork(nn.Module):
    """Codes -> logits of the same times, each from earlier codes only.

    Recordings lie one after the other, N samples in all, and `lengths` says where each ends: none is padded. What they
    are told is one row a recording or, where it changes with time, one row for each of the `spans` of samples.
    """

    def __init__(
        self, levels: int, channels: int, skip_channels: int, dilations: Sequence[int], told: int, features: int = 0
    ) -> None:
        """A gated layer a dilation; `told` numbers say who speaks and what, 0 where nothing does.

        features: how many are made of these for all layers, 0 where each layer is told the numbers themselves.
        """
        super().__init__()
        self.silence = levels // 2  # the code of 0
        # The first causal convolution sees one-hot codes of two times: each tap is a row of a table.
        self.now = nn.Embedding(levels, channels)
        self.before = nn.Embedding(levels, channels)
        self.layers = nn.ModuleList(
            GatedLayer(channels, dilation, last=index == len(dilations) - 1) for index, dilation in enumerate(dilations)
        )
        self.context = nn.Sequential(nn.Linear(told, features), nn.ReLU()) if features else nn.Identity()
        self.condition = nn.Linear(features or told, len(dilations) * 2 * channels, bias=False) if told else None
        # One product for the skip 1x1s of all layers, and their sum with it.
        self.skip = SkipSum(len(dilations) * channels, skip_channels)
        self.hidden = nn.Linear(skip_channels, skip_channels)
        self.head = nn.Linear(skip_channels, levels)

    def forward(
        self, codes: Tensor, told: Tensor | None, lengths: Sequence[int], spans: Sequence[int] | None = None
    ) -> Tensor:
        """Codes int64 (N,), what each span is told (S, K) or None -> logits (N, levels) of the same times."""
        return self.logits(self.first(codes, lengths), self.biases(told), lengths, spans)

    def first(self, codes: Tensor, lengths: Sequence[int]) -> Tensor:
        """The first layer's input (N, C): at each time, of the two codes before it; silence before the beginning."""
        last = delayed(codes, lengths, self.silence)
        x: Tensor = self.now(last) + self.before(delayed(last, lengths, self.silence))
        autocast = torch.is_autocast_enabled(x.device.type)
        return x.to(torch.get_autocast_dtype(x.device.type)) if autocast else x

    def biases(self, told: Tensor | None) -> Tensor | None:
        """The condition's share of each layer's filter and gate: (S, K) -> (S, layers, 2 C)."""
        if self.condition is None or told is None:
            return None
        shares: Tensor = self.condition(self.context(told))
        return shares.view(len(told), len(self.layers), -1)

    def logits(
        self,
        x: Tensor,
        biases: Tensor | None,
        lengths: Sequence[int],
        spans: Sequence[int] | None = None,
        inputs: list[Tensor] | None = None,
    ) -> Tensor:
        """From the first layer's input (N, C); each layer's own is put into `inputs` where that is given."""
        parts = []
        for index, layer in enumerate(self.layers):
            if inputs is not None:
                inputs.append(x)
            x, z = layer(x, None if biases is None else biases[:, index], lengths, spans)
            parts.append(z)
        logits: Tensor = self.head(F.relu(self.hidden(F.relu(self.skip(parts)))))
        return logits

    def weights(self) -> Weights:
        """As the queues read them: each matrix (inputs, outputs)."""
        layers: list[GatedLayer] = list(self.layers)  # type: ignore[arg-type]
        *behind, _ = layers
        nothing = torch.zeros_like(self.now.weight[:1])
        square = nothing.T @ nothing
        return Weights(
            before=self.before.weight,
            now=self.now.weight,
            gates=torch.stack([layer.gates.weight.T for layer in layers]),
            residual=torch.stack([*(layer.residual.weight.T for layer in behind if layer.residual), square]),
            residual_bias=torch.stack([*(layer.residual.bias for layer in behind if layer.residual), nothing[0]]),
            skip=(self.skip.weight.T, self.skip.bias),
            hidden=(self.hidden.weight.T, self.hidden.bias),
            head=(self.head.weight.T, self.head.bias),
            dilations=tuple(layer.dilation for layer in layers),
        )

    def voice(self, codes: Tensor, told: Tensor, spans: Sequence[int]) -> Voice:
        """What the queues need after codes (n, T): biases, and each layer's last `dilation` inputs.

        told: (n, P, K), in each of P parts of time; spans: how many of the codes lie in each, n times P.
        """
        own = torch.stack([layer.gates.bias for layer in self.layers])  # type: ignore[misc, union-attr]
        inputs: list[Tensor] = []
        shares, lengths = self.biases(told.flatten(0, 1)), [codes.shape[1]] * len(codes)
        self.logits(self.first(codes.flatten(), lengths), shares, lengths, spans, inputs)
        dilations: list[int] = [layer.dilation for layer in self.layers]  # type: ignore[misc]
        # Left of the beginning a layer adds nothing for its past, as if that were zeros.
        whole = (x.view(*codes.shape, x.shape[1]) for x in inputs)
        tails = [F.pad(x, (0, 0, d, 0))[:, -d:] for x, d in zip(whole, dilations, strict=True)]
        biases = own if shares is None else (own + shares).view(*told.shape[:2], *own.shape)
        return Voice(biases.expand(*told.shape[:2], -1, -1), tails)
