"""Slices of background work: one computes at a time, a long one gives way between operations, and no pixel changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from genmodels.runs import catalog
from genmodels.service import compare, fair_queue, inference, latent, sessions, slices
from genmodels.service.fair_queue import CancelledError, background, queued
from genmodels.service.paint import receptive_field
from genmodels.service.paint.receptive_field import ReceptiveFieldRequest
from genmodels.service.sessions import Session

PATIENCE = 60.0


def background_result(task: Callable[[], Any], session: str = "a") -> Any:
    with sessions.acting_for(Session(session)), background():
        return inference.run(task, divided=True)


def test_turns_go_to_threads_in_the_order_in_which_they_came() -> None:
    turns, order, threads = slices.Turns(), [], []

    def wait(name: int) -> None:
        with turns:
            order.append(name)

    with turns:
        for name in range(5):
            threads.append(threading.Thread(target=wait, args=(name,)))
            threads[-1].start()
            until = time.monotonic() + PATIENCE
            while len(turns._line) < name + 2 and time.monotonic() < until:
                time.sleep(0.001)
        turns.give_way()
        order.append(99)
    for thread in threads:
        thread.join(PATIENCE)
    assert order == [0, 1, 2, 3, 4, 99]


@pytest.mark.parametrize("divided", [True, False])
def test_a_long_computation_gives_way_to_those_that_wait(divided: bool) -> None:
    """It ends only when another one, long or short, has been computed: without pauses this would never end."""
    begun, computed = threading.Event(), threading.Event()

    def endless() -> None:
        while not computed.is_set():
            torch.zeros(1).add(1)
            begun.set()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(background_result, endless)
        assert begun.wait(PATIENCE)
        with sessions.acting_for(Session("b")), background():
            inference.run(computed.set, divided=divided)
        first.result(PATIENCE)


def test_a_backward_pass_gives_way_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[str] = []
    phase = "forward"
    monkeypatch.setattr(slices, "SLICE", 0.0)
    monkeypatch.setattr(slices.turns, "give_way", lambda: pauses.append(phase))

    def task() -> Tensor:
        nonlocal phase
        with torch.inference_mode(False):
            x = torch.ones(2, requires_grad=True)
            y = x
            for _ in range(10):
                y = y * 2
            total = y.sum()
            phase = "backward"
            return torch.autograd.grad(total, x)[0]

    assert background_result(task).tolist() == [1024.0, 1024.0]
    assert pauses.count("forward") >= 10
    assert pauses.count("backward") >= 10


def test_work_that_was_cancelled_ends_between_two_operations() -> None:
    """More of it than there are threads: each must be free again for the next."""
    for _ in range(fair_queue.ACTIVE + 1):
        assert _ends_when_cancelled()


def _ends_when_cancelled() -> bool:
    running, ended = threading.Event(), threading.Event()

    def endless() -> None:
        try:
            while True:
                torch.zeros(1).add(1)
                running.set()
        finally:
            ended.set()

    def cancel(ticket: fair_queue.Ticket) -> None:
        running.wait(PATIENCE)
        ticket.cancel()

    with sessions.acting_for(Session("a")), queued() as ticket:
        threading.Thread(target=cancel, args=(ticket,)).start()
        with pytest.raises(CancelledError, match="cancelled"):
            inference.run(endless, divided=True)
    return ended.wait(PATIENCE)


def test_an_interactive_request_is_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices.turns, "give_way", lambda: pytest.fail("it is not a background computation"))
    monkeypatch.setattr(slices, "SLICE", 0.0)
    assert inference.run(lambda: torch.zeros(1).add(1).item(), divided=True) == 1.0


@pytest.mark.slow
def test_two_computations_in_turns_have_the_pixels_of_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every published generator, thumbnails two at a time with a pause at every operation."""
    published = [info.name for info in catalog.list_checkpoints() if info.published and info.capabilities]
    drawn = {name: inference.run(lambda name=name: _thumbnail(name)) for name in published}
    alone = {name: png for name, png in drawn.items() if png is not None}
    names = list(alone)
    assert len(names) > 15
    paused = 0
    give_way = slices.turns.give_way

    def counted() -> None:
        nonlocal paused
        paused += len(slices.turns._line) > 1
        give_way()

    monkeypatch.setattr(slices, "SLICE", 0.0)
    monkeypatch.setattr(slices.turns, "give_way", counted)
    with ThreadPoolExecutor(2) as pool:
        in_turns = dict(zip(names, pool.map(_thumbnail, names), strict=True))
    assert paused > 1000
    assert [name for name in names if alone[name] != in_turns[name]] == []


def _thumbnail(name: str) -> bytes | None:
    return latent.thumbnail(name, columns=2, rows=1)


def test_gradients_in_turns_are_those_computed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    request = ReceptiveFieldRequest(model="mnist_gated_pixelcnn", row=14, column=14)
    alone = receptive_field.receptive_fields(request)
    monkeypatch.setattr(slices, "SLICE", 0.0)
    with ThreadPoolExecutor(2) as pool:
        fields, column = (
            pool.submit(receptive_field.receptive_fields, request),
            pool.submit(compare.column, compare.ColumnRequest(model="mnist_dcgan", seed=4)),
        )
        assert fields.result(PATIENCE) == alone
        assert column.result(PATIENCE).image_count > 1
