"""Requests that the server refuses to other sites and to clients that are not browsers, over HTTP and websocket."""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.support.browser import ROOT, Server, server_of, uvicorn_of
from tests.support.websocket_client import Client

pytestmark = pytest.mark.slow
ROUTES = ("/", "/runs", "/_stcore/health", "/_stcore/host-config", "/media/x.png", "/static/js/x.js", "/favicon.png")
SETTINGS = {"GENMODELS_HOSTS": "studio.example.org, *.lab.example", "SPACE_HOST": "me-studio.hf.space"}


@pytest.fixture(scope="module", params=[server_of, uvicorn_of], ids=["streamlit", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    env = {**SETTINGS, "GENMODELS_RUNS": str(folder / "runs"), "GENMODELS_PUBLIC": "0"}
    with request.param(env, folder / "log") as found:
        yield found


def get(server: Server, path: str, host: str | None = None, method: str = "GET", **headers: str) -> tuple[int, str]:
    """(status, body) of a request with a given Host header."""
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=20)
    connection.request(method, path, headers={"Host": host or parts.netloc, **headers})
    response = connection.getresponse()
    try:
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


def handshake(server: Server, host: str, origin: str | None) -> int:
    """The status that a request for the websocket is answered with; 101 opens it."""
    port = urlsplit(server.url).port or 80
    lines = [
        "GET /_stcore/stream HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: streamlit",
        *([f"Origin: {origin}"] if origin else []),
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(300).split()[1])


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_is_refused_under_another_name(server: Server, path: str) -> None:
    port = urlsplit(server.url).port
    for host in (f"evil.example:{port}", "evil.example", "127.0.0.1.evil.example", "lab.example", "0.0.0.0"):
        status, text = get(server, path, host)
        assert status == 403, (host, path)
        assert f"GENMODELS_HOSTS={host.split(':')[0]} " in text, text
    for host in ("", "a b", "x/y", "[::1", "user@127.0.0.1", "127.0.0.1:port", "<script>"):
        status, text = get(server, path, host or " ")
        assert status in (400, 403), (host, path)
        assert "<script>" not in text


def test_names_of_this_server_are_answered(server: Server) -> None:
    hosts = ("127.0.0.1", "localhost:1234", "LocalHost", "[::1]:8501", "studio.example.org", "a.b.lab.example:443")
    for host in (*hosts, "me-studio.hf.space", "studio.example.org."):
        assert get(server, "/_stcore/health", host)[0] == 200, host


def test_the_websocket_opens_for_pages_of_the_same_host_only(server: Server) -> None:
    own = urlsplit(server.url).netloc
    port = own.split(":")[1]
    for host, origin in (
        (own, f"http://{own}"),
        (own, None),
        (f"localhost:{port}", f"http://localhost:{port}"),
        ("studio.example.org", "https://studio.example.org"),
        ("studio.example.org", "http://studio.example.org:80"),
        (own, "https://studio.example.org"),  # a proxy that passes its own Host
        ("me-studio.hf.space", "https://me-studio.hf.space"),
    ):
        assert handshake(server, host, origin) == 101, (host, origin)
    for host, origin in (
        (own, "http://evil.example"),
        (own, "null"),
        (own, "https://share.streamlit.io"),
        (own, "http://localhost:9999"),
        (own, "http://127.0.0.1:1"),
        (own, f"http://{own}.evil.example"),
        (own, f"http://{own}@evil.example"),
        (own, "http://["),
        (own, "file://"),
        (f"evil.example:{port}", f"http://evil.example:{port}"),
        ("evil.example", None),
        ("studio.example.org", "https://studio.example.org:8443.evil.example"),
    ):
        assert handshake(server, host, origin) == 403, (host, origin)


def test_pages_of_other_sites_cannot_upload(server: Server) -> None:
    for origin, expected in (("http://evil.example", 403), ("null", 403)):
        assert get(server, "/_stcore/upload_file/a/b", method="PUT", Origin=origin)[0] == expected
    assert "another site" not in get(server, "/_stcore/upload_file/a/b", method="PUT", Origin=server.url)[1]


def test_every_answer_has_the_security_headers(server: Server) -> None:
    port = urlsplit(server.url).port or 80
    for path in (*ROUTES, "/no/such/page"):
        for host in (f"127.0.0.1:{port}", "evil.example"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            response.read()
            assert response.getheader("X-Content-Type-Options") == "nosniff"
            assert response.getheader("Referrer-Policy") == "same-origin"
            assert "camera=(self), microphone=(self)" in (response.getheader("Permissions-Policy") or "")
            policy = response.getheader("Content-Security-Policy") or ""
            assert "frame-ancestors 'self' https://huggingface.co https://*.hf.space" in policy
            connection.close()


REFUSED = ("clear_cache", "set_run_on_save", "load_git_info", "debug_disconnect_websocket", "debug_shutdown_runtime")


@pytest.mark.parametrize("kind", [*REFUSED, "install_skills", "dismiss_skills_nudge"])
def test_messages_that_act_on_the_server_are_dropped(server: Server, kind: str) -> None:
    with Client(server.url) as client:
        client.open("runs")
        message = BackMsg()
        if kind in REFUSED:
            setattr(message, kind, True)
        else:
            message.backend_operation_request.request_id = "r"
            message.backend_operation_request.session_id = client.session
            getattr(message.backend_operation_request, kind).SetInParent()
        client.send(message)
        # Answers come in order: what the refused message would be answered with comes before the heartbeat's answer.
        client.send(BackMsg(app_heartbeat=True))
        for answer in client.messages():
            assert answer.WhichOneof("type") not in ("session_event", "git_info_changed", "backend_operation_response")
            if answer.WhichOneof("type") == "heartbeat_ack":
                break
        client.run()
        assert not client.exceptions
    log = server.log.read_text()
    assert f"a message that a browser may not send: {kind}" in log or f"backend_operation_request.{kind}" in log


def test_a_frame_that_is_no_message_closes_only_its_own_connection(server: Server) -> None:
    with Client(server.url) as other, Client(server.url) as client:
        other.open("runs")
        client.socket.send(b"\xff\xff\xff")
        with pytest.raises(Exception, match="1002"):
            next(client.messages())
        other.socket.send("text, which Streamlit does not expect")
        other.run()
        assert not other.exceptions


def test_an_uncaught_exception_shows_no_path_and_no_trace(tmp_path: Path) -> None:
    """In a copy of the interface with a defect in one page."""
    for name in ("pages", ".streamlit"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", tmp_path)
    for name in ("genmodels", "train_jobs"):
        (tmp_path / name).symlink_to(ROOT / name)
    with (tmp_path / "pages" / "runs.py").open("a") as page:
        page.write('raise ValueError("a secret")\n')
    log = tmp_path / "log"
    with server_of({}, log, root=tmp_path) as server, Client(server.url) as client:
        client.open("runs")
        assert client.exceptions == ["unexpected_error"]
        shown, alerts = client.text(), client.alerts()
        client.open("data")
        assert client.exceptions == []
    assert "details are in the server's log" in alerts[-1]
    assert "Traceback" not in shown
    assert ".py" not in shown
    assert "a secret" not in shown
    assert "a secret" in log.read_text()


def test_a_wildcard_bind_allows_no_further_name_and_an_address_its_own(tmp_path: Path) -> None:
    env = {"GENMODELS_RUNS": str(tmp_path)}
    with server_of(env, arguments=["--server.address=0.0.0.0"]) as server:
        assert get(server, "/", "0.0.0.0")[0] == 403
        assert get(server, "/", "10.1.2.3")[0] == 403
        assert get(server, "/_stcore/health", "127.0.0.1")[0] == 200
    with server_of({**env, "GENMODELS_HOSTS": "*"}, arguments=["--server.address=0.0.0.0"]) as server:
        own = urlsplit(server.url).netloc
        assert get(server, "/_stcore/health", "any.example")[0] == 200
        assert handshake(server, own, "http://evil.example") == 403


def test_the_client_sees_what_a_run_shows(server: Server) -> None:
    with Client(server.url) as client:
        client.open("runs")
        assert "runs" in client.pages
        assert client.text()
        finished = ForwardMsg.FINISHED_SUCCESSFULLY
        client.run(wait=False)
        assert any(
            m.script_finished == finished for m in client.messages() if m.WhichOneof("type") == "script_finished"
        )
