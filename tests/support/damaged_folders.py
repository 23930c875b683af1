"""Damaged and hostile run folders for tests."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from genmodels.runs.folder import CONFIG, RunFolder, runs_root
from tests.support.browser import ROOT

SOURCE = ROOT / "checkpoints" / "mnist_vae_2d"
LAST = RunFolder(SOURCE).steps()[-1]
SECRET = '{"step": 1, "kind": "a secret"}'
Damage = Callable[[Path], None]


def copied(damage: Damage | None = None, name: str = "mine") -> RunFolder:
    """A run with the config and last weights of a published checkpoint, then damaged by `damage`."""
    folder = RunFolder(runs_root() / name)
    shutil.copytree(RunFolder(SOURCE).step_path(LAST), folder.step_path(LAST))
    shutil.copy(SOURCE / CONFIG, folder.path)
    if damage:
        damage(folder.path)
    return folder


def weights_of(path: Path) -> Path:
    """The weights file of a run folder."""
    return next(path.glob("step-*/model.safetensors"))


def weights(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Damage:
    """Replace the tensors by `change(tensors)`."""

    def damage(path: Path) -> None:
        target = weights_of(path)
        changed = change(load_file(target))
        target.unlink()
        save_file(changed, target)

    return damage


def raw_weights(raw: bytes) -> Damage:
    """Replace the weights file."""
    return lambda path: weights_of(path).write_bytes(raw) and None


def config(**changes: Any) -> Damage:
    """Change settings in config.json."""

    def damage(path: Path) -> None:
        content = json.loads((path / CONFIG).read_text())
        content["spec"]["model"].update(changes)
        (path / CONFIG).write_text(json.dumps(content))

    return damage


def written(name: str, raw: bytes) -> Damage:
    """Replace a file."""
    return lambda path: (path / name).write_bytes(raw) and None


def piped(name: str) -> Damage:
    """Replace a file by a pipe."""

    def damage(path: Path) -> None:
        (path / name).unlink(missing_ok=True)
        os.mkfifo(path / name)

    return damage


def linked(name: str) -> Damage:
    """Replace a file by a link to a secret outside the folder."""

    def damage(path: Path) -> None:
        (path / name).unlink(missing_ok=True)
        secret = runs_root().parent / "secret.txt"
        secret.write_text(SECRET + "\n")
        (path / name).symlink_to(secret)

    return damage


def _header(count: int) -> bytes:
    """The beginning of a weights file that claims `count` empty tensors."""
    tensors = (f'"k{i}": {{"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}' for i in range(count))
    text = f"{{{', '.join(tensors)}}}".encode()
    return struct.pack("<Q", len(text)) + text


STEP = f"step-{LAST:06d}"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
REFUSED = {
    "empty": (raw_weights(b""), "damaged"),
    "header of 100 MB": (raw_weights(struct.pack("<Q", 99_000_000) + b"{}"), "claims 99,000,000 bytes"),
    "header nested": (raw_weights(struct.pack("<Q", 100_000) + b"[" * 100_000), "damaged"),
    "header of null": (raw_weights(struct.pack("<Q", 4) + b"null"), "does not describe tensors"),
    "200,000 tensors": (raw_weights(_header(200_000)), "its header claims"),
    "not finite": (weights(lambda w: {k: np.full_like(v, np.nan) for k, v in w.items()}), "not finite"),
    "infinite": (weights(lambda w: {k: np.full_like(v, np.inf) for k, v in w.items()}), "not finite"),
    "other shapes": (weights(lambda w: {k: v.reshape(-1) for k, v in w.items()}), "do not belong together"),
    "too few": (weights(lambda w: dict(list(w.items())[1:])), "does not fit its config: lacks"),
    "too many": (weights(lambda w: {**w, "../../x": np.zeros(3, np.float32)}), "has unknown"),
    "a config of gigabytes": (config(hidden_sizes=[8192] * 4), "do not belong together"),
    "an image of 1024": (config(image_shape=[3, 1024, 1024]), "do not belong together"),
    "wide": (config(hidden_sizes=[65_536] * 3), "less than or equal to 8192"),
    "a million layers": (config(hidden_sizes=[1] * 1_000_000), "larger than"),
    "many layers": (config(hidden_sizes=[1] * 100_000), "hidden_sizes = "),
    "a latent vector of 10^9": (config(latent_dim=10**9), "less than or equal to 1024"),
    "config nested": (written(CONFIG, b"[" * 200_000), "nested"),
    "config nested a little less": (written(CONFIG, b"[" * 900 + b"]" * 900), "nested"),
    "config null": (written(CONFIG, b"null"), "format version None"),
    "config spec null": (written(CONFIG, b'{"format": 3, "spec": null}'), "damaged"),
    "config in Latin-1": (written(CONFIG, '{"format": "ä"}'.encode("latin-1")), "cannot be read"),
    "config of 50 MB": (written(CONFIG, b'{"x":"' + b"a" * 50_000_000 + b'"}'), "larger than"),
    "config a pipe": (piped(CONFIG), "not a regular file"),
    "config a link": (linked(CONFIG), "outside of its folder"),
    "config a pointer": (written(CONFIG, LFS), "git lfs pull"),
    "weights a pipe": (piped(f"{STEP}/model.safetensors"), "not a regular file"),
    "weights a link": (linked(f"{STEP}/model.safetensors"), "outside of its folder"),
    "weights a pointer": (raw_weights(LFS), "git lfs pull"),
    "critics a pipe": (piped(f"{STEP}/training_nets.safetensors"), "not a regular file"),
}
"""Damage, and a part of the error message for it."""
