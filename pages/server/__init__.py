"""ASGI middleware in front of Streamlit: checks of hosts, messages and uploads, and security headers."""

from __future__ import annotations

from starlette.middleware import Middleware

from pages.server.gradio_mount import GradioMount
from pages.server.headers import SecurityHeaders
from pages.server.hosts import HostCheck, named_hosts
from pages.server.messages import MessageFilter
from pages.server.uploads import UploadLimits


def middleware() -> list[Middleware]:
    """The middleware for `st.App`, outermost first, so that refusals have the security headers, too.

    Raises ConfigError if an entry of GENMODELS_HOSTS is not a host.
    """
    return [
        Middleware(SecurityHeaders),
        Middleware(HostCheck, named=named_hosts()),
        Middleware(MessageFilter),
        Middleware(UploadLimits),
        Middleware(GradioMount),
    ]
