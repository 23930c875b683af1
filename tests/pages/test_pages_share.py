"""What the Share button offers: the program that computes the view, and a link that a Space passes on."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st

from genmodels import service
from genmodels.service import Point, compare, conditional, flow, manifold, seeds
from genmodels.service.compare import ColumnRequest
from genmodels.service.conditional import ConditionalRequest
from genmodels.service.flow import FlowRequest, solvers
from genmodels.service.flow.solvers import SolverRequest
from genmodels.service.manifold import Place, Plane
from genmodels.service.seeds import SeedsRequest
from pages.components import share
from pages.parts.latent import link
from tests.support.pages import open_page
from tests.support.runs import SMALL_CGAN, SMALL_FLOW, save_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small run of each kind."""
    root = tmp_path_factory.mktemp("share")
    save_run(root, "vae", "mnist_vae_20", "data.name=digits")
    save_run(root, "plane", "mnist_vae_2d", "data.name=digits")
    save_run(root, "cgan", "mnist_cgan_embedding", *SMALL_CGAN)
    save_run(root, "flow", "mnist_flow", *SMALL_FLOW)
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
