"""What visitors of a public server may read: no path of the server, no command, and no run is called theirs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import train_jobs
from genmodels.runs.folder import CONFIG, RunFolder, runs_root
from pages.components import public_errors
from pages.components.i18n import t, texts
from tests.support.browser import ROOT
from tests.support.flows import save_flow
from tests.support.pages import app_at
from train_jobs import PublicModeError

_THEIRS = re.compile(r"\byour( own)? runs?\b|\bruns? of your|\(your", re.IGNORECASE)
_FOR_OWNERS = re.compile(r"python -m|GENMODELS_(?!HOSTS)|\bmake run\b|--set|(?i:copy the command)")
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem not in ("__init__", "frame"))


def test_every_text_for_owners_has_another_for_visitors() -> None:
    own = {key: text for key, text in texts().items() if not key.startswith("public.")}
    wrong = {key for key, text in own.items() if _THEIRS.search(text) or _FOR_OWNERS.search(text)}
    public = {key.removeprefix("public."): text for key, text in texts().items() if key.startswith("public.")}
    assert wrong <= set(public)
    assert set(public) <= set(own)
    assert not {key for key, text in public.items() if _THEIRS.search(text) or _FOR_OWNERS.search(text)}
    assert not {
        key for key in public if not set(re.findall(r"{\w+", public[key])) <= set(re.findall(r"{\w+", own[key]))
    }


def test_a_text_for_visitors_is_taken_on_a_public_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert t("gallery.own") == "Your runs"
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    assert t("gallery.own") == "Runs on this server"


def test_error_texts_lose_paths_and_commands_on_a_public_server(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        f"{runs_root()}/mine/config.json is missing in {ROOT}/data (the folder that GENMODELS_DATA names); "
        "fetch it with `python -m genmodels download mnist` (12 MB). See /etc/x/y.txt and https://example.org/a/b."
    )
    assert public_errors.without_commands_and_paths(text) == text
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    shown = public_errors.without_commands_and_paths(text)
    assert shown == "runs/mine/config.json is missing in data; See y.txt and https://example.org/a/b."
    only = public_errors.without_commands_and_paths("`python -m genmodels models` lists them.")
    assert only == t("common.error.not_offered")


def drawn(app: AppTest) -> str:
    """Every element's message as the browser would get it."""
    return "\n".join(str(getattr(node, "proto", "")) for node in app._tree)


@pytest.fixture
def public_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whole runs, of which one is a flow, and a damaged one, without any data set on the disk."""
    whole = RunFolder(runs_root() / "mine")
    source = RunFolder(ROOT / "checkpoints" / "mnist_vae_2d")
    shutil.copytree(source.step_path(source.steps()[-1]), whole.step_path(source.steps()[-1]))
    shutil.copy(source.path / CONFIG, whole.path)
    (whole.path / "worker.log").write_text(f"reading {tmp_path}\n")
    shutil.copytree(whole.path, runs_root() / "damaged")
    (runs_root() / "damaged" / CONFIG).write_text("[")
    save_flow(runs_root(), "flowing", steps=(0,))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_no_page_shows_a_path_a_command_or_calls_a_run_theirs(page: str, public_runs: Path) -> None:
    app = app_at(page, timeout=120)
    queries: list[dict[str, str]] = [{}, {"model": "no-such"}]
    queries += [{"run": "damaged"}, {"run": "mine"}] if page == "runs" else []
    queries += [{"data": "mnist"}, {"recipe": "mnist_vae_20"}] if page in ("train", "data") else []
    for query in queries:
        if page != "gallery":
            app.switch_page(f"{page}.py")
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception
        shown = drawn(app)
        assert len(shown) > 1_000
        for secret in (str(public_runs), str(ROOT), str(Path.home()) + "/"):
            assert secret not in shown, (query, secret)
        assert not (found := _FOR_OWNERS.search(shown)), (query, found, shown[found.start() - 200 : found.end() + 100])
        assert not (found := _THEIRS.search(shown)), (query, found)


def test_a_run_is_not_packed_for_visitors(public_runs: Path) -> None:
    from pages.components import run_actions

    with pytest.raises(PublicModeError, match="downloading a run"):
        run_actions._pack(train_jobs.job("mine"), ())
