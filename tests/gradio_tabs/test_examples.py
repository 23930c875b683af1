"""The examples of docs/gradio.md run as they stand there, against the server of the tests."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.browser import ROOT, Server

pytestmark = pytest.mark.slow

GUIDE = (ROOT / "docs" / "gradio.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def run(command: list[str], server: Server) -> str:
    command = [part.replace("http://127.0.0.1:8501", server.url) for part in command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_program(studio_server: Server) -> None:
    program, _ = examples("python")
    lines = run([sys.executable, "-c", program], studio_server).splitlines()
    probabilities, recording = lines[-2:]
    assert max(ast.literal_eval(probabilities).items(), key=lambda pair: pair[1])[0] == "7"
    assert Path(recording).read_bytes()[:4] == b"RIFF"


@pytest.mark.parametrize("index", [0, 1])
def test_the_curl_commands(studio_server: Server, index: int) -> None:
    answer = run(["bash", "-c", examples("sh")[index]], studio_server)
    assert "event: complete" in answer
    found = re.search(r'"url": ?"([^"]+)"', answer)
    assert found is not None, answer
    with urllib.request.urlopen(found[1]) as image:
        assert image.read(8) == b"\x89PNG\r\n\x1a\n"


def test_the_program_of_an_agent(studio_server: Server) -> None:
    _, program = examples("python")
    answer = run([sys.executable, "-c", program], studio_server)
    assert "'sample'" in answer
    assert answer.splitlines()[-1] == "image/png"


def test_the_table_lists_every_endpoint() -> None:
    named = re.findall(r"^\| `/(\w+)` \|", GUIDE, re.MULTILINE)
    assert len(named) == 12
    assert len(set(named)) == 12
