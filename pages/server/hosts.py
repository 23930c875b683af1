"""The host names that the server accepts, and the origins that may open its websocket.

With DNS rebinding, another site's name resolves to this server's address, so a browser treats both as one site and lets
that site read this server. The Host header still has the other site's name; it is checked here for every route.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from genmodels.errors import ConfigError
from pages.components.i18n import t

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 -- compared with, never bound
_HOST = re.compile(
    r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?)\.?)(?::(\d{1,5}))?", re.IGNORECASE
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Host:
    """A host in lower case, without brackets, and its port; None if there is no port."""

    name: str
    port: int | None


def parse_host(text: str) -> Host | None:
    """Parse a Host header or an entry of GENMODELS_HOSTS; None if it is not a host."""
    match = _HOST.fullmatch(text.strip())
    if match is None:
        return None
    return Host((match[1] or match[2]).lower(), int(match[4]) if match[4] else None)


def named_hosts() -> tuple[str, ...]:
    """The entries of GENMODELS_HOSTS and SPACE_HOST.

    `*.example.org` is every name below that domain, and `*` every name. Raises ConfigError if an entry is not a host.
    """
    names = []
    for variable in ("GENMODELS_HOSTS", "SPACE_HOST"):
        for entry in filter(None, map(str.strip, os.environ.get(variable, "").split(","))):
            bare = entry.removeprefix("*.")
            host = parse_host(bare)
            if entry != "*" and host is None:
                raise ConfigError(
                    f"{variable}: {entry!r} is not the name of a host. Write names without http:// or a path, "
                    "separated by commas, for example studio.example.org, *.example.org or * for every name"
                )
            names.append("*" if host is None else ("*." if bare != entry else "") + host.name)
    return tuple(dict.fromkeys(names))


def bound_address() -> tuple[str, ...]:
    """The address that Streamlit binds to; empty for a wildcard. Streamlit's options are set when st.App exists."""
    address = str(st.get_option("server.address") or "").strip("[]").lower()
    return () if address in _WILDCARDS else (address,)


def is_allowed(name: str, allowed: tuple[str, ...]) -> bool:
    """Whether an entry matches the name."""
    return any(
        entry == "*" or entry == name or (entry.startswith("*.") and name.endswith(entry[1:])) for entry in allowed
    )


def same_origin(origin: str, host: Host, named: tuple[str, ...]) -> bool:
    """Whether a page of `origin` may act on this server: its own pages, and those of named hosts.

    `*` does not count, because it would permit every site; nor do loopback names, which every local program has.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:  # for example "http://[", which no browser sends
        return False
    page = parse_host(parts.netloc)
    default = _DEFAULT_PORTS.get(parts.scheme)
    if page is None or default is None:
        return False
    if page.name == host.name and (page.port or default) == (host.port or default):
        return True
    return is_allowed(page.name, tuple(entry for entry in named if entry not in ("*", *_LOOPBACK)))


class HostCheck:
    """Refuses requests for other host names, and actions by pages of other sites."""

    def __init__(self, app: ASGIApp, named: tuple[str, ...]) -> None:
        self._app = app
        self._named = named
        self._allowed = (*_LOOPBACK, *bound_address(), *named)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        host = parse_host(hosts[0]) if len(hosts) == 1 else None
        if host is None or not is_allowed(host.name, self._allowed):
            await _refuse(_host_refusal(host), scope, receive, send)
            return
        origin = headers.get("origin")
        acts = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if origin is not None and acts and not same_origin(origin, host, self._named):
            await _refuse(t("common.refused.origin"), scope, receive, send)
            return
        if origin is not None and scope["type"] == "websocket":
            scope = {**scope, "headers": _as_same_origin(scope["headers"], origin, hosts[0])}
        await self._app(scope, receive, send)


def _as_same_origin(headers: list[tuple[bytes, bytes]], origin: str, host: str) -> list[tuple[bytes, bytes]]:
    """The headers with an Origin equal to Host.

    Streamlit does not know GENMODELS_HOSTS, and for another origin it asks an internet service for its own address.
    """
    same = f"{urlsplit(origin).scheme}://{host}".encode("latin-1")
    return [(name, same if name == b"origin" else value) for name, value in headers]


def _host_refusal(host: Host | None) -> str:
    if host is None:
        return t("common.refused.no_host")
    return t("common.refused.host", host=host.name)


async def _refuse(reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # websocket.connect, which must be read before the response
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
    else:
        await PlainTextResponse(reason + "\n", status_code=403)(scope, receive, send)
