"""Links in a real browser: a fresh one, iframe, Back and Forward, a dropped file, and the parameters for teaching."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Frame, Page, expect

from pages.components import view_file
from pages.components.address import PARAMETERS
from pages.components.i18n import t
from tests.support.browser import Browser, Server, browsing, settle, widget
from tests.support.picture_files import encoded
from tests.support.translation import photo

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# A link of every page.
LINKS = {
    "gallery": "/?kind=latent&runs=all",
    "latent": "/latent?model=my_vae&step=10&seed=7&z=0.5_-1.2",
    "seeds": "/seeds?model=my_vae&seeds=4,9,2&norm=1",
    "manifold": "/manifold?part=grid&model=my_mnist_vae_2d&spacing=quantiles",
    "conditional": "/conditional?model=cgan&seed=12&class=3",
    "flow": "/flow?part=solvers&model=flow&seed=7&class=3",
    "translate": "/translate?model=grey&direction=b_to_a&image=3&cycle=1",
    "stylize": "/stylize?model=fast&image=astronaut&size=256",
    "paint": "/paint?model=my_mnist_gated_pixelcnn&part=surprise&image=3&at=9_12",
    "speak": "/speak?part=steps&model=voice&seed=18&seconds=0.2",
    "classify": "/classify?part=typical&model=my_mnist_mlp_adam&start=grey&strength=light",
    "compare": "/compare?models=my_vae@0,cgan&seed=7",
    "evaluate": "/evaluate?model=vae",
    "data": "/data?data=digits&split=test&class=3&shuffle=7",
    "train": "/train?recipe=mnist_gan&preset=full&set=train.max_epochs~3",
    "runs": "/runs?run=canvas",
}
NO_IMAGE = ("speak", "evaluate")

# Every image and canvas below the title, by its pixels, and the settings of the widgets.
_SHOWN = """async () => {
  const found = [], main = document.querySelector('[data-testid="stMain"]');
  const walk = async root => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) await walk(element.shadowRoot);
      if (element.closest('[data-testid="stDataFrame"]')) continue;    // a table names times such as "a minute ago"
      if (element.tagName === "CANVAS" && !element.closest(".hero")) found.push(element.toDataURL());
      if (element.tagName === "IMG" && element.src) {
        try { await element.decode(); } catch { found.push(null); continue; }    // being replaced: not at rest yet
        const canvas = document.createElement("canvas");
        canvas.width = element.naturalWidth; canvas.height = element.naturalHeight;
        canvas.getContext("2d").drawImage(element, 0, 0);
        found.push(canvas.toDataURL());
      }
    }
  };
  await walk(main);
  const inputs = [...main.querySelectorAll("input")].map(input => `${input.value} ${input.checked}`);
  return [found, inputs];
}"""


_FRAME = """source => {
  document.body.style.margin = 0;
  document.body.innerHTML = `<iframe style="width: 1280px; height: 900px; border: 0"></iframe>`;
  document.querySelector("iframe").src = source;
}"""


def shown(page: Page | Frame) -> tuple[list[str], list[str]]:
    """What the page shows, as soon as it does not change any more."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_selector('[data-testid="stMain"] h1')
    last, end = None, time.monotonic() + 20
    while time.monotonic() < end:
        now = page.evaluate(_SHOWN)
        if now == last and None not in now[0]:
            return now[0], now[1]
        last = now
        time.sleep(0.4)
    raise AssertionError("the page does not come to rest")


@pytest.mark.timeout(300)
def test_a_link_of_every_page_shows_the_same_in_a_fresh_browser_and_in_a_frame(server: Server) -> None:
    assert LINKS.keys() == PARAMETERS.keys()
    with browsing() as first:
        before = {name: shown(first.open(server.url + link)) for name, link in LINKS.items()}
        first.check_console()
    with browsing(fresh=True) as second:
        page = second.open(server.url + "/_stcore/health", wait_for_app=False)  # a frame of the same origin is allowed
        for name, link in LINKS.items():
            page.evaluate(_FRAME, server.url + link)
            frame = page.frames[-1]
            assert shown(frame) == before[name], name
            if name not in NO_IMAGE:
                assert before[name][0], name
            expect(frame.get_by_test_id("stAlert").filter(has_text="The address sets")).to_have_count(0)


def _press(key: str, label: str | None = None) -> Callable[[Page], None]:
    def press(page: Page) -> None:
        place = widget(page, key)
        button = place.get_by_role("radio", name=label) if label else place.get_by_role("button")
        button.first.click()

    return press


