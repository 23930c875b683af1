"""Every part of `make bench` runs in its short form, without any downloaded data set."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS
from tests.support.preloaded import python

ROOT = Path(__file__).parents[1]
# The last line of a complete part.
LAST = {
    "training": r"mnist_gan's network.*\n(.*\n){3}.*ratio \d",
    "convolutions": r"mnist_wgan_gp.*\n(.*\n){3}.*ratio \d",
    "kernels": r"penalised_critic \| steps of mnist_wgan_gp, bf16 \| [\d.,]+ \| [\d.,]+ \| \d+\.\d\dx",
    "pixelcnn": r"gated PixelCNN, batch.*\n(.*\n){3}.*ratio \d",
    "wavenet": r"best against the tutorial's: \d",
    "translation": r"300 x 40.*GB peak memory",
    "style": r"SSIM with the same in float32: 0\.\d+",
    "style_distance": r"mean ratio: relu3_1 \d+\.\d+, relu4_1 \d+\.\d+",
    "tiny_judge": r"mean \d+\.\d+ % of 500 test digits",
    "sampling": r"mnist_wgan_gp +published +\d",
    "quality": r"pattern_1010_gan +largest error +0\.\d+ +0 to 0\.15: reached",
    "jobs": r"scheduler, resident memory \| \d+ MB",
    "interface": r"growth over \d+ interactions \(MB\) \| -?\d",
    "manifold": r"expression to image: median \d+ ms",
    "page_cost": r"an open page costs -?\d",
    "contention": r"idle \d+ s after all had left",
    "gradio": r"errors and wrong answers: 0\ntargets of",
    "packing": r"packed, batches of 64 \| \d",
    "gpu": r"no GPU that torch can use .*\n.*--device cpu --short|horse2zebra_cyclegan_resnet9: \w+",
    "decoding": r"1 megapixel \| .* \| \d+ \| \d+ \|",
}
BROWSER = {"interface", "manifold", "page_cost"}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
    )


@pytest.mark.parametrize(
    "part",
    [pytest.param(part, marks=pytest.mark.browser if part in BROWSER else pytest.mark.slow) for part in PARTS],
)
def test_each_part_runs_without_downloads(part: str, tmp_path: Path) -> None:
    environment = {"GENMODELS_DATA": str(tmp_path / "data")}
    if part == "interface":  # of every other checkpoint, the gallery would generate samples
        published = tmp_path / "checkpoints"
        published.mkdir()
        for name in ("mnist_vae_20", "fsdd_wavenet"):
            (published / name).symlink_to(ROOT / "checkpoints" / name)
        environment["GENMODELS_CHECKPOINTS"] = str(published)
    done = python("-m", f"benchmarks.{part}", "--short", env=environment, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(LAST[part], done.stdout), done.stdout


@pytest.mark.slow
def test_the_gpu_part_is_rehearsed_on_the_cpu_and_goes_on_with_its_trainings(tmp_path: Path) -> None:
    words = ("-m", "benchmarks.gpu", "--device", "cpu", "--short", "--runs", str(tmp_path))
    environment = {"GENMODELS_DATA": str(tmp_path / "data"), "GENMODELS_RUNS": str(tmp_path)}
    steps = []
    for _ in range(2):
        done = python(*words, env=environment, timeout=170)
        assert done.returncode == 0, done.stdout + done.stderr
        for recipe in ("dcgan_64", "mnist_wgan_gp", "horse2zebra_cyclegan_resnet9", "cifar10_darknet"):
            assert re.search(rf"\| `{recipe}` \| bf16 \| [\d,.]+ \| [\d.e-]+ \| \d+\.\d+% \|", done.stdout), done.stdout
        found = re.search(r"cifar10_darknet: \w+ at step ([\d,]+) of .*\n  accuracy: 0\.\d+", done.stdout)
        assert found is not None, done.stdout
        assert re.search(r"horse2zebra_cyclegan_resnet9: \w+ at step", done.stdout), done.stdout
        steps.append(int(found[1].replace(",", "")))
    assert steps[1] > steps[0] > 0


def test_a_device_that_is_not_there_and_too_much_time_are_refused() -> None:
    for words, text in ((("--device", "cuda:99"), "--device = 'cuda:99' is not on this machine"),
                        (("--minutes", "0"), "--minutes 0 is not allowed")):  # fmt: skip
        done = python("-m", "benchmarks.gpu", *words, timeout=100)
        assert done.returncode != 0
        assert text in done.stderr


@pytest.mark.slow
def test_named_parts_run_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    done = run("decoding", "packing", "--short")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^== (\w+)$", done.stdout, re.MULTILINE) == ["decoding", "packing"]
    assert re.findall(r"^== (\w+): \d+ s$", done.stdout, re.MULTILINE) == ["decoding", "packing"]
    for part in ("decoding", "packing"):
        assert re.search(LAST[part], done.stdout), done.stdout


def test_the_error_for_an_unknown_part_lists_the_parts() -> None:
    done = run("speed")
    assert done.returncode == 1
    assert "unknown benchmark ['speed']" in done.stderr
    assert "convolutions" in done.stderr
