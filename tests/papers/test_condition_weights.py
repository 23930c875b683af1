"""One-hot weights of conditions: values, blends, several keys, and what is refused."""

from __future__ import annotations

import pytest
import torch

from genmodels.conditions import condition_weights, one_hot
from genmodels.errors import CapabilityError, DataError

CPU = torch.device("cpu")


def test_values_become_one_hot_and_blends_stay() -> None:
    assert one_hot(torch.tensor([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    blend = torch.tensor([[0.25, 0.75]], dtype=torch.float64)
    assert one_hot(blend, 2).dtype == torch.float32
    assert one_hot(blend, 2).tolist() == [[0.25, 0.75]]


def test_keys_stand_side_by_side_in_the_order_of_the_counts() -> None:
    condition = {"speaker": torch.tensor([1, 0]), "label": torch.tensor([[0.5, 0.5, 0], [0, 0, 1]])}
    weights = condition_weights(condition, {"label": 3, "speaker": 2}, 2, CPU)
    assert weights.tolist() == [[0.5, 0.5, 0, 0, 1], [0, 0, 1, 1, 0]]


def test_a_model_without_conditions_has_no_weights() -> None:
    assert condition_weights(None, {}, 4, CPU).shape == (4, 0)


def test_one_row_stands_for_the_batch_only_with_broadcast() -> None:
    one = {"label": torch.tensor([1])}
    assert condition_weights(one, {"label": 2}, 3, CPU, broadcast=True).tolist() == [[0, 1]] * 3
    with pytest.raises(DataError, match=r"label of shape \(1,\) is not allowed for a batch of 3: give int64 \(3,\)"):
        condition_weights(one, {"label": 2}, 3, CPU)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.tensor([0, 2]), r"speaker = 2 is not allowed: this model has 2 speakers, 0 to 1; choose one"),
        (torch.tensor([-1, 5]), r"speaker = -1, 5 is not allowed"),
        (torch.tensor([0, 1], dtype=torch.int32), r"speaker of torch\.int32 .* speaker\.long\(\)"),
        (torch.tensor([True, False]), r"speaker of torch\.bool"),
        (torch.tensor([0, 1, 0]), r"speaker of shape \(3,\) .*int64 \(2,\)"),
        (torch.ones(2), r"speaker of shape \(2,\) .*weights float \(2, 2\)"),
        (torch.ones(2, 3), r"speaker of shape \(2, 3\)"),
    ],
)
@pytest.mark.parametrize("broadcast", [False, True])
def test_wrong_values_are_refused(values: torch.Tensor, message: str, broadcast: bool) -> None:
    with pytest.raises(DataError, match=message):
        condition_weights({"speaker": values}, {"speaker": 2}, 2, CPU, broadcast=broadcast)


@pytest.mark.parametrize(
    ("condition", "start"),
    [(None, "this model"), ({}, "this model"), ({"digit": torch.tensor([1])}, "condition has 'digit', but")],
)
def test_a_missing_key_is_refused(condition: dict[str, torch.Tensor] | None, start: str) -> None:
    with pytest.raises(CapabilityError, match=rf"^{start}.* trained with classes: .*\{{'label': \.\.\.\}}, 0 to 9$"):
        condition_weights(condition, {"label": 10}, 1, CPU)
