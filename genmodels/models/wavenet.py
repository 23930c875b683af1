"""WaveNet: van den Oord et al., WaveNet: A Generative Model for Raw Audio, arXiv 1609.03499.

An autoregressive model of audio. The probability of a recording is the product over its samples in time,

    p(x | h) = prod_t p(x_t | x_1 ... x_(t-1), h),

each factor a softmax over 256 mu-law levels. Causal convolutions with dilations 1, 2, 4, ... give a large receptive
field with few layers:

    z_l     = tanh(W_f,l * x_l + V_f,l h) . sigmoid(W_g,l * x_l + V_g,l h)      gated activation unit
    x_(l+1) = x_l + R_l z_l                                                     residual connection
    logits  = 1x1 ReLU 1x1 ReLU sum_l S_l z_l                                   skip connections

Objective: the exact cross entropy, the mean over samples in nats, of all samples of a recording in parallel,

    loss = -1/T sum_t log p(x_t | x_1 ... x_(t-1), h).

Notation:

    codes                       x_t        mu-law level of each sample, 0 to levels - 1
    h                           h          condition weights: class and speaker, one-hot
    gates                       W_f, W_g   weights of filter and gate, side by side
    condition                   V_f, V_g   weights of the condition
    residual, skip              R, S       1x1 convolutions
    dilations                              time between the two taps of each layer
    lengths, spans                         samples of each recording, and of each of its temporal segments
    guidance                    g          classifier-free guidance scale

Local conditioning (2.5): with `parts` above 0, h changes with time, h_t = ReLU(A [h, one-hot temporal segment of t]).
So the network knows its position within the utterance, and the utterance ends. Sampling takes the mean length of such
utterances in training, divided by the tempo.

Classifier-free guidance (Ho and Salimans, arXiv 2207.12598): if training dropped the condition of some recordings,
sampling can use the logits l(0) + g (l(h) - l(0)); 0 stands for no condition.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from genmodels.networks.audio_settings import AudioSettings


class WaveNetConfig(AudioSettings):
    """`stacks` times `layers` causal layers; the dilation doubles within a stack, from 1 on."""

    levels: int = Field(256, ge=2, le=256, description="mu-law levels of a sample, finer near silence")
    channels: int = Field(48, ge=1, le=512, description="channels of each layer's input, filter and gate")
    skip_channels: int = Field(192, ge=1, le=2048, description="channels of the sum of all skip connections")
    layers: int = Field(9, ge=1, le=14, description="layers per stack; the last one's dilation is 2^(layers - 1)")
    stacks: int = Field(3, ge=1, le=16, description="stacks of layers, each starting at dilation 1")
    context: int = Field(
        64, ge=1, le=1024, description="features of the condition if it changes with time (parts above 0)"
    )

    @property
    def dilations(self) -> tuple[int, ...]:
        return tuple(2**layer for _ in range(self.stacks) for layer in range(self.layers))

    @property
    def receptive_field(self) -> int:
        """Past samples that the logits of one sample depend on."""
        return sum(self.dilations) + 2


# Everything above is read without torch: submitting a job and listing models do not import it.
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.conditions import condition_weights
from genmodels.errors import ConfigError, DataError
from genmodels.layers.timing import segment_at, segment_lengths, with_segments
from genmodels.model import Batch, Curve, Metrics, Model, cosine, make_optimizer, update
from genmodels.registry import register
from genmodels.sampling.options import DEFAULT_OPTIONS, MIN_TEMPO, SamplingOptions, check_sampling_options
from genmodels.sampling.samples import BatchedQueues, ConditionState, Sampler, SamplingState, Weights
from genmodels.signal.audio import mu_law_decode, mu_law_encode

MAX_SECONDS = 60
"""Longest recording that can be generated or continued."""
_KEYS = ("label", "speaker")
_COMPILED_STREAMS = 12
"""Up to so many recordings, the compiled queues are faster than a batch in torch, on one core."""
_CHUNK = 8  # recordings whose likelihood is computed at once


# ---------------------------------------------------------------------------------------------- network


def delayed(x: Tensor, lengths: Sequence[int], steps: int, fill: int = 0) -> Tensor:
    """Recordings one after the other (N, ...), each delayed by `steps`: it begins with `fill` and loses its end."""
    padding = (0, 0) * (x.dim() - 1) + (steps, 0)
    return torch.cat([F.pad(rows, padding, value=fill)[: len(rows)] for rows in torch.split(x, list(lengths))])


class GatedLayer(nn.Module):
    """One causal layer of two taps: gated activation unit and residual connection.

    Filter and gate have separate weights, side by side in one matrix. One convolution shared by both, as in some
    tutorials, ties them: a feature could only pass the gate if it is itself positive.
    """

    def __init__(self, channels: int, dilation: int, *, last: bool) -> None:
        super().__init__()
        self.dilation = dilation
        self.gates = nn.Linear(2 * channels, 2 * channels)  # [x(t - d), x(t)] -> [filter, gate]
        self.residual = None if last else nn.Linear(channels, channels)  # nothing reads the last layer's sum

    def forward(
        self, x: Tensor, bias: Tensor | None, lengths: Sequence[int], spans: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """x (N, C) and V h of each span (S, 2 C), None without a condition -> (next x, z), (N, C) each."""
        spans = lengths if spans is None else spans
        total = self.gates.bias.expand(len(spans), -1) if bias is None else self.gates.bias + bias  # (S, 2 C)
        each = total.to(x.dtype).repeat_interleave(torch.tensor(spans, device=x.device), 0)  # (N, 2 C)
        filter_bias, gate_bias = each.chunk(2, 1)  # V_f h, V_g h (N, C)
        filter_weight, gate_weight = self.gates.weight.chunk(2)  # W_f, W_g (C, 2 C)
        taps = torch.cat([delayed(x, lengths, self.dilation), x], 1)  # [x(t - d), x(t)] (N, 2 C)
        # z = tanh(W_f * x + V_f h) . sigmoid(W_g * x + V_g h),  next x = x + R z
        filtered, gate = F.linear(taps, filter_weight) + filter_bias, F.linear(taps, gate_weight) + gate_bias
        z = torch.tanh(filtered) * torch.sigmoid(gate)  # (N, C)
        return (x if self.residual is None else x + self.residual(z)), z


class CausalNetwork(nn.Module):
    """Codes -> logits of the same times, each from earlier codes only.

    Recordings lie one after the other, N samples in all, and `lengths` has the length of each: nothing is padded. The
    condition has one row per recording or, with local conditioning, one for each of the S `spans` of samples.
    """

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__()
        levels, channels, dilations = config.levels, config.channels, config.dilations
        conditions = sum(config.conditions.values())  # K
        features = config.context if config.parts else 0
        inputs = conditions + config.parts + 1 if config.parts else conditions
        self.silence = levels // 2  # the code of 0
        # The first causal convolution has one-hot inputs: each of its two taps is a row of a table.
        self.now = nn.Embedding(levels, channels)
        self.before = nn.Embedding(levels, channels)
        self.layers = nn.ModuleList(
            GatedLayer(channels, dilation, last=index == len(dilations) - 1) for index, dilation in enumerate(dilations)
        )
        self.context = nn.Sequential(nn.Linear(inputs, features), nn.ReLU()) if features else nn.Identity()  # A
        self.condition = nn.Linear(features or inputs, len(dilations) * 2 * channels, bias=False) if inputs else None
        self.skip = nn.Linear(len(dilations) * channels, config.skip_channels)  # S of all layers, side by side
        self.hidden = nn.Linear(config.skip_channels, config.skip_channels)
        self.head = nn.Linear(config.skip_channels, levels)

    def forward(
        self, codes: Tensor, h: Tensor | None, lengths: Sequence[int], spans: Sequence[int] | None = None
    ) -> Tensor:
        """Codes int64 (N,) and the condition of each span (S, K) or None -> logits (N, levels)."""
        return self.logits(self.first(codes, lengths), self.biases(h), lengths, spans)

    def first(self, codes: Tensor, lengths: Sequence[int]) -> Tensor:
        """The first layer's input (N, C): from the two codes before each time, silence before the beginning."""
        last = delayed(codes, lengths, 1, self.silence)  # (N,)
        x: Tensor = self.now(last) + self.before(delayed(last, lengths, 1, self.silence))  # (N, C)
        autocast = torch.is_autocast_enabled(x.device.type)
        return x.to(torch.get_autocast_dtype(x.device.type)) if autocast else x

    def biases(self, h: Tensor | None) -> Tensor | None:
        """V h, the condition's contribution to the filter and gate of each layer: (S, K) -> (S, layers, 2 C)."""
        if self.condition is None or h is None:
            return None
        biases: Tensor = self.condition(self.context(h))
        return biases.view(len(h), len(self.layers), -1)

    def logits(
        self,
        x: Tensor,
        biases: Tensor | None,
        lengths: Sequence[int],
        spans: Sequence[int] | None = None,
        inputs: list[Tensor] | None = None,
    ) -> Tensor:
        """(N, levels) from the first layer's input (N, C); appends each layer's input to `inputs`."""
        parts = []
        for index, layer in enumerate(self.layers):
            if inputs is not None:
                inputs.append(x)
            x, z = layer(x, None if biases is None else biases[:, index], lengths, spans)  # (N, C), (N, C)
            parts.append(z)
        skip = self.skip(torch.cat(parts, 1))  # sum_l S_l z_l (N, skip channels)
        logits: Tensor = self.head(F.relu(self.hidden(F.relu(skip))))  # (N, levels)
        return logits

    # What the samplers in genmodels/sampling read of the network.

    def weights(self) -> Weights:
        layers: list[GatedLayer] = list(self.layers)  # type: ignore[arg-type]
        inner = [layer.residual for layer in layers if layer.residual is not None]
        nothing = torch.zeros_like(self.now.weight[0])  # (C,)
        return Weights(
            before=self.before.weight,
            now=self.now.weight,
            gates=torch.stack([layer.gates.weight.T for layer in layers]),
            residual=torch.stack([*(residual.weight.T for residual in inner), nothing.diag()]),
            residual_bias=torch.stack([*(residual.bias for residual in inner), nothing]),
            skip=(self.skip.weight.T, self.skip.bias),
            hidden=(self.hidden.weight.T, self.hidden.bias),
            head=(self.head.weight.T, self.head.bias),
            dilations=tuple(layer.dilation for layer in layers),
        )

    def condition_state(self, codes: Tensor, h: Tensor, spans: Sequence[int]) -> ConditionState:
        """The biases of each segment, and each layer's last `dilation` inputs after codes (n, T).

        h: (n, P, K), for each of P segments of time; spans: the codes in each segment, n times P numbers.
        """
        own = torch.stack([layer.gates.bias for layer in self.layers])  # type: ignore[misc, union-attr]  # (layers, 2 C)
        inputs: list[Tensor] = []
        added, lengths = self.biases(h.flatten(0, 1)), [codes.shape[1]] * len(codes)
        self.logits(self.first(codes.flatten(), lengths), added, lengths, spans, inputs)
        dilations: list[int] = [layer.dilation for layer in self.layers]  # type: ignore[misc]
        # Before the beginning a layer's past counts as zeros.
        whole = (x.view(*codes.shape, x.shape[1]) for x in inputs)  # (n, T, C)
        tails = [F.pad(x, (0, 0, d, 0))[:, -d:] for x, d in zip(whole, dilations, strict=True)]  # (n, dilation, C)
        biases = own if added is None else (own + added).view(*h.shape[:2], *own.shape)  # (n, P, layers, 2 C)
        return ConditionState(biases.expand(*h.shape[:2], -1, -1), tails)


