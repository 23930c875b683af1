"""Parser of latent arithmetic: `s12 - s7 + 0.5*s3` -> a vector. Nothing is evaluated as Python.

    sum    = term, {("+" | "-"), term}
    term   = factor, {("*" | "/"), factor}
    factor = {"+" | "-"}, atom
    atom   = number | "s", digits | "(", sum, ")" | ("lerp" | "slerp"), "(", sum, ",", sum, ",", sum, ")"

The parser computes the value while it parses. A value is a number or a weight for each seed: every operation, also
spherical interpolation, gives a weighted sum of the seeds' vectors, which an equation of images can show.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor

from genmodels import latent
from genmodels.errors import ConfigError
from genmodels.seeding import canonical

MAX_LENGTH, MAX_SEEDS, MAX_DEPTH, MAX_NUMBER = 200, 16, 20, 1_000.0
ALLOWED = "Allowed are seeds such as s12, numbers such as 0.5, + - * / ( ), lerp(a, b, t) and slerp(a, b, t)."

# [0-9] because \d would also match the digits of other scripts.
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<sign>[-+*/(),])"
)
_SEED = re.compile(r"[sS][0-9]+")
_FUNCTIONS = ("lerp", "slerp")

Weights = dict[int, float]
Value = float | Weights


class ExpressionError(ConfigError):
    """An invalid expression. `message` says why; `pointer` is the text with a caret below the position."""

    def __init__(self, message: str, text: str = "", position: int | None = None) -> None:
        self.message = message if position is None else f"Character {position + 1}: {message}"
        self.position = position
        self.pointer = "" if position is None else f"{text}\n{' ' * position}^"
        super().__init__(f"{self.message}\n{self.pointer}" if self.pointer else self.message)


@dataclass(frozen=True)
class Combination:
    """The value of an expression: the weight of each seed, in order of first appearance."""

    weights: Weights
    dim: int

    def z(self) -> Tensor:
        """The vector (dim,), float32."""
        vectors = latent.z_of_seeds(list(self.weights), self.dim)
        return (torch.tensor(list(self.weights.values()))[:, None] * vectors).sum(0)


def combine(text: str, dim: int) -> Combination:
    """The weighted sum of seeds that `text` describes, in a latent space of `dim` >= 1 dimensions.

    At most 200 characters, 16 different seeds (modulo 2^64), 20 nested brackets, numbers and weights up to 1,000.
    Raises ExpressionError with the position, what was found there and what is allowed.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression has {len(text):,} characters; at most {MAX_LENGTH} are read. Shorten it."
        )
    return Combination(_Parser(text, dim).parse(), dim)


class _Token(NamedTuple):
    kind: str  # number, name, sign, end
    text: str
    position: int


