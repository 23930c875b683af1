"""On a public server nothing can be changed or taken away: by no service, and by no widget's value over the websocket.

A browser does not send the value of a widget that is disabled or not shown. Other clients may.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

import train_jobs
from genmodels.errors import GenmodelsError
from genmodels.runs.folder import CONFIG, RunFolder, runs_root
from genmodels.service import datasets
from genmodels.service.datasets import Upload, UploadSettings
from tests.support.browser import ROOT, Server, server_of
from tests.support.picture_files import RED, encoded, plain
from tests.support.runs import link_one_checkpoint_of_each_kind
from tests.support.websocket_client import Client
from train_jobs import measuring, publishing

RUN = "mine"


def make_run(runs: Path) -> None:
    """A stopped run that could be resumed, renamed, published, downloaded and deleted."""
    source, target = RunFolder(ROOT / "checkpoints" / "pattern_1010_gan"), RunFolder(runs / RUN)
    shutil.copytree(source.step_path(source.steps()[-1]), target.step_path(source.steps()[-1]))
    shutil.copy(source.path / CONFIG, target.path)
    (target.step_path(source.steps()[-1]) / "resume.json").write_text("{}")


def make_set(data: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENMODELS_DATA", str(data))
        raw = encoded(plain(RED))
        files = [Upload(f"{n}.png", io.BytesIO(raw), len(raw)) for n in range(20)]
        return datasets.upload(files, UploadSettings.parse({"title": "Mine", "size": 16})).name


def content(*folders: Path) -> dict[str, str]:
    """Every file by its digest; the queue's own files change when they are only read."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("queue.sqlite")
    }


ACTIONS: dict[str, Callable[[], Any]] = {
    "submit": lambda: train_jobs.submit(train_jobs.make_spec("pattern_1010_gan", None, ["train.max_steps=1"])),
    "submit_pair": lambda: train_jobs.submit_pair(b"", b""),
    "stop": lambda: train_jobs.stop(RUN),
    "resume": lambda: train_jobs.resume(RUN),
    "save": lambda: train_jobs.request(RUN, "save"),
    "set": lambda: train_jobs.request(RUN, "set", path="model.lr", value=1.0),
    "update": lambda: train_jobs.update(RUN, {"lr": 1.0}),
    "rename": lambda: train_jobs.rename(RUN, "other"),
    "delete": lambda: train_jobs.delete(RUN),
    "publish": lambda: train_jobs.publish(RUN, "other"),
    "repair": lambda: train_jobs.repair(),
    "get_data": lambda: train_jobs.get_data("mnist"),
    "upload": lambda: datasets.upload(
        [Upload("a.png", io.BytesIO(b"x"), 1)], UploadSettings.parse({"title": "x", "size": 16})
    ),
    "delete a set": lambda: datasets.remove("mine"),
    "measure": lambda: measuring.start(RUN, 1),
    "cancel a measurement": lambda: measuring.cancel(RUN),
    "forget a measurement": lambda: measuring.forget(RUN),
    "publish in the background": lambda: publishing.start(RUN, "other"),
    "cancel a publication": lambda: publishing.cancel(RUN),
    "forget a publication": lambda: publishing.forget(RUN),
}


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_each_service_refuses(action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    make_run(runs_root())
    make_set(tmp_path / "data")
    before = content(tmp_path)
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    with pytest.raises(GenmodelsError, match=r"public server|this server only shows"):
        ACTIONS[action]()
    assert content(tmp_path) == before


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("public")
    make_run(folder / "runs")
    make_set(folder / "data")
    link_one_checkpoint_of_each_kind(folder / "checkpoints")
    env = {
        "GENMODELS_PUBLIC": "1",
        "GENMODELS_RUNS": str(folder / "runs"),
        "GENMODELS_DATA": str(folder / "data"),
        "GENMODELS_CHECKPOINTS": str(folder / "checkpoints"),
    }
    with server_of(env, folder / "log") as server:
        yield server, folder


PAGES = {"runs": f"run={RUN}", "train": "recipe=pattern_1010_gan", "data": "data=mine", "evaluate": f"model={RUN}"}
PAGES |= {"stylize": "", "": ""}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_no_click_changes_anything(page: str, public: tuple[Server, Path]) -> None:
    """Every button of the page, one after another, also those that are disabled; with every text field filled in."""
    server, folder = public
    before = content(folder / "runs", folder / "data")
    published = sorted(path.name for path in (folder / "checkpoints").iterdir())
    with Client(server.url, timeout=120) as client:
        client.open(page, PAGES[page])
        buttons = sorted(
            identifier
            for identifier, (kind, _) in client.widgets().items()
            if kind == "button" and not identifier.split("-")[-1].startswith(("gallery_hear", "gallery_wait"))
        )
        assert buttons or page in ("evaluate", "stylize")
        for button in buttons:
            client.open(page, PAGES[page])
            for identifier, (kind, _) in client.widgets().items():
                if kind == "text_input":
                    client.set(identifier, string_value="other")
            if button in client.widgets():
                client.click(button)
            assert not client.exceptions
            assert content(folder / "runs", folder / "data") == before, button
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == published


@pytest.mark.slow
def test_widgets_of_a_private_server_are_not_there_to_be_sent(public: tuple[Server, Path]) -> None:
    """The ids of buttons on a private server, confirmations included, sent to the public one."""
    server, folder = public
    before = content(folder / "runs", folder / "data")
    keys = ("runs_stop", "runs_save", "runs_resume", "runs_rename", "runs_publish", "runs_download", "runs_delete")
    keys += ("runs_delete_confirm", "runs_apply", "train_start", "data_pack", "data_delete", "data_delete_confirm")
    keys += ("evaluate_measure", "evaluate_measure_steps", "stylize_begin", "stylize_update")
    with Client(server.url, timeout=120) as client:
        for page, query in PAGES.items():
            client.open(page, query)
            for key in keys:
                state = WidgetState(id=f"$$ID-{hashlib.md5(key.encode()).hexdigest()}-{key}", trigger_value=True)
                client.states[state.id] = state
            client.run()
            assert not client.exceptions
            message = BackMsg()
            message.backend_operation_request.request_id = "r"
            message.backend_operation_request.session_id = client.session
            message.backend_operation_request.deferred_file.file_id = "runs_download"
            client.send(message)
            for answer in client.messages():
                if answer.WhichOneof("type") == "backend_operation_response":
                    assert not answer.backend_operation_response.deferred_file.url
                    break
    assert content(folder / "runs", folder / "data") == before
