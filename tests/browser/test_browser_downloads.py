"""Every download button of the app, clicked in a real browser; the bytes are opened as what they claim to be."""

from __future__ import annotations

import ast
import io
import re
import wave
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from pages.components import view_file
from tests.support.browser import Browser, Server, settle, widget
from tests.support.picture_files import encoded
from tests.support.translation import photo

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
_PATIENCE = 60_000

# Keys by page; what the page needs before they appear is in `_prepare`.
_PAGES = {
    "/latent?model=vae": ["latent_png", "latent_gif"],
    "/seeds?model=vae&seeds=1,2,3": ["seeds_png", "seeds_gif", "seeds_table_png"],
    "/conditional?model=cgan": [
        "conditional_every_png",
        "conditional_one_png",
        "conditional_between_png",
        "conditional_between_gif",
    ],
    "/flow?model=flow": ["flow_png", "flow_gif"],
    "/flow?model=flow&part=solvers": ["flow_solvers_png"],
    "/flow?model=flow&part=guidance": ["flow_scales_png"],
    "/flow?model=flow&part=encode": ["flow_classes_png"],
    "/compare?models=vae,cgan": ["compare_png"],
    "/paint?model=plain": ["paint_png", "paint_gif"],
    "/paint?model=codes": ["paint_codes_png"],
    "/speak?model=voice&seconds=0.2": ["speak_wav_ask"],
    "/translate?model=grey": ["translate_png_0", "translate_png_1", "translate_zip"],
    "/stylize?model=fast&run=canvas": ["stylize_png_fast", "stylize_canvas_png"],
    "/runs?run=vae": ["runs_download"],
}


def _prepare(page: Page, address: str) -> None:
    if address.startswith("/speak"):
        widget(page, "speak_go_ask").get_by_role("button").first.click()
    elif address.startswith("/seeds"):
        widget(page, "seeds_table").get_by_role("button").click()
    elif address.startswith("/translate"):
        files = [FilePayload(name=f"p{n}.png", mimeType="image/png", buffer=encoded(photo(n, 40))) for n in (40, 60)]
        widget(page, "translate_source").get_by_role("radio", name="Upload").click()
        page.locator('input[type="file"]').set_input_files(files)
    elif address.startswith("/runs"):
        widget(page, "runs_manage").locator("summary").click()


def _open(name: str, raw: bytes) -> str:
    """Reads the whole file as its name says it is; returns what it is."""
    kind = name.rpartition(".")[2]
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            assert archive.testzip() is None
            assert archive.namelist()
    elif kind == "wav":
        with wave.open(io.BytesIO(raw)) as sound:
            assert sound.getnframes() > 0
            assert len(sound.readframes(sound.getnframes())) > 0
    else:
        with Image.open(io.BytesIO(raw)) as image:
            assert image.format == kind.upper()
            for frame in range(getattr(image, "n_frames", 1)):
                image.seek(frame)
                image.load()
    return kind


@pytest.mark.timeout(300)
@pytest.mark.parametrize("address", list(_PAGES))
def test_each_button_gives_the_file_that_it_names(browser: Browser, server: Server, address: str) -> None:
    page = browser.open(server.url + address)
    page.set_default_timeout(_PATIENCE)
    _prepare(page, address)
    for key in _PAGES[address]:
        button = widget(page, key).locator("button:visible").first
        expect(button).to_be_enabled(timeout=_PATIENCE)
        settle(page, _PATIENCE)
        with page.expect_download(timeout=_PATIENCE) as waiting:
            button.click()
        raw = Path(waiting.value.path()).read_bytes()
        kind = _open(waiting.value.suggested_filename, raw)
        if key == "runs_download":
            names = zipfile.ZipFile(io.BytesIO(raw)).namelist()
            assert {"vae/config.json", "vae/step-000010/model.safetensors"} <= set(names)
        assert kind in ("zip", "wav", "png", "gif")
        if kind != "zip":
            view = view_file.read(raw)
            assert view is not None, "each restores its view"
            assert view["page"] == address.partition("?")[0].strip("/")
            if key.startswith(("speak", "translate", "stylize_png", "latent")):
                assert view["weights"]
    browser.check_console()


def test_no_download_button_is_left_out() -> None:
    clicked = [key for keys in _PAGES.values() for key in keys]
    patterns = set()
    for path in sorted((ROOT / "pages").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name not in ("download_button", "png_button", "gif_button"):
                continue
            key = next((word.value for word in call.keywords if word.arg == "key"), None)
            if isinstance(key, ast.Constant):
                patterns.add(re.escape(str(key.value)))
            elif isinstance(key, ast.JoinedStr):
                parts = (re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in key.values)
                patterns.add("".join(parts))
    assert len(patterns) >= 10
    for pattern in patterns:
        assert any(re.fullmatch(pattern, key) for key in clicked), f"no test clicks {pattern}"
