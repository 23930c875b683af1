"""The endpoints as tools, by the client of the `mcp` package."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import numpy as np
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult
from PIL import Image

import genmodels
from genmodels.images import preview
from tests.support.browser import ROOT, Server

pytestmark = pytest.mark.slow

TOOLS = {
    "models", "sample", "decode", "interpolate", "arithmetic", "conditional", "classify", "reconstruct", "translate",
    "stylize", "complete", "speak",
}  # fmt: skip


def with_session(server: Server, use: Callable[[ClientSession], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        async with (
            streamable_http_client(f"{server.url}/gradio/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await use(session)

    return asyncio.run(run())


def call(server: Server, name: str, **arguments: Any) -> CallToolResult:
    return with_session(server, lambda session: session.call_tool(name, arguments))


def image_of(result: CallToolResult) -> np.ndarray:
    assert not result.isError, result.content
    (data,) = [part.data for part in result.content if part.type == "image"]
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def test_every_endpoint_is_a_tool_with_descriptions(studio_server: Server) -> None:
    tools = {tool.name: tool for tool in with_session(studio_server, lambda session: session.list_tools()).tools}
    assert set(tools) == TOOLS
    schema = tools["sample"].inputSchema
    assert schema["required"] == ["model"]
    assert list(schema["properties"]) == ["model", "seed", "n", "label", "step"]
    for name, tool in tools.items():
        assert tool.description, name
        for parameter, described in tool.inputSchema["properties"].items():
            assert described["description"], (name, parameter)


def test_a_tool_answers_with_the_pixels_of_the_python_api(studio_server: Server) -> None:
    images = preview.samples_of_seeds(genmodels.load("mnist_vae_20"), range(3, 6))
    assert images is not None
    expected = np.asarray(preview.grid(images, 3, scale=1, pad=0))
    assert np.array_equal(image_of(call(studio_server, "sample", model="mnist_vae_20", seed=3, n=3)), expected)


def test_an_image_is_sent_as_a_data_url(studio_server: Server) -> None:
    raw = (ROOT / "pages/assets/astronaut.jpg").read_bytes()
    address = "data:image/jpeg;base64," + base64.b64encode(raw).decode()
    result = image_of(call(studio_server, "reconstruct", image=address, model="portraits_vqvae_64"))
    assert result.shape == (64, 64, 3)


def test_an_image_is_sent_as_the_address_of_an_upload(studio_server: Server) -> None:
    address = f"{studio_server.url}/gradio/gradio_api"
    raw = (ROOT / "pages/assets/astronaut.jpg").read_bytes()
    (path,) = httpx.post(f"{address}/upload", files={"files": ("a.jpg", raw)}, timeout=60).json()
    result = image_of(call(studio_server, "reconstruct", image=f"{address}/file={path}", model="portraits_vqvae_64"))
    assert result.shape == (64, 64, 3)
    stolen = call(studio_server, "classify", image=f"{address}/file=/etc/passwd")
    assert stolen.isError
    assert "is not an uploaded file" in stolen.content[0].text


def test_long_work_answers_with_its_last_image(studio_server: Server) -> None:
    images = preview.samples_of_seeds(genmodels.load("mnist_cgan_conv"), [3], [7])
    assert images is not None
    address = "data:image/png;base64," + base64.b64encode(preview.png(preview.grid(images, 1, scale=1, pad=0))).decode()
    result = image_of(call(studio_server, "complete", image=address, rows_known=20, seed=1))
    assert result.shape == (28, 28)
    assert result[24:].any() or result[16:24].any()


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("sample", {"model": "nonsense"}, "unknown checkpoint 'nonsense'"),
        ("sample", {}, "'model' is a required property"),
        ("sample", {"model": "mnist_vae_20", "n": 1_000}, "n = 1000 is not allowed"),
        ("classify", {"image": "http://127.0.0.1:1/x.png"}, "Files are not fetched from addresses"),
        ("classify", {"image": "/etc/passwd"}, "Invalid file data format"),
    ],
)
def test_bad_input_is_refused_with_a_message(
    studio_server: Server, name: str, arguments: dict[str, Any], text: str
) -> None:
    result = call(studio_server, name, **arguments)
    assert result.isError
    message = result.content[0].text
    assert text in message
    assert "Traceback" not in message
    assert str(ROOT) not in message
