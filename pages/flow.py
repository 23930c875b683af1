"""Flow matching: noise that becomes images, solvers, guidance, and images that become noise again."""

from __future__ import annotations

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import flow
from pages.components import address, view
from pages.components.model_choice import pick_model_and_step, pick_part
from pages.components.page import model_page
from pages.components.theme import friendly_errors
from pages.parts.flow import encode, guidance, settings, solvers, watch


def _page(infos: dict[str, CheckpointInfo]) -> None:
    part = pick_part("flow", settings.PARTS)
    info, step = pick_model_and_step("flow", infos)
    address.write("flow", "step", view.step_text(info, step))
    with friendly_errors():
        config = flow.config_of(info.name)
        settings.read_address(info, config)
        {"watch": watch, "solvers": solvers, "guidance": guidance, "encode": encode}[part].show(info, step, config)


model_page("flow", flow.checkpoints, _page, recipe="mnist_flow")
