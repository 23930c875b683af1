"""Requests with an image file: classes, reconstructions, completions, translations, paintings.

An untrusted file is decoded in the sandbox. Digits are brought into MNIST's format first, except an image of exactly
the model's size, which is taken as it is, white on black.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from genmodels.capabilities import Direction, SupportsCodes, SupportsEncoding, SupportsLatent
from genmodels.data.loader import to_float
from genmodels.data.sandbox import image_decoders
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.evaluation import reference_classifier
from genmodels.images import drawing, preview
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.service import classify as classify_page
from genmodels.service import paint, stylize, translate
from genmodels.service.endpoints.models import DIGIT, classifies_images, info_of
from genmodels.service.endpoints.requests import LabelledRequest, StepRequest
from genmodels.service.inference import exact_model_of, run, sheet_png
from genmodels.service.large_images import ImageFile
from genmodels.service.paint import PaintRequest, codes
from genmodels.service.stylize import StylizeRequest
from genmodels.service.translate import TranslationRequest

Progress = Callable[[int, int], None]
_SMALL_FILE = 32_768  # bytes; only such a file is decoded to find out whether it has exactly the model's size
_ROWS = 2  # between two previews of a completion


class CompletionRequest(LabelledRequest):
    """The rows of an image that are kept, and the seed and class of the rest."""

    rows_known: int = Field(14, ge=0, le=1_024, description="rows of pixels, from the top, that are kept")
    seed: int = Field(0, description="any integer; the same seed gives the same completion")


class DirectedRequest(StepRequest):
    """A translation model and the direction."""

    direction: Direction = Field("a_to_b", description="a_to_b from domain A to domain B, or b_to_a")


# --------------------------------------------------------------------- requests


def classify(raw: bytes, **values: Any) -> dict[str, float]:
    """The probability of each class, by name; takes the fields of StepRequest.

    Raises ConfigError, UnknownNameError, DataError if the file is not a usable image, and CapabilityError.
    """
    request = StepRequest.parse(values)
    info = info_of(request.model)
    if not classifies_images(info):
        raise CapabilityError(f"{request.model} does not classify images; choose a classifier such as mnist_judge")
    return _probabilities(request, info, _pixels(raw, info))


def classify_drawing(text: str, **values: Any) -> dict[str, float]:
    """As `classify`, for a drawing of the canvas: base64 of 140 x 140 grey bytes."""
    request = StepRequest.parse(values)
    info = info_of(request.model)
    if info.image_shape != DIGIT or not classifies_images(info):
        raise CapabilityError(f"{request.model} does not classify digits of 28 x 28; choose one such as mnist_judge")
    return _probabilities(request, info, drawing.to_mnist(drawing.from_canvas(text))[None])


def reconstruct(raw: bytes, **values: Any) -> bytes:
    """The image, encoded and decoded again, as PNG of the model's size; takes the fields of StepRequest.

    Raises what `classify` raises.
    """
    return reconstruction(raw, **values)[1]


def reconstruction(raw: bytes, **values: Any) -> tuple[bytes, bytes]:
    """The image as the model sees it, and `reconstruct`'s, both as PNG."""
    request = StepRequest.parse(values)
    info = info_of(request.model)
    if info.image_shape is None:
        raise CapabilityError(f"{request.model} has no images; choose an autoencoder, a VAE or a VQ-VAE")
    x = _pixels(raw, info)

    def task() -> tuple[bytes, bytes]:
        model = exact_model_of(request.model, request.step)
        if isinstance(model, SupportsCodes) and not isinstance(model, SupportsEncoding):
            decoded = model.decode_codes(model.encode_codes(x.to(model.device)))
        elif isinstance(model, SupportsEncoding) and isinstance(model, SupportsLatent):
            condition = None
            if model.conditions:
                raise CapabilityError(f"{request.model} encodes an image given its class; choose an autoencoder")
            decoded = model.decode(model.encode(x.to(model.device)), condition=condition)
        else:
            raise CapabilityError(f"{request.model} does not encode images; choose an autoencoder, a VAE or a VQ-VAE")
        return sheet_png(x, 1), sheet_png(decoded.float().cpu(), 1)

    return run(task)


def complete(raw: bytes, **values: Any) -> Iterator[bytes]:
    """PNGs of the image while the model samples the rows below the known ones; the last is complete.

    Takes the fields of CompletionRequest. Raises what `classify` raises, and ConfigError if too many rows are known.
    """
    request = CompletionRequest.parse(values)
    return _completed(request, _pixels(raw, _completing(request)))


