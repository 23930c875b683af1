"""Mu-law levels, mel spectrograms as images, WAV files. Audio is float32 (B, T) in [-1, 1]."""

from __future__ import annotations

import io
import math
import wave
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR_DB = 60.0
"""Dynamic range of a spectrogram in decibels: black lies this far below its maximum."""
BANDS = 32
"""Mel bands of a spectrogram; also its width in frames."""


def mu_law_encode(x: Tensor, levels: int = 256) -> Tensor:
    """Samples in [-1, 1] -> int64 codes 0 to levels - 1, finer near silence (ITU-T G.711, with mu = levels - 1).

    f(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu), rounded to the nearest of `levels` values from -1 to 1.
    """
    mu = levels - 1
    x = x.float().clamp(-1, 1)
    compressed = x.sign() * torch.log1p(mu * x.abs()) / math.log1p(mu)
    return ((compressed + 1) * (mu / 2) + 0.5).floor().long().clamp_(0, mu)


def mu_law_decode(codes: Tensor, levels: int = 256) -> Tensor:
    """Codes 0 to levels - 1 -> float32 samples in [-1, 1]; encoding them again gives the same codes."""
    mu = levels - 1
    compressed = codes.float() * (2 / mu) - 1
    return (compressed.sign() * torch.expm1(compressed.abs() * math.log1p(mu)) / mu).clamp_(-1, 1)


def spectrogram(x: Tensor, sample_rate: int, *, bands: int = BANDS, frames: int = BANDS) -> Tensor:
    """Mel spectrograms (B, 1, bands, frames) in [-1, 1] of audio (B, T): high frequencies at the top.

    Power of Hann windows of 32 ms, summed over triangular mel bands (Stevens 1937), in decibels; black is 60 dB below
    the maximum. The whole recording is stretched to `frames` columns, so that slow and fast speech look alike.
    """
    size = 2 ** round(math.log2(0.032 * sample_rate))
    hop = size // 4
    x = F.pad(x.float(), (size // 2, max(0, size // 2 + size - x.shape[1])))
    window = torch.hann_window(size, device=x.device)
    power = torch.stft(x, size, hop, window=window, center=False, return_complex=True).abs().square()
    mel = torch.einsum("kf,bft->bkt", _mel_filters(bands, size, sample_rate).to(x.device), power)
    mel = F.interpolate(mel, frames, mode="linear", align_corners=False)
    loudest = mel.amax((1, 2), keepdim=True).clamp_min(1e-10)
    decibels = 10 * (mel / loudest).clamp_min(10 ** (-FLOOR_DB / 10)).log10()
    return (decibels * (2 / FLOOR_DB) + 1).flip(1)[:, None]


@cache
def _mel_filters(bands: int, size: int, sample_rate: int) -> Tensor:
    """(bands, size / 2 + 1): triangles whose corners are evenly spaced in mel from 0 Hz to half the sample rate."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)
    frequency = torch.linspace(0, sample_rate / 2, size // 2 + 1)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequency - low) / (middle - low), (high - frequency) / (high - middle)
    # Low bands may be narrower than the resolution of the transform: each includes its nearest frequency.
    filters = torch.minimum(rising, falling).clamp_min(0)
    nearest = (frequency - middle).abs().argmin(1, keepdim=True)
    return filters.scatter_reduce(1, nearest, torch.full((bands, 1), 0.5), "amax")


def trim(x: Tensor, sample_rate: int, fraction: float = 0.03) -> Tensor:
    """One recording (T,) without leading and trailing silence, less 20 ms: values below `fraction` of its peak.

    The threshold is relative, because one speaker's speech may be as loud as another's background noise.
    """
    loud = (x.abs() > fraction * x.abs().max()).nonzero() if len(x) else x
    if not len(loud):
        return x
    margin = sample_rate // 50
    return x[max(0, int(loud[0]) - margin) : int(loud[-1]) + 1 + margin]


def wav(x: Tensor, sample_rate: int) -> bytes:
    """The bytes of a WAV file, one channel of 16 bits, of one recording (T,)."""
    samples = x.detach().float().cpu().clamp(-1, 1).mul(32_767).round().to(torch.int16)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.numpy().astype("<i2").tobytes())
    return buffer.getvalue()
