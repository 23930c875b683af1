"""Drawing audio sample by sample, each layer computed once a sample (Paine et al., Fast WaveNet, arXiv 1611.09482).

A causal layer of dilation d needs its input of now and of d samples ago, so each layer keeps a queue of its last d
inputs. A sample costs one step of each layer, and not the whole receptive field again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from genmodels.sampling.pixels import draw


@dataclass(frozen=True)
class Weights:
    """A WaveNet's weights as both samplers read them: each matrix (inputs, outputs), each bias beside it."""

    before: Tensor
    """(levels, C): what the code before the last adds to a layer's first input; `now` is that of the last one."""
    now: Tensor
    gates: Tensor
    """(layers, 2 C, 2 C): [delayed, current] to [filter, gate]."""
    residual: Tensor
    """(layers, C, C), with `residual_bias` (layers, C); zeros for the last layer."""
    residual_bias: Tensor
    skip: tuple[Tensor, Tensor]
    """(layers * C, S) and (S,): all layers' skip connections and their sum in one product."""
    hidden: tuple[Tensor, Tensor]
    head: tuple[Tensor, Tensor]
    dilations: tuple[int, ...]


@dataclass(frozen=True)
class Voice:
    """What a condition changes in each of the P parts of a recording's time.

    bias (n, P, layers, 2 C) of filter and gate, the condition's share in it; tails: of each layer, its last `dilation`
    inputs before the first sample that is drawn, (n, dilation, C).
    """

    bias: Tensor
    tails: Sequence[Tensor]


@dataclass(frozen=True)
class Task:
    """What is to be drawn: `codes` int64 (n, T) is filled in place from `start` on where `known` (n, T) is false.

    uniform (n, T) in [0, 1): one number a sample. part int64 (n, T): which of the voices' parts a time lies in. told:
    the network as it is told what to say. silence: the code that stands before the beginning. untold: where drawing is
    guided, the same network not told that, and `guidance`: the logits are untold + guidance (told - untold).
    """

    codes: Tensor
    known: Tensor
    uniform: Tensor
    part: Tensor
    told: Voice
    start: int
    silence: int
    temperature: float = 1.0
    top_k: int | None = None
    untold: Voice | None = None
    guidance: float = 1.0

    def code_before(self, time: int) -> Tensor:
        """(n,): the code at `time`, or silence before the beginning."""
        return self.codes[:, time] if time >= 0 else torch.full_like(self.codes[:, 0], self.silence)


class Sampler(Protocol):
    """Queues for one call; never kept on the model."""

    def advance(self, until: int) -> None:
        """Draw all samples before time `until` that are not drawn yet."""
        ...


class BatchedQueues:
    """Many recordings at once with torch: a step's forty small products cost little more for 64 than for one."""

    def __init__(self, weights: Weights, task: Task) -> None:
        self.weights, self.task, self.time = weights, task, task.start
        # Guided, each recording has two rows: told, and behind all of those untold.
        voices = [task.told] if task.untold is None else [task.told, task.untold]
        tails = [torch.cat(parts) for parts in zip(*(voice.tails for voice in voices), strict=True)]
        # Slot s of a queue holds the input of the last time that is s modulo the dilation.
        self.queues = [tail.roll(task.start % tail.shape[1], 1).transpose(0, 1).contiguous() for tail in tails]
        self.rows, channels = len(task.codes) * len(voices), weights.now.shape[1]
        self.biases = torch.cat([voice.bias for voice in voices])
        self.part = task.part.repeat(len(voices), 1)
        self.changes = {self.time, *((task.part.diff() != 0).any(0).nonzero().flatten() + 1).tolist()}
        self.bias: list[Tensor] = []
        self.pairs = torch.empty(len(self.queues), self.rows, 2 * channels, device=weights.now.device)
        self.z = torch.empty(self.rows, len(self.queues) * channels, device=weights.now.device)

    @torch.inference_mode()
    def advance(self, until: int) -> None:
        task = self.task
        for time in range(self.time, until):
            logits = self.step(time)
            drawn = draw(logits, task.uniform[:, time, None], task.temperature, task.top_k)
            task.codes[:, time] = torch.where(task.known[:, time], task.codes[:, time], drawn)
        self.time = max(self.time, until)

    @torch.inference_mode()
    def step(self, time: int) -> Tensor:
        """Logits (n, levels) of the sample at `time`; each time is to be asked for once, in order."""
        w, task, channels = self.weights, self.task, self.weights.now.shape[1]
        x = w.before[task.code_before(time - 2)] + w.now[task.code_before(time - 1)]
        x = x.repeat(self.rows // len(x), 1)
        if time in self.changes:
            here = self.biases[torch.arange(self.rows, device=x.device), self.part[:, time]]
            self.bias = list(here.transpose(0, 1).contiguous())
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
        if task.untold is None:
            return logits
        told, untold = logits.chunk(2)
        return untold.lerp(told, task.guidance)