def complete_drawing(text: str, **values: Any) -> Iterator[bytes]:
    """As `complete`, for a drawing of the canvas: base64 of 140 x 140 grey bytes."""
    request = CompletionRequest.parse(values)
    if _completing(request).image_shape != DIGIT:
        raise CapabilityError(f"{request.model} does not complete digits of 28 x 28; choose one such as mnist_pixelcnn")
    return _completed(request, drawing.to_mnist(drawing.from_canvas(text))[None])


def _completing(request: CompletionRequest) -> CheckpointInfo:
    info = info_of(request.model)
    if not {"progressive_sampling", "completion"} <= {*info.capabilities} or info.image_shape is None:
        raise CapabilityError(f"{request.model} does not complete images; choose a PixelCNN or the prior of a VQ-VAE")
    height = info.image_shape[1]
    if request.rows_known >= height:
        raise ConfigError(f"rows_known = {request.rows_known} is not allowed: choose 0 to {height - 1}")
    return info


def _completed(request: CompletionRequest, x: Tensor) -> Iterator[bytes]:
    info = info_of(request.model)
    label = (request.label or 0) if info.conditions.get("label") else None
    painting = PaintRequest(model=request.model, step=request.step, seed=request.seed, count=1, label=label)
    if paint.has_codes(info):
        yield sheet_png(codes.sample(painting, x, request.rows_known // paint.facts(request.model).cell).canvas, 1)
        return
    state = paint.begin(painting, x, request.rows_known)
    while not state.done:
        paint.advance(state, _ROWS)
        yield sheet_png(state.canvas, 1)


def translated(raw: bytes, on_progress: Progress | None = None, **values: Any) -> bytes:
    """The image in the other domain, at its own size, as PNG; takes the fields of DirectedRequest.

    Raises what `classify` raises.
    """
    request = TranslationRequest.parse(DirectedRequest.parse(values).model_dump())
    file = ImageFile("image", raw)
    translate.translate(request, file, on_progress)
    return translate.png(request, file)


def stylized(raw: bytes, on_progress: Progress | None = None, **values: Any) -> bytes:
    """The image in the network's style, at the network's scale of training, as PNG; takes the fields of StepRequest.

    Raises what `classify` raises.
    """
    request = StylizeRequest.parse(StepRequest.parse(values).model_dump())
    file = ImageFile("image", raw)
    stylize.stylize(request, file, on_progress)
    return stylize.png(request, file)


def as_png(raw: bytes, like: bytes | None = None) -> bytes:
    """The file's image as PNG, in the size of the PNG `like` if it is given; raises DataError."""
    image = Image.fromarray(image_decoders.decode_whole(raw))
    if like is not None:
        with Image.open(io.BytesIO(like)) as other:
            image = image.resize(other.size, Image.Resampling.LANCZOS)
    return preview.png(image, compress_level=1)


# --------------------------------------------------------------------- images for a model


def _probabilities(request: StepRequest, info: CheckpointInfo, x: Tensor) -> dict[str, float]:
    def task() -> list[float]:
        model = classify_page.as_classifier(exact_model_of(request.model, request.step), request.model)
        outputs: list[float] = classify_page.outputs(model, x)[0].tolist()
        return outputs

    outputs = run(task)
    digits = reference_classifier.applies_to(RunFolder(info.path).spec().data_spec)
    named = not digits and len(info.classes) == len(outputs)
    names = info.classes if named else [str(index) for index in range(len(outputs))]
    return dict(zip(names, outputs, strict=True))


def _pixels(raw: bytes, info: CheckpointInfo) -> Tensor:
    """The file's image (1, C, H, W) in [-1, 1] in the model's format."""
    shape = info.image_shape
    if shape is None or shape[1] != shape[2]:
        raise CapabilityError(f"{info.name} has no square images, which this endpoint takes; choose another model")
    if shape == DIGIT:
        exact = _exact(raw)
        return exact if exact is not None else drawing.to_mnist(drawing.from_file(raw))[None]
    try:
        pixels = image_decoders.decode_onto(raw, shape[1], shape[0], (255,))
    except DataError as error:
        raise DataError(f"this picture cannot be read: {error}, or choose another picture") from error
    return to_float(torch.from_numpy(pixels))


def _exact(raw: bytes) -> Tensor | None:
    """A file of exactly 28 x 28 pixels as it is, (1, 1, 28, 28); None for one of another size."""
    if len(raw) > _SMALL_FILE:
        return None
    try:
        pixels = image_decoders.decode_whole(raw)
    except DataError as error:
        raise DataError(f"this picture cannot be read: {error}, or choose another picture") from error
    if pixels.shape != (28, 28, 3):
        return None
    return to_float(torch.from_numpy(np.ascontiguousarray(pixels[None, :, :, 0])[None]))
