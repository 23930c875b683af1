"""What clients may send by mistake or on purpose: a clear message, no traceback, no path of the server."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from gradio_tabs.components.files import MAX_UPLOAD_BYTES
from tests.support import bomb_files
from tests.support.browser import ROOT, Server

pytestmark = pytest.mark.slow


def clean(text: str) -> str:
    """The text, which must have neither a traceback nor a path of the server."""
    assert "Traceback" not in text
    assert "site-packages" not in text
    for path in (ROOT, Path.home(), Path("/tmp"), Path("/etc")):
        assert f"{path}/" not in text.replace("/etc/passwd", ""), text
    return text


def call(server: Server, name: str, body: str, *, v2: bool = False) -> str:
    """The answer of a REST call: the text of the error, or of the last event."""
    base = f"{server.url}/gradio/gradio_api/call"
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{base}/{'v2/' if v2 else ''}{name}", content=body, headers=headers, timeout=60)
    if answer.status_code != 200:
        return clean(f"{answer.status_code} {answer.text}")
    event = answer.json()["event_id"]
    return clean(httpx.get(f"{base}/{name}/{event}", timeout=60).text)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nonsense"], "unknown checkpoint 'nonsense'"),
        (["mnist_wgan_gpp"], "did you mean 'mnist_wgan_gp'?"),
        (["../checkpoints/mnist_vae_20"], "Only names are accepted here, not paths"),
        ([""], "model = '' is not allowed"),
        (["x" * 100_000], "should have at most 200 characters"),
        ([None], "model is empty"),
        ([["mnist_vae_20"]], "should be a valid string"),
        (["mnist_vae_20", "many"], "seed = 'many' is not allowed"),
        (["mnist_vae_20", 1.5], "seed = 1.5 is not allowed"),
        (["mnist_vae_20", 0, 65], "n = 65 is not allowed"),
        (["mnist_vae_20", 0, 0], "n = 0 is not allowed"),
        (["mnist_vae_20", 0, 1, 3], "is unconditional: leave the label out"),
        (["mnist_cgan_conv", 0, 1, 10], "label = 10 is not allowed"),
        (["mnist_cgan_conv", 0, 1, -1], "label = -1 is not allowed"),
        (["mnist_vae_20", 0, 1, None, 7], "step"),
        (["fsdd_wavenet"], "generates no images"),
        (["mnist_judge"], "generates no images"),
    ],
)
def test_wrong_arguments_of_sample(client: Client, arguments: list[Any], text: str) -> None:
    with pytest.raises(AppError) as error:
        client.predict(*arguments, api_name="/sample")
    assert text in clean(str(error.value))


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("/decode", ["mnist_vae_20", [1, 2, 3]], "z has 3 numbers, but mnist_vae_20 decodes vectors of 20"),
        ("/decode", ["mnist_vae_20", []], "send 20 numbers"),
        ("/decode", ["mnist_vae_20", [1e30] * 20], "less than or equal to 1000"),
        ("/decode", ["mnist_vae_20", ["x"] * 20], "unable to parse string as a number"),
        ("/decode", ["mnist_vae_20", 5], "z = 5 is not allowed"),
        ("/decode", ["mnist_judge", [0]], "has no latent space"),
        ("/interpolate", ["mnist_gan", 0, 1, 1_000], "steps = 1000 is not allowed"),
        ("/interpolate", ["mnist_gan", 0, 1, 5, "sideways"], "way = 'sideways' is not allowed"),
        ("/interpolate", ["pattern_1010_gan", 0, 1], "generates from a constant"),
        ("/arithmetic", ["mnist_gan", "s1 +"], "found the end where"),
        ("/arithmetic", ["mnist_gan", "__import__(os)"], "unknown name"),
        ("/arithmetic", ["mnist_gan", "s1" * 500], "at most 200 are read"),
        ("/conditional", ["mnist_vae_20"], "is not class-conditional"),
        ("/conditional", ["mnist_cgan_conv", 0, 100], "rows = 100 is not allowed"),
        ("/speak", ["eleven", "theo"], "unknown class 'eleven'"),
        ("/speak", ["1", "nobody"], "unknown speaker 'nobody'"),
        ("/speak", ["1", "theo", 0, "mnist_gan"], "cannot speak"),
    ],
)
def test_wrong_arguments_of_other_endpoints(client: Client, name: str, arguments: list[Any], text: str) -> None:
    with pytest.raises(AppError) as error:
        client.predict(*arguments, api_name=name)
    assert text in clean(str(error.value))


@pytest.mark.parametrize(
    ("name", "body", "v2", "text"),
    [
        ("sample", '{"data": []}', False, "The argument model is missing"),
        ("sample", '{"data": [1, 2, 3, 4, 5, 6, 7]}', False, "takes at most 5"),
        ("decode", '{"data": ["mnist_vae_20"]}', False, "The argument z is missing"),
        ("decode", '{"data": ["mnist_vae_2d", [NaN, 1]]}', False, "should be a finite number"),
        ("decode", '{"data": ["mnist_vae_2d", [Infinity, 1]]}', False, "z.0 = inf is not allowed"),
        ("sample", '{"data": ["mnist_vae_20", NaN]}', False, "seed = nan is not allowed"),
        ("sample", '{"seed": 1}', True, "gradio_api/info lists the endpoints"),
        ("sample", '{"model": "mnist_vae_20", "sed": 1}', True, "gradio_api/info lists the endpoints"),
        ("nonsense", '{"data": []}', False, "gradio_api/info lists the endpoints"),
        ("nonsense", "{}", True, "gradio_api/info lists the endpoints"),
        ("sample", "{", False, ""),
        ("classify", '{"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}', False, "Upload it"),
        ("classify", '{"data": [{"path": "http://127.0.0.1/", "meta": {"_type": "gradio.FileData"}}]}', False,
         "Files are not fetched from addresses"),
        ("classify", '{"data": ["/etc/passwd"]}', False, "is not an uploaded file"),
        ("classify", '{"data": [null]}', False, "The argument image is not a file"),
        ("classify", '{"data": [{"x": 1}]}', False, "The argument image is not a file"),
    ],
)  # fmt: skip
def test_wrong_rest_calls(studio_server: Server, name: str, body: str, v2: bool, text: str) -> None:
    assert text in call(studio_server, name, body, v2=v2)


def test_files_of_a_wrong_type_are_refused(client: Client, tmp_path: Path) -> None:
    files = {
        "text.png": b"no image",
        "empty.png": b"",
        "page.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "bomb.png": bomb_files.png(width=6_000, height=6_000),
    }
    for name, raw in files.items():
        path = tmp_path / name
        path.write_bytes(raw)
        for endpoint, model in (("/classify", "mnist_judge"), ("/reconstruct", "portraits_vqvae_64"),
                                ("/translate", "flowers_projected_128")):  # fmt: skip
            with pytest.raises(AppError) as error:
                client.predict(handle_file(str(path)), model, api_name=endpoint)
            assert len(clean(str(error.value))) > 20, (name, endpoint)
            assert "fault" not in str(error.value), (name, endpoint)


def test_large_bodies_are_refused_while_they_arrive(studio_server: Server) -> None:
    address = f"{studio_server.url}/gradio/gradio_api"
    upload = httpx.post(f"{address}/upload", files={"files": ("a.png", bytes(MAX_UPLOAD_BYTES + 1))}, timeout=60)
    assert upload.status_code == 413
    body = json.dumps({"data": ["x" * (2 * MAX_UPLOAD_BYTES)]})
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{address}/call/sample", content=body, headers=headers, timeout=60)
    assert answer.status_code == 413
    assert "larger than 16 MB" in clean(answer.text)


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=http://example.org/",
        "gradio_api/proxy=http://example.org/",
        "gradio_api/deep_link",
        "gradio_api/vibe-code",
        "gradio_api/run-history/buckets",
        "monitoring",
        "docs",
        "login",
    ],
)
def test_other_addresses_answer_nothing(studio_server: Server, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{studio_server.url}/gradio/{path}", timeout=30)
    assert error.value.code in (403, 404)


def test_a_port_in_use_is_reported(studio_server: Server) -> None:
    port = studio_server.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "gradio_app.py", "--port", port], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert f"127.0.0.1 port {port} cannot be used" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
