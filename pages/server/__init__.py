"""What stands between the network and Streamlit: checks of hosts, messages, uploads; security headers. Plain ASGI."""

from __future__ import annotations

from starlette.middleware import Middleware

from pages.server.headers import SecurityHeaders
from pages.server.hosts import HostCheck, named_hosts
from pages.server.messages import MessageFilter
from pages.server.uploads import UploadLimits


def middleware() -> list[Middleware]:
    """The stack for `st.App`, outermost first: refusals carry the security headers, too.

    Raises ConfigError if GENMODELS_HOSTS names something that is not a host.
    """
    return [
        Middleware(SecurityHeaders),
        Middleware(HostCheck, named=named_hosts()),
        Middleware(MessageFilter),
        Middleware(UploadLimits),
    ]
