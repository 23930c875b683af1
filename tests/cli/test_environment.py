"""The Makefile's environment: built, rebuilt if broken, usable after the checkout was moved."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def checkout(path: Path) -> Path:
    """The Makefile beside lists that need no network."""
    path.mkdir()
    shutil.copy(PROJECT / "Makefile", path)
    for name in ("requirements.txt", "constraints.txt"):
        (path / name).write_text("")
    return path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", f"PYTHON={sys.executable}", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def venv(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True, timeout=60)


def pip_works(folder: Path) -> bool:
    command = [folder / ".venv/bin/python", "-m", "pip", "--version"]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["no pip", "no python"])
def test_a_broken_environment_is_rebuilt(tmp_path: Path, broken: str) -> None:
    folder = checkout(tmp_path / "app")
    venv(folder)
    (folder / ".venv/.ready-to-run").touch()  # it was complete once, as far as make can tell
    if broken == "no python":
        for path in (folder / ".venv/bin").glob("python*"):
            path.unlink()
            path.symlink_to("/nonexistent/python3")
    assert not (folder / ".venv/bin/pip").exists()
    made = make(folder, ".venv/.ready-to-run")
    assert made.returncode == 0, made.stdout + made.stderr
    assert pip_works(folder)
    again = make(folder, ".venv/.ready-to-run")
    assert "is up to date" in again.stdout, "made once, not at every call"


@pytest.mark.slow
def test_a_moved_checkout_runs(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "old")
    venv(folder)
    packages = next((folder / ".venv/lib").glob("python3*")) / "site-packages"
    shutil.rmtree(packages)
    packages.symlink_to(sysconfig.get_path("purelib"))
    script = folder / ".venv/bin/streamlit"
    script.write_text(f"#!{folder}/.venv/bin/python\nfrom streamlit.web.cli import main\nmain()\n")
    script.chmod(0o755)
    (folder / ".venv/.ready-to-run").touch()
    (folder / "app.py").write_text("import streamlit\nstreamlit.write('here')\n")
    folder = folder.rename(tmp_path / "new")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["make", "run", f"PORT={port}"]
    environment = {**os.environ, "STREAMLIT_SERVER_HEADLESS": "true"}
    with (tmp_path / "output").open("w+") as output:
        server = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, env=environment, start_new_session=True
        )
        try:
            end = time.monotonic() + 60
            while not healthy(port):
                output.seek(0)
                assert server.poll() is None, output.read()
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.1)
        finally:
            os.killpg(server.pid, 15)
            server.wait()


def test_a_port_in_use_is_named_with_the_next_step(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "app")
    venv(folder)
    packages = next((folder / ".venv/lib").glob("python3*")) / "site-packages"
    packages.rmdir()
    packages.symlink_to(sysconfig.get_path("purelib"))
    (folder / ".venv/.ready-to-run").touch()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = make(folder, "run", f"PORT={port}")
    assert done.returncode == 2
    assert f"127.0.0.1:{port} cannot be used" in done.stderr
    assert "make run PORT=8600" in done.stderr
    assert "Traceback" not in done.stderr


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_no_rule_calls_a_script_of_the_environment() -> None:
    """The first line of such a script names the place where the environment was made."""
    text = (PROJECT / "Makefile").read_text()
    called = {word for word in text.split() if word.startswith(("$(BIN)/", "$(VENV)/bin/"))}
    assert called == {"$(BIN)/python"}
