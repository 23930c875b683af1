"""WaveNet: van den Oord et al., WaveNet: A Generative Model for Raw Audio, arXiv 1609.03499.

A recording's probability is a product over its samples in time, and each factor is a softmax over the 256 levels that
mu-law companding rounds a sample to. Causal convolutions with dilations 1, 2, 4, ... see a long past in few layers:

    z_l = tanh(W_f,l * x_l + V_f,l h) . sigmoid(W_g,l * x_l + V_g,l h),       x_(l+1) = x_l + R_l z_l
    logits = 1x1 ReLU 1x1 ReLU sum_l S_l z_l,       h: who speaks, and what

Training predicts every sample of a recording at once from the true past and minimises the exact cross entropy, in nats
a sample: loss(x) = -1/T sum_t log p(x_t | x_1 ... x_(t-1), h). Drawing feeds each sample back; queues keep what the
layers computed before.

Where `parts` is set, h changes with time (local conditioning, 2.5 there): h_t = ReLU(A [what is said, which part of the
word t lies in]), so that a word knows how far it has come and ends. Drawing takes the length that words of its kind
have had in training, and a tempo.

Where training left some recordings untold (of whom and what), drawing can be guided: with logits l(h) + (g - 1) (l(h) -
l(untold)) what the condition makes likelier becomes likelier still (Ho and Salimans, arXiv 2207.12598).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from genmodels.networks.audio_settings import AudioSettings
from genmodels.sampling.options import MAX_GUIDANCE


class WaveNetConfig(AudioSettings):
    """`stacks` times `layers` causal layers, their dilations doubling within a stack from 1 on."""

    levels: int = Field(256, ge=2, le=256, description="values a sample can have, by mu-law finer near silence")
    channels: int = Field(48, ge=1, le=512, description="channels of each layer's input, filter and gate")
    skip_channels: int = Field(192, ge=1, le=2048, description="channels that all layers' skip connections add up in")
    layers: int = Field(9, ge=1, le=14, description="layers of a stack; the last one's dilation is 2^(layers - 1)")
    stacks: int = Field(3, ge=1, le=16, description="stacks of layers, each beginning at dilation 1 again")
    context: int = Field(
        64, ge=1, le=1024, description="features made of what is told, where that changes with time (parts above 0)"
    )

    @property
    def dilations(self) -> tuple[int, ...]:
        return tuple(2**layer for _ in range(self.stacks) for layer in range(self.layers))

    @property
    def receptive_field(self) -> int:
        """Samples of the past that one sample's logits depend on."""
        return sum(self.dilations) + 2


import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from genmodels.signal.audio import mu_law_decode, mu_law_encode
from genmodels.capabilities import Condition
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.kernels.causal import recordings
from genmodels.layers.causal_network import CausalNetwork
from genmodels.kernels.cross_entropy import cross_entropy
from genmodels.sampling.pixels import check_knobs
from genmodels.sampling.samples import BatchedQueues, Sampler, Task
from genmodels.layers.timing import over_time, part_of, spans
from genmodels.model import Batch, Curve, Metrics, Model, cosine, make_optimizer, update
from genmodels.registry import register

