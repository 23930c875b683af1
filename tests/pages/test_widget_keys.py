"""docs/widget_keys.md says which widget keys the pages have: it is up to date, and running pages have no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.address import PARAMETERS
from tests.support import widget_keys

PARTS = [
    (page, {}) for page in ("latent", "seeds", "conditional", "translate", "stylize", "compare", "evaluate", "data")
]
PARTS += [("manifold", {"part": part}) for part in ("grid", "map", "draw", "beside", "denoise")]
PARTS += [("paint", {"part": part}) for part in ("generate", "complete", "field", "surprise")]
PARTS += [("speak", {"part": part}) for part in ("ask", "continue", "steps", "past", "levels", "fourier")]
PARTS += [("classify", {"part": "ask"}), ("train", {})]


def test_the_table_is_up_to_date() -> None:
    written = widget_keys.TABLE.read_text(encoding="utf-8")
    assert written == widget_keys.table(), "run python -m tests.support.widget_keys --write"


def test_keys_are_followed_through_functions_loops_and_settings() -> None:
    keys = widget_keys.page_keys()
    assert {"latent_model", "latent_step", "latent_pad_x", "latent_axis_INDEX"} <= set(keys["latent"])
    assert {"paint_upper", "paint_digit", "paint_stop", "paint_go_on"} <= set(keys["paint"])
    assert {"speak_go_ask", "speak_continue_wave", "speak_window"} <= set(keys["speak"])
    assert {"runs_stop", "runs_rename", "runs_knob_NAME"} <= set(keys["runs"])
    assert "train_model_NAME" in keys["train"]


@pytest.mark.parametrize(("page", "query"), PARTS)
def test_a_running_page_has_no_other_keys(
    page: str, query: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    app = AppTest.from_file(str(widget_keys.ROOT / "pages" / f"{page}.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    keys = {element.key for element in app.main if isinstance(getattr(element, "key", None), str)}
    listed = [key for names in widget_keys.page_keys().values() for key in names]
    patterns = [re.sub(r"(?<=_)[A-Z_]+(?=_|$)", ".+", key) for key in listed]
    assert not {key for key in keys if not any(re.fullmatch(pattern, key) for pattern in patterns)}
    assert {key for key in keys if key.startswith(page)}


def test_every_page_is_run_here_but_two_that_need_the_frame_around_them() -> None:
    assert {page for page, _ in PARTS} == set(PARAMETERS) - {"gallery", "runs"}
