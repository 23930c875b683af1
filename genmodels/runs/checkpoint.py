"""Weights and resume state on disk: safetensors and JSON, written atomically, never a pickle.

step-020000/ model.safetensors           the weights for sampling: their moving average if there is one
             training_nets.safetensors   discriminators, critics; raw weights if model.safetensors has the average
             resume.safetensors + .json  optimizers, replay buffers, random states; the JSON has the nested state, with
                                         {"$tensor": key} in place of each tensor
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from genmodels import registry
from genmodels.errors import CheckpointError, GenmodelsError
from genmodels.model import Model
from genmodels.runs.files import read_json, write_json
from genmodels.runs.folder import RESUME_JSON, WEIGHTS, RunFolder
from genmodels.runs.weights_file import shapes_in

TRAINING_NETS, RESUME = "training_nets.safetensors", "resume.safetensors"
_RESUME_BYTES = 256 * 2**20
_RAW = "raw."  # prefix of the raw weights if there is a moving average


def split_state(model: Model) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(weights for sampling, weights that only training needs), both without pretrained parts."""
    sampled: dict[str, Tensor] = {}
    training: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        part = key.split(".")[0]
        if part not in model.pretrained:
            (training if part in model.training_only else sampled)[key] = value
    return sampled, training


def save(
    folder: RunFolder,
    step: int,
    model: Model,
    *,
    average: Mapping[str, Tensor] | None = None,
    resume: Mapping[str, Any] | None = None,
) -> Path:
    """Write `step-N/` atomically. Raises CheckpointError if it cannot be written, and leaves nothing behind then."""
    target = folder.step_path(step)
    temporary = folder.path / f".tmp-{target.name}-{os.getpid()}"
    sampled, training = split_state(model)
    if average is not None:
        training |= {_RAW + key: sampled[key] for key in average}
        sampled = {**sampled, **average}
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        _save_tensors(sampled, temporary / WEIGHTS)
        if training:
            _save_tensors(training, temporary / TRAINING_NETS)
        if resume is not None:
            tensors: dict[str, Tensor] = {}
            write_json(temporary / RESUME_JSON, _pack(resume, "", tensors))
            _save_tensors(tensors, temporary / RESUME)
        for path in temporary.iterdir():
            _sync(path)  # before renaming: a power cut must not leave a name without its content
        if target.exists():
            folder.remove_step(step)
        os.replace(temporary, target)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(
            f"checkpoint {target} could not be written: {error}. Earlier checkpoints are intact; "
            "free some space or set GENMODELS_RUNS to another disk, then resume the run"
        ) from error
    return target


