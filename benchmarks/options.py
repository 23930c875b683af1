"""Shared by the benchmarks: the command line, the lengths of measurements, and the digits of this machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from genmodels import data
from genmodels.data import DataConfig


@dataclass(frozen=True)
class Length:
    """Lengths of measurements. The short form only shows that a part runs: its figures are noise."""

    short: bool = False

    @property
    def rounds(self) -> int:
        return 1 if self.short else 3

    @property
    def product(self) -> int:
        """Side of the matrices whose product measures the machine's peak rate."""
        return 256 if self.short else 2048

    @property
    def batch(self) -> int:
        """Batch size of a training step; the targets are for 64."""
        return 2 if self.short else 64

    def of(self, count: int, least: int = 2) -> int:
        """`count`, or in the short form a sixtieth of it, at least `least`."""
        return max(least, count // 60) if self.short else count


def parser(description: str | None) -> argparse.ArgumentParser:
    """The parser of a part, with the option `--short`."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--short", action="store_true", help="run for a few seconds, to check that the part works")
    return result


def length(description: str | None, arguments: Sequence[str] | None = None) -> Length:
    """The length from the command line of a part without other options."""
    return Length(parser(description).parse_args(arguments).short)


def digits() -> DataConfig:
    """MNIST if it is on this machine, else the 5,000 digits of the data set `digits`; prints which."""
    mnist = DataConfig(name="mnist")
    if data.missing(mnist) is None:
        print("data: MNIST, 60,000 digits")
        return mnist
    print("data: 5,000 digits, because MNIST is not in GENMODELS_DATA; this does not change the speed")
    return DataConfig(name="digits")
