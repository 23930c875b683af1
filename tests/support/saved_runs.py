"""The untrained runs and the published checkpoints that the tests in a browser share."""

from __future__ import annotations

from pathlib import Path

import pytest

from genmodels.runs.files import write_json
from tests.support.codes import save_code_models
from tests.support.flows import save_flow
from tests.support.painting import GATED, save_pixel_models
from tests.support.picture_files import encoded
from tests.support.runs import save_run
from tests.support.speech import SMALL as SMALL_VOICE
from tests.support.stylizing import offer, save_networks
from tests.support.translation import SMALL as SMALL_CYCLEGAN
from tests.support.translation import photo

_PUBLISHED = Path(__file__).parents[2] / "checkpoints"
CLASSIFIERS = ("my_mnist_mlp_baseline", "my_mnist_mlp_adam", "my_mnist_cnn")
ENCODERS = ("my_mnist_vae_2d", "my_mnist_autoencoder_2d", "my_mnist_autoencoder", "my_mnist_denoising_autoencoder")
_METRICS = {"gan": (60.0, 2.0), "vae": (40.0, 1.0)}  # FID and its standard deviation


def folders(root: Path) -> dict[str, str]:
    """The environment of a server that shows `root`."""
    return {f"GENMODELS_{name.upper()}": str(root / name) for name in ("data", "runs", "checkpoints")}


def save_everything(root: Path) -> None:
    """A run of each kind in `root`, style images, and a few published checkpoints."""
    (root / "checkpoints").mkdir()
    for name in ("mnist_judge", "mnist_vae_20", "mnist_gan"):
        (root / "checkpoints" / name).symlink_to(_PUBLISHED / name)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in folders(root).items():
            patch.setenv(name, value)
        _save_runs(root)


def _save_runs(root: Path) -> None:
    runs = root / "runs"
    for name in (*CLASSIFIERS, *ENCODERS):
        save_run(runs, name, name.removeprefix("my_"), "data.name=digits")
    save_run(runs, "my_gan", "mnist_gan", "data.name=digits")
    save_run(runs, "my_vae", "mnist_vae_20", "data.name=digits", steps=(0, 10, 20))
    save_run(runs, "line", "mnist_vae_20", "data.name=digits", "model.latent_dim=1")
    save_run(runs, "constant", "pattern_1010_gan")
    small = ("model.generator_sizes=[32]", "model.discriminator_sizes=[32]", "model.latent_dim=8")
    save_run(runs, "cgan", "mnist_cgan_embedding", "data.name=digits", *small)
    save_run(runs, "gan", "mnist_gan", "data.name=digits")
    save_flow(runs, "flow", "model.steps=4")
    save_code_models(runs)
    save_pixel_models(runs)  # with `vae`
    save_run(runs, "my_mnist_gated_pixelcnn", "mnist_gated_pixelcnn", *GATED, "model.levels=16")  # a long name
    for name, (frechet, spread) in _METRICS.items():
        metrics = {"judge/frechet": frechet, "judge/frechet_spread": spread}
        write_json(runs / name / "metrics.json", {"metrics": metrics})
    save_run(runs, "voice", "tones_wavenet", *SMALL_VOICE)
    save_run(
        runs, "grey", "flowers_cyclegan", *SMALL_CYCLEGAN, "data.name=digits2inverted", "data.size=null",
        "model.flip=false",
    )  # fmt: skip
    offer(root / "data", "boston", "tubingen", "udnie")
    save_networks(root, "fast")
    canvas = save_run(
        runs, "canvas", "style_transfer", "data.name=striped_digits", "data.size=null", "data.style_size=null",
        "model.style_relu5_1=0", "model.style_relu4_1=0", steps=(0,),
    )  # fmt: skip
    canvas.preview_path(0).parent.mkdir(exist_ok=True)
    canvas.preview_path(0).write_bytes(encoded(photo(32, 32)))
    canvas.write_status(phase="finished", step=int(canvas.spec().train.max_steps or 0))