def load_model(path: Path, step: int | None = None, device: str | torch.device = "cpu") -> Model:
    """The model of a run or checkpoint folder, in eval mode, without gradients; `step` None is the last step.

    Parts that only training needs are None if the checkpoint does not contain them. Raises CheckpointError.
    """
    folder = RunFolder(path)
    config = folder.config()
    steps = folder.steps()
    if not steps:
        raise CheckpointError(f"{path} holds no checkpoint yet; a run writes its first at step 0")
    if step is not None and step not in steps:
        raise CheckpointError(f"{path} has no checkpoint of step {step}; saved steps: {', '.join(map(str, steps))}")
    weights = folder.step_path(steps[-1] if step is None else step)
    try:
        # First on the meta device: a config may describe a network of many gigabytes whose weights do not exist.
        with torch.device("meta"):
            outline = build(config["spec"])
        _check_fit(outline, weights)
        model = build(config["spec"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: config.json names no model ({error!r}); it is damaged") from error
    for key, value in load_weights(model, weights).items():
        if not value.isfinite().all():
            raise CheckpointError(
                f"{weights}: {key} holds numbers that are not finite; the training diverged, or the file is damaged. "
                "Choose an earlier step"
            )
    return model.requires_grad_(False).eval().to(device)


def build(spec: Mapping[str, Any]) -> Model:
    """A new model of a spec, initialised with torch's global generator."""
    return registry.get(spec["family"]).build(**spec["model"])


def load_weights(model: Model, path: Path, *, raw: bool = False) -> dict[str, Tensor]:
    """Load the weights of `step-N/` into the model; `raw` loads the raw weights, not their moving average.

    Returns the content of model.safetensors. Raises CheckpointError.
    """
    _check_fit(model, path)
    sampled = _load_tensors(path / WEIGHTS)
    state = dict(sampled)
    if (path / TRAINING_NETS).exists():
        extra = _load_tensors(path / TRAINING_NETS)
        state |= {key: value for key, value in extra.items() if not key.startswith(_RAW)}
        if raw:
            state |= {key.removeprefix(_RAW): value for key, value in extra.items() if key.startswith(_RAW)}
    else:
        for part in model.training_only:
            setattr(model, part, None)
    # Published weights may be stored in half precision; models compute in their own type.
    model.load_state_dict(state, strict=False)
    return sampled


def _check_fit(model: Model, path: Path) -> None:
    """Raises CheckpointError if names and shapes in the headers of `step-N/` are not those of the model."""
    stored = shapes_in(path / WEIGHTS, path.parent)
    absent: frozenset[str] = model.training_only
    if (path / TRAINING_NETS).exists():
        extra = shapes_in(path / TRAINING_NETS, path.parent)
        stored |= {key: shape for key, shape in extra.items() if not key.startswith(_RAW)}
        absent = frozenset()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    for key, shape in stored.items():
        if key in shapes and shape != shapes[key]:
            raise CheckpointError(
                f"{path}: {key} has shape {shape}, the config expects {shapes[key]}; "
                "weights and config.json do not belong together"
            )
    expected = {key for key in shapes if key.split(".")[0] not in model.pretrained | absent}
    if expected != set(stored):
        lacking, unknown = sorted(expected - set(stored)), sorted(set(stored) - expected)
        raise CheckpointError(f"{path} does not fit its config: lacks {lacking[:5]}, has unknown {unknown[:5]}")


def take_weights(model: Model, path: Path) -> tuple[list[str], list[str]]:
    """Initialise the model with the learned weights of `step-N/` whose names and shapes fit.

    If there is a moving average, it is used. Counters and replay buffers of the other data are not copied. A
    convolution or linear layer that only has more outputs in this model, such as a mask, gets the existing ones.

    Returns the names of weights that are initialised from scratch, such as those of unpublished discriminators, and of
    weights of such extended layers. Raises CheckpointError if nothing fits.
    """
    source = _load_tensors(path / WEIGHTS)
    if (path / TRAINING_NETS).exists():
        source |= {k: v for k, v in _load_tensors(path / TRAINING_NETS).items() if not k.startswith(_RAW)}
    own = {key: value for key, value in model.state_dict().items() if key in _learned(model)}
    fitting = {key: value for key, value in source.items() if key in own and value.shape == own[key].shape}
    if not fitting:
        raise CheckpointError(f"{path}: none of its weights has the name and the shape of one of this model")
    extended: dict[str, Tensor] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d):
            for key in (f"{name}.weight", f"{name}.bias"):
                here, there = own.get(key), source.get(key)
                if (
                    here is not None
                    and there is not None
                    and there.shape[1:] == here.shape[1:]
                    and len(there) < len(here)
                ):
                    extended[key] = torch.cat([there.to(here), here[len(there) :]])
    model.load_state_dict({**fitting, **extended}, strict=False)
    return sorted(own.keys() - fitting.keys() - extended.keys()), sorted(extended)


def _learned(model: Model) -> set[str]:
    """Names of the parameters and of the running statistics of batch normalisation."""
    names = {name for name, _ in model.named_parameters()}
    names |= {name for name, _ in model.named_buffers() if name.split(".")[-1].startswith("running_")}
    return {name for name in names if name.split(".")[0] not in model.pretrained}


def load_resume(path: Path) -> dict[str, Any]:
    """The resume state that `save` stored; raises CheckpointError if the checkpoint has none."""
    if not (path / RESUME_JSON).exists():
        raise CheckpointError(f"{path} was published without the state that training needs; it cannot be resumed")
    # Cloned, so that they are aligned as in training: matrix products of unaligned tensors may add in another order.
    tensors = {key: value.clone() for key, value in _load_tensors(path / RESUME).items()}
    try:
        state: dict[str, Any] = _unpack(read_json(path / RESUME_JSON, _RESUME_BYTES), tensors)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: resume.json names a tensor {error} that is not there; it is damaged") from error
    return state


def strip(path: Path, *, training_nets: bool, half: bool = False) -> None:
    """Trim a copied `step-N/` for publication: remove the resume state and, unless `training_nets`, the discriminators.

    `half` converts the weights to half precision.
    """
    for name in (RESUME, RESUME_JSON, *(() if training_nets else (TRAINING_NETS,))):
        (path / name).unlink(missing_ok=True)
    if half:
        for name in (WEIGHTS, TRAINING_NETS):
            if (path / name).exists():
                tensors = _load_tensors(path / name)
                _save_tensors({k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}, path / name)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    save_file({key: value.detach().contiguous().cpu() for key, value in tensors.items()}, path)


def _load_tensors(path: Path) -> dict[str, Tensor]:
    shapes_in(path, path.parent.parent)  # refuses anything but regular files, and large headers
    try:
        return load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing: the checkpoint is damaged; choose another step") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}. It is damaged; choose another step") from error


def _pack(value: Any, key: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[key] = value.clone()  # safetensors refuses tensors that share memory
        return {"$tensor": key}
    if isinstance(value, Mapping):
        # JSON has only text keys, optimizer states also have integers: a list of pairs keeps both
        return {"$dict": [[k, _pack(v, f"{key}/{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        packed = [_pack(v, f"{key}/{i}", tensors) for i, v in enumerate(value)]
        return {"$tuple": packed} if isinstance(value, tuple) else packed
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise GenmodelsError(f"resume state holds a {type(value).__name__} at {key}; only tensors and plain values fit")


def _unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(v, tensors) for v in value]
    if isinstance(value, dict):
        if "$tensor" in value:
            return tensors[value["$tensor"]]
        if "$tuple" in value:
            return tuple(_unpack(v, tensors) for v in value["$tuple"])
        return {k: _unpack(v, tensors) for k, v in value["$dict"]}
    return value
