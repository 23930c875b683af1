"""The compiled queues if nothing can be written, and without numba: the same recordings."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from genmodels.model import Model
from genmodels.sampling import samples_compiled
from tests.conftest import small_model

_DRAWN = """
import numpy, torch
from genmodels.sampling import samples_compiled
from tests.conftest import small_model
torch.set_num_threads(1)
assert samples_compiled.njit is not None and samples_compiled._usable()
drawn = small_model("wavenet").sample(1, generator=torch.Generator().manual_seed(1), samples=300)
numpy.save("drawn.npy", drawn.numpy())
print(samples_compiled.__file__)
"""


def sampled(model: Model) -> np.ndarray:
    sample = model.sample(1, generator=torch.Generator().manual_seed(1), samples=300)  # type: ignore[operator]
    found: np.ndarray = sample.numpy()
    return found


def fresh(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as another process would import it, used for sampling in this test."""
    spec = importlib.util.spec_from_file_location("genmodels.sampling.samples_compiled", samples_compiled.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow  # compiles, as nothing is cached
def test_it_is_compiled_where_neither_source_nor_home_can_be_written(tmp_path: Path) -> None:
    """A file where the caches' folder would be made stops root too, whom a folder's permissions do not."""
    root, home = Path(samples_compiled.__file__).parents[2], tmp_path / "home"
    home.touch()
    for part in ("genmodels", "train_jobs", "tests"):  # tests/conftest.py imports them
        shutil.copytree(root / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "genmodels" / "sampling" / "__pycache__").touch()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_"))}
    env |= {"HOME": str(home), "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", _DRAWN], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "genmodels" / "sampling" / "samples_compiled.py")
    assert np.array_equal(np.load(tmp_path / "drawn.npy"), sampled(small_model("wavenet")))


def test_without_numba_torch_draws_the_same(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    model = small_model("wavenet")
    wanted = sampled(model)
    monkeypatch.setitem(sys.modules, "numba", None)
    module = fresh(monkeypatch)
    assert module.njit is None
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(sampled(model), wanted)
        assert np.array_equal(sampled(model), wanted)
    assert caplog.text.count("numba cannot be used") == 1


def test_where_nothing_compiles_torch_draws(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk, a processor that LLVM does not know: reported at the first call, not at the import."""
    model = small_model("wavenet")
    wanted = sampled(model)
    module = fresh(monkeypatch)

    def full(x: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(module, "_tanh", full)
    assert np.array_equal(sampled(model), wanted)
    assert "no space left on device" in caplog.text


def test_a_fault_of_our_own_is_not_taken_for_a_missing_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    module = fresh(monkeypatch)

    def wrong(x: object) -> None:
        raise TypeError("a fault of the kernel")

    monkeypatch.setattr(module, "_tanh", wrong)
    with pytest.raises(TypeError, match="a fault of the kernel"):
        sampled(small_model("wavenet"))
