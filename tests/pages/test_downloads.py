"""The download of a data set on a page: its progress, cancelling it, its end; from a real server on this machine."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torchvision.datasets
from streamlit.testing.v1 import AppTest

from tests.support.file_server import FileServer, serving
from tests.support.pages import open_page

_FILES = {file: gzip.compress(b"not read here") * 8_000 for file, _ in torchvision.datasets.MNIST.resources}
_RESOURCES = [(file, hashlib.md5(content, usedforsecurity=False).hexdigest()) for file, content in _FILES.items()]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", _RESOURCES)
    return tmp_path / "data"


def _start(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Press the button, and wait until the first half of the first file is there."""
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"{server.url}/"])
    app = open_page("train", recipe="mnist_vae_20")
    app.button(key="train_get_mnist").click().run()
    return _run_until(app, lambda: "Downloading MNIST handwritten digits: 0.1 of 12 MB" in _progress(app))


def _progress(app: AppTest) -> str:
    return " ".join(bar.proto.text for bar in app.get("progress"))


def _run_until(app: AppTest, condition: Callable[[], bool]) -> AppTest:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, _progress(app)
        time.sleep(0.1)
        app.run()
    return app


def _keys(app: AppTest) -> set[str | None]:
    return {button.key for button in app.button}


def test_a_download_shows_its_progress_and_is_cancelled(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(_FILES, hesitating=True) as server:
        app = _start(server, monkeypatch)
        assert "train_get_mnist" not in _keys(app)
        app.button(key="train_cancel_mnist").click().run()
        server.go_on.set()
        _run_until(app, lambda: "train_get_mnist" in _keys(app))
    assert not [path for path in root.rglob("*") if path.is_file()], "nothing half-made stays"


def test_a_download_in_one_session_is_shown_in_another_and_ends(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(_FILES, hesitating=True) as server:
        app = _start(server, monkeypatch)
        other = open_page("data", data="mnist")
        assert "data_cancel_mnist" in _keys(other)
        server.go_on.set()
        _run_until(app, lambda: not {"train_get_mnist", "train_cancel_mnist"} & _keys(app))
    assert {path.name: path.read_bytes() for path in (root / "MNIST" / "raw").iterdir()} == _FILES


def test_a_download_that_fails_says_why_and_can_be_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}) as server:
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"{server.url}/"])
        app = open_page("train", recipe="mnist_vae_20")
        app.button(key="train_get_mnist").click().run()
        _run_until(app, lambda: bool(app.error))
    assert "MNIST could not be downloaded" in app.error[0].value
    assert "404" in app.error[0].value
    assert "train_get_mnist" in _keys(app)
