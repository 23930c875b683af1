"""A style transfer of two images through the real queue, scheduler and worker: trained, stopped, resumed."""

from __future__ import annotations

import io

import pytest
from PIL import Image

import train_jobs
from genmodels.errors import DataError
from genmodels.runs import catalog
from tests.support.job_processes import until, until_state
from tests.support.style_pictures import picture

pytestmark = pytest.mark.usefixtures("runs")
SMALL = (
    "data.size=32", "data.style_size=32", "train.max_steps=100000", "train.preview_every=2", "train.precision=fp32",
    "train.compile=off", "run.threads=1", "model.style_relu3_1=0", "model.style_relu4_1=0", "model.style_relu5_1=0",
    "model.content_relu4_2=0", "model.content_relu2_2=1",
)  # fmt: skip


def file(width: int, height: int, seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(width, height, seed)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.slow
def test_a_style_transfer_is_trained_stopped_and_resumed() -> None:
    job = train_jobs.submit_pair(file(60, 40, 0), file(50, 70, 1), assignments=SMALL, name="mine")
    until(lambda: len(train_jobs.job(job.id).folder.previews()) > 2, 60, "previews of the canvas")
    train_jobs.request(job.id, "set", path="model.style_weight", value=4.0)
    until(lambda: any(event["kind"] == "set" for event in job.folder.events()), 20, "the knob")
    train_jobs.stop(job.id)
    stopped = until_state(job.id, "STOPPED")
    assert len(job.folder.previews()) > 2
    with Image.open(job.folder.previews()[-1][1]) as canvas:
        assert canvas.size == (32, 21)
    painted = catalog.load(job.id)
    assert painted.painting().shape == (1, 3, 21, 32)  # type: ignore[operator]
    train_jobs.resume(job.id)  # the submitted files are only in the run folder
    until(lambda: train_jobs.job(job.id).step > stopped.step, 60, "a step more")
    train_jobs.stop(job.id)
    until_state(job.id, "STOPPED")
    assert [event["kind"] for event in job.folder.events()] == ["set", "resume"]


def test_an_invalid_image_is_named_and_nothing_is_queued() -> None:
    with pytest.raises(DataError, match="style: not a PNG"):
        train_jobs.submit_pair(file(60, 40, 0), b"no picture")
    assert not train_jobs.jobs()
