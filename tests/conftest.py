"""Shared by all tests: the registry as the test matrix, small batches, a runs folder per test."""

from __future__ import annotations

import gc
import os

gc.disable()  # imports create objects that stay: searching them for garbage takes a fifth of the imports' time

import subprocess  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from functools import cache  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

import pytest  # noqa: E402

from genmodels import registry  # noqa: E402
from genmodels.recipes import Spec, family, parse_overrides, resolve  # noqa: E402
from tests.support import preloaded  # noqa: E402
from tests.support.job_processes import end_processes  # noqa: E402

if TYPE_CHECKING:  # a process that only distributes tests to others needs no torch
    from genmodels.model import Batch, Model

# A family's smallest sensible configuration, so that the matrix stays fast; defaults are built once, in their test.
_SHALLOW = {"style_relu3_1": 0, "content_relu3_2": 0, "content_relu2_2": 1}
_VQVAE = {"codes": 16, "code_dim": 4, "hidden_channels": 8, "residual_blocks": 1, "residual_channels": 4}
SMALL: dict[str, dict[str, Any]] = {
    "autoencoder": {"hidden_sizes": [32], "latent_dim": 4, "salt": 0.25},
    "vae": {"hidden_sizes": [32], "latent_dim": 4},
    "gan": {"generator_sizes": [32], "discriminator_sizes": [32], "latent_dim": 8, "layer_norm": True, "dropout": 0.1},
    "dcgan": {"generator_channels": [16, 8, 8], "discriminator_channels": [8, 8], "latent_dim": 8},
    "cgan": {"generator_sizes": [32], "discriminator_sizes": [32], "latent_dim": 8, "dropout": 0.1},
    "wgan": {"generator_sizes": [32], "discriminator_sizes": [32], "latent_dim": 8, "n_critic": 2},
    "wgan_gp": {"networks": "conv", "generator_channels": [16, 8, 8], "discriminator_channels": [8, 8], "n_critic": 2},
    "cyclegan": {
        "resnet_channels": 4,
        "residual_blocks": 1,
        "discriminator_channels": [4, 4],
        "pool_size": 4,
        "zoom": 1.1,
    },
    "style_transfer": {"optimizer": "adam", "style_relu4_1": 0, "style_relu5_1": 0, "content_relu4_2": 0, **_SHALLOW},
    "fast_style": {"width": 4, "residual_blocks": 1, "kernel": 3, "style_relu4_1": 0, "flip": False, **_SHALLOW},
    "flow_matching": {
        "channels": [8, 16],
        "blocks": 1,
        "embedding_dim": 16,
        "conditional": True,
        "guidance": 1.5,
        "steps": 2,
    },
    "mean_flow": {
        "channels": [8, 16],
        "blocks": 1,
        "embedding_dim": 16,
        "conditional": True,
        "trained_guidance": 1.5,
        "time_rate": 25,
        "steps": 2,
    },
    "vqvae": _VQVAE,
    "vqvae_prior": {
        "first_stage_model": _VQVAE,
        "channels": 8,
        "dilations": [1, 2],
        "code_dropout": 0.1,
        "conditional": True,
    },
    "mlp_classifier": {"hidden_sizes": [32], "optimizer": "adam", "lr": 0.001},
    "darknet": {"channels": 4, "groups": [1, 1], "lr": 0.1, "shift": 2},
    "pixelcnn": {"channels": 8, "layers": 2, "kernel_size": 3, "levels": 4},
    "gated_pixelcnn": {
        "channels": 4,
        "dilations": [2],
        "levels": 16,
        "quantisation": "stochastic",
        "conditional": True,
    },
    "wavenet": {
        "channels": 8,
        "skip_channels": 16,
        "layers": 3,
        "stacks": 2,
        "silence": 20,
        "levels": 32,
        "conditional": True,
        "speaker": True,
        "parts": 4,
        "context": 8,
        "condition_dropout": 0.25,
    },
    "cnn_classifier": {"channels": [4, 4], "pool_after": [1, 2], "features": 16},
}
FAMILIES = registry.names()
CLIP = 250


