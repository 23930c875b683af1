"""What the Share button offers: the code that computes the view, and a link that a Space passes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st

from genmodels import service
from genmodels.service import Point
from pages.components import share
from pages.parts.latent import link
from tests.support.pages import open_page
from tests.support.runs import SMALL_CGAN, save_run


@pytest.mark.parametrize(
    "query",
    [
        {"model": "vae", "seed": "7", "z": "0.5_-1.25", "truncation": "0.8"},
        {"model": "cgan", "class": "3", "plane": "3.5_2", "z": "0_1", "axes": "principal"},
    ],
)
def test_the_code_of_the_latent_explorer_computes_its_picture(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    save_run(runs, "vae", "mnist_vae_20", "data.name=digits")
    save_run(runs, "cgan", "mnist_cgan_embedding", *SMALL_CGAN)
    app = open_page("latent", **query)
    program = app.session_state["share_code"]
    picture = tmp_path / f"{query['model']}.png"
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "program", "exec"), {})
    offsets = tuple(float(number) for number in query["z"].split("_"))
    point = Point.parse(
        {
            "model": query["model"],
            "step": 10,
            "seed": int(query.get("seed", 0)),
            "plane": (3.5, 2) if "plane" in query else None,
            "truncation": float(query.get("truncation", 1)),
            "axes": query.get("axes", "first"),
            "offsets": offsets,
            "label": 3 if "class" in query else None,
        }
    )
    assert picture.read_bytes() == service.render_enlarged(point)


def test_the_program_leaves_out_what_is_not_set() -> None:
    program = link.program(Point(model="vae", offsets=(0.0, 0.5, 0.0)))
    assert "Point(model='vae', offsets=(0.0, 0.5))" in program
    assert "Point(model='vae')" in link.program(Point(model="vae", offsets=(0.0, 0.0)))


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
