"""Every page beside damaged folders: it works, names the damage where the folder is opened, and shows the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from genmodels.runs.folder import CONFIG, STATUS, runs_root
from tests.support.browser import ROOT
from tests.support.damaged_folders import LFS, REFUSED, copied, piped, raw_weights, weights_of
from tests.support.pages import app_at, open_page

PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem not in ("__init__", "frame"))
ODD_STATUS = {
    "null": dict.fromkeys(("heartbeat", "pid", "step", "max_steps", "phase", "error", "device")),
    "texts": dict.fromkeys(("heartbeat", "pid", "step", "max_steps", "steps_per_second", "seconds_left"), "x"),
    "huge": dict.fromkeys(("heartbeat", "pid", "step", "max_steps", "steps_per_second", "seconds_left"), 10**400),
    "negative": dict.fromkeys(("heartbeat", "pid", "step", "max_steps", "steps_per_second", "seconds_left"), -5),
}
LINES = ("null", "[" * 5_000, '{"step": null, "loss/a": 1}', '{"step": 1e999, "a": 2}', '{"step": 1, "loss/a": "x"}')
LINES += ('{"step": 1, "loss/a": 1' + "0" * 400 + "}", '{"step": 2, "loss/a": NaN, "kind": 5, "time": 1}', "\xff")


def dated(path: Path, created: float) -> None:
    config = json.loads((path / CONFIG).read_text())
    (path / CONFIG).write_text(json.dumps({**config, "created": created}))


def damaged_runs() -> list[str]:
    """One run per kind of damage, beside a whole one."""
    copied(name="whole")
    for name, status in ODD_STATUS.items():
        copied(lambda path, status=status: (path / STATUS).write_text(json.dumps(status)) and None, f"status-{name}")
    for name, created in (("far", 1e14), ("early", -1e11), ("late", 9e11)):
        copied(lambda path, created=created: dated(path, created), f"created-{name}")
    copied(lambda path: (path / STATUS).write_text("[" * 100_000) and None, "status-nested")
    copied(piped(STATUS), "status-pipe")
    copied(piped("worker.log"), "log-pipe")
    lines = "\n".join(LINES) + "\n"
    for name in ("metrics.jsonl", "events.jsonl"):
        copied(lambda path, name=name: (path / name).write_text(lines) and None, name.removesuffix(".jsonl"))
    for case in ("config nested", "config null", "config a pipe", "wide", "not finite", "weights a pipe"):
        copied(REFUSED[case][0], case.replace(" ", "-"))
    copied(raw_weights(LFS), "pointer")
    return sorted(path.name for path in runs_root().iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_page_works_beside_damaged_runs(page: str) -> None:
    names = damaged_runs()
    app = app_at(page, timeout=120)
    queries = [{}] + [{"run" if page == "runs" else "model": name} for name in names] * (page in ("runs", "latent"))
    for query in queries:
        if page != "gallery":
            app.switch_page(f"{page}.py")
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception, (query, app.exception[0].message)
    if page == "latent":
        app = open_page(page, model="pointer")
        assert any("git lfs pull" in error.value for error in app.error)
    if page == "gallery":
        assert any("git lfs pull" in warning.value for warning in app.warning)


def test_a_damaged_published_checkpoint_is_named_on_the_gallery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(runs_root()))
    copied(name="whole")
    broken = copied(name="broken")
    (broken.path / CONFIG).write_text("[")
    assert weights_of(broken.path).is_file()
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "none"))
    app = app_at("gallery", timeout=120).run()
    assert not app.exception
    assert any("broken" in warning.value and "config" in warning.value for warning in app.warning)