TEMPOS = (0.25, 4.0)
"""The slowest and the fastest that a word can be asked for."""
_TOLD = ("label", "speaker")
MAX_SECONDS = 60
"""Longest recording that can be drawn or continued."""
_COMPILED_STREAMS = 12
"""Up to so many recordings the compiled queues are faster than a batch in torch, on one core."""
_CHUNK = 8  # recordings whose likelihood is computed at once


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
        told, features = sum(config.conditions.values()), 0
        if config.parts:
            told, features = told + config.parts + 1, config.context
            counts = [config.conditions.get(key, 0) or 1 for key in _TOLD]
            # Of each class and speaker, how many words training heard and their samples: how long its words are.
            self.register_buffer("words", torch.zeros(counts, dtype=torch.int64))
            self.register_buffer("words_samples", torch.zeros(counts, dtype=torch.int64))
        shape = (config.levels, config.channels, config.skip_channels, config.dilations)
        self.network = CausalNetwork(*shape, told, features)

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        return {"model": make_optimizer("adam", self, self.config.lr)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return {"model": cosine(step, max_steps, self.config.lr_end)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        codes = mu_law_encode(F.pad(batch["audio"], (0, self.config.silence)), self.config.levels)
        told = self._weights(batch, len(codes))
        if self.config.parts:
            self._measure(batch)
        if self.config.condition_dropout:
            told = told * (torch.rand(len(told), 1, device=told.device) >= self.config.condition_dropout)
        # Silence is learned where a recording ends, not where a longer one was cut.
        closes = batch["closes"] if "closes" in batch else torch.ones_like(batch["length"])
        lengths, words = (batch["length"] + self.config.silence * closes).tolist(), batch["length"].tolist()
        if self.config.parts and sum(lengths) < sum(words) + self.config.silence * len(words):
            raise DataError(
                "some recordings are longer than a piece and were cut, so that nobody knows how far a word has come: "
                "set model.parts=0, or data.clip_seconds to more than the longest lasts"
            )

        # minimise -log p(x_t | earlier samples, what it is told), the mean over samples
        loss = self._cross_entropy(codes, told, lengths, words).mean()
        update(optimizers["model"], loss)
        loss = loss.detach()
        return {"loss/total": loss, "likelihood/bits_per_sample": loss / math.log(2)}

    def _cross_entropy(self, codes: Tensor, told: Tensor, lengths: Sequence[int], words: Sequence[int]) -> Tensor:
        """-log p, nats, of the first `lengths` codes of each row (B, T), one row's samples after the other's (N,)."""
        heard = torch.cat([row[:length] for row, length in zip(codes, lengths, strict=True)])
        return cross_entropy(self._logits(heard, told, lengths, words), heard)

    def _logits(self, codes: Tensor, told: Tensor, lengths: Sequence[int], words: Sequence[int]) -> Tensor:
        """(N, levels) of codes (N,): recordings of `lengths` one after the other, their words of so many samples."""
        rows = over_time(told, self.config.parts).flatten(0, 1)
        logits: Tensor = self.network(codes, rows, lengths, spans(words, self.config.parts, lengths))
        return logits

    def _measure(self, batch: Batch) -> None:
        """Remember how long the words are that training hears."""
        rows = [batch[key] if key in self.config.conditions else torch.zeros_like(batch["length"]) for key in _TOLD]
        self.words.index_put_(tuple(rows), torch.ones_like(batch["length"]), accumulate=True)
        self.words_samples.index_put_(tuple(rows), batch["length"], accumulate=True)

    def curves(self) -> dict[str, Curve]:
        levels = self.config.levels
        return {
            "loss/total": Curve(
                "cross entropy (nats)", f"Of one sample; starts at ln {levels} = {math.log(levels):.2f}, pure guessing."
            ),
            "likelihood/bits_per_sample": Curve("bits a sample", "What storing one sample would cost, on average."),
        }

    def _told(self, condition: Mapping[str, Tensor], count: int) -> Tensor:
        """What a caller asks for as weights (B, K); raises CapabilityError or DataError."""
        for key, among in self.config.conditions.items():
            if key not in condition:
                raise CapabilityError(f"this model was trained with a {key}: say which, condition={{{key!r}: ...}}")
            asked = condition[key]
            if not asked.is_floating_point() and bool(((asked < 0) | (asked >= among)).any()):
                raise DataError(f"{key} = {asked.tolist()} is not allowed: this model has {among}, 0 to {among - 1}")
        return self._weights(condition, count)

    def _weights(self, condition: Mapping[str, Tensor], count: int) -> Tensor:
        """Classes and speakers as weights (B, K) side by side: one-hot for a number, as they are for a blend."""
        parts = [torch.zeros(count, 0, device=self.device)]
        for key, among in self.config.conditions.items():
            asked = condition[key].to(self.device)
            weights = asked if asked.is_floating_point() else F.one_hot(asked, among)
            parts.append(weights.float().expand(count, -1))
        return torch.cat(parts, 1)

    # --------------------------------------------------------------- inference

    def logits(self, x: Tensor, *, condition: Condition = None, length: Tensor | None = None) -> Tensor:
        """(B, T, levels): of each sample, from the earlier samples of audio (B, T) in [-1, 1].

        length (B,), T if not given: of each one's word, for a network that is told how far it has come.
        """
        told, all_of_it = self._told(condition or {}, len(x)), [x.shape[1]] * len(x)
        words = all_of_it if length is None else length.tolist()
        logits = self._logits(mu_law_encode(x, self.config.levels).flatten(), told, all_of_it, words)
        return logits.float().view(*x.shape, -1)

    def usual_lengths(self, told: Tensor) -> Tensor:
        """Samples (n,), float32, that words of what is told (n, K) had in training on average; blends lie between."""
        usual = self.words_samples.sum() / self.words.sum()
        if not bool(self.words.any()):
            usual = torch.full_like(usual, self.config.clip_samples or self.config.sample_rate or 1)
        mean = torch.where(self.words > 0, self.words_samples / self.words, usual)
        shares = []
        for key, among in zip(_TOLD, self.words.shape, strict=True):
            width = among if key in self.config.conditions else 0
            asked, told = told[:, :width], told[:, width:]
            # Told nothing of it: any of them.
            asked = asked.clamp(min=0) if width else told.new_ones(len(told), 1)
            asked = torch.where(asked.sum(1, keepdim=True) > 0, asked, 1.0)
            shares.append(asked / asked.sum(1, keepdim=True))
        return torch.einsum("nl,ls,ns->n", shares[0], mean, shares[1])

    def log_prob(self, x: Tensor, *, condition: Condition = None, length: Tensor | None = None) -> Tensor:
        """Exact log likelihood (B,), nats, of audio (B, T) rounded to the levels, up to each `length` where given.

        Of a conditional model without a condition: log of the mean over all classes and speakers, each as probable. A
        network that is told how far it has come is told that all of what is counted is the word.
        """
        codes = mu_law_encode(x, self.config.levels)
        length = torch.full((len(x),), x.shape[1], device=x.device) if length is None else length
        if self.config.conditions and condition is None:
            keys, counts = self.config.conditions.keys(), self.config.conditions.values()
            every = itertools.product(*(range(count) for count in counts))
            conditions = [{k: torch.full((len(x),), v) for k, v in zip(keys, one, strict=True)} for one in every]
            each = [self.log_prob(x, condition=one, length=length) for one in conditions]
            return torch.stack(each).logsumexp(0) - math.log(len(each))
        told = self._told(condition or {}, len(x))
        found = []
        for start in range(0, len(codes), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            lengths = length[chunk].tolist()
            nats = self._cross_entropy(codes[chunk], told[chunk], lengths, lengths)
            found += [-nats[rows].sum() for rows in recordings(lengths)]
        return torch.stack(found)

    def receptive_field(self, samples: int | None = None) -> Tensor:
        """How strongly each earlier time moves the next sample's logits: |gradient| (samples,), the newest last.

        Exactly 0 behind `config.receptive_field`. A network that is told how far a word has come is asked in the middle
        of one. Weights must have been made outside of inference mode.
        """
        samples = samples or self.config.receptive_field
        with torch.inference_mode(False), torch.enable_grad():
            generator = torch.Generator().manual_seed(0)
            noise = torch.randint(0, self.config.levels, (1, samples + 1), generator=generator).to(self.device)
            # A code is a choice and has no slope: asked of what the tables make of it, one tap at a time.
            past = F.pad(noise[0], (2, 0), value=self.network.silence)
            now, before = self.network.now(past).detach(), self.network.before(past).detach()
            now, before = now.requires_grad_(True), before.requires_grad_(True)
            told = torch.zeros(1, sum(self.config.conditions.values()), device=self.device)
            x = now[1:-1] + before[:-2]
            rows, parts = over_time(told, self.config.parts).flatten(0, 1), self.config.parts
            heard = spans([2 * len(x)], parts, [len(x)])
            asked = self.network.logits(x, self.network.biases(rows), [len(x)], heard)[-1]
            # Weighted unevenly: what moves all levels alike would cancel where they are normalised.
            weights = torch.linspace(1, 2, len(asked), device=self.device)
            of_now, of_before = torch.autograd.grad((asked * weights).sum(), (now, before))
        return (of_now.abs() + of_before.abs())[2:-1].sum(-1)

    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        guidance: float | None = None,
        tempo: float = 1.0,
        samples: int | None = None,
    ) -> Tensor:
        """Audio (n, T), of `samples` or the data's usual length; what is not in the condition is drawn evenly."""
        knobs = {"temperature": temperature, "top_k": top_k, "guidance": guidance, "tempo": tempo, "samples": samples}
        *_, last = self.sample_iter(n, condition=condition, generator=generator, every=10**9, **knobs)  # type: ignore[arg-type]
        return last

    def sample_iter(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        every: int = 400,
        temperature: float = 1.0,
        top_k: int | None = None,
        guidance: float | None = None,
        tempo: float = 1.0,
        samples: int | None = None,
    ) -> Iterator[Tensor]:
        """All of it after each `every` samples and at the end, silent where nothing is drawn yet.

        samples: how many; None draws the data's usual length, more of it at a tempo below 1.
        """
        if samples is None:
            samples = round(
                (self.config.clip_samples or self.config.sample_rate or 0) / min(1.0, max(tempo, TEMPOS[0]))
            )
        nothing = torch.zeros(n, samples, device=self.device)
        known = torch.zeros(samples, dtype=torch.bool)
        knobs = {"temperature": temperature, "top_k": top_k, "guidance": guidance, "tempo": tempo}
        return self.complete(nothing, known, condition=condition, generator=generator, every=every, **knobs)  # type: ignore[arg-type]

    def complete(
        self,
        x: Tensor,
        known_mask: Tensor,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        every: int = 400,
        temperature: float = 1.0,
        top_k: int | None = None,
        guidance: float | None = None,
        tempo: float = 1.0,
    ) -> Iterator[Tensor]:
        """Draw what `known_mask`, bool (T,) or (B, T), leaves open in audio (B, T); as `sample_iter`.

        Known samples come back as they were given; the network hears them on their nearest level. Each sample has a
        number of its own from `generator`: what was stopped, completed with the same generator, is the same recording.
        guidance: see the config's field, which None takes. tempo: how fast a word is said, 1 as usual, where the
        network is told how far it has come. Raises DataError where shapes do not fit, ConfigError for a knob that is
        out of range.
        """
        check_knobs(temperature, top_k, self.config.levels)
        guidance = self.config.guidance if guidance is None else guidance
        if not 0 <= guidance <= MAX_GUIDANCE or (guidance != 1 and not self.config.guidable):
            allowed = f"0 to {MAX_GUIDANCE:g}" if self.config.guidable else "1, for this model was never trained untold"
            raise ConfigError(f"guidance = {guidance:g} is not allowed: {allowed}")
        slowest, fastest = TEMPOS
        if not slowest <= tempo <= fastest or (tempo != 1 and not self.config.parts):
            allowed = (
                f"{slowest:g} to {fastest:g}" if self.config.parts else "1, for this model is told nothing of time"
            )
            raise ConfigError(f"tempo = {tempo:g} is not allowed: {allowed}")
        if x.dim() != 2 or known_mask.shape not in (x.shape[1:], x.shape):
            raise DataError(
                f"audio of shape {tuple(x.shape)} with a mask of {tuple(known_mask.shape)} cannot be completed; "
                "give (N, T) and a mask (T,)"
            )
        most = MAX_SECONDS * (self.config.sample_rate or 0)
        if not 1 <= x.shape[1] <= most:
            raise ConfigError(f"samples = {x.shape[1]:,} is not allowed: 1 to {most:,}, which is {MAX_SECONDS} seconds")
        if every < 1:
            raise ConfigError(f"every = {every} is not allowed: show the recording after each 1 or more samples")
        return self._drawn(x, known_mask, condition, generator, every, temperature, top_k, guidance, tempo)

    def _drawn(
        self,
        x: Tensor,
        known_mask: Tensor,
        condition: Condition,
        generator: torch.Generator | None,
        every: int,
        temperature: float,
        top_k: int | None,
        guidance: float,
        tempo: float,
    ) -> Iterator[Tensor]:
        device, count = generator.device if generator is not None else self.device, len(x)
        asked = dict(condition or {})
        for key, among in self.config.conditions.items():
            drawn = torch.randint(0, among, (count,), generator=generator, device=device)  # always: the same uniforms
            asked.setdefault(key, drawn)
        told = self._told(asked, count)
        # One number a sample, sample by sample: a longer recording begins like a shorter one.
        uniform = torch.rand(x.shape[::-1], generator=generator, device=device).T.contiguous().to(self.device)
        x, known = x.to(self.device).float(), known_mask.to(self.device).expand(x.shape).contiguous()
        codes = mu_law_encode(x, self.config.levels)
        everywhere = known.all(0)
        start = x.shape[1] if bool(everywhere.all()) else int((~everywhere).nonzero()[0])
        words = (self.usual_lengths(told) / tempo).round().int().tolist() if self.config.parts else [1] * count
        sampler = self.sampler(codes, known, uniform, told, words, start, temperature, top_k, guidance)
        for end in [*range(start + every, x.shape[1], every), x.shape[1]]:
            sampler.advance(end)
            heard = torch.arange(x.shape[1], device=self.device) < end
            yield torch.where(known, x, torch.where(heard, mu_law_decode(codes, self.config.levels), 0.0))

    @torch.inference_mode()
    def sampler(
        self,
        codes: Tensor,
        known: Tensor,
        uniform: Tensor,
        told: Tensor,
        words: Sequence[int],
        start: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        guidance: float = 1.0,
    ) -> Sampler:
        """Queues that have heard codes (n, T) before `start`, and draw the rest in place; see `queues.Task`."""
        network, parts = self.network, self.config.parts
        # Earlier than twice the receptive field nothing is heard any more, not even by what the queues hold.
        begin = max(0, start - 2 * self.config.receptive_field)
        recent, heard = codes[:, begin:start], spans(words, parts, [start - begin] * len(codes), begin)
        voice = network.voice(recent, over_time(told, parts), heard)
        untold = None
        if guidance != 1:
            untold = network.voice(recent, over_time(torch.zeros_like(told), parts), heard)
        part = part_of(words, parts, codes.shape[1]).to(codes.device)
        task = Task(codes, known, uniform, part, voice, start, network.silence, temperature, top_k, untold, guidance)
        if self.device.type == "cpu" and len(codes) <= _COMPILED_STREAMS:
            from genmodels.sampling.samples_compiled import CompiledQueues

            return CompiledQueues(network.weights(), task)
        return BatchedQueues(network.weights(), task)