class _Parser:
    """Recursive descent, left to right. `depth` bounds the recursion; the length of the text bounds everything else."""

    def __init__(self, text: str, dim: int) -> None:
        # Character by character, so that positions stay: a line break would misplace the caret.
        self.text = "".join(" " if character.isspace() else character for character in text)
        self.dim = dim
        self.depth = 0
        self.seeds: set[int] = set()
        self.tokens = self._tokenise()
        self.index = 0

    def parse(self) -> Weights:
        if self.token.kind == "end":
            raise ExpressionError(f"the expression is empty. {ALLOWED} For example: s12 - s7 + 0.5*s3")
        value = self._sum()
        if self.token.kind != "end":
            self._unexpected("an operator or the end")
        if isinstance(value, float):
            self._fail(
                f"this is only the number {value:g}; an image needs a vector, so name at least one seed: {value:g}*s1",
                self.tokens[0],
            )
        return value

    # --------------------------------------------------------------------- grammar

    def _sum(self) -> Value:
        value = self._term()
        while (sign := self.token).text in ("+", "-"):
            self.index += 1
            right = self._term()
            if isinstance(value, float) and isinstance(right, float):
                value = self._number(value + right if sign.text == "+" else value - right, sign)
            elif isinstance(value, dict) and isinstance(right, dict):
                value = self._weighted_sum(value, 1.0, right, 1.0 if sign.text == "+" else -1.0, sign)
            else:
                self._fail(
                    f"found {sign.text!r} between a seed's vector and a number, which have no sum or difference; "
                    "a number can multiply or divide a vector: 2*s1",
                    sign,
                )
        return value

    def _term(self) -> Value:
        value = self._factor()
        while (sign := self.token).text in ("*", "/"):
            self.index += 1
            right = self._factor()
            if sign.text == "/":
                value = self._quotient(value, right, sign)
            elif isinstance(value, dict) and isinstance(right, dict):
                self._fail(
                    "found '*' between two seeds; a vector can only be multiplied by a number, for example 0.5*s3", sign
                )
            elif isinstance(value, float):
                value = self._scaled(right, value, sign)
            elif isinstance(right, float):
                value = self._scaled(value, right, sign)
        return value

    def _quotient(self, value: Value, divisor: Value, sign: _Token) -> Value:
        if isinstance(divisor, dict):
            self._fail("found a division by a seed's vector; a vector can only be divided by a number: s1/2", sign)
        if divisor == 0:
            self._fail("found a division by zero; divide by another number, for example s1/2", sign)
        return self._scaled(value, 1 / divisor, sign)

    def _factor(self) -> Value:
        first = self.token
        negative = False
        while self.token.text in ("+", "-"):  # a loop, as a hundred minus signs would be a hundred calls
            negative ^= self.token.text == "-"
            self.index += 1
        value = self._atom()
        return self._scaled(value, -1.0, first) if negative else value

    def _atom(self) -> Value:
        token = self.token
        if token.text == "(":
            self._enter(token)
            value = self._sum()
            self._leave(token)
            return value
        if token.kind not in ("number", "name"):
            self._unexpected("a seed such as s12, a number or an opening bracket")
        self.index += 1
        if token.kind == "name":
            return self._named(token)
        if float(token.text) > MAX_NUMBER:
            self._fail(f"found the number {_short(token.text)}; numbers run up to {MAX_NUMBER:,.0f}", token)
        return float(token.text)

    def _named(self, token: _Token) -> Value:
        if _SEED.fullmatch(token.text):
            return self._seed(token)
        if token.text not in _FUNCTIONS:
            close = difflib.get_close_matches(token.text, _FUNCTIONS, n=1)
            guess = f"; did you mean {close[0]}?" if close else "."
            self._fail(f"found the unknown name {token.text!r}{guess} {ALLOWED}", token)
        bracket = self.token
        if bracket.text != "(":
            self._unexpected("an opening bracket", f"write {token.text}(s1, s2, 0.5)")
        self._enter(bracket)
        ends, positions = [], []
        for _ in range(2):
            positions.append(self.token)
            ends.append(self._sum())
            if self.token.text != ",":
                self._unexpected("a comma", f"{token.text} takes two vectors and a number: {token.text}(s1, s2, 0.5)")
            self.index += 1
        positions.append(self.token)
        t = self._sum()
        self._leave(bracket)
        a, b = ends
        if isinstance(a, float) or isinstance(b, float):
            self._fail(
                f"found a number where {token.text} takes a vector: {token.text}(s1, s2, 0.5)",
                positions[0 if isinstance(a, float) else 1],
            )
        if isinstance(t, dict) or not 0 <= t <= 1:
            found = "a vector" if isinstance(t, dict) else f"{t:g}"
            self._fail(f"found {found} as t of {token.text}; t is a number from 0 (all a) to 1 (all b)", positions[2])
        return self._interpolated(token, a, b, t)

    def _seed(self, token: _Token) -> Weights:
        seed = canonical(int(token.text[1:]))
        self.seeds.add(seed)
        if len(self.seeds) > MAX_SEEDS:
            self._fail(f"found the {MAX_SEEDS + 1}th different seed; an expression has at most {MAX_SEEDS}", token)
        return {seed: 1.0}

    # ------------------------------------------------- values, checked for bounds

    def _number(self, value: float, token: _Token) -> float:
        if not abs(value) <= MAX_NUMBER:  # also true of nan
            self._fail(
                f"a number becomes {value:g} here; numbers run from -{MAX_NUMBER:,.0f} to {MAX_NUMBER:,.0f}", token
            )
        return value

    def _scaled(self, value: Value, factor: float, token: _Token) -> Value:
        if isinstance(value, float):
            return self._number(value * factor, token)
        return self._weighted_sum(value, factor, {}, 1.0, token)

    def _weighted_sum(self, a: Weights, weight_a: float, b: Weights, weight_b: float, token: _Token) -> Weights:
        total = {seed: weight_a * weight for seed, weight in a.items()}
        for seed, weight in b.items():
            total[seed] = total.get(seed, 0.0) + weight_b * weight
        size = sum(map(abs, total.values()))
        if not size <= MAX_NUMBER:
            self._fail(
                f"the weights of the seeds add up to {size:g} here; at most {MAX_NUMBER:,.0f} are allowed, "
                "so multiply by less or divide by more",
                token,
            )
        return total

    def _interpolated(self, token: _Token, a: Weights, b: Weights, t: float) -> Weights:
        if token.text == "lerp":
            return self._weighted_sum(a, 1 - t, b, t, token)
        weight_a, weight_b = latent.slerp_weights(Combination(a, self.dim).z(), Combination(b, self.dim).z(), t)
        return self._weighted_sum(a, float(weight_a), b, float(weight_b), token)

    # ------------------------------------------------------------------ tokens

    @property
    def token(self) -> _Token:
        return self.tokens[self.index]

    def _tokenise(self) -> list[_Token]:
        tokens: list[_Token] = []
        position = 0
        while position < len(self.text):
            if self.text[position] == " ":
                position += 1
                continue
            match = _TOKEN.match(self.text, position)
            if match is None:
                found = self.text[position]
                code = f" (U+{ord(found):04X})" if not found.isascii() or not found.isprintable() else ""
                self._fail(f"found {found!r}{code}, which has no meaning here. {ALLOWED}", _Token("", found, position))
            tokens.append(_Token(str(match.lastgroup), match.group(), position))
            position = match.end()
        return [*tokens, _Token("end", "", len(self.text))]

    def _enter(self, bracket: _Token) -> None:
        self.index += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._fail(f"found bracket {MAX_DEPTH + 1} inside others; at most {MAX_DEPTH} may be nested", bracket)

    def _leave(self, bracket: _Token) -> None:
        if self.token.text != ")":
            self._unexpected(f"an operator, or ')' to close the bracket of character {bracket.position + 1}")
        self.index += 1
        self.depth -= 1

    def _unexpected(self, expected: str, hint: str = "") -> NoReturn:
        token = self.token
        found = "the end" if token.kind == "end" else repr(_short(token.text))
        before = self.tokens[self.index - 1] if self.index else None
        if token.kind == "name" and before is not None and before.kind == "number":
            hint = f"to multiply, write {_short(before.text)}*{_short(token.text)}"
        elif token.text == "," and not hint:
            hint = "decimals have a point, 0.5, and only lerp and slerp take a list"
        hint = f"; {hint}" if hint else ""
        self._fail(f"found {found} where {expected} was expected{hint}. {ALLOWED}", token)

    def _fail(self, message: str, token: _Token) -> NoReturn:
        raise ExpressionError(message, self.text, token.position)


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:21]}..."
