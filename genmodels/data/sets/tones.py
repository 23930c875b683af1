"""Synthesised tones: ten pitch contours, played by two instruments. Needs no network."""

from __future__ import annotations

import numpy as np

from genmodels.data.dataset import FixedDataset
from genmodels.data.spec import DataConfig, DataSpec, Recordings, Split

SPEC = DataSpec(
    name="tones",
    title="Synthesised tones (no download)",
    provides=("audio", "label", "speaker"),
    num_classes=10,
    classes=(
        "steady",
        "rising",
        "falling",
        "arch",
        "dip",
        "trill",
        "vibrato",
        "step up",
        "step down",
        "three notes",
    ),
    train_size=400,
    test_size=100,
    sample_rate=8_000,
    clip_samples=2_000,
    speakers=("flute", "reed"),
    licence="none needed: it is computed",
    source="own synthesis: a sine, or a sine with its odd harmonics, whose pitch glides, trills or jumps",
)
_HARMONICS = ((1.0,), (1.0, 0.0, 0.5, 0.0, 0.3))  # amplitudes of the harmonics, per instrument


class Tones(FixedDataset):
    def load_audio(self, config: DataConfig, split: Split) -> Recordings:
        """Recordings of 1/6 to 1/4 second, each with a random pitch, length and loudness."""
        rng = np.random.default_rng(0 if split == "train" else 1)
        count = self.size(split)
        labels, speakers = np.arange(count) % 10, np.arange(count) // 10 % 2
        clips = [_clip(rng, int(label), int(speaker)) for label, speaker in zip(labels, speakers, strict=True)]
        return Recordings.of(clips, labels.tolist(), speakers.tolist())

    def class_counts(self, config: DataConfig, split: Split) -> tuple[int, ...]:
        return (self.size(split) // SPEC.num_classes,) * SPEC.num_classes


DATASET = Tones(SPEC)


def _clip(rng: np.random.Generator, label: int, speaker: int) -> np.ndarray:
    rate = SPEC.sample_rate or 0
    length = int(rng.integers(rate // 6, rate // 4))
    time = np.arange(length) / length  # 0 to 1
    seconds = np.arange(length) / rate
    contours = (  # of the pitch, in octaves
        np.zeros(length),
        time,
        1 - time,
        1 - np.abs(2 * time - 1),
        np.abs(2 * time - 1),
        0.25 * np.sign(np.sin(2 * np.pi * 20 * seconds)),
        0.1 * np.sin(2 * np.pi * 12 * seconds),
        np.where(time < 0.5, 0, 7 / 12),
        np.where(time < 0.5, 7 / 12, 0),
        np.floor(3 * time) * 4 / 12,
    )
    pitch = rng.uniform(220, 440) * 2 ** contours[label]  # Hz
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    wave = sum(amplitude * np.sin((k + 1) * phase) for k, amplitude in enumerate(_HARMONICS[speaker]))
    fade = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.01 * rate))  # 10 ms: no clicks
    loudness = rng.uniform(0.3, 0.5)
    return np.round(32_767 * loudness * fade * wave).astype(np.int16)
