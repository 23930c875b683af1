"""The Runs page for a worker that stopped reporting: said in the list, in the badge and in a sentence with the age."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from genmodels.runs.files import write_json
from genmodels.runs.folder import RunFolder
from genmodels.system import processes
from tests.support.pages import app_at
from train_jobs import make_spec
from train_jobs.store import NewJob, Store


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alive", "sentence"), [(True, "but not responding: its last report is"), (False, "no longer exists")]
)
def test_a_silent_worker_is_shown_as_such(
    own_folders: Path, monkeypatch: pytest.MonkeyPatch, alive: bool, sentence: str
) -> None:
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")  # no scheduler, which would mark the dead one as failed at once
    folder = RunFolder.create(own_folders / "silent", make_spec("pattern_1010_gan"))
    with subprocess.Popen(["sleep", "60"]) as worker:
        report = {**processes.stamp(), "pid": worker.pid, "process": processes.identity(worker.pid)}
        report |= {"phase": "training", "step": 3, "max_steps": 10}
        write_json(folder.path / "status.json", {**report, "monotonic": report["monotonic"] - 300})
        new = NewJob("silent", "Silent", "gan", "gan", 10, str(own_folders), "cpu", time.time())
        created = psutil.Process(worker.pid).create_time()
        Store().adopt("silent", new, "RUNNING", None, ("cpu", worker.pid, created))
        if not alive:
            worker.kill()
            os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        app = app_at("runs").run()
        worker.kill()
    assert not app.exception
    assert not app.error
    assert [sentence in warning.value for warning in app.warning].count(True) == 1
    assert "5 min" in app.warning[0].value
    assert app.selectbox("runs_select").options == ["silent · not responding"]
