"""docs/widget_keys.md says which widget keys the pages have: it is up to date, and running pages have no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.support import widget_keys


def test_the_table_is_up_to_date() -> None:
    written = widget_keys.TABLE.read_text(encoding="utf-8")
    assert written == widget_keys.table(), "run python -m tests.support.widget_keys --write"


def test_keys_are_followed_through_functions_loops_and_settings() -> None:
    keys = widget_keys.page_keys()
    assert {"latent_model", "latent_step", "latent_pad_x", "latent_axis_INDEX"} <= set(keys["latent"])
    assert {"paint_upper", "paint_digit", "paint_stop", "paint_go_on"} <= set(keys["paint"])
    assert {"speak_go_ask", "speak_continue_wave", "speak_window"} <= set(keys["speak"])
    assert {"runs_stop", "runs_rename", "runs_setting_NAME"} <= set(keys["runs"])
    assert "train_model_NAME" in keys["train"]


@pytest.mark.parametrize(
    ("page", "part"),
    [("latent", ""), ("manifold", "denoise"), ("speak", "fourier"), ("classify", "ask"), ("train", "")],
)
def test_a_running_page_has_no_other_keys(
    page: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    app = AppTest.from_file(str(widget_keys.ROOT / "pages" / f"{page}.py"), default_timeout=60)
    if part:
        app.query_params["part"] = part
    app.run()
    assert not app.exception
    assert sum(str(getattr(element, "key", "")).startswith(page) for element in app.main) > 3
    assert not widget_keys.unlisted_keys(app)
