"""Class agreement, precision and recall over guidance scales, from the model's samples to the card and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from genmodels.data import DataConfig, load
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, CheckpointError
from genmodels.evaluation import guidance, reference_classifier
from genmodels.evaluation.splits import shuffled
from genmodels.latent import z_of_seeds
from genmodels.publishing.publish import measure_guidance
from genmodels.runs import catalog
from genmodels.runs.files import read_json, write_json
from genmodels.runs.folder import CARD, MEASURED, RunFolder
from genmodels.service.flow import guidance as service
from genmodels.service.flow.guidance import ScalesRequest
from tests.support.flows import assert_near, grey, pictures, save_flow


@pytest.fixture
def published(only_judge: Path) -> Path:
    """Untrained flows of two steps each, in the folder of published checkpoints, and the reference classifier."""
    few = ("model.steps=1", "model.solver=euler")
    save_flow(only_judge, "flow", *few)
    save_flow(only_judge, "kept", *few, "model.condition_dropout=0", "model.guidance=1")
    return only_judge


def test_real_digits_in_order_agree_and_lie_inside_the_real_distribution() -> None:
    real = shuffled(load(DataConfig(), "test"))
    by_class = [real.images[real.labels == digit][:20] for digit in range(10)]
    images = to_float(torch.stack([torch.from_numpy(part.copy()) for part in by_class], 1).flatten(0, 1))
    point = guidance.point(1.5, images, real)
    assert point.scale == 1.5
    assert point.agreement > 0.9
    assert point.precision > 0.8
    assert point.recall > 0.5
    shifted = guidance.point(1.5, images.roll(1, 0), real)
    assert shifted.agreement < 0.1, "each image is read as its neighbour's class"
    one = guidance.point(1.5, images[:1].expand(200, -1, -1, -1) + 0.01 * torch.randn(200, 1, 28, 28), real)
    assert one.recall < 0.1, "one image again and again covers nothing"


def test_a_batch_is_the_models_own_flow_with_the_classes_in_turn(published: Path) -> None:
    model = catalog.load("flow")
    whole = guidance.batch(model, 3.0, 0, 12)
    assert guidance.labels(10, 3).tolist() == [0, 1, 2]
    torch.testing.assert_close(guidance.batch(model, 3.0, 10, 2), whole[10:], atol=1e-5, rtol=1e-5)
    assert not torch.equal(whole, guidance.batch(model, 0.0, 0, 12))
    spec = RunFolder(published / "flow").spec()
    assert guidance.applies_to(model, spec)
    assert not guidance.applies_to(catalog.load("kept"), spec)
    done: list[tuple[int, int]] = []
    (point,) = guidance.curve(model, spec, scales=(2.0,), samples=30, report=lambda *now: done.append(now))
    assert point.scale == 2
    assert done == [(30, 30)]


def test_the_curve_of_a_checkpoint_is_measured_stored_and_shown(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = catalog.describe(published / "flow", published=True)
    assert service.curve(info, 10) is None
    facts = {"metrics": {"labels/agreement": 0.5}, "samples": 500, "train_seconds": 3.0}
    write_json(published / "flow" / MEASURED, facts)
    (published / "flow" / CARD).write_text("\n## Limits\nNone known.\n")
    monkeypatch.setattr(guidance.stored, "__defaults__", (30,))
    measure_guidance("flow")
    stored = read_json(published / "flow" / MEASURED)
    assert {name: stored[name] for name in facts} == facts
    expected = guidance.curve(catalog.load("flow"), RunFolder(published / "flow").spec(), samples=30)
    curve = service.curve(info, 10)
    assert curve is not None
    assert (curve.samples, curve.published) == (30, True)
    assert curve.points == expected
    card = (published / "flow" / CARD).read_text()
    assert "### Over guidance scales" in card
    assert f"| 1.5 | {expected[3].agreement:.4g} |" in card
    assert card.endswith("None known.\n")
    assert service.curve(info, 0) is None, "it is that of the newest step"
    write_json(published / "flow" / MEASURED, {**stored, "guidance": {"points": [{"scale": 1}], "samples": 30}})
    with pytest.raises(CheckpointError, match="does not hold a curve over guidance scales"):
        service.curve(info, 10)
    with pytest.raises(CapabilityError, match="kept has no guidance"):
        measure_guidance("kept")


def test_a_run_is_measured_on_request(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SAMPLES", 40)
    flow, kept = (next(one for one in catalog.list_checkpoints() if one.name == name) for name in ("flow", "kept"))
    done: list[float] = []
    curve = service.measure(flow, 0, done.append)
    assert [point.scale for point in curve.points] == list(guidance.SCALES)
    assert done == sorted(done)
    assert done[-1] == 1
    assert service.curve(flow, 0) is curve
    assert service.curve(flow, 10) is None
    generated = torch.cat([guidance.batch(catalog.load("flow", 0), 8.0, first, 20) for first in (0, 20)])
    agreement = reference_classifier.predictions(generated) == guidance.labels(0, 40)
    assert curve.points[-1].agreement == float(agreement.float().mean())
    with pytest.raises(CapabilityError, match="the guidance of kept cannot be measured"):
        service.measure(kept, 0)


def test_a_sheet_has_a_column_per_scale_and_a_row_per_seed(published: Path) -> None:
    sheet = service.sheet(ScalesRequest(model="flow", seed=3, label=7))
    assert (sheet.width, sheet.height, sheet.rows) == (28, 28, 6)
    model: Any = catalog.load("flow")
    z, condition = z_of_seeds(range(3, 9), 784).view(6, 1, 28, 28), {"label": torch.full((6,), 7)}
    shown = pictures(sheet.png, len(guidance.SCALES), 6)
    for column, scale in enumerate(guidance.SCALES):
        *_, end = model.flow(z, condition=condition, guidance=scale)
        assert_near(shown[:, column], grey(end), most=16)
    assert len(service.sheet_png(ScalesRequest(model="flow", seed=3, label=7))) > len(sheet.png)
