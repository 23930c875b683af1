"""Decode an uploaded photograph in the sandbox's warm process, and in this process: milliseconds per image.

python -m benchmarks.decoding [--short]
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks import options
from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders

SIZES = {"1 megapixel": (1_000, 1_000), "12 megapixels": (3_024, 4_032), "24 megapixels": (4_284, 5_712)}
ROUNDS = 9


def photo(height: int, width: int) -> bytes:
    """A JPEG of smooth waves with noise, which takes as long to decode as a photograph."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 8, (height, width)).astype(np.float32)
    grey = 60 * (np.sin(columns / 97) + np.cos(rows / 53)) + 128 + noise
    pixels = np.stack([grey, grey + 9, grey - 9], 2).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def milliseconds(decode: Callable[[], object], rounds: int) -> float:
    """The median of several rounds, after one for warm-up."""
    decode()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        decode()
        times.append(time.perf_counter() - began)
    return 1_000 * sorted(times)[rounds // 2]


def main() -> None:
    short = options.parser(__doc__).parse_args().short
    rounds = 1 if short else ROUNDS
    print("| JPEG | file, MB | sandbox, ms | this process, ms |\n|---|---|---|---|")
    for name, (height, width) in list(SIZES.items())[: 1 if short else None]:
        raw = photo(height, width)
        sandboxed = milliseconds(lambda raw=raw: image_decoders.decode_whole(raw), rounds)  # type: ignore[misc]
        local = milliseconds(lambda raw=raw: image_files.decode_whole(raw), rounds)  # type: ignore[misc]
        print(f"| {name} | {len(raw) / 1e6:.1f} | {sandboxed:.0f} | {local:.0f} |", flush=True)


if __name__ == "__main__":
    main()
