"""A seed is any integer, taken modulo 2^64, wherever one is given; the seeds used so far keep their images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from genmodels import latent, seeding, service
from genmodels.config import TrainConfig
from genmodels.evaluation.activation_maximisation import AscentSettings
from genmodels.images import preview
from genmodels.service import Point, compare, conditional, paint, speak
from genmodels.service.manifold import denoise
from genmodels.service.seeds import SeedsRequest
from tests.support.command_line import run
from tests.support.pages import open_page
from tests.support.runs import save_run

BEYOND = 2**64


@pytest.fixture
def vae(own_folders: Path) -> Path:
    save_run(own_folders, "vae", "mnist_vae_20", "data.name=digits")
    return own_folders


@pytest.mark.parametrize("seed", [0, 7, 999_999, 2**53, 2**63 - 2, 2**64 - 1])
def test_seeds_up_to_two_to_the_sixty_four_are_those_of_torch(seed: int) -> None:
    expected = torch.randn(4, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(latent.z_of_seed(seed, 4), expected)
    for equal in (seed + BEYOND, seed - BEYOND, seed + 3 * BEYOND):
        assert torch.equal(latent.z_of_seed(equal, 4), expected)


def test_a_negative_seed_counts_from_the_end() -> None:
    assert torch.equal(latent.z_of_seed(-1, 4), latent.z_of_seed(BEYOND - 1, 4))
    assert not torch.equal(latent.z_of_seed(-1, 4), latent.z_of_seed(1, 4))


@pytest.mark.parametrize("seed", [-1, 2**63, BEYOND, -(10**40)])
def test_every_request_takes_any_integer(seed: int) -> None:
    for kind in (
        Point,
        compare.ColumnRequest,
        conditional.ConditionalRequest,
        paint.PaintRequest,
        speak.SpeakRequest,
        denoise.Noise,
        AscentSettings,
    ):
        required = {"model": "vae"} if "model" in kind.model_fields else {}
        assert kind.parse({**required, "seed": seed}).seed == seed
    assert SeedsRequest.parse({"model": "vae", "seeds": (seed, 1)}).seeds == (seed, 1)
    assert TrainConfig.parse({"max_steps": 1, "seed": seed}).seed == seed


def test_equal_seeds_give_equal_images(vae: Path) -> None:
    assert service.render(Point(model="vae", seed=BEYOND + 5)).png == service.render(Point(model="vae", seed=5)).png
    assert service.render(Point(model="vae", seed=-3)).png == service.render(Point(model="vae", seed=BEYOND - 3)).png
    column, row = (-3) % 100, -3 // 100
    on_plane = Point(model="vae", plane=(float(column), float(row)))
    assert service.render(on_plane).png == service.render(Point(model="vae", seed=-3)).png


@pytest.mark.parametrize("family", ["gan", "pixelcnn"])
def test_seeds_after_the_largest_one_continue_at_zero(family: str) -> None:
    from tests.conftest import small_model

    model = small_model(family).eval()
    there = preview.samples_of_seeds(model, [BEYOND - 1, BEYOND, BEYOND + 1])
    here = preview.samples_of_seeds(model, [-1, 0, 1])
    assert there is not None
    assert here is not None
    assert torch.equal(there, here)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("sample", "mnist_pixelcnn_binary", "-n", "1", "--out", "{}.png"),
        ("sample", "mnist_vae_20", "-n", "2", "--out", "{}.png"),
        ("speak", "fsdd_wavenet", "{}.wav", "--seconds", "0.1"),
    ],
)
def test_the_command_line_takes_any_integer(words: tuple[str, ...], tmp_path: Path) -> None:
    written = []
    for seed in (1, 1 + BEYOND):
        done = run(*(word.format(tmp_path / str(seed)) for word in words), "--seed", str(seed))
        assert done.returncode == 0, done.stderr
        written.append(next(tmp_path.glob(f"{seed}.*")).read_bytes())
    assert written[0] == written[1]


def test_a_page_takes_the_integers_that_a_browser_holds(vae: Path) -> None:
    app = open_page("latent", model="vae")
    for seed in (-12, seeding.MAX_PAGE_SEED, seeding.MIN_PAGE_SEED):
        app.number_input(key="latent_seed").set_value(seed).run()
        assert not app.exception
        assert not app.error
        assert app.number_input(key="latent_seed").value == seed
