"""Workers import torch without garbage collections, and collect garbage afterwards."""

from __future__ import annotations

import gc

import pytest

from genmodels.system.imports import without_collections


def test_collections_are_suspended_only_for_the_imports() -> None:
    before = gc.get_freeze_count()
    kept = [[number] for number in range(5_000)]
    with without_collections():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() - before >= len(kept), "what was imported is not searched again"
    with pytest.raises(ImportError), without_collections():
        raise ImportError
    assert gc.isenabled()


def test_a_disabled_collector_stays_disabled() -> None:
    gc.disable()
    try:
        with without_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
