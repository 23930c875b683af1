"""The service layer: bounded requests, the same pixels each time, one thread."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from PIL import Image

from genmodels import latent, service
from genmodels.errors import ConfigError, GenmodelsError, UnknownNameError
from genmodels.runs import catalog, checkpoint
from genmodels.runs.folder import RunFolder
from genmodels.service import Point
from tests.support.runs import pixels, save_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    save_run(tmp_path, "vae", "mnist_vae_20", "data.name=digits")
    save_run(tmp_path, "gan", "mnist_gan", "data.name=digits")
    save_run(tmp_path, "constant", "pattern_1010_gan")
    return tmp_path


def test_a_point_follows_its_formula(runs: Path) -> None:
    drawn = service.render(Point(model="vae", seed=3, truncation=0.7, offsets=(1.0, -2.0)))
    z = 0.7 * latent.z_of_seed(3, 20)
    z[0] += 1.0
    z[1] -= 2.0
    expected = catalog.load("vae").decode(z.unsqueeze(0))
    found = torch.tensor(list(pixels(drawn.png))).view(1, 1, 28, 28)
    assert (drawn.width, drawn.height) == (28, 28)
    assert torch.equal(found, expected.add(1).mul(127.5).round().long())


def test_each_field_of_a_point_changes_the_image(runs: Path) -> None:
    points = [
        Point(model="vae"),
        Point(model="vae", seed=1),
        Point(model="vae", step=0),
        Point(model="vae", truncation=0.5),
        Point(model="vae", offsets=(2.0,)),
        Point(model="vae", axes="principal", offsets=(2.0,)),
        Point(model="vae", plane=(0.5, 0.5)),
    ]
    pictures = [pixels(service.render(point).png) for point in points]
    assert len(set(pictures)) == len(points)
    assert [pixels(service.render(point).png) for point in points] == pictures


def test_integer_points_of_the_seed_plane_are_the_seeds(runs: Path) -> None:
    on_plane = service.render(Point(model="gan", plane=(4.0, 2.0)))
    assert on_plane.png == service.render(Point(model="gan", seed=204)).png


def test_a_rewritten_step_is_loaded_again(runs: Path) -> None:
    before = service.render(Point(model="vae", step=10)).png
    torch.manual_seed(99)
    folder = RunFolder(runs / "vae")
    checkpoint.save(folder, 10, checkpoint.build(folder.config()["spec"]))
    assert service.render(Point(model="vae", step=10)).png != before


def test_a_constant_generator_renders_but_does_not_walk(runs: Path) -> None:
    assert service.render(Point(model="constant")).width == 4
    assert service.axes_count("constant", None, "first") == 0
    with pytest.raises(GenmodelsError, match="nowhere to walk"):
        service.walk_gif(service.walk_of_seeds(Point(model="constant")))


def test_a_walk_visits_its_points_and_returns(runs: Path) -> None:
    points = [Point(model="vae", seed=seed) for seed in (5, 9)]
    gif = Image.open(io.BytesIO(service.walk_gif(points, frames=4, side=28)))
    assert gif.n_frames == 8
    for index, point in ((0, points[0]), (4, points[1])):
        gif.seek(index)
        assert gif.convert("L").tobytes() == pixels(service.render(point).png)
    assert gif.info["loop"] == 0


def test_a_thumbnail_has_one_image_per_seed(runs: Path) -> None:
    drawn = service.thumbnail("vae", columns=3, rows=2)
    assert drawn is not None
    image = Image.open(io.BytesIO(drawn))
    assert image.width > image.height


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"truncation": 2.0}, "truncation"),
        ({"seed": 1.5}, "seed"),
        ({"offsets": (4.0,)}, "offsets"),
        ({"offsets": (0.0,) * 11}, "offsets"),
        ({"plane": (1e16, 0.0)}, "plane"),
        ({"axes": "sideways"}, "axes"),
    ],
)
def test_a_request_out_of_bounds_is_refused_by_name(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Point.parse({"model": "vae", **values})


@pytest.mark.parametrize("name", ["nobody", "../vae", "/etc", ".hidden"])
def test_only_known_names_are_opened(runs: Path, name: str) -> None:
    with pytest.raises(UnknownNameError):
        service.render(Point(model=name))


def test_many_sessions_share_one_thread(runs: Path) -> None:
    def ask(seed: int) -> bytes:
        return service.render(Point(model="vae", seed=seed % 5)).png

    alone = [ask(seed) for seed in range(5)]
    with ThreadPoolExecutor(16) as sessions:
        together = list(sessions.map(ask, range(60)))
    assert together == [alone[seed % 5] for seed in range(60)]
    assert sum(thread.name.startswith("inference") for thread in threading.enumerate()) == 1