def shape_of(name: str) -> dict[str, Any]:
    """Settings that the data fills: digits, or short recordings of two speakers."""
    if "audio" in registry.config_class(name).batch_keys:
        return {"sample_rate": 8_000, "clip_samples": CLIP, "num_classes": 10, "num_speakers": 2}
    return {"image_shape": (1, 28, 28), "num_classes": 10}


def small_model(name: str, **settings: Any) -> Model:
    import torch

    torch.manual_seed(0)
    values = {**shape_of(name), **SMALL[name], **settings}
    return registry.get(name).build(**values)


def digit_batch(count: int = 8) -> Batch:
    import torch
    import torch.nn.functional as F

    generator = torch.Generator().manual_seed(1)
    image = torch.rand(count, 1, 28, 28, generator=generator) * 2 - 1
    label = torch.randint(0, 10, (count,), generator=generator)
    smooth = F.interpolate(torch.rand(count, 1, 4, 4, generator=generator) * 2 - 1, size=28, mode="bilinear")
    pictures = {"image": image, "label": label, "image_a": smooth, "image_b": -smooth}
    pictures |= {"content": smooth[:1], "style": -smooth[1:2]}
    time = torch.arange(CLIP) / CLIP
    audio = 0.5 * torch.sin(2 * torch.pi * (5 + label[:, None]) * time)
    length = torch.full((count,), CLIP)
    length[0] = CLIP - 50
    audio[0, CLIP - 50 :] = 0
    return {**pictures, "audio": audio, "length": length, "speaker": label % 2}


def small_spec(name: str, *assignments: str) -> Spec:
    """A short float32 run of a family on the embedded digits, or the synthesised tones."""
    patch = parse_overrides(["train.precision=fp32", "train.compile=off", "run.threads=1", *assignments])
    patch["model"] = {**SMALL[name], **patch.get("model", {})}
    return resolve(family(name), overrides=patch)


def pytest_configure(config: pytest.Config) -> None:
    """Before a process that distributes tests starts others, start what they share."""
    os.environ["GENMODELS_WARM_UP"] = "off"  # each server that a test starts would import numba
    if config.getoption("numprocesses", None):
        preloaded.share()
        subprocess.Popen = preloaded.Popen


def pytest_collection_finish() -> None:
    """Prepare the process that runs the tests."""
    import torch
    from streamlit.components.v2 import manifest_scanner

    # The threads of a layer wait for each other: with workers and browsers running, one thread is faster.
    torch.set_num_threads(1)
    # Streamlit reads the metadata of all installed packages for each AppTest, as it does once at the start of a server.
    manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
    subprocess.Popen = preloaded.Popen
    # A full garbage collection would search the million objects that collecting has imported each time.
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives every test a runs folder of its own; nothing touches a developer's."""
    runs = tmp_path / "runs"
    monkeypatch.setenv("GENMODELS_RUNS", str(runs))
    for variable in ("GENMODELS_PUBLIC", "GENMODELS_HOSTS", "SPACE_ID", "SPACE_HOST"):
        monkeypatch.delenv(variable, raising=False)
    return runs


@pytest.fixture
def real_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts schedulers and workers as in use, instead of forking them from an interpreter that has imported torch."""
    monkeypatch.setattr(subprocess, "Popen", preloaded.UsualPopen)


@pytest.fixture
def only_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of published checkpoints with the reference classifier alone, in use."""
    root = tmp_path / "checkpoints"
    root.mkdir()
    (root / "mnist_judge").symlink_to(Path(__file__).parents[1] / "checkpoints" / "mnist_judge")
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(root))
    return root


@pytest.fixture
def runs(own_folders: Path) -> Iterator[Path]:
    """A runs folder whose scheduler and workers end with the test."""
    yield own_folders
    end_processes(own_folders)
