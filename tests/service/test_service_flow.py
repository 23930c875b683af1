"""Requests of the flow page against the model's own flow: films, solvers, encoded images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from genmodels import latent, service
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.runs import catalog
from genmodels.service import flow
from genmodels.service.flow import FlowRequest, encoding, solvers
from genmodels.service.flow.encoding import EncodeRequest
from genmodels.service.flow.solvers import SolverRequest
from genmodels.service.paint import inputs
from tests.support.flows import assert_near, grey, pictures, save_flow
from tests.support.runs import save_run


@pytest.fixture
def runs(only_judge: Path, own_folders: Path) -> Path:
    """Untrained flows, and a model without one, beside the published reference classifier."""
    save_flow(own_folders, "flow")
    save_flow(own_folders, "plain", "data.size=null", recipe="flowers_flow_64")
    save_flow(own_folders, "kept", "model.condition_dropout=0", "model.guidance=1")
    save_flow(own_folders, "few", "train.initial_weights=null", recipe="mnist_flow_few_steps")
    save_run(own_folders, "vae", "mnist_vae_2d", "data.name=digits")
    return own_folders


def test_only_flows_are_listed(runs: Path) -> None:
    assert [info.name for info in flow.checkpoints()] == ["few", "flow", "kept", "plain"]
    assert flow.config_of("flow").guidable
    assert not flow.config_of("kept").guidable
    with pytest.raises(CapabilityError, match="vae integrates no flow"):
        flow.config_of("vae")
    with pytest.raises(CapabilityError, match="vae integrates no flow"):
        flow.film(FlowRequest(model="vae"))


def test_a_film_begins_with_the_noise_and_ends_with_the_images(runs: Path) -> None:
    request = FlowRequest(model="flow", seed=4, count=2, guidance=2.0, steps=3, solver="euler")
    film = flow.film(request)
    assert film.times == (0.0, 1 / 3, 2 / 3, 1.0)
    assert film.labels == (0, 1), "the classes in turn"
    shown = pictures(film.png, columns=4, rows=4)
    z = latent.z_of_seeds([4, 5], 784)
    assert_near(shown[0::2, 0], grey(z))
    model: Any = catalog.load("flow")
    condition = {"label": torch.tensor([0, 1])}
    *_, end = model.flow(z.view(2, 1, 28, 28), condition=condition, steps=3, solver="euler", guidance=2.0)
    assert_near(shown[0::2, 3], grey(end), most=16)
    # One Euler step from the beginning arrives where the velocity there points to.
    *_, first = model.flow(z.view(2, 1, 28, 28), condition=condition, steps=1, solver="euler", guidance=2.0)
    assert_near(shown[1::2, 0], grey(first), most=16)
    assert_near(shown[1::2, 3], shown[0::2, 3])
    assert film.predictions is not None
    assert len(film.predictions) == 2


def test_a_long_film_shows_some_of_its_steps(runs: Path) -> None:
    request = FlowRequest(model="plain", count=1, steps=50, solver="euler")
    film = flow.film(request)
    assert film.labels is None
    assert len(film.times) == flow.MAX_FRAMES
    assert film.times[::25] == (0.0, 1.0)
    strip, times = flow.strip_png(request, 5)
    assert times[0] == 0
    assert times[-1] == 1
    whole, part = pictures(film.png, 26, 2), pictures(strip, 5, 2)
    assert torch.equal(part[:, 0], whole[:, 0])
    assert torch.equal(part[:, -1], whole[:, -1])


def test_files_of_a_film(runs: Path) -> None:
    request = FlowRequest(model="flow", count=2, steps=3, guidance=1.5)
    png, gif = Image.open(io.BytesIO(flow.film_png(request))), Image.open(io.BytesIO(flow.film_gif(request, side=28)))
    assert png.width == pytest.approx(png.height, rel=0.05), "four times in columns, two images with their ends"
    assert (gif.n_frames, gif.info["loop"]) == (4, 0)


def test_solvers_come_near_the_reference(runs: Path) -> None:
    comparison = solvers.compare(SolverRequest(model="flow", label=3, guidance=1.5))
    found = {(one.solver, one.steps): one for one in comparison.solutions}
    assert [one.evaluations for one in comparison.solutions[:6]] == list(solvers.STEPS)
    assert (found["midpoint", 8].evaluations, found["heun", 8].evaluations) == (16, 15)
    for solver in flow.SOLVERS:
        assert found[solver, 50].error < found[solver, 4].error / 4
        assert found[solver, 50].seconds > 0
    assert found["midpoint", 50].error < found["euler", 50].error / 4
    model: Any = catalog.load("flow")
    z = latent.z_of_seeds([0], 784).view(1, 1, 28, 28)
    *_, end = model.flow(z, condition={"label": torch.tensor([3])}, steps=4, solver="midpoint", guidance=1.5)
    assert_near(pictures(comparison.png, 6, 3)[1, 2], grey(end)[0])
    assert Image.open(io.BytesIO(solvers.compare_png(SolverRequest(model="flow", label=3)))).width > 500


def test_an_image_is_encoded_and_decoded_as_every_class(runs: Path) -> None:
    image = inputs.test_image("flow", 3).pixels
    few = encoding.encode(EncodeRequest(model="flow", label=4, steps=2, guidance=1.5), image)
    many = encoding.encode(EncodeRequest(model="flow", label=4, steps=40, guidance=1.5), image)
    assert many.cycle_error < 1e-3 < few.cycle_error
    assert many.expected_norm == pytest.approx(28)
    assert many.count == 10
    model: Any = catalog.load("flow")
    condition = {"label": torch.tensor([4])}
    settings: dict[str, Any] = {"steps": 40, "solver": "heun"}
    *_, noise = model.flow(image, condition=condition, start=1.0, end=0.0, guidance=1.0, **settings)
    assert many.norm == pytest.approx(float(noise.norm()), rel=1e-4)
    *_, seven = model.flow(noise, condition={"label": torch.tensor([7])}, guidance=1.5, **settings)
    assert_near(pictures(many.sheet, 10, 1)[0, 7], grey(seven)[0])
    png = encoding.classes_png(EncodeRequest(model="flow", steps=2), image)
    assert Image.open(io.BytesIO(png)).width > 900


def test_an_unconditional_flow_encodes_too(runs: Path) -> None:
    image = inputs.test_image("plain", 3).pixels
    encoded = encoding.encode(EncodeRequest(model="plain", steps=40), image)
    assert encoded.cycle_error < 1e-3
    assert (encoded.count, encoded.sheet, encoded.predictions) == (0, b"", None)


@pytest.mark.parametrize(
    ("values", "named"),
    [({"steps": 51}, "steps"), ({"steps": 0}, "steps"), ({"guidance": -1}, "guidance"), ({"solver": "rk4"}, "solver"),
     ({"count": 9}, "count"), ({"seed": "x"}, "seed")],
)  # fmt: skip
def test_a_request_out_of_bounds_is_refused_by_name(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        FlowRequest.parse({"model": "flow", **values})


def test_what_a_model_cannot_do_is_refused(runs: Path) -> None:
    with pytest.raises(ConfigError, match=r"label = 10 is not allowed: .* 10 classes, 0 to 9"):
        flow.film(FlowRequest(model="flow", label=10))
    with pytest.raises(CapabilityError, match="unconditional"):
        flow.film(FlowRequest(model="plain", label=1))
    for refused in (
        lambda: flow.film(FlowRequest(model="kept", guidance=2)),
        lambda: solvers.compare(SolverRequest(model="plain", guidance=2)),
        lambda: encoding.encode(EncodeRequest(model="kept", guidance=2), inputs.test_image("kept", 0).pixels),
    ):
        with pytest.raises(ConfigError, match="guidance = 2 is not allowed"):
            refused()
    with pytest.raises(DataError, match="pictures of 1 x 28 x 28"):
        encoding.encode(EncodeRequest(model="flow"), torch.zeros(1, 3, 28, 28))


def test_the_explorer_moves_z_towards_other_noise_and_keeps_its_norm(runs: Path) -> None:
    image = service.render(service.Point(model="flow", axes="seeds", offsets=(0.0, 3.0), label=2), judged=False)
    directions = latent.seed_directions(784, 10, 3.0)
    assert torch.allclose(3 * directions.norm(dim=1), torch.tensor(28.0))
    base = latent.z_of_seed(0, 784)
    moved = base + 3 * directions[1]
    z = (moved * base.norm() / moved.norm())[None]
    model: Any = catalog.load("flow")
    assert_near(pictures(image.png, 1, 1)[0], grey(model.decode(z, condition={"label": torch.tensor([2])})), most=16)
    assert not torch.allclose(z[0], base, atol=0.1)
    assert service.axes_count("flow", None, "seeds") == service.MAX_AXES


def test_a_mean_flow_steps_by_its_average_velocity_and_compares_it_with_solvers(runs: Path) -> None:
    model: Any = catalog.load("few")
    z, condition = latent.z_of_seeds([7], 784).view(1, 1, 28, 28), {"label": torch.tensor([3])}
    u = model.average_velocity(z, 0.0, 1.0, torch.eye(10)[3:4])
    comparison = solvers.compare(SolverRequest(model="few", seed=7, label=3))
    found = [(one.solver, one.steps, one.evaluations) for one in comparison.solutions]
    assert found[:6] == [("average", steps, steps) for steps in solvers.STEPS]
    assert [solver for solver, *_ in found[6::6]] == list(flow.SOLVERS)
    sheet = pictures(comparison.png, 6, 4)
    assert_near(sheet[0, 0], grey(z + u)[0])
    *_, euler = model.flow(z, condition=condition, steps=1, solver="euler")
    assert_near(sheet[1, 0], grey(euler)[0])
    film = flow.film(FlowRequest(model="few", seed=7, count=1, label=3, steps=2, solver="average"))
    assert_near(pictures(film.png, 3, 2)[1, 0], grey(z + u)[0], most=16)


def test_a_mean_flow_encodes_by_its_velocity_and_decodes_by_its_average(runs: Path) -> None:
    image = inputs.test_image("few", 3).pixels
    encoded = encoding.encode(EncodeRequest(model="few", label=4, steps=1, solver="average"), image)
    model: Any = catalog.load("few")
    condition = {"label": torch.tensor([4])}
    *_, z = model.flow(image, condition=condition, start=1.0, end=0.0, steps=encoding.ENCODING_STEPS, solver="heun")
    *_, again = model.flow(z, condition=condition, steps=1)
    assert encoded.norm == pytest.approx(float(z.norm()), rel=1e-4)
    assert encoded.cycle_error == pytest.approx(float((again.clamp(-1, 1) - image).abs().mean()), abs=1e-4)


def test_what_a_mean_flow_learned_cannot_be_chosen(runs: Path) -> None:
    config = flow.config_of("few")
    assert (config.guidable, config.guidance, config.trained_guidance) == (False, 1.0, 1.5)
    with pytest.raises(ConfigError, match=r"guidance = 2 .* few: it learned the velocity of guidance scale 1\.5"):
        flow.film(FlowRequest(model="few", guidance=2.0))
    with pytest.raises(ConfigError, match="solver = 'average' is not allowed for flow; choose euler, midpoint, heun"):
        flow.film(FlowRequest(model="flow", solver="average"))
    with pytest.raises(ConfigError, match="solver = 'average' is not allowed for flow"):
        encoding.encode(EncodeRequest(model="flow", solver="average"), inputs.test_image("flow", 3).pixels)
