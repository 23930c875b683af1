"""The installed package: what is in the wheel, what it needs, and its use from any folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

from genmodels.images import preview
from genmodels.runs import catalog
from tests.support.wheel import ROOT, Installed, unpack_wheel

PUBLISHED = {"GENMODELS_CHECKPOINTS": str(ROOT / "checkpoints")}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return unpack_wheel(tmp_path_factory.mktemp("installed"))


def requirements(name: str) -> set[str]:
    lines = (ROOT / name).read_text().splitlines()
    return {line.partition("#")[0].strip() for line in lines if not line.startswith(("#", "-r"))}


def test_the_lists_of_requirements_agree_with_the_package() -> None:
    """`pip install .[app,gradio]` and `pip install -r requirements.txt` install the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core, extras = set(project["dependencies"]), {k: set(v) for k, v in project["optional-dependencies"].items()}
    assert set(extras) == {"app", "gradio", "ray", "onnx", "dev"}
    assert requirements("requirements.txt") == core | extras["app"] | extras["gradio"]
    assert requirements("requirements-dev.txt") == extras["dev"]
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in requirements("constraints.txt")}
    wanted = {re.split(r"[<>=]", line)[0].lower() for line in requirements("requirements.txt") | extras["dev"]}
    assert wanted <= pinned
    assert not {name for name in core if name.startswith(("streamlit", "gradio", "plotly", "ray", "onnx"))}


def test_the_wheel_holds_both_packages_with_their_data_and_nothing_else(installed: Installed) -> None:
    assert installed.wheel.stat().st_size < 2_000_000
    with zipfile.ZipFile(installed.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {path for package in ("genmodels", "train_jobs") for path in (ROOT / package).rglob("*") if path.is_file()}
    assert names == {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    assert "genmodels/recipes/mnist_vae_20.yaml" in names


@pytest.mark.slow
def test_a_command_samples_without_the_checkout(installed: Installed) -> None:
    done = installed.command("genmodels", "sample", "pattern_1010_gan", "-n", "4", "--out", "a.png", env=PUBLISHED)
    assert (done.returncode, done.stderr) == (0, "")
    model = catalog.load("pattern_1010_gan")
    expected = preview.samples_of_seeds(model, range(4))
    assert expected is not None
    assert (installed.home / "a.png").read_bytes() == preview.png(preview.grid(expected))


@pytest.mark.slow
def test_threads_of_an_event_loop_load_models_at_once(installed: Installed) -> None:
    """As a notebook does: a running event loop, and a main module without a file."""
    program = """
import asyncio, genmodels

async def main():
    names = ["mnist_vae_20", "mnist_gan_256", "mnist_cnn", "mnist_vae_20"]
    models = await asyncio.gather(*(asyncio.to_thread(genmodels.load, name) for name in names))
    print(genmodels.__file__, *(type(model).__name__ for model in models))

asyncio.run(main())
"""
    done = installed.run(program, env=PUBLISHED)
    assert done.returncode == 0, done.stderr
    path, *names = done.stdout.split()
    assert Path(path).is_relative_to(installed.site)
    assert names == ["VAE", "GAN", "CNNClassifier", "VAE"]


def test_a_missing_folder_of_checkpoints_is_named_with_the_next_step(installed: Installed) -> None:
    done = installed.command("genmodels", "info", "mnist_vae_20", env={"XDG_DATA_HOME": str(installed.home / "own")})
    assert done.returncode == 2
    assert str(installed.home / "own/genmodels/checkpoints") in done.stderr
    assert "GENMODELS_CHECKPOINTS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_user_without_a_home_directory_has_a_temporary_one(installed: Installed) -> None:
    unknown = {"XDG_DATA_HOME": "~no_such_user/data", "TMPDIR": str(installed.home)}
    done = installed.run("from genmodels.system.paths import storage_root; print(storage_root())", env=unknown)
    assert done.stdout.strip() == f"{installed.home}/genmodels-{os.getuid()}", done.stderr


@pytest.mark.slow
def test_a_job_trains_in_the_users_data_folder(installed: Installed) -> None:
    subprocess.run(["git", "init", "-q", str(installed.site)], check=True)
    words = ["pattern_1010_gan", "--set", "train.max_steps=1", "--set", "train.compile=off", "--device", "cpu"]
    done = installed.command("train-jobs", "submit", *words)
    assert done.returncode == 0, done.stderr
    name = done.stdout.split()[-1]
    done = installed.command("train-jobs", "wait", name)
    assert done.returncode == 0, done.stderr
    folder = installed.home / ".local/share/genmodels/runs" / name
    assert json.loads((folder / "status.json").read_text())["step"] == 1
    assert json.loads((folder / "config.json").read_text())["git_commit"] is None
