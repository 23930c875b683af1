"""Behind a reverse proxy below a sub-path (server.baseUrlPath): no link leaves it."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest

from genmodels.runs.folder import RunFolder
from pages.components.i18n import texts
from tests.support.browser import ROOT, Browser, server_of
from train_jobs import make_spec


def test_no_text_and_no_code_names_an_address_from_the_root() -> None:
    absolute = re.compile(r"""\]\(\s*<?/|href=["'{]?/|["']/[a-z]+\?[a-z]+=""")
    sources = {str(path): path.read_text() for path in (ROOT / "pages").rglob("*.py")}
    found = {name for name, text in {**texts(), **sources}.items() if absolute.search(text)}
    assert not found


@pytest.mark.browser
@pytest.mark.slow
def test_links_stay_below_the_sub_path(browser: Browser, tmp_path: Path) -> None:
    spec = make_spec("pattern_1010_gan", None, ["train.max_steps=1"])
    RunFolder.create(tmp_path / "mine", spec)
    with server_of({"GENMODELS_RUNS": str(tmp_path)}, base="a/studio") as server:
        page = browser.open(f"{server.url}/train?run=mine")
        link = page.locator("a", has_text="Runs page").first
        link.wait_for()
        addresses = page.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
        own = [address for address in addresses if address.startswith(server.url.split("/a/")[0])]
        assert len(own) > 2
        assert [address for address in own if not address.startswith(server.url)] == []
        with urllib.request.urlopen(link.evaluate("link => link.href")) as answer:
            assert answer.status == 200
        link.click()
        page.wait_for_url(f"{server.url}/runs?run=mine")
        browser.check_console()
