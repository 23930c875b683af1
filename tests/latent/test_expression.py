"""Arithmetic with seeds: valid expressions, their values, and error messages with positions."""

from __future__ import annotations

import math
import random

import pytest
import torch

from genmodels import latent
from genmodels.latent.expression import MAX_SEEDS, ExpressionError, combine
from genmodels.latent.norms import norm_distribution


def z(seed: int) -> torch.Tensor:
    return latent.z_of_seed(seed, 50)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s12", lambda: z(12)),
        ("s12 - s7 + 0.5*s3", lambda: z(12) - z(7) + 0.5 * z(3)),
        ("S12+s007", lambda: z(12) + z(7)),
        ("s1 - s2 - s3", lambda: z(1) - z(2) - z(3)),
        ("s1 - (s2 - s3)", lambda: z(1) - z(2) + z(3)),
        ("-s1/4*2", lambda: -z(1) / 2),
        ("2*3*s1 - -s2", lambda: 6 * z(1) + z(2)),
        ("(1 + 1e-1)*(s1 + s2)", lambda: 1.1 * (z(1) + z(2))),
        (".5*s1+1.*s2", lambda: 0.5 * z(1) + z(2)),
        ("s1 + s1 - 2*s1", lambda: torch.zeros(50)),
        ("lerp(s1, s2, 1/4)", lambda: latent.lerp(z(1), z(2), 0.25)),
        ("slerp(s1, s2, 0.3)", lambda: latent.slerp(z(1), z(2), 0.3)),
        ("slerp(s1 - s3, 2*s2, 0.3)", lambda: latent.slerp(z(1) - z(3), 2 * z(2), 0.3)),
        ("slerp(s1, s1, 0.5)", lambda: z(1)),
        ("s999999", lambda: z(999_999)),
        ("s1000000", lambda: z(1_000_000)),
        (f"s{2**64 + 5} + s{2**64 - 1}", lambda: z(5) + z(-1)),
        ("\n s1\t+\u00a0s2 ", lambda: z(1) + z(2)),
    ],
)
def test_an_expression_has_the_value_of_its_arithmetic(text: str, expected) -> None:  # type: ignore[no-untyped-def]
    torch.testing.assert_close(combine(text, 50).z(), expected())


