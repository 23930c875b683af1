"""Pack images, and read them in random order against single files.

python -m benchmarks.packing [FOLDER] [--count 10000] [--size 64]

Without FOLDER, images of CelebA's size (178 x 218 JPEG) are made: smooth shapes with noise, which take as long to
decode as photographs. Both readers return the same uint8 array, from warm caches, on one thread.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import options
from genmodels.data.own import hdf5, packing
from genmodels.data.own.sources import Source

ROUNDS, READS, BATCH, TARGET = 3, 1_000, 64, 5.0


def make_images(folder: Path, count: int) -> None:
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:218, :178]
    for number in range(count):
        centre, radius = random.uniform(70, 130, 2), random.uniform(30, 60)
        face = np.hypot(rows - centre[0], columns - centre[1]) < radius
        base = np.where(face[..., None], random.uniform(90, 220, 3), random.uniform(20, 200, 3))
        noisy = base + random.integers(-12, 12, base.shape) + rows[..., None] / 8
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:06d}.jpg", quality=90)


def single_file(path: Path, size: int) -> np.ndarray:
    """Read one image as a tutorial's data set class does: open, centre-crop, resize, convert to an array."""
    with Image.open(path) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.convert("RGB").crop((left, top, left + side, top + side))
        return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS)).transpose(2, 0, 1).copy()


def per_second(read: Callable[[int], object], rows: np.ndarray, batch: int = 1) -> float:
    """Images per second over `rows`, the best of several rounds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for row in rows:
            read(int(row))
        times.append(time.perf_counter() - began)
    return batch * len(rows) / min(times)


def measure(source: Source, folder: Path, out: Path, size: int, count: int) -> None:
    report = packing.pack(source, out, size=size, limit=count)
    packed = hdf5.read_header(out)
    random = np.random.default_rng(1)
    rows = random.integers(0, packed.count, READS if count >= READS else count)
    view = packed.view()
    # The same images as single files at the training size.
    small = out.parent / "small"
    small.mkdir()
    for row in set(rows.tolist()):
        Image.fromarray(view[row].transpose(1, 2, 0)).save(small / f"{row}.png")
    names = sorted(source.names)
    speeds = {
        "single files, original size": per_second(
            lambda row: single_file(folder / names[row], size), rows[: READS // 4]
        ),
        f"single files of {size} x {size} (PNG)": per_second(lambda row: single_file(small / f"{row}.png", size), rows),
        "packed, one at a time": per_second(lambda row: view[row].copy(), rows),
        f"packed, batches of {BATCH}": per_second(
            lambda row: packed.rows(np.arange(row, row + BATCH) * 7919 % packed.count), rows[: READS // 10], BATCH
        ),
    }
    slow = max(speeds["single files, original size"], speeds[f"single files of {size} x {size} (PNG)"])
    print(
        f"{report.count:,} images packed to {size} x {size} in {report.seconds:.1f} s, "
        f"{report.count / report.seconds:,.0f} per second, {len(report.skipped)} skipped, {report.bytes / 1e6:.0f} MB\n"
    )
    print("| random reads | images per second | against the faster single files | target |")
    print("|---|---|---|---|")
    for name, speed in speeds.items():
        print(f"| {name} | {speed:,.0f} | {speed / slow:.1f}x | {f'>= {TARGET:.0f}x' if 'packed' in name else ''} |")


def main() -> None:
    parser = options.parser(__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="folder of images to use")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=64)
    chosen = parser.parse_args()
    if chosen.short:
        chosen.count, chosen.size = 100, 16
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.folder or Path(name) / "images"
        if chosen.folder is None:
            folder.mkdir()
            make_images(folder, chosen.count)
        measure(packing.open_source(folder), folder, Path(name) / "packed.h5", chosen.size, chosen.count)


if __name__ == "__main__":
    main()
