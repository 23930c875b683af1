"""Pages of the app in Streamlit's AppTest."""

from __future__ import annotations

import re
import shlex

from streamlit.testing.v1 import AppTest

import train_jobs
from genmodels import recipes
from tests.support.browser import ROOT


def app_at(stem: str, timeout: float = 60) -> AppTest:
    """The app as a link to the page `stem` opens it; not run yet."""
    app = AppTest.from_file(str(ROOT / "pages" / "frame.py"), default_timeout=timeout)
    return app if stem == "gallery" else app.switch_page(f"{stem}.py")


def open_page(stem: str, timeout: float = 60, **query: str) -> AppTest:
    """The page `stem` with these query parameters; fails if it shows an exception."""
    app = app_at(stem, timeout)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [entry.value for entry in app.exception]
    return app


def visible(markdown: str) -> str:
    """What a reader sees of a text that `pages.components.theme.plain` has made."""
    return re.sub(r"\\(?=[^\w\s]|_)|\u2060", "", markdown)


HOSTILE_MARKDOWN = "[x](http://e.co) ![y](z) $a$ **b** www.e.co a@e.co :material/home: :red[c] <b>"


def page_text(app: AppTest) -> str:
    return " ".join(entry.value for entry in (*app.markdown, *app.caption, *app.info))


def controls_without_help(app: AppTest, kinds: set[str]) -> list[str]:
    """Controls of these kinds without a help text, and the kinds of which the page has none."""
    found = [f"no {kind}" for kind in kinds if not app.get(kind)]
    for kind in kinds:
        for element in app.get(kind):
            if not (element.help if hasattr(element, "help") else element.proto.help):
                found.append(f"{kind} {element}")
    return found


def submit_command(app: AppTest) -> list[str]:
    found = [code.value for code in app.code if code.value.startswith("python -m train_jobs submit")]
    assert len(found) == 1
    return shlex.split(found[0])[4:]


def spec_of_command(arguments: list[str]) -> recipes.Spec:
    """The spec that these arguments of `submit` resolve to."""
    options: dict[str, list[str]] = {"--set": [], "--preset": [], "--data": []}
    for flag, value in zip(arguments[1::2], arguments[2::2], strict=True):
        options[flag].append(value)
    one = {flag: (values or [None])[0] for flag, values in options.items()}
    return train_jobs.make_spec(arguments[0], one["--preset"], options["--set"], one["--data"])
