"""The inference threads, their model cache, and helpers for all requests.

One thread answers interactive requests. Background work (`fair_queue`) runs in slices of about 50 ms, one at a time, on
other threads (`slices`), so a slider never waits for a GIF. Each thread uses one CPU thread, so a training on the same
machine costs a slider 2 ms instead of 250, and memory does not grow with the number of sessions (each thread that runs
a convolution has its own thread team: 60 of them took 3 GB). Models are read-only, so all threads share them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from genmodels.capabilities import SupportsLatent
from genmodels.errors import CapabilityError, GenmodelsError, UnknownNameError
from genmodels.evaluation import judge_domain, reference_classifier
from genmodels.images import preview
from genmodels.model import Model
from genmodels.runs import catalog, checkpoint
from genmodels.runs.folder import RunFolder
from genmodels.service import fair_queue, slices
from genmodels.service.cache import LRU
from genmodels.service.fair_queue import Ticket
from genmodels.service.half_precision import with_faster_generator

MODELS_KEPT, EXACT_MODELS_KEPT, MAX_WAITING, TIMEOUT = 16, 8, 128, 60.0

T = TypeVar("T")
ModelKey = tuple[Path, int, int]


@dataclass(frozen=True)
class PredictedClass:
    """The class that the reference classifier reads in an image, and its probability.

    Both mean nothing for an image `outside` of the classifier's domain (`evaluation/judge_domain.py`).
    """

    label: str
    probability: float
    outside: bool = False


def _one_cpu_thread() -> None:
    torch.set_num_threads(1)


_interactive = ThreadPoolExecutor(1, "inference", initializer=_one_cpu_thread)
_background = ThreadPoolExecutor(1, "background", initializer=_one_cpu_thread)
_divided = ThreadPoolExecutor(fair_queue.ACTIVE, "divided", initializer=_one_cpu_thread)
_places = threading.BoundedSemaphore(MAX_WAITING)


def run(task: Callable[[], T], *, divided: bool = False) -> T:
    """The task's result, computed on the inference thread; raises GenmodelsError if too many wait or it hangs.

    Inside `fair_queue.queued` or `background` it runs on a background thread for as long as the session wants it, and
    raises CancelledError after that. It is one slice there, which must be short, or with `divided` several: then the
    task may be paused between two operations of torch, and must not share what it changes with other tasks.
    """
    ticket = fair_queue.held()
    if ticket is not None:
        ticket.check()
        unwanted = threading.Event()
        if divided:
            future = _divided.submit(_guarded, lambda: slices.divided(task, unwanted))
        else:
            future = _background.submit(_guarded, lambda: slices.whole(task))
        try:
            return _wanted(future, ticket)
        except BaseException:
            unwanted.set()
            raise
    if not _places.acquire(blocking=False):
        raise GenmodelsError(f"{MAX_WAITING} pictures are already being drawn; try again in a few seconds")
    future = _interactive.submit(_guarded, task)
    future.add_done_callback(lambda _: _places.release())
    try:
        return future.result(TIMEOUT)
    except FutureTimeoutError:
        if future.done():  # just now, or with a TimeoutError of the task's own
            return future.result()
        future.cancel()
        raise GenmodelsError(f"no picture after {TIMEOUT:.0f} s: the machine is overloaded; stop a training") from None


def _guarded(task: Callable[[], T]) -> T:
    with torch.inference_mode():
        return task()


def _wanted(future: Future[T], ticket: Ticket) -> T:
    """The future's result while the ticket's session waits for it."""
    while True:
        try:
            return future.result(fair_queue.POLL)
        except FutureTimeoutError:
            if future.done():  # just now, or with a TimeoutError of the task's own
                return future.result()
            try:
                ticket.check()
            except BaseException:
                future.cancel()
                raise


def in_slices(items: Iterator[T]) -> Iterator[T]:
    """The items of an iterator that is advanced on the inference thread only, for about SLICE seconds at a time."""
    end = False

    def turn() -> list[T]:
        nonlocal end
        found: list[T] = []
        until = time.perf_counter() + slices.SLICE
        while not end:
            try:
                found.append(next(items))
            except StopIteration:
                end = True
            if time.perf_counter() >= until:
                break
        return found

    while not end:
        yield from run(turn)


_models: LRU[ModelKey, Model] = LRU(MODELS_KEPT)
_exact_models: LRU[ModelKey, Model] = LRU(EXACT_MODELS_KEPT)


def key_of(name: str, step: int | None) -> ModelKey:
    """The key of a saved step, from the catalog alone; it changes if the step is rewritten."""
    return RunFolder(catalog.find(plain(name))).step_key(step)


def model_of(name: str, step: int | None) -> tuple[Model, ModelKey]:
    """The model and its key, on the inference threads only."""
    key = key_of(name, step)
    return _models.get_or_compute(key, lambda: with_faster_generator(checkpoint.load_model(key[0], key[1]))), key


def exact_model_of(name: str, step: int | None) -> Model:
    """As `model_of`, always in float32: for results that bfloat16 would make visibly less precise."""
    key = key_of(name, step)
    return _exact_models.get_or_compute(key, lambda: checkpoint.load_model(key[0], key[1]))


def plain(name: str) -> str:
    """The same name, checked: a request may not use a path to leave the folders of checkpoints and runs."""
    if "/" in name or "\\" in name or name.startswith("."):
        known = [info.name for info in catalog.list_checkpoints()]
        raise UnknownNameError("checkpoint", name, known, "Only names are accepted here, not paths.")
    return name


def condition_of(model: Model, labels: Sequence[int | None] | None) -> dict[str, Tensor] | None:
    """The condition of these classes as weights (len(labels), K), which can be blended; None is class 0.

    None for an unconditional model, and without `labels`. Raises ConfigError or CapabilityError for a class that the
    model does not have.
    """
    if labels is None:
        return None
    requested = preview.requested_labels(model, [label for label in labels if label is not None] or None)
    count = len(preview.requested_labels(model)) if requested else 0
    if not count:
        return None
    return {"label": F.one_hot(torch.tensor([label or 0 for label in labels]), count).float().to(model.device)}


def latent_dim(model: Model) -> int:
    """Dimension of z; raises CapabilityError for a model without a latent space."""
    if not isinstance(model, SupportsLatent):
        raise CapabilityError(f"{model.title} has no latent space; choose a VAE or a GAN")
    return model.latent_dim


def predict(pixels: Tensor) -> PredictedClass:
    """The most probable class of one image (1, 1, 28, 28) in [-1, 1] under the reference classifier."""
    (predicted,) = predictions_of(pixels)
    return predicted


def predictions_of(images: Tensor) -> tuple[PredictedClass, ...]:
    """The most probable class of each image (N, 1, 28, 28) in [-1, 1] under the reference classifier."""
    best, index = reference_classifier.probabilities(images).max(1)
    outside = judge_domain.outside(reference_classifier.features(images))
    columns = (index.tolist(), best.tolist(), outside.tolist())
    return tuple(PredictedClass(str(i), p, out) for i, p, out in zip(*columns, strict=True))


def to_image(pixels: Tensor) -> Image.Image:
    """One image (1, C, H, W) in [-1, 1], not enlarged."""
    return preview.grid(pixels, 1, scale=1, pad=0)


def sheet_png(images: Tensor, columns: int) -> bytes:
    """Images (N, C, H, W) in [-1, 1] in rows of `columns`, in one PNG that is not enlarged."""
    return preview.png(preview.grid(images, columns, scale=1, pad=0), compress_level=1)


def enlarge(image: Image.Image, side: int) -> Image.Image:
    """The image enlarged by an integer factor without smoothing, about `side` pixels wide."""
    scale = max(1, side // image.width)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def has_judge(name: str) -> bool:
    """Whether a reference classifier for this checkpoint's images is published."""
    spec = RunFolder(catalog.find(plain(name))).spec()
    return reference_classifier.applies_to(spec.data_spec) and reference_classifier.published()
