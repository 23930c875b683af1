"""Rehearses the Dockerfile of a Space without Docker: `make rehearse`, or `python -m tests.rehearse [FOLDER]`.

Applies every instruction of FOLDER/Dockerfile, by default of a newly assembled folder, in an empty root directory, and
serves from it as user 1000, who has no home directory and may not write to the code. This machine's Python and packages
stand for the base image and `pip install`. Needs Linux and root.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from genmodels.publishing import space
from pages.components.i18n import t
from tests.support.browser import free_port
from tests.support.dockerfile import Image, build, can_rehearse
from tests.support.picture_files import RED, encoded, plain
from tests.support.websocket_client import Client

_START_SECONDS = 90.0
_LATENT = "/latent?model=mnist_vae_2d&seed=3"
MODELS = ("mnist_vae_2d", "horse2zebra_projected_128")
"""Models that `visit` needs: for the address above, and for an upload."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request, and how long it took."""

    request: str
    status: int
    seconds: float
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.status} in {self.seconds:6.2f} s  {self.request}"


def command_on(image: Image, port: int) -> list[str]:
    """The image's CMD, serving on another port of this machine only."""
    words = [word.replace("0.0.0.0", "127.0.0.1").replace(f"={image.port}", f"={port}") for word in image.command]
    assert words != image.command, f"CMD {image.command} does not serve on 0.0.0.0:{image.port}"
    return words


@contextmanager
def serving(image: Image, **environment: str) -> Iterator[str]:
    """The address of a server that runs the image's CMD."""
    port = free_port()
    with tempfile.TemporaryFile() as log:
        words = image.words(command_on(image, port), **environment)
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(process, f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        except BaseException:
            log.seek(0)
            print(log.read().decode("utf-8", "replace")[-5000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(20)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        if request(f"{url}/_stcore/health").status == 200:
            return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not answer within {_START_SECONDS:.0f} s")


def request(url: str, method: str = "GET", **headers: str) -> Answer:
    """The answer of the server; status 0 if there is none."""
    began, name = time.monotonic(), " ".join([method, url, *(f"{key}: {value}" for key, value in headers.items())])
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=60) as answer:
            return Answer(name, answer.status, time.monotonic() - began, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(name, error.code, time.monotonic() - began, error.read())
    except OSError:
        return Answer(name, 0, time.monotonic() - began)


def visit(url: str) -> list[Answer]:
    """What a visitor and the proxy of a Space do; raises AssertionError if a page fails."""
    answers = [
        request(url + "/"),
        request(url + "/", "HEAD"),
        request(url + _LATENT),
        request(url + "/", Host="10.0.0.7"),
    ]
    path, _, query = _LATENT.partition("?")
    began = time.monotonic()
    with Client(url) as client:
        client.open(path.strip("/"), query)
        assert not client.exceptions, client.exceptions
        answers.append(Answer(f"the page {_LATENT}", 200, time.monotonic() - began))
        began = time.monotonic()
        client.open("translate")
        client.set("translate_source", string_array_value=[t("translate.sources.upload")])
        client.run()
        client.cookie = ""  # what the frame of huggingface.co blocks
        file = client.upload("red.png", encoded(plain(RED, (40, 30))))
        client.set("translate_upload", files=[file])
        client.run()
        assert not client.exceptions, client.exceptions
        answers.append(Answer("an upload without a cookie", file.status, time.monotonic() - began))
    gradio = [request(url + path) for path in ("/gradio", "/gradio/", "/gradio/gradio_api/info")]
    assert b"window.gradio_config" in gradio[1].body
    assert "/sample" in json.loads(gradio[2].body)["named_endpoints"]
    return answers + gradio


def main(arguments: Sequence[str]) -> None:
    if not can_rehearse():
        sys.exit("the rehearsal mounts folders in a namespace of its own, which needs Linux and root")
    with tempfile.TemporaryDirectory(prefix="genmodels-space-") as name:
        context, root = Path(name, "context"), Path(name, "root")
        root.mkdir()
        if arguments:
            context = Path(arguments[0]).absolute()
            if absent := [name for name in MODELS if not (context / "checkpoints" / name).is_dir()]:
                sys.exit(
                    f"{context} has no model {' and no '.join(absent)}, which the rehearsal uses; add --model NAME"
                )
        else:
            for part, size in space.assemble("docker", context).sizes.items():
                print(f"{size / 1e6:8.2f} MB  {part}")
        began = time.monotonic()
        image, report = build(context, root)
        print(*report, f"built in {time.monotonic() - began:.1f} s", sep="\n", flush=True)
        assert image.run(["touch", "pages/new"]).returncode, "the server may write to its code"
        began = time.monotonic()
        with serving(image) as url:
            print(f"serves after {time.monotonic() - began:.1f} s", flush=True)
            answers = visit(url)
        print(*answers, sep="\n")
        failed = [answer for answer in answers if answer.status not in (200, 204)]
        sys.exit(f"failed: {failed[0]}" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
