"""What the Share button offers: the program that computes the view, and a link that a Space passes on."""

from __future__ import annotations

import runpy
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from torch import Tensor

from genmodels import service
from genmodels.__main__ import app
from genmodels.service import (
    Point,
    classify,
    compare,
    conditional,
    flow,
    manifold,
    paint,
    seeds,
    speak,
    stylize,
    translate,
)
from genmodels.service.compare import ColumnRequest
from genmodels.service.conditional import ConditionalRequest
from genmodels.service.flow import FlowRequest, solvers
from genmodels.service.flow.solvers import SolverRequest
from genmodels.service.large_images import ImageFile
from genmodels.service.manifold import Place, Plane
from genmodels.service.paint import PaintRequest, files, inputs, receptive_field
from genmodels.service.paint.receptive_field import ReceptiveFieldRequest
from genmodels.service.paint.surprise import surprise
from genmodels.service.seeds import SeedsRequest
from genmodels.service.speak import SpeakRequest
from genmodels.service.stylize import StylizeRequest
from genmodels.service.translate import TranslationRequest
from genmodels.service.translate.inputs import test_image as image_of_test_set
from pages.components import assets, share
from pages.parts.classify import predictions
from pages.parts.latent import link
from tests.support.browser import ROOT
from tests.support.pages import open_page
from tests.support.painting import GATED
from tests.support.runs import SMALL_CGAN, SMALL_FLOW, save_run
from tests.support.speech import SMALL as WAVENET
from tests.support.stylizing import save_networks
from tests.support.translation import SMALL as CYCLEGAN
from tests.support.translation import save_flowers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small run of each kind."""
    root = tmp_path_factory.mktemp("share") / "runs"
    data = root.parent / "data"
    save_run(root, "vae", "mnist_vae_20", "data.name=digits")
    save_run(root, "plane", "mnist_vae_2d", "data.name=digits")
    save_run(root, "cgan", "mnist_cgan_embedding", *SMALL_CGAN)
    save_run(root, "flow", "mnist_flow", *SMALL_FLOW)
    grey = ("data.name=digits2inverted", "data.size=null", "model.flip=false")
    save_run(root, "grey", "flowers_cyclegan", *CYCLEGAN, *grey)
    save_run(root, "painter", "mnist_gated_pixelcnn", *GATED, "model.levels=16")
    save_run(root, "voice", "tones_wavenet", *WAVENET, "model.condition_dropout=0.2", "model.parts=4")
    for name in ("digits", "others"):
        save_run(root, name, "mnist_mlp_combined", "data.name=digits", "model.hidden_sizes=[4]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENMODELS_DATA", str(data))
        save_networks(root.parent, "style")
        save_flowers(data)
        save_run(root, "colour", "flowers_cyclegan", *CYCLEGAN, "data.size=32")
    return root


# For each page, an address and the picture it stands for, from requests written out here.
VIEWS: dict[str, tuple[str, dict[str, str], Callable[[], bytes]]] = {
    "latent": (
        "latent",
        {"model": "vae", "step": "10", "seed": "7", "z": "0.5_-1.25", "truncation": "0.8"},
        lambda: service.render_enlarged(Point(model="vae", step=10, seed=7, truncation=0.8, offsets=(0.5, -1.25))),
    ),
    "latent, conditional": (
        "latent",
        {"model": "cgan", "step": "0", "class": "3", "plane": "3.5_2", "z": "0_1"},
        lambda: service.render_enlarged(
            Point(model="cgan", step=0, plane=(3.5, 2), axes="principal", offsets=(0, 1), label=3)
        ),
    ),
    "seeds": (
        "seeds",
        {"model": "cgan", "seeds": "4,9,2", "class": "3", "norm": "1", "pair": "2"},
        lambda: seeds.interpolations_png(SeedsRequest(model="cgan", seeds=(4, 9, 2), renormalise=True, label=3), 1),
    ),
    "conditional": (
        "conditional",
        {"model": "cgan", "step": "0", "seed": "12"},
        lambda: conditional.every_class_png(ConditionalRequest(model="cgan", step=0, seed=12)),
    ),
    "manifold, grid": (
        "manifold",
        {"part": "grid", "model": "plane", "step": "0", "spacing": "quantiles"},
        lambda: manifold.grid_png(Plane(model="plane", step=0), "quantiles"),
    ),
    "manifold, map": (
        "manifold",
        {"part": "map", "model": "plane", "step": "10", "z": "0.5_-1.25"},
        lambda: manifold.decode(Place(model="plane", step=10, z=(0.5, -1.25))).png,
    ),
    "compare": (
        "compare",
        {"models": "vae,cgan@0", "seed": "7"},
        lambda: compare.comparison_png(
            [ColumnRequest(model="vae", step=10, seed=7), ColumnRequest(model="cgan", step=0, seed=7)]
        ),
    ),
    "flow": (
        "flow",
        {"model": "flow", "step": "0", "seed": "7", "class": "3", "guidance": "2.5", "steps": "3", "solver": "euler",
         "count": "2"},
        lambda: flow.film_png(
            FlowRequest(model="flow", step=0, seed=7, label=3, guidance=2.5, steps=3, solver="euler", count=2)
        ),
    ),
    "flow, solvers": (
        "flow",
        {"part": "solvers", "model": "flow", "step": "0", "seed": "7", "class": "3", "guidance": "2.5"},
        lambda: solvers.compare_png(SolverRequest(model="flow", step=0, seed=7, label=3, guidance=2.5)),
    ),
}  # fmt: skip


def asset(file: str) -> ImageFile:
    return ImageFile(file, assets.asset(file).read())


def paintings(request: PaintRequest, image: Tensor | None = None, known_rows: int = 0) -> bytes:
    painting = paint.begin(request, image, known_rows)
    for _ in range(known_rows, painting.height):
        paint.advance(painting)
    return files.grid_png(painting.canvas)


def recording(request: SpeakRequest) -> bytes:
    generation = speak.generate(request)
    generation.wait(60)
    return generation.sound.wav


# The same for pages whose result depends on an input.
INPUTS: dict[str, tuple[str, dict[str, str], Callable[[], bytes]]] = {
    "paint": (
        "paint",
        {"model": "painter", "step": "0", "seed": "12", "class": "3", "count": "2", "temperature": "0.6",
         "levels": "5"},
        lambda: paintings(
            PaintRequest(model="painter", step=0, seed=12, count=2, label=3, temperature=0.6, top_k=5)
        ),
    ),
    "paint, complete": (
        "paint",
        {"part": "complete", "model": "painter", "seed": "4", "count": "1", "image": "3", "rows": "26",
         "condition": "5"},
        lambda: paintings(
            PaintRequest(model="painter", step=10, seed=4, count=1, label=5),
            inputs.test_image("painter", 3).pixels,
            26,
        ),
    ),
    "paint, field": (
        "paint",
        {"part": "field", "model": "painter", "kernel": "5", "layers": "4", "at": "3_4"},
        lambda: receptive_field.receptive_fields(
            ReceptiveFieldRequest(model="painter", step=10, row=2, column=3, kernel_size=5, layers=4)
        ).png,
    ),
    "paint, surprise": (
        "paint",
        {"part": "surprise", "model": "painter", "image": "3", "condition": "5"},
        lambda: surprise(PaintRequest(model="painter", step=10, count=1, label=5), inputs.test_image("painter", 3)).png,
    ),
    "speak": (
        "speak",
        {"model": "voice", "step": "0", "say": "falling", "speaker": "reed", "seed": "18", "seconds": "0.1",
         "temperature": "0.7", "top_k": "8", "guidance": "2", "tempo": "1.5"},
        lambda: recording(
            SpeakRequest(model="voice", step=0, label="falling", speaker="reed", seed=18, seconds=0.1,
                         temperature=0.7, top_k=8, guidance=2, tempo=1.5)
        ),
    ),
    "translate": (
        "translate",
        {"model": "colour", "step": "0", "image": "astronaut", "direction": "b_to_a", "detail": "2"},
        lambda: translate.png(
            TranslationRequest(model="colour", step=0, direction="b_to_a", detail=2), asset("astronaut.jpg")
        ),
    ),
    "translate, test image": (
        "translate",
        {"model": "grey", "image": "3"},
        lambda: translate.png(TranslationRequest(model="grey", step=10), image_of_test_set("grey", 0, 3)),
    ),
    "stylize": (
        "stylize",
        {"model": "style", "image": "astronaut", "size": "256"},
        lambda: stylize.png(StylizeRequest(model="style", step=10, longest=256), asset("astronaut.jpg")),
    ),
}  # fmt: skip
WITHOUT_COMMAND = ("paint, field", "paint, surprise", "translate, test image")


@pytest.mark.parametrize("name", VIEWS)
def test_the_program_of_a_view_writes_its_picture(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(folder))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "none"))
    page, query, picture = VIEWS[name]
    program = open_page(page, **query).session_state["share_code"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(program)
    runpy.run_path("program.py")
    (file,) = tmp_path.glob("*.png")
    assert file.read_bytes() == picture()


@pytest.mark.parametrize("name", INPUTS)
def test_program_and_command_of_a_view_write_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(folder))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "none"))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    page, query, result = INPUTS[name]
    state = open_page(page, **query).session_state
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pages").symlink_to(ROOT / "pages")  # both name bundled files as from the repository's folder
    (tmp_path / "program.py").write_text(state["share_code"])
    runpy.run_path("program.py")
    (file,) = [path for kind in ("png", "wav") for path in tmp_path.glob(f"*.{kind}")]
    assert file.read_bytes() == result()
    assert ("share_command" in state) == (name not in WITHOUT_COMMAND)
    if "share_command" in state:
        file.unlink()
        python, dash_m, package, *words = shlex.split(state["share_command"])
        assert (python, dash_m, package) == ("python", "-m", "genmodels")
        app(words, standalone_mode=False)
        assert file.read_bytes() == result()


def test_program_and_command_of_a_digit_print_its_predictions(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(folder))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    outputs = []
    for query, ink in (({"digit": "12"}, None), ({}, predictions._example())):
        page = open_page("classify", models="digits,others", **query)
        expected = classify.classify(("digits", "others"), ink=ink, index=12)
        capsys.readouterr()
        (tmp_path / "program.py").write_text(page.session_state["share_code"])
        runpy.run_path("program.py")
        outputs.append(capsys.readouterr().out)
        for line, one in zip(outputs[-1].splitlines()[1:], expected.predictions, strict=True):
            name, top, *values = line.split()
            assert (name, int(top)) == (one.name, one.top)
            assert values == [f"{value:.3f}" for value in one.probabilities]
    assert outputs[0] != outputs[1]
    page = open_page("classify", models="digits,others", digit="12")
    capsys.readouterr()
    app(shlex.split(page.session_state["share_command"])[3:], standalone_mode=False)
    assert capsys.readouterr().out == outputs[0]


def test_the_program_leaves_out_what_is_not_set() -> None:
    def program(*offsets: float) -> str:
        point = link.trimmed(Point(model="vae", offsets=offsets))
        return share.program(service.render_enlarged, point, file="vae.png")

    assert "Point(model='vae', offsets=(0.0, 0.5))" in program(0, 0.5, 0)
    assert "Point(model='vae')" in program(0, 0)


def test_a_link_on_a_space_names_the_page_in_its_query(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {"model": "mnist_vae_20", "z": "0.5_-1", "__theme": "dark"}
    monkeypatch.setattr(st, "query_params", _Parameters(parameters))
    monkeypatch.setenv("SPACE_ID", "someone/studio")
    expected = "https://huggingface.co/spaces/someone/studio"
    assert share.address_of("latent") == f"{expected}?page=latent&model=mnist_vae_20&z=0.5_-1"
    monkeypatch.setattr(st, "query_params", _Parameters({}))
    assert share.address_of("gallery") == expected


class _Parameters(dict[str, str]):
    def to_dict(self) -> dict[str, str]:
        return dict(self)
