"""The wheel, built from the checkout and unpacked: a package in use without the checkout, Streamlit and Gradio."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FORBIDS = """
import sys

APP = ("streamlit", "gradio", "gradio_app", "gradio_tabs", "pages", "app", "benchmarks", "tests")

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in APP:
            raise ImportError(f"the installed package imports {name}")

sys.meta_path.insert(0, Forbidden())
"""


@dataclass(frozen=True)
class Installed:
    """An unpacked wheel; `home` is the home directory and current folder of its user."""

    wheel: Path
    site: Path
    home: Path

    def run(self, program: str, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program with the package on its path and without the checkout."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GENMODELS_", "XDG_"))}
        environment |= {
            "PYTHONPATH": f"{self.site.parent / 'hooks'}:{self.site}",
            "HOME": str(self.home),
            **(env or {}),
        }
        return subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=self.home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def command(self, name: str, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a console command as the script does that pip writes for it."""
        program = (
            "import sys; from importlib.metadata import entry_points; sys.argv[0] = sys.argv.pop(1); "
            "(script,) = entry_points(group='console_scripts', name=sys.argv[0]); sys.exit(script.load()())"
        )
        return self.run(program, name, *words, env=env)


def build_wheel(folder: Path) -> Path:
    """The wheel of the checkout, written to `folder`."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    (wheel,) = folder.glob("*.whl")
    return wheel


def unpack_wheel(folder: Path) -> Installed:
    """Build the wheel and unpack it below `folder`, with import hooks that forbid what belongs to the app."""
    wheel, site, hooks, home = build_wheel(folder / "dist"), folder / "site", folder / "hooks", folder / "home"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(_FORBIDS)
    home.mkdir()
    return Installed(wheel, site, home)
