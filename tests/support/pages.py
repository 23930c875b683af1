"""Pages of the app in Streamlit's AppTest."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.support.browser import ROOT


def open_page(stem: str, timeout: float = 60, **query: str) -> AppTest:
    """The page `stem` with these query parameters; fails if it shows an exception."""
    app = AppTest.from_file(str(ROOT / "pages" / "frame.py"), default_timeout=timeout).run()
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page(f"{stem}.py").run()
    assert not app.exception, [entry.value for entry in app.exception]
    return app
