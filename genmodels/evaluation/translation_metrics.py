"""How good are translations? What the way there and back loses, and how often a classifier takes them for their kind.

The classifier is a published one that was trained on the real pictures of the same data set, under a name that ends in
`_judge`; it has seen no translation. Its own share of rightly named test pictures stands beside, for it bounds what its
verdict is worth.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels import catalog, data
from genmodels.capabilities import Direction, SupportsClassification, SupportsTranslation
from genmodels.catalog import CheckpointInfo
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays, DataSpec
from genmodels.model import Model
from genmodels.runfolder import RunFolder

SUFFIX = "_judge"
_BATCH = 8
_WAYS: tuple[Direction, Direction] = ("a_to_b", "b_to_a")


def measure(model: SupportsTranslation, arrays: Arrays, spec: DataSpec) -> dict[str, float]:
    """Of test pictures `arrays` of both kinds; shares are 0 to 1.

    cycle/a b error           mean absolute difference, of 2 at most, of pictures that went there and back; error is the
                              mean of both kinds
    domains/a_as_b b_as_a     fraction of translations that the judge assigns to the target domain, if there is a judge
    domains/judge_a judge_b   share of the real test pictures of each kind, at this size, that it names rightly
    domains/judge             the mean of both
    """
    info = classifier_of(spec)
    judge = catalog.load(info.name) if info is not None else None
    found: dict[str, float] = {}
    for label, there, back in ((0, *_WAYS), (1, *_WAYS[::-1])):
        name, other = "ab"[label], "ab"[1 - label]
        lost, passed, known = [], [], []
        for part in torch.split(torch.from_numpy(arrays.images[arrays.labels == label]), _BATCH):
            x = to_float(part).to(model.device)  # type: ignore[attr-defined]
            y = model.translate(x, there)
            lost.append((model.translate(y, back) - x).abs().flatten(1).mean(1).cpu())
            if judge is not None:
                passed.append(probability_of_b(judge, y.cpu()))
                known.append(probability_of_b(judge, x.cpu()))
        found[f"cycle/{name}"] = float(torch.cat(lost).mean())
        if judge is not None:
            found[f"domains/{name}_as_{other}"] = _share(torch.cat(passed), of_second=label == 0)
            found[f"domains/judge_{name}"] = _share(torch.cat(known), of_second=label == 1)
    found["cycle/error"] = (found["cycle/a"] + found["cycle/b"]) / 2
    if judge is not None:
        found["domains/judge"] = (found["domains/judge_a"] + found["domains/judge_b"]) / 2
    return found


def classifier_of(spec: DataSpec) -> CheckpointInfo | None:
    """The published classifier of a data set's two kinds; none for folders of one's own, whose name says nothing."""
    if spec.name not in data.names() or not spec.pairs:
        return None
    for info in catalog.list_checkpoints():
        named = info.published and info.name.endswith(SUFFIX) and "classification" in info.capabilities
        if named and RunFolder(info.path).spec().data_spec.name == spec.name:
            return info
    return None


def probability_of_b(judge: Model, x: Tensor) -> Tensor:
    """How sure the judge is of the second kind, (B,) in [0, 1], of images (B, C, H, W) in [-1, 1] of any size."""
    channels, height, width = judge.config.shape
    if x.shape[1] != channels:
        x = x.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if x.shape[2:] != (height, width):
        x = F.interpolate(x.float(), (height, width), mode="bicubic", antialias=True).clamp(-1, 1)
    return cast(SupportsClassification, judge).classify(x).float().softmax(1)[:, 1]


def _share(sure: Tensor, *, of_second: bool) -> float:
    return float((sure > 0.5).float().mean()) if of_second else float((sure <= 0.5).float().mean())