# ------------------------------------------------------------------------------------------------ model


@register("wavenet")
class WaveNet(Model):
    Config: ClassVar[type[AudioSettings]] = WaveNetConfig
    title = "WaveNet"
    paper = "van den Oord et al. 2016, arXiv 1609.03499"
    modality = "audio"
    config: WaveNetConfig
    words: Tensor
    words_samples: Tensor

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__(config)
        if config.parts:
            counts = [config.conditions.get(key, 0) or 1 for key in _KEYS]
            # Per class and speaker: number of training utterances, and their total samples.
            self.register_buffer("words", torch.zeros(counts, dtype=torch.int64))
            self.register_buffer("words_samples", torch.zeros(counts, dtype=torch.int64))
        self.network = CausalNetwork(config)

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return {"model": cosine(step, max_steps, self.config.lr_end)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        if self.config.parts:
            self._count_utterances(batch)
        loss = self._loss(batch)
        update(optimizers["model"], loss)
        return self._metrics(loss.detach())

    def validation_metrics(self, batch: Batch, step: int) -> Metrics:
        return self._metrics(self._loss(batch))

    def _metrics(self, loss: Tensor) -> Metrics:
        return {"loss/total": loss, "likelihood/bits_per_sample": loss / math.log(2)}

    def _loss(self, batch: Batch) -> Tensor:
        config = self.config
        codes = mu_law_encode(F.pad(batch["audio"], (0, config.silence)), config.levels)  # (B, T)
        h = self._h(batch, len(codes))  # (B, K)
        if config.condition_dropout:
            h = h * (torch.rand(len(h), 1, device=h.device) >= config.condition_dropout)
        # Silence is learned after the end of a recording, not after a cut.
        closes = batch["closes"] if "closes" in batch else torch.ones_like(batch["length"])
        lengths, utterances = (batch["length"] + config.silence * closes).tolist(), batch["length"].tolist()
        if config.parts and sum(lengths) < sum(utterances) + config.silence * len(utterances):
            raise DataError(
                "some recordings are longer than a piece and were cut, so the position within the utterance is "
                "unknown: set model.parts=0, or data.clip_seconds to more than the longest lasts"
            )

        # loss = -1/T sum_t log p(x_t | x_1 ... x_(t-1), h), the mean over the samples of all recordings
        x = torch.cat([row[:length] for row, length in zip(codes, lengths, strict=True)])  # (N,)
        return F.cross_entropy(self._logits(x, h, lengths, utterances).float(), x)

    def _logits(self, codes: Tensor, h: Tensor, lengths: Sequence[int], utterances: Sequence[int]) -> Tensor:
        """(N, levels) of codes (N,), recordings of `lengths` one after the other; h (B, K).

        utterances: the length of each utterance, for local conditioning.
        """
        rows = with_segments(h, self.config.parts).flatten(0, 1)  # (S, K + parts + 1)
        logits: Tensor = self.network(codes, rows, lengths, segment_lengths(utterances, self.config.parts, lengths))
        return logits

    def _count_utterances(self, batch: Batch) -> None:
        """Add the batch to the number and length of the training utterances."""
        index = tuple(batch[k] if k in self.config.conditions else torch.zeros_like(batch["length"]) for k in _KEYS)
        self.words.index_put_(index, torch.ones_like(batch["length"]), accumulate=True)
        self.words_samples.index_put_(index, batch["length"], accumulate=True)

    def curves(self) -> dict[str, Curve]:
        levels = self.config.levels
        return {
            "loss/total": Curve(
                "cross entropy (nats)", f"Per sample; starts at ln {levels} = {math.log(levels):.2f}, uniform guessing."
            ),
            "likelihood/bits_per_sample": Curve("bits per sample", "The mean cost of coding one sample."),
        }

    # -------------------------------------------------------------- likelihood

    def logits(self, x: Tensor, *, condition: Condition = None, length: Tensor | None = None) -> Tensor:
        """(B, T, levels): of each sample, from the earlier samples of audio (B, T) in [-1, 1].

        length: (B,), of each utterance, for a network with local conditioning; None for T.
        """
        lengths = [x.shape[1]] * len(x)
        utterances = lengths if length is None else length.tolist()
        codes = mu_law_encode(x, self.config.levels).flatten()  # (B * T,)
        logits = self._logits(codes, self._h(condition, len(x)), lengths, utterances)
        return logits.float().view(*x.shape, -1)

    def _h(self, condition: Condition, batch: int) -> Tensor:
        """Condition weights (B, K); raises CapabilityError or DataError."""
        return condition_weights(condition, self.config.conditions, batch, self.device, broadcast=True)

    def log_prob(self, x: Tensor, *, condition: Condition = None, length: Tensor | None = None) -> Tensor:
        """Exact log likelihood (B,) in nats of quantised audio (B, T), up to each `length` (B,) if given.

        For a conditional model without a condition: log of the mean over all classes and speakers. Local conditioning
        takes everything that is counted as the utterance.
        """
        codes = mu_law_encode(x, self.config.levels)
        length = torch.full((len(x),), x.shape[1], device=x.device) if length is None else length
        if self.config.conditions and condition is None:
            keys, counts = self.config.conditions.keys(), self.config.conditions.values()
            combinations = itertools.product(*(range(count) for count in counts))
            conditions = [{k: torch.full((len(x),), v) for k, v in zip(keys, one, strict=True)} for one in combinations]
            each = [self.log_prob(x, condition=one, length=length) for one in conditions]
            return torch.stack(each).logsumexp(0) - math.log(len(each))
        h = self._h(condition, len(x))
        log_probs = []
        for start in range(0, len(codes), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            lengths = length[chunk].tolist()
            flat = torch.cat([row[:count] for row, count in zip(codes[chunk], lengths, strict=True)])
            logits = self._logits(flat, h[chunk], lengths, lengths).float()
            nats = F.cross_entropy(logits, flat, reduction="none")  # (N,)
            log_probs += [-part.sum() for part in torch.split(nats, lengths)]
        return torch.stack(log_probs)

    def receptive_field(self, samples: int | None = None) -> Tensor:
        """Mean absolute gradient (samples,) of the next sample's logits with respect to each past sample, newest last.

        Exactly 0 beyond `config.receptive_field`. With local conditioning, measured in the middle of an utterance.
        Weights must have been created outside of inference mode.
        """
        samples, parts = samples or self.config.receptive_field, self.config.parts
        with torch.inference_mode(False), torch.enable_grad():
            generator = torch.Generator().manual_seed(0)
            noise = torch.randint(0, self.config.levels, (1, samples + 1), generator=generator).to(self.device)
            # Codes have no gradient: it is taken with respect to their rows in the tables, one tap at a time.
            past = F.pad(noise[0], (2, 0), value=self.network.silence)
            now, before = self.network.now(past).detach(), self.network.before(past).detach()
            now, before = now.requires_grad_(True), before.requires_grad_(True)
            h = torch.zeros(1, sum(self.config.conditions.values()), device=self.device)
            x = now[1:-1] + before[:-2]
            biases = self.network.biases(with_segments(h, parts).flatten(0, 1))
            logits = self.network.logits(x, biases, [len(x)], segment_lengths([2 * len(x)], parts, [len(x)]))[-1]
            # Uneven weights: a change common to all levels would cancel in the softmax.
            weights = torch.linspace(1, 2, len(logits), device=self.device)
            of_now, of_before = torch.autograd.grad((logits * weights).sum(), (now, before))
        return (of_now.abs() + of_before.abs())[2:-1].sum(-1)

    def mean_lengths(self, h: Tensor) -> Tensor:
        """Mean samples (n,), float32, of the training utterances of conditions h (n, K); blends are interpolated."""
        overall = self.words_samples.sum() / self.words.sum()
        if not bool(self.words.any()):
            overall = torch.full_like(overall, self.config.clip_samples or self.config.sample_rate or 1)
        mean = torch.where(self.words > 0, self.words_samples / self.words, overall)  # (labels, speakers)
        weights = []
        for key, count in zip(_KEYS, self.words.shape, strict=True):
            width = count if key in self.config.conditions else 0
            own, h = h[:, :width], h[:, width:]
            own = own.clamp(min=0) if width else h.new_ones(len(h), 1)
            own = torch.where(own.sum(1, keepdim=True) > 0, own, 1.0)  # no condition: the mean of all
            weights.append(own / own.sum(1, keepdim=True))
        return torch.einsum("nl,ls,ns->n", weights[0], mean, weights[1])

    # ---------------------------------------------------------------- sampling

    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        samples: int | None = None,
        options: SamplingOptions = DEFAULT_OPTIONS,
    ) -> Tensor:
        """Audio (n, T), of `samples` or the data's usual length; missing conditions are sampled uniformly."""
        *_, last = self.sample_iter(
            n, condition=condition, generator=generator, every=10**9, samples=samples, options=options
        )
        return last

    def sample_iter(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        every: int = 400,
        samples: int | None = None,
        options: SamplingOptions = DEFAULT_OPTIONS,
    ) -> Iterator[Tensor]:
        """The whole audio (n, T) after each `every` samples and at the end; missing samples are silent.

        samples: the length; None for the data's usual length, longer at a tempo below 1.
        """
        if samples is None:
            usual = self.config.clip_samples or self.config.sample_rate or 0
            samples = round(usual / min(1.0, max(options.tempo, MIN_TEMPO)))
        silent = torch.zeros(n, samples, device=self.device)
        known = torch.zeros(samples, dtype=torch.bool)
        return self.complete(silent, known, condition=condition, generator=generator, every=every, options=options)

    def complete(
        self,
        x: Tensor,
        known_mask: Tensor,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        every: int = 400,
        options: SamplingOptions = DEFAULT_OPTIONS,
    ) -> Iterator[Tensor]:
        """Sample what `known_mask`, bool (T,) or (B, T), leaves open in audio (B, T); yields as `sample_iter`.

        Known samples are returned unchanged; the network gets them quantised. Each sample has its own number from
        `generator`: an interrupted recording, completed with the same generator, is the same recording. Raises
        DataError if shapes do not fit, ConfigError if an option is out of range.
        """
        config = self.config
        check_sampling_options(options, config.levels, guidable=config.guidable, has_tempo=config.parts > 0)
        if x.dim() != 2 or known_mask.shape not in (x.shape[1:], x.shape):
            raise DataError(
                f"audio of shape {tuple(x.shape)} with a mask of {tuple(known_mask.shape)} cannot be completed; "
                "give (N, T) and a mask (T,)"
            )
        most = MAX_SECONDS * (config.sample_rate or 0)
        if not 1 <= x.shape[1] <= most:
            raise ConfigError(f"samples = {x.shape[1]:,} is not allowed: 1 to {most:,}, which is {MAX_SECONDS} seconds")
        if every < 1:
            raise ConfigError(f"every = {every} is not allowed: choose 1 or more samples")
        return self._complete(x, known_mask, condition, generator, every, options)

    def _complete(
        self,
        x: Tensor,
        known_mask: Tensor,
        condition: Condition,
        generator: torch.Generator | None,
        every: int,
        options: SamplingOptions,
    ) -> Iterator[Tensor]:
        device, count = generator.device if generator is not None else self.device, len(x)
        full = dict(condition or {})
        for key, values in self.config.conditions.items():
            # Always sampled, so that the uniform numbers below do not depend on the condition.
            full.setdefault(key, torch.randint(0, values, (count,), generator=generator, device=device))
        h = self._h(full, count)  # (n, K)
        # One number per sample, in the order of time: a longer recording begins like a shorter one.
        uniform = torch.rand(x.shape[::-1], generator=generator, device=device).T.contiguous().to(self.device)
        x, known = x.to(self.device).float(), known_mask.to(self.device).expand(x.shape).contiguous()
        codes = mu_law_encode(x, self.config.levels)
        everywhere = known.all(0)
        start = x.shape[1] if bool(everywhere.all()) else int((~everywhere).nonzero()[0])
        utterances = [1] * count
        if self.config.parts:
            utterances = (self.mean_lengths(h) / options.tempo).round().int().tolist()
        sampler = self.sampler(codes, known, uniform, h, utterances, start, options)
        for end in [*range(start + every, x.shape[1], every), x.shape[1]]:
            sampler.advance(end)
            done = torch.arange(x.shape[1], device=self.device) < end
            yield torch.where(known, x, torch.where(done, mu_law_decode(codes, self.config.levels), 0.0))

    @torch.inference_mode()
    def sampler(
        self,
        codes: Tensor,
        known: Tensor,
        uniform: Tensor,
        h: Tensor,
        utterances: Sequence[int],
        start: int,
        options: SamplingOptions = DEFAULT_OPTIONS,
    ) -> Sampler:
        """Queues that have processed codes (n, T) before `start` and sample the rest in place; see `SamplingState`."""
        network, parts = self.network, self.config.parts
        guidance = self.config.guidance if options.guidance is None else options.guidance
        # Codes earlier than twice the receptive field have no influence, not even through the queues.
        begin = max(0, start - 2 * self.config.receptive_field)
        recent, spans = codes[:, begin:start], segment_lengths(utterances, parts, [start - begin] * len(codes), begin)
        conditional = network.condition_state(recent, with_segments(h, parts), spans)
        unconditional = None
        if guidance != 1:
            unconditional = network.condition_state(recent, with_segments(torch.zeros_like(h), parts), spans)
        segment = segment_at(utterances, parts, codes.shape[1]).to(codes.device)
        state = SamplingState(
            codes, known, uniform, segment, conditional, start, network.silence, options, unconditional, guidance
        )
        if self.device.type == "cpu" and len(codes) <= _COMPILED_STREAMS:
            from genmodels.sampling.samples_compiled import CompiledQueues

            return CompiledQueues(network.weights(), state)
        return BatchedQueues(network.weights(), state)
