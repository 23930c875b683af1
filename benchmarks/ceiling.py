"""The machine's peak rate of matrix multiplication, measured in the same run as the other figures."""

from __future__ import annotations

import time

import torch


def matmul_rate(dtype: torch.dtype, size: int = 2048, repeats: int = 7, device: torch.device | str = "cpu") -> float:
    """FLOP/s of a size x size matrix product of random data, the best of `repeats`."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    wait = torch.cuda.synchronize if a.is_cuda else lambda: None
    best = float("inf")
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        a @ b
        wait()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def print_ceiling(size: int = 2048) -> dict[str, float]:
    """Measure, print and return the float32 and bf16 rates in FLOP/s, by precision."""
    rates = {"fp32": matmul_rate(torch.float32, size), "bf16": matmul_rate(torch.bfloat16, size)}
    print(
        f"peak rate, {torch.get_num_threads()} threads, {size} x {size} product: "
        + ", ".join(f"{name} {rate / 1e9:,.0f} GFLOP/s" for name, rate in rates.items())
    )
    return rates
