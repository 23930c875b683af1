"""Titles, names, classes and licences that users chose, on every page: text as typed, never an image, link or formula.

Each Markdown field of each element is searched: labels, help texts and alerts are Markdown, too.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from genmodels.runs.folder import CONFIG, RunFolder, runs_root
from genmodels.service import datasets
from genmodels.service.datasets import Upload, UploadSettings
from tests.support.browser import ROOT
from tests.support.pages import app_at
from tests.support.picture_files import BLUE, RED, encoded, plain, zipped
from tests.support.runs import link_one_checkpoint_of_each_kind

HOSTILE = "![x](x)$x^2$:red[x]<img src=x>`*a*`"
"""An image, a formula, a colour, a tag, code: also the name of a folder."""
DANGEROUS = ("![x](", "$x^2$", ":red[x]")
TAG = "<img src=x>"
MODELS = ("mnist_vae_2d", "mnist_cgan_product", "mnist_cnn", "mnist_mlp_adam", "mnist_pixelcnn_binary", "fsdd_wavenet")
MODELS += ("horse2zebra_projected_128", "fast_style_the_scream", "pattern_1010_gan", "mnist_denoising_autoencoder")
# Fields that the browser shows as they are; all other text fields may be Markdown.
VERBATIM = {"id", "url", "alt", "options", "placeholder", "value", "default", "json_data", "mixed_data", "arrow_data"}
VERBATIM |= {
    "form_id",
    "fragment_id",
    "query_string",
    "page",
    "spec",
    "data",
    "file_name",
    "raw_values",
    "default_value",
}
VERBATIM |= {"raw_value", "html_content", "css_content", "js_content", "bytes", "json", "component_name"}
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem not in ("__init__", "frame"))
CODE = {"code", "json"}  # shown as plain text


def hostile_run(source: str, name: str) -> None:
    """A copy of a published checkpoint's newest step whose every text is hostile, its folder's name included."""
    folder = RunFolder(ROOT / "checkpoints" / source)
    target = RunFolder(runs_root() / name)
    step = folder.steps()[-1]
    shutil.copytree(folder.step_path(step), target.step_path(step))
    content = json.loads((folder.path / CONFIG).read_text())
    spec = content["spec"]
    spec["title"] = spec["source"] = content["licence"] = HOSTILE
    spec["run"]["name"] = HOSTILE
    data = spec["data_spec"]
    data["title"] = data["source"] = data["licence"] = HOSTILE
    data["classes"] = [f"{HOSTILE}{number}" for number, _ in enumerate(data["classes"])]
    (target.path / CONFIG).write_text(json.dumps(content))
    (target.path / "worker.log").write_text(HOSTILE)
    events = [{"step": 0, "kind": HOSTILE, "time": 1}]
    events.append({"step": 0, "kind": "set", "path": HOSTILE, "old": HOSTILE, "new": HOSTILE, "time": 2})
    events.append({"step": 0, "kind": "initialised_from", "name": HOSTILE, "from_scratch": [HOSTILE], "time": 3})
    (target.path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    lines = [{"step": step, f"loss/{HOSTILE}": 1.0, f"{HOSTILE}/x": 2.0} for step in (1, 2)]
    (target.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def folders() -> Iterator[dict[str, str]]:
    """Runs, a failed run and a user's data set, made once for all pages."""
    with tempfile.TemporaryDirectory() as made, pytest.MonkeyPatch.context() as patch:
        env = {f"GENMODELS_{name.upper()}": f"{made}/{name}" for name in ("runs", "data", "checkpoints")}
        link_one_checkpoint_of_each_kind(Path(made, "checkpoints"))
        for name, value in env.items():
            patch.setenv(name, value)
        for number, model in enumerate(MODELS):
            hostile_run(model, f"{HOSTILE}{number}")
        hostile_run("mnist_vae_20", f"{HOSTILE}failed")
        (runs_root() / f"{HOSTILE}failed" / "status.json").write_text(
            json.dumps({"phase": "failed", "error": f"{HOSTILE} and `{HOSTILE}`", "step": 1, "device": HOSTILE})
        )
        config = runs_root() / f"{HOSTILE}failed" / CONFIG
        content = json.loads(config.read_text())
        content["spec"]["train"]["max_steps"] = 10**8
        config.write_text(json.dumps(content))
        kinds = ((f"{HOSTILE}a", RED), (f"{HOSTILE}b", BLUE))
        files = {f"{kind}/{n}.png": encoded(plain(colour)) for kind, colour in kinds for n in range(15)}
        raw = zipped(Path(made, "x.zip"), files).read_bytes()
        wanted = UploadSettings.parse({"title": HOSTILE, "size": 16, "licence": HOSTILE})
        datasets.upload([Upload("x.zip", io.BytesIO(raw), len(raw))], wanted)
        yield env


def texts_of(message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    """(field, text) of every text field that may be shown as Markdown."""
    for field, value in message.ListFields():
        if field.name in VERBATIM:
            continue
        values = value if field.is_repeated else [value]
        for item in values:
            if isinstance(item, str):
                yield f"{path}{field.name}", item
            elif isinstance(item, Message):
                yield from texts_of(item, f"{path}{field.name}.")


def problems(app: AppTest) -> Iterator[str]:
    for node in app._tree:
        proto: Any = getattr(node, "proto", None)
        if not isinstance(proto, Message) or getattr(node, "type", "") in CODE:
            continue
        html = bool(getattr(proto, "allow_html", False))
        for field, text in texts_of(proto):
            for danger in (*DANGEROUS, *((TAG,) if html else ())):
                if danger in text:
                    yield f"{type(proto).__name__}.{field}: {text[:300]}"


PARTS = {
    "manifold": ("grid", "map", "draw", "beside", "denoise"),
    "speak": ("ask", "continue", "steps", "past", "levels", "fourier"),
    "classify": ("ask", "typical", "mistakes"),
    "paint": ("watch", "complete", "field", "surprise"),
}


def queries_of(page: str) -> Iterator[dict[str, str]]:
    yield {}
    yield {"model": HOSTILE, "run": HOSTILE, "data": HOSTILE, "recipe": HOSTILE, "part": HOSTILE, "models": HOSTILE}
    names = [f"{HOSTILE}{number}" for number in range(len(MODELS))]
    if page == "runs":
        yield from ({"run": name} for name in (names[0], f"{HOSTILE}failed"))
    elif page == "data":
        yield from ({"data": own} for own in datasets.uploaded_sets.names())
    elif page in PARTS:
        for part in PARTS[page]:
            for name in names:
                yield {"part": part, "model": name}
    elif page not in ("gallery", "train"):
        yield from ({"model": name, "models": name} for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_no_page_shows_a_users_text_as_markdown(
    page: str, folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in folders.items():
        monkeypatch.setenv(name, value)
    app = app_at(page, timeout=120)
    found: set[str] = set()
    shown = 0
    for query in queries_of(page):
        if page != "gallery":
            app.switch_page(f"{page}.py")
        app.query_params.clear()
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception, (query, app.exception[0].message)
        found |= set(problems(app))
        shown += sum(isinstance(getattr(node, "proto", None), Message) for node in app._tree)
    assert shown > 10
    assert not found, "\n".join(sorted(found))