def test_one_seed_is_exactly_its_z_and_weights_are_in_order_of_appearance() -> None:
    assert torch.equal(combine("s12", 7).z(), latent.z_of_seed(12, 7))
    assert list(combine("s9 - s2 + s5 - s2", 7).weights.items()) == [(9, 1.0), (2, -2.0), (5, 1.0)]


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("s1*s2", 3, "between two seeds"),
        ("2/s1", 2, "only be divided by a number"),
        ("s1/0", 3, "division by zero"),
        ("s1/(1-1)", 3, "division by zero"),
        ("1/1e-400*s1", 2, "division by zero"),
        ("s1/1e-300", 3, "at most 1,000"),
        ("1e999*s1", 1, "numbers run up to 1,000"),
        ("1000*1000*s1", 5, "a number becomes 1e"),
        ("1000*s1*1000", 8, "at most 1,000"),
        ("s1 + 2", 4, "between a seed's vector and a number"),
        ("3", 1, "only the number 3"),
        ("s", 1, "unknown name 's'"),
        ("abc + s1", 1, "unknown name 'abc'"),
        ("slrp(s1, s2, 0.5)", 1, "did you mean slerp?"),
        ("__import__", 1, "unknown name '__import__'"),
        ("s1.real", 3, "'.'"),
        ("s1 + __class__", 6, "unknown name '__class__'"),
        ("s１", 2, "U+FF11"),  # noqa: RUF001
        ("s1 + ٣*s2", 6, "U+0663"),
        ("s1 × s2", 4, "U+00D7"),  # noqa: RUF001
        ("s1\x00", 3, "U+0000"),
        ("2s3", 2, "to multiply, write 2*s3"),
        ("0,5*s1", 2, "decimals have a point"),
        ("s1 -", 5, "found the end"),
        ("s1 s2", 4, "found 's2' where an operator"),
        ("s1**2", 4, "found '*'"),
        ("(s1 + s2", 9, "to close the bracket of character 1"),
        ("s1)", 3, "found ')'"),
        ("()", 2, "found ')'"),
        ("lerp s1", 6, "an opening bracket"),
        ("lerp(s1, s2)", 12, "two vectors and a number"),
        ("lerp(s1, 2, 0.5)", 10, "found a number where lerp takes a vector"),
        ("lerp(s1, s2, s3)", 14, "found a vector as t"),
        ("slerp(s1, s2, 1.5)", 15, "from 0 (all a) to 1 (all b)"),
        ("(" * 150 + "s1", 21, "at most 20 may be nested"),
        ("lerp(" * 30, 105, "at most 20 may be nested"),
        ("+".join(f"s{seed}" for seed in range(17)), 55, "at most 16"),
    ],
)
def test_an_error_message_names_the_position(text: str, position: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        combine(text, 50)
    assert message in caught.value.message
    assert caught.value.message.startswith(f"Character {position}: ")
    line, caret = caught.value.pointer.split("\n")
    assert line == text
    assert caret.index("^") == position - 1


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_expression_gets_an_example(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"is empty.*s12 - s7 \+ 0\.5\*s3"):
        combine(text, 50)


def test_the_length_is_checked_before_parsing() -> None:
    with pytest.raises(ExpressionError, match="200,000 characters; at most 200"):
        combine("#" * 200_000, 50)
    assert combine("-" * 198 + "s1", 50).weights == {1: 1.0}
    assert len(combine("+".join(f"s{seed}" for seed in range(MAX_SEEDS)), 50).weights) == MAX_SEEDS


def test_any_text_gives_a_finite_vector_or_a_message() -> None:
    generator = random.Random(0)
    operands = ["s1", "s2", "-s30", "(s4-s1)", "0.5", "1000", "1e-9", "slerp(s1,-s2,0.999)", "lerp(s3,s1,1)", "0"]
    signs = ["+", "-", "*", "/", " ", "(", ")", ",", "slerp(", "\u00e9", "_"]
    valid, messages = 0, []
    for _ in range(4_000):
        words = [generator.choice(operands)]
        for _ in range(generator.randrange(5)):
            words += [generator.choice(signs[: generator.choice((4, 11))]), generator.choice(operands)]
        try:
            vector = combine("".join(words), 3).z()
        except ExpressionError as error:
            messages.append(str(error))
            continue
        valid += 1
        assert vector.shape == (3,)
        assert vector.isfinite().all()
    assert valid > 500
    assert len(messages) > 500
    assert all("Character" in message and len(message) < 800 for message in messages)


@pytest.mark.parametrize("dim", [1, 2, 20, 100, 1024])
def test_the_norm_distribution_is_that_of_gaussian_vectors(dim: int) -> None:
    distribution = norm_distribution(dim)
    norms = torch.randn(40_000, dim, generator=torch.Generator().manual_seed(dim)).norm(dim=1)
    inside = float(((norms >= distribution.low) & (norms <= distribution.high)).float().mean())
    assert inside == pytest.approx(0.95, abs=0.005)
    assert float((norms < distribution.low).float().mean()) == pytest.approx(0.025, abs=0.004)
    assert distribution.mean == pytest.approx(float(norms.mean()), abs=0.015)
    assert distribution.radius == pytest.approx(math.sqrt(dim))
    area = sum(distribution.density) * (distribution.norms[1] - distribution.norms[0])
    assert area == pytest.approx(1, abs=0.02)


def test_the_expected_norm_is_close_to_the_root_of_d_minus_a_half() -> None:
    assert norm_distribution(100).mean == pytest.approx(math.sqrt(99.5), abs=1e-4)
