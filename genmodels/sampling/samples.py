"""Incremental sampling of audio: each layer is computed once per sample (Paine et al., Fast WaveNet, arXiv 1611.09482).

A causal layer of dilation d needs its current input and the one d samples ago, so each layer has a queue of its last d
inputs. A sample costs one step of each layer instead of a pass over the whole receptive field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from genmodels.sampling.options import DEFAULT_OPTIONS, SamplingOptions
from genmodels.sampling.pixels import sample_levels


@dataclass(frozen=True)
class Weights:
    """A WaveNet's weights as both samplers read them: each matrix (inputs, outputs)."""

    before: Tensor
    """(levels, C): contribution of the second last code to the first layer's input; `now`: of the last code."""
    now: Tensor
    gates: Tensor
    """(layers, 2 C, 2 C): [delayed, current] to [filter, gate]."""
    residual: Tensor
    """(layers, C, C), with `residual_bias` (layers, C); zeros for the last layer."""
    residual_bias: Tensor
    skip: tuple[Tensor, Tensor]
    """(layers * C, S) and (S,): the skip connections of all layers and their sum as one product."""
    hidden: tuple[Tensor, Tensor]
    head: tuple[Tensor, Tensor]
    dilations: tuple[int, ...]


@dataclass(frozen=True)
class ConditionState:
    """What depends on the condition: per-layer biases and the queues at the start.

    bias: (n, P, layers, 2 C), of filter and gate in each of P segments of time. tails: for each layer its last
    `dilation` inputs before the first sample, (n, dilation, C).
    """

    bias: Tensor
    tails: Sequence[Tensor]


@dataclass(frozen=True)
class SamplingState:
    """Recordings to complete: `codes` int64 (n, T) is filled in place from `start` on where `known` (n, T) is false.

    uniform: (n, T) in [0, 1), one number per sample. segment: int64 (n, T), the segment of each time. silence: the
    code that precedes the first sample. With guidance, `unconditional` is the state without a condition, and the
    logits are unconditional + guidance (conditional - unconditional).
    """

    codes: Tensor
    known: Tensor
    uniform: Tensor
    segment: Tensor
    conditional: ConditionState
    start: int
    silence: int
    options: SamplingOptions = DEFAULT_OPTIONS
    unconditional: ConditionState | None = None
    guidance: float = 1.0

    def code_at(self, time: int) -> Tensor:
        """The codes (n,) at `time`; silence before the beginning."""
        return self.codes[:, time] if time >= 0 else torch.full_like(self.codes[:, 0], self.silence)


class Sampler(Protocol):
    """Queues for one call; never stored on the model."""

    def advance(self, until: int) -> None:
        """Sample all codes before time `until` that are missing."""
        ...


class BatchedQueues:
    """Samples many recordings at once with torch: a step's forty products cost little more for 64 than for one."""

    def __init__(self, weights: Weights, state: SamplingState) -> None:
        self.weights, self.state, self.time = weights, state, state.start
        # With guidance each recording has two rows: all conditional ones, then all unconditional ones.
        conditions = [state.conditional] if state.unconditional is None else [state.conditional, state.unconditional]
        tails = [torch.cat(parts) for parts in zip(*(condition.tails for condition in conditions), strict=True)]
        # Slot s of a queue holds the input of the last time that equals s modulo the dilation.
        self.queues = [tail.roll(state.start % tail.shape[1], 1).transpose(0, 1).contiguous() for tail in tails]
        self.rows, channels = len(state.codes) * len(conditions), weights.now.shape[1]
        self.biases = torch.cat([condition.bias for condition in conditions])
        self.segment = state.segment.repeat(len(conditions), 1)
        self.changes = {self.time, *((state.segment.diff() != 0).any(0).nonzero().flatten() + 1).tolist()}
        self.bias: list[Tensor] = []
        self.pairs = torch.empty(len(self.queues), self.rows, 2 * channels, device=weights.now.device)
        self.z = torch.empty(self.rows, len(self.queues) * channels, device=weights.now.device)

    @torch.inference_mode()
    def advance(self, until: int) -> None:
        state = self.state
        for time in range(self.time, until):
            logits = self.step(time)
            sampled = sample_levels(logits, state.uniform[:, time, None], state.options)
            state.codes[:, time] = torch.where(state.known[:, time], state.codes[:, time], sampled)
        self.time = max(self.time, until)

    @torch.inference_mode()
    def step(self, time: int) -> Tensor:
        """Logits (n, levels) of the sample at `time`; call it once for each time, in order."""
        w, state, channels = self.weights, self.state, self.weights.now.shape[1]
        x = w.before[state.code_at(time - 2)] + w.now[state.code_at(time - 1)]
        x = x.repeat(self.rows // len(x), 1)
        if time in self.changes:
            current = self.biases[torch.arange(self.rows, device=x.device), self.segment[:, time]]
            self.bias = list(current.transpose(0, 1).contiguous())
        for index, (queue, pair, bias) in enumerate(zip(self.queues, self.pairs, self.bias, strict=True)):
            slot = queue[time % len(queue)]
            pair[:, :channels] = slot
            pair[:, channels:] = x
            slot.copy_(x)
            gates = torch.addmm(bias, pair, w.gates[index])
            z = self.z[:, index * channels : (index + 1) * channels]
            torch.mul(gates[:, :channels].tanh_(), gates[:, channels:].sigmoid_(), out=z)
            x = x.add_(w.residual_bias[index]).addmm_(z, w.residual[index])
        skip = torch.addmm(w.skip[1], self.z, w.skip[0]).relu_()
        hidden = torch.addmm(w.hidden[1], skip, w.hidden[0]).relu_()
        logits = torch.addmm(w.head[1], hidden, w.head[0])
        if state.unconditional is None:
            return logits
        conditional, unconditional = logits.chunk(2)
        return unconditional.lerp(conditional, state.guidance)
