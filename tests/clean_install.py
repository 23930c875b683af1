"""Installs the wheel in a new environment outside the checkout and uses it: `make test-install`.

Takes minutes, a network and up to 7 GB of disk, so `make test` does not run it; tests/cli/test_package.py tests the
unpacked wheel instead. Arguments (PIP_ARGS of make) are passed to pip.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.wheel import ROOT, build_wheel

_CHECK = """
import sys, importlib.util
import genmodels, train_jobs
assert not genmodels.__file__.startswith(sys.argv[1]), f"imported from the checkout: {genmodels.__file__}"
installed = [name for name in ("streamlit", "gradio", "plotly", "ray", "onnx") if importlib.util.find_spec(name)]
assert not installed, f"the core installs {installed}"
print("decoded", *genmodels.load("mnist_vae_2d").decode(genmodels.latent.z_of_seeds([0], 2)).shape)
"""


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="genmodels-install-") as name:
        folder = Path(name)
        wheel, bin_ = build_wheel(folder), folder / "venv" / "bin"
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB", flush=True)
        started = time.monotonic()
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        install = [str(bin_ / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
        subprocess.run([*install, *arguments], check=True, cwd=folder)
        print(f"installed in {time.monotonic() - started:.0f} s; {_megabytes(folder / 'venv'):,.0f} MB", flush=True)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "GENMODELS_CHECKPOINTS": str(ROOT / "checkpoints"),
        }
        commands = (
            [str(bin_ / "python"), "-c", _CHECK, str(ROOT)],
            [str(bin_ / "genmodels"), "sample", "mnist_vae_20", "-n", "16", "--out", "grid.png"],
            [str(bin_ / "train-jobs"), "run", "pattern_1010_gan", "--set", "train.max_steps=10"],
        )
        for command in commands:
            subprocess.run(command, check=True, cwd=folder, env=environment)
        assert (folder / "grid.png").read_bytes().startswith(b"\x89PNG")


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 2**20


if __name__ == "__main__":
    main(sys.argv[1:])
