"""Every endpoint by the real gradio_client: the same pixels, numbers and samples as the Python API."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from PIL import Image
from torch import Tensor

import genmodels
from genmodels import latent
from genmodels.data.formats import audio_files
from genmodels.data.loader import to_float
from genmodels.images import preview
from genmodels.latent.expression import combine
from genmodels.seeding import generator_of
from genmodels.service import speak, stylize, translate
from genmodels.service.large_images import ImageFile
from genmodels.service.stylize import StylizeRequest
from genmodels.service.translate import TranslationRequest
from tests.support.browser import ROOT

pytestmark = pytest.mark.slow

CONTRACT = {
    "/models": {},
    "/sample": {"model": ..., "seed": 0, "n": 1, "label": None, "step": None},
    "/decode": {"model": ..., "z": ..., "label": None, "step": None},
    "/interpolate": {"model": ..., "seed_a": ..., "seed_b": ..., "steps": 12, "way": "slerp"},
    "/arithmetic": {"model": ..., "expression": ...},
    "/conditional": {"model": ..., "seed": 0, "rows": 10},
    "/classify": {"image": ..., "model": "mnist_judge"},
    "/reconstruct": {"image": ..., "model": ...},
    "/translate": {"image": ..., "model": ..., "direction": "a_to_b"},
    "/stylize": {"image": ..., "model": ...},
    "/complete": {"image": ..., "rows_known": 14, "seed": 0, "model": "mnist_pixelcnn"},
    "/speak": {"label": ..., "speaker": ..., "seed": 0, "model": "fsdd_wavenet"},
}
"""The endpoints with their parameters in order and their defaults; `...` is required."""
FILES = {"/models": "JSON", "/classify": "JSON", "/speak": "Audio"}


def pixels(path: str) -> np.ndarray:
    """The pixels of an answered file, which must be a PNG."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def sheet(images: Tensor, columns: int) -> np.ndarray:
    """Images (N, C, H, W) in rows of `columns`, as an endpoint sends them."""
    return np.asarray(preview.grid(images, columns, scale=1, pad=0))


def digit() -> Tensor:
    """A generated 7, (1, 1, 28, 28), on the grey levels of a PNG."""
    images = preview.samples_of_seeds(genmodels.load("mnist_cgan_conv"), [3], [7])
    assert images is not None
    return to_float(torch.from_numpy(sheet(images, 1).copy())[None, None])


