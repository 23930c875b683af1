"""The Runs page in a real browser: what is chosen, renamed, deleted and clicked is the run that is shown."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import train_jobs
from genmodels.runs.folder import RunFolder, runs_root
from pages.components.i18n import t
from tests.support.browser import Browser, Server, settle, widget

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RECIPE = "pattern_1010_gan"


@pytest.fixture(autouse=True)
def _use_workshop(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(workshop))


def finished(number: int, *assignments: str) -> str:
    spec = train_jobs.make_spec(RECIPE, None, ["train.max_steps=20", *assignments])
    folder = RunFolder.create(runs_root() / f"{RECIPE}-{number}", spec)
    folder.append_metrics(0, {"loss/discriminator": 0.25})
    folder.write_status(phase="finished", step=20, max_steps=20, device="cpu", error=None)
    return folder.name


def click(page: Page, key: str) -> None:
    widget(page, key).locator("button:visible").first.click()


def run_of(page: Page) -> str:
    settle(page)
    found = re.search(r"[?&]run=([^&]+)", page.url)
    assert found is not None, page.url
    return found.group(1)


def pick(page: Page, text: str) -> None:
    """Chooses the entry of the list of runs that ends with `text`."""
    widget(page, "runs_select").locator("input").first.click()
    page.locator('[role="option"]').filter(has_text=re.compile(re.escape(text) + "$")).click()
    expect(widget(page, "runs_select").locator("input").first).to_have_value(re.compile(re.escape(text) + "$"))


@pytest.mark.timeout(180)
def test_no_training_starts_with_another_number_than_the_field_shows(browser: Browser, workshop_server: Server) -> None:
    page = browser.open(f"{workshop_server.url}/train?recipe={RECIPE}")
    expect(page.locator("h1").first).to_have_text("Train")
    expect(page.get_by_role("link", name="Gallery")).to_be_visible()  # also on the first page of a server
    start = widget(page, "train_start").locator("button:visible").first
    page.get_by_text(t("train.expert")).click()
    batch = widget(page, "train_train_batch_size").locator("input")
    for wrong, reason, refusal in (
        ("100000", "100,000 is not allowed. From 1 to 65,536.", "train.batch_size = 100000"),
        ("", "A number is needed.", "train.batch_size is empty"),
    ):
        batch.fill(wrong)
        batch.press("Enter")
        expect(page.get_by_text(reason)).to_be_visible()
        expect(page.get_by_text(refusal).first).to_be_visible()
        expect(start).to_be_disabled()
    batch.fill("7")
    batch.press("Enter")
    expect(start).to_be_enabled()
    settle(page)
    steps = widget(page, "train_train_max_steps").locator("input")
    steps.fill("30")
    start.click()  # without leaving the field first
    page.wait_for_url(re.compile("run="))
    spec = RunFolder(runs_root() / run_of(page)).spec()
    assert (spec.train.batch_size, spec.train.max_steps) == (7, 30)
    browser.check_console()


@pytest.mark.timeout(180)
def test_the_run_that_is_shown_is_the_one_that_is_renamed_and_deleted(
    browser: Browser, workshop_server: Server
) -> None:
    older, newer = finished(91, "run.name=test"), finished(92, "run.name=test")
    page = browser.open(f"{workshop_server.url}/runs?run={older}")
    warnings: list[str] = []
    page.on("console", lambda message: warnings.append(message.text) if message.type == "warning" else None)
    for run in (newer, older):  # two runs of one name: each can be chosen
        pick(page, run)
        page.wait_for_url(re.compile(f"run={run}$"))
    settle(page)

    widget(page, "runs_manage").locator("summary").click()
    name = widget(page, f"runs_name_{older}").locator("input")
    name.fill("Anna's first")
    name.press("Enter")
    click(page, "runs_rename")
    expect(page.get_by_role("heading", name="Anna's first")).to_be_visible()
    click(page, "runs_delete")
    expect(widget(page, "runs_delete_confirm")).to_contain_text("Anna's first")
    assert run_of(page) == older

    other = browser.open(f"{workshop_server.url}/runs?run={older}")
    click(page, "runs_delete_confirm")
    page.wait_for_url(re.compile(f"run={newer}$"))
    assert [job.id for job in train_jobs.jobs() if job.id in (older, newer)] == [newer]

    widget(other, "runs_manage").locator("summary").click()
    click(other, "runs_delete")
    expect(other.get_by_text("was deleted elsewhere")).to_be_visible()
    expect(widget(other, "runs_delete_confirm")).to_have_count(0)
    assert run_of(other) == newer
    assert not [text for text in warnings if "Infinite extent" in text], "of a chart whose data are not there yet"
    browser.check_console()


@pytest.mark.timeout(180)
def test_a_run_stays_shown_while_others_change_their_state(browser: Browser, workshop_server: Server) -> None:
    assignments = ["train.max_steps=200", "train.precision=fp32", "train.compile=off", "run.threads=1"]
    shown, other = [train_jobs.submit(train_jobs.make_spec(RECIPE, None, assignments)).id for _ in range(2)]
    page = browser.open(f"{workshop_server.url}/runs?run={shown}")
    end = time.monotonic() + 120
    while any(train_jobs.job(run).active for run in (shown, other)):
        assert time.monotonic() < end
        time.sleep(0.2)
    # The list follows without a click; the run that is shown stays the same.
    expect(widget(page, "runs_select").locator("input").first).to_have_value(f"{shown} · finished")
    widget(page, "runs_select").locator("input").first.click()
    for run in (shown, other):
        expect(page.locator('[role="option"]').filter(has_text=f"{run} · finished")).to_have_count(1)
    page.keyboard.press("Escape")
    assert run_of(page) == shown
    browser.check_console()
