"""The pad of the latent explorer, with the images behind it: seeds on the seed plane, samples along directions."""

from __future__ import annotations

import streamlit as st

from genmodels import latent
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import Point, backdrop
from genmodels.service.flow import has_flow
from pages.components import pad
from pages.components.i18n import t
from pages.components.tiles import data_url
from pages.parts.latent import state

_IDLE = "latent_pad_idle"
_ALPHA = 0.55  # of the images: the knob and the names of the seeds stay visible


def _backdrop(info: CheckpointInfo, point: Point) -> tuple[str | None, bool]:
    """The images behind the pad, and whether they are still to be computed.

    They are computed when the pad has been at rest for a moment, so that no slider and no drag waits for them; during a
    drag the last ones stay. A flow has none: its decoding takes too long.
    """
    memory = st.session_state
    if state.is_dragged():
        return None, False
    if has_flow(info):
        return "", False
    if memory.latent_pad_mode == "seeds":
        images = backdrop.of_seeds(point, *state.plane_window())
    else:
        images = backdrop.of_directions(point, memory.latent_pad_x, memory.latent_pad_y, state.LIMIT)
    is_idle = memory.pop(_IDLE, False)
    sheet = images.sheet() if is_idle else images.cached
    return ("", True) if sheet is None else (data_url(*sheet), False)


def _is_at_rest() -> None:
    st.session_state[_IDLE] = True


def show(info: CheckpointInfo, point: Point, names: list[str]) -> None:
    """Show the pad over two of the sliders with these names, or over the seed plane."""
    memory = st.session_state
    images, pending = _backdrop(info, point)
    if memory.latent_pad_mode == "seeds":
        x_range, y_range = state.plane_window()
        view = pad.PadView(
            (x_range[0] - 0.5, x_range[1] + 0.5),  # each seed is in the middle of its image
            (y_range[0] - 0.5, y_range[1] + 0.5),
            "",
            "",
            t("latent.pad_label_seeds"),
            points=[
                (x, y, str(latent.seed_at(int(x), int(y))))
                for x in (x_range[0] + i for i in range(7))
                for y in (y_range[0] + i for i in range(7))
            ],
            backdrop=images,
            pending=pending,
            backdrop_alpha=_ALPHA,
        )
    else:
        limits = (-state.LIMIT, state.LIMIT)
        x_label, y_label = names[memory.latent_pad_x], names[memory.latent_pad_y]
        label = t("latent.pad_label", x=x_label, y=y_label)
        view = pad.PadView(
            limits,
            limits,
            x_label,
            y_label,
            label,
            rings=(1.0, 2.0, 3.0),
            backdrop=images,
            pending=pending,
            backdrop_alpha=_ALPHA,
        )
    pad.pad(
        view,
        state.pad_position(),
        key="latent_pad",
        on_move=state.on_pad,
        moved=memory.latent_moved,
        on_rest=_is_at_rest,
    )