# For each page of which the whole view came into the address later: a link, and a change of it.
CHANGES = {
    "/translate?model=grey&image=3": _press("translate_another"),
    "/paint?model=my_mnist_gated_pixelcnn&part=surprise&image=3": _press("paint_another"),
    "/speak?part=levels&recording=1": _press("speak_another"),
    "/classify?digit=12": _press("classify_another"),
    "/data?data=digits&shuffle=7": lambda page: page.get_by_role("spinbutton", name=t("data.samples.shuffle")).press(
        "ArrowUp"
    ),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("link", CHANGES)
def test_back_and_forward_restore_the_view(browser: Browser, server: Server, link: str) -> None:
    page = browser.open(server.url + link)
    before, start = shown(page), page.url
    CHANGES[link](page)
    expect(page).not_to_have_url(start)
    after, end = shown(page), page.url
    assert after != before
    page.go_back()
    expect(page).to_have_url(start)
    assert shown(page) == before
    page.go_forward()
    expect(page).to_have_url(end)
    assert shown(page) == after
    browser.check_console()


def test_a_drag_over_pixels_is_one_step_of_the_history(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/paint?model=my_mnist_gated_pixelcnn&part=field&at=20_20")
    before, start = shown(page), page.url
    board = widget(page, "paint_field").get_by_role("slider").first
    box = board.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.7)
    page.mouse.down()
    for part in (0.6, 0.5, 0.4, 0.3):
        page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] * part)
        page.wait_for_timeout(400)
        assert page.url == start, "only the pixel where the drag ends goes into the address"
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"[?&]at=9_9(&|$)"))
    page.go_back()
    expect(page).to_have_url(start)
    assert shown(page) == before
    browser.check_console()


_DROP = """([selector, name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0)), data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const target = document.querySelector(selector);
  const send = kind => target.dispatchEvent(
    new DragEvent(kind, { bubbles: true, cancelable: true, composed: true, dataTransfer: data }));
  send("dragenter"); send("dragover"); send("drop");
}"""


def _drop(page: Page, selector: str, file: bytes) -> None:
    page.evaluate(_DROP, [selector, "some.png", "image/png", base64.b64encode(file).decode("ascii")])


def test_a_file_dropped_onto_any_page_opens_its_view(browser: Browser, server: Server) -> None:
    view = {"page": "latent", "view": {"model": "my_vae", "step": "10", "seed": "7", "z": "0.5_-1.2"}}
    picture = encoded(photo(200, 200))
    file = view_file.embed(picture, view)
    page = browser.open(server.url + "/translate?model=grey")
    _drop(page, "h1", picture)
    widget(page, "translate_source").get_by_role("radio", name=t("translate.sources.upload")).click()
    field = '[data-testid="stFileUploaderDropzone"]'
    expect(page.locator(field)).to_be_visible()
    settle(page)
    _drop(page, field, file)
    expect(page.get_by_text("some.png").first).to_be_visible()
    settle(page)
    expect(page).to_have_url(re.compile("/translate"))
    _drop(page, "h1", file)
    expect(page).to_have_url(re.compile(r"/latent\?.*seed=7"))
    settle(page)
    expect(page.get_by_role("spinbutton", name=t("latent.seed"))).to_have_value("7")
    page.go_back()
    expect(page).to_have_url(re.compile("/translate"))
    settle(page)
    expect(page).to_have_url(re.compile("/translate"))
    browser.check_console()


def test_a_projector_hides_what_the_address_names(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=my_vae&hide=controls,share,navigation,explanation&big=1")
    page.wait_for_timeout(300)
    main = page.get_by_test_id("stMain")
    for name in ("stSlider", "stSelectbox", "stButton", "stNumberInput"):
        assert main.get_by_test_id(name).count(), "hidden, not gone"
        expect(main.get_by_test_id(name).locator("visible=true")).to_have_count(0)
    expect(widget(page, "share")).to_have_count(0)
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    expect(page.get_by_text(t("latent.intro"))).to_have_count(0)
    picture = widget(page, "latent_picture")
    expect(picture).to_be_visible()
    big = picture.bounding_box()
    page.goto(server.url + "/latent?model=my_vae&hide=share")
    settle(page)
    expect(main.get_by_test_id("stSlider").first).to_be_visible()
    expect(page.get_by_test_id("stHeader")).to_be_visible()
    usual = picture.bounding_box()
    assert big is not None
    assert usual is not None
    assert big["width"] > 1.2 * usual["width"]
    link = page.locator('a[href$="/seeds"]').first
    if not link.is_visible():
        page.get_by_test_id("stTopNavSection").first.click()
    link.click()
    expect(page).to_have_url(re.compile(r"/seeds\?.*hide=share"))
    expect(widget(page, "share")).to_have_count(0)
    browser.check_console()