@pytest.fixture(scope="module")
def digit_file(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("digit") / "seven.png"
    path.write_bytes(preview.png(preview.grid(digit(), 1, scale=1, pad=0)))
    return handle_file(str(path))


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small photograph, so that the network takes a second and not ten."""
    path = tmp_path_factory.mktemp("photograph") / "dahlia.png"
    with Image.open(ROOT / "pages/assets/dahlia.jpg") as image:
        image.resize((96, 64)).save(path)
    return path


def test_the_endpoints_are_those_of_the_contract(client: Client) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    found = {
        name: {
            each["parameter_name"]: each["parameter_default"] if each["parameter_has_default"] else ...
            for each in endpoint["parameters"]
        }
        for name, endpoint in named.items()
    }
    assert found == CONTRACT
    assert {name: [list(found[name])] for name in found} == {name: [list(CONTRACT[name])] for name in CONTRACT}
    for name, endpoint in named.items():
        assert [each["component"].lower() for each in endpoint["returns"]] == [FILES.get(name, "Image").lower()]


def test_models_are_listed_with_capabilities_and_steps(client: Client) -> None:
    answer = client.predict(api_name="/models")
    expected = [
        {
            "name": info.name,
            "title": info.label,
            "capabilities": list(info.capabilities),
            "steps": list(info.steps),
        }
        for info in genmodels.list_checkpoints()
        if info.published
    ]
    assert answer == expected
    assert len(expected) > 40


def test_samples_are_those_of_the_same_seeds(client: Client) -> None:
    answer = client.predict("mnist_vae_20", seed=3, n=10, api_name="/sample")
    images = preview.samples_of_seeds(genmodels.load("mnist_vae_20"), range(3, 13))
    assert images is not None
    assert np.array_equal(pixels(answer), sheet(images, 8))


def test_a_missing_class_is_class_0_and_an_empty_step_the_newest(client: Client) -> None:
    model = genmodels.load("mnist_cgan_conv")
    first, second = (preview.samples_of_seeds(model, [5], [label]) for label in (0, 4))
    assert first is not None
    assert second is not None
    for label, expected in ((None, first), (0, first), ("", first), (4, second)):
        answer = client.predict("mnist_cgan_conv", 5, 1, label, "", api_name="/sample")
        assert np.array_equal(pixels(answer), sheet(expected, 1)), label
    images = preview.samples_of_seeds(genmodels.load("mnist_vae_20", 100), [0])
    assert images is not None
    assert np.array_equal(pixels(client.predict("mnist_vae_20", step=100, api_name="/sample")), sheet(images, 1))


def test_decoded_interpolated_and_combined_vectors(client: Client) -> None:
    model = genmodels.load("mnist_gan")
    a, b = latent.z_of_seeds([14, 7], 100)
    with torch.inference_mode():
        decoded = sheet(model.decode(a[None]), 1)
        spherical = sheet(model.decode(torch.stack([latent.slerp(a, b, i / 4) for i in range(5)])), 5)
        linear = sheet(model.decode(torch.stack([latent.lerp(a, b, i / 11) for i in range(12)])), 12)
        combined = sheet(model.decode(combine("s14 - s7 + 0.5*s3", 100).z()[None]), 1)
    assert np.array_equal(pixels(client.predict("mnist_gan", a.tolist(), api_name="/decode")), decoded)
    assert np.array_equal(pixels(client.predict("mnist_gan", 14, 7, steps=5, api_name="/interpolate")), spherical)
    assert np.array_equal(pixels(client.predict("mnist_gan", 14, 7, way="lerp", api_name="/interpolate")), linear)
    assert np.array_equal(pixels(client.predict("mnist_gan", "s14 - s7 + 0.5*s3", api_name="/arithmetic")), combined)


def test_a_conditional_grid_has_a_column_per_class(client: Client) -> None:
    images = preview.samples_of_seeds(genmodels.load("mnist_cgan_conv"), range(2, 22), range(10))
    assert images is not None
    answer = client.predict("mnist_cgan_conv", seed=2, rows=2, api_name="/conditional")
    assert np.array_equal(pixels(answer), sheet(images, 10))


def test_a_digit_is_classified_and_reconstructed(client: Client, digit_file: Any) -> None:
    with torch.inference_mode():
        probabilities = genmodels.load("mnist_judge").classify(digit()).softmax(1)[0]
        vae = genmodels.load("mnist_vae_20")
        reconstruction = sheet(vae.decode(vae.encode(digit())), 1)
    answer = client.predict(digit_file, api_name="/classify")
    assert list(answer) == [str(index) for index in range(10)]
    assert list(answer.values()) == pytest.approx(probabilities.tolist(), abs=1e-6)
    assert max(answer, key=answer.__getitem__) == "7"
    assert np.array_equal(pixels(client.predict(digit_file, "mnist_vae_20", api_name="/reconstruct")), reconstruction)


def test_a_photograph_is_classified_by_the_names_of_the_classes(client: Client, photograph: Path) -> None:
    answer = client.predict(handle_file(str(photograph)), "horse2zebra_judge", api_name="/classify")
    assert list(answer) == ["horse", "zebra"]
    assert sum(answer.values()) == pytest.approx(1, abs=1e-5)


def test_a_photograph_is_translated_and_stylised(client: Client, photograph: Path) -> None:
    file = ImageFile("dahlia.png", photograph.read_bytes())
    translation = TranslationRequest(model="flowers_projected_128", direction="b_to_a")
    style = StylizeRequest(model="fast_style_the_scream")
    expected = {"/translate": translate.png(translation, file), "/stylize": stylize.png(style, file)}
    sent = handle_file(str(photograph))
    answers = {
        "/translate": client.predict(sent, "flowers_projected_128", "b_to_a", api_name="/translate"),
        "/stylize": client.predict(sent, "fast_style_the_scream", api_name="/stylize"),
    }
    for name, answer in answers.items():
        with Image.open(io.BytesIO(expected[name])) as image:
            difference = np.abs(pixels(answer).astype(int) - np.asarray(image))
        # Each process uses bfloat16 for these networks if it has measured that it is faster.
        assert difference.mean() < 0.7, name
        assert difference.max() < 12, name


def test_a_digit_is_completed_while_the_client_watches(client: Client, digit_file: Any) -> None:
    model = genmodels.load("mnist_pixelcnn")
    known = torch.arange(28)[:, None].expand(28, 28) < 14
    with torch.inference_mode():
        *_, canvas = model.complete(model.to_levels(digit()), known, generator=[generator_of(5)])
    job = client.submit(digit_file, 14, 5, api_name="/complete")
    answer = pixels(job.result())
    assert np.array_equal(answer, sheet(canvas.float(), 1))
    assert np.array_equal(pixels(client.predict(digit_file, 14, 5, api_name="/complete")), answer)
    assert len(job.outputs()) == 7, "a preview after every two rows"


def test_a_spoken_digit_is_a_wav_and_its_progress_is_reported(client: Client) -> None:
    job = client.submit("7", "theo", seed=2, api_name="/speak")
    raw = Path(job.result(timeout=170)).read_bytes()
    assert raw[:4] == b"RIFF"
    assert raw[8:12] == b"WAVE"
    seconds = speak.default_request("fsdd_wavenet").seconds
    request = speak.SpeakRequest(model="fsdd_wavenet", label="7", speaker="theo", seed=2, seconds=seconds)
    generation = speak.generate(request)
    generation.wait(120)
    assert raw == generation.sound.wav
    samples = audio_files.decode(raw, 8_000)
    assert np.abs(samples).max() > 0.02
