"""The LRU cache: which entry it drops, and what threads that use it at the same time see."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from genmodels.service.cache import LRU


def test_the_least_recently_used_entry_is_dropped() -> None:
    cache: LRU[str, int] = LRU(2)
    cache.store("a", 1)
    cache.store("b", 2)
    assert cache.get("a") == 1  # "b" is now the oldest
    cache.store("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)
    cache.get_or_compute("a", lambda: 0)
    cache.store("d", 4)
    assert (cache.get("a"), cache.get("c"), cache.get("d")) == (1, None, 4)
    cache.clear()
    assert len(cache) == 0
    assert cache.get("a") is None


def test_the_total_size_is_bounded_and_the_newest_entry_stays() -> None:
    cache: LRU[int, bytes] = LRU(maxbytes=10, size_of=len)
    for key in range(3):
        cache.store(key, b"1234")
    assert [cache.get(key) for key in range(3)] == [None, b"1234", b"1234"]
    cache.store(3, b"x" * 50)
    assert len(cache) == 1
    assert cache.get(3) == b"x" * 50
    cache.store(4, b"1")
    assert (cache.get(3), cache.get(4)) == (None, b"1")
    cache.store(5, b"123456789")
    assert (cache.get(4), cache.get(5)) == (b"1", b"123456789")


def test_a_value_is_computed_once_and_a_failure_is_not_stored() -> None:
    cache: LRU[str, int | None] = LRU(4)
    calls: list[str] = []

    def fail() -> int:
        raise ZeroDivisionError

    def compute() -> None:
        calls.append("computed")

    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute("a", fail)
    assert cache.get_or_compute("a", lambda: 7) == 7
    assert cache.get_or_compute("a", fail) == 7
    for _ in range(2):
        assert cache.get_or_compute("none", compute) is None
    assert calls == ["computed"]


def test_bytes_need_a_measure() -> None:
    with pytest.raises(ValueError, match="maxbytes and size_of"):
        LRU(maxbytes=1)


def test_a_slow_value_does_not_delay_other_keys() -> None:
    cache: LRU[str, int] = LRU(4)
    started, release = threading.Event(), threading.Event()

    def slow() -> int:
        started.set()
        assert release.wait(10)
        return 1

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get_or_compute, "slow", slow)
        assert started.wait(10)
        other = pool.submit(cache.get_or_compute, "other", lambda: 2)
        assert other.result(10) == 2  # a lock that is held during `slow` would time out here
        assert not first.done()
        # Another thread stores the value meanwhile: everybody gets that one.
        assert cache.store("slow", 5) == 5
        release.set()
        assert first.result(10) == 5
    assert cache.get("slow") == 5


def test_many_threads_at_once() -> None:
    cache: LRU[int, tuple[int, bytes]] = LRU(8, maxbytes=64, size_of=lambda value: len(value[1]))

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(2_000):
            key = draw.randrange(24)
            value = cache.get_or_compute(key, lambda key=key: (key, b"x" * (key + 1)))  # type: ignore[misc]
            assert value == (key, b"x" * (key + 1))
            if draw.random() < 0.01:
                cache.clear()

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work, seed) for seed in range(8)]:
            future.result(60)
    held = [value for key in range(24) if (value := cache.get(key)) is not None]
    assert len(held) == len(cache) <= 8
    assert sum(len(value[1]) for value in held) <= 64
