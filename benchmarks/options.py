"""What the parts share: the command line with its short form, and the digits that are on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from genmodels import data
from genmodels.data import DataConfig


@dataclass(frozen=True)
class Length:
    """How often and how long a part measures. The short form only shows that the part runs: its figures are noise."""

    short: bool = False

    @property
    def rounds(self) -> int:
        return 1 if self.short else 3

    @property
    def product(self) -> int:
        """Side of the matrices whose product probes the machine's ceiling."""
        return 256 if self.short else 2048

    @property
    def batch(self) -> int:
        """Examples of one training step; the aims are set for 64."""
        return 8 if self.short else 64

    def of(self, count: int, least: int = 2) -> int:
        """`count` repetitions, or a twentieth of them (`least` at least) in the short form."""
        return max(least, count // 20) if self.short else count


def parser(description: str | None) -> argparse.ArgumentParser:
    """A part's command line: `--short` and what the part adds."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--short", action="store_true", help="a few seconds, to see that the part runs")
    return found


def length(description: str | None, arguments: Sequence[str] | None = None) -> Length:
    """The length asked for on the command line of a part that has no other options."""
    return Length(parser(description).parse_args(arguments).short)


def digits() -> DataConfig:
    """MNIST if it is on this machine, else the 5,000 embedded digits; prints which."""
    mnist = DataConfig(name="mnist")
    if data.missing(mnist) is None:
        print("data: MNIST, 60,000 digits")
        return mnist
    print("data: the 5,000 embedded digits, because MNIST is not in GENMODELS_DATA; they decide no speed")
    return DataConfig(name="digits")
