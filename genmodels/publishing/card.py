"""Model cards of published checkpoints: origin, metrics and limits, as Markdown."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from genmodels import recipes, registry
from genmodels.evaluation import SAMPLES, range_text
from genmodels.evaluation.metric_table import SPREAD, SPREAD_NOTE, name_of, shown, value_of
from genmodels.publishing.expected import Expectation, expectation_of
from genmodels.recipes import Spec
from genmodels.runs import catalog
from genmodels.runs.files import read_json
from genmodels.runs.folder import CARD, MEASURED, PREVIEW, RunFolder
from genmodels.text import duration

_LIMITS = "\n## Limits\n"
_NOT_STORED = (
    "The discriminator's or critic's output was measured before publishing. Only training needs that network, so it "
    "is not stored."
)
_SHOW_DATA = ("classification", "translation", "stylizing", "encoding", "codes")


def write(target: Path, name: str, command: str) -> None:
    """Write the model card of the checkpoint folder `target`, published as `name` and trained by `command`."""
    spec, info = RunFolder(target).spec(), catalog.describe(target, published=True)
    settings = "\n".join(f"- `{key}`: {value}" for key, value in spec.model.items())
    again = f"Train it again: `{command}`{_stopped(info.steps[-1], spec.train.max_steps)}"
    below = f"{_LIMITS}\n{_limits(info, spec)}\n\n## Settings\n\n{settings}\n\n{again}\n"
    _save(target / CARD, _head(target, name, info, spec) + below)


def rewrite(target: Path) -> None:
    """Write the card again from the stored metrics. Keeps the text from "Limits" on, which may be hand-written."""
    old = (target / CARD).read_text(encoding="utf-8")
    at = old.index(_LIMITS)
    head = _head(target, target.name, catalog.describe(target, published=True), RunFolder(target).spec())
    _save(target / CARD, head + old[at:])


def _stopped(last: int, planned: int | None) -> str:
    if planned is None or last >= planned:
        return ""
    return f", and stop at step {last:,} of {planned:,}, as this training was."


def facts(target: Path) -> dict[str, Any]:
    """The content of `metrics.json`: metrics, training time, curves, metrics of earlier steps."""
    return dict(read_json(target / MEASURED))


def _save(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _head(target: Path, name: str, info: catalog.CheckpointInfo, spec: Spec) -> str:
    config = RunFolder(target).config()
    runtime, initial, first_stage = config.get("runtime", {}), config.get("initial"), config.get("first_stage")
    expectation, time = expectation_of(spec, info.steps[-1]), duration(float(facts(target)["train_seconds"]))
    rows = [
        ("model", f"`{spec.family}`: {registry.get(spec.family).paper}"),
        ("recipe", f"`{spec.recipe or spec.family}`" + (f", preset `{spec.preset}`" if spec.preset else "")),
        ("source", recipes.get(spec.recipe).source if spec.recipe in recipes.names() else spec.source),
        ("data", f"{spec.data_spec.title}, {spec.data_spec.train_size:,} training examples. {spec.data_spec.source}"),
        ("licence of the data", spec.data_spec.licence),
        ("licence of the weights", "MIT, as the code; the data's licence applies to outputs that resemble it"),
        ("steps", f"{info.steps[-1]:,} of batch size {spec.train.batch_size}"),
        *([("initial weights", _origin(initial))] if initial else []),
        *([("first stage", _origin(first_stage))] if first_stage else []),
        ("saved steps", ", ".join(map(str, info.steps))),
        ("time", f"{time} on {runtime.get('device', '?')}, CPU threads: {runtime.get('threads', '?')}, "
                 f"{runtime.get('precision', '?')}"),
        ("stored as", "float16" if facts(target).get("half") else "float32"),
    ]  # fmt: skip
    changes = facts(target).get("setting_changes")
    if changes:
        rows.append(("changed during training", "; ".join(map(_setting_change, changes))))
    shows_data = info.modality == "image" and any(name in info.capabilities for name in _SHOW_DATA)
    licence = f"\nLicence of the test images above: {spec.data_spec.licence}.\n" if shows_data else ""
    note = f"\n{SPREAD_NOTE}" if any(key.endswith(SPREAD) for key in info.metrics) else ""
    if any(key.startswith("score/") for key in info.metrics) and "scoring" not in info.capabilities:
        note += f"\n{_NOT_STORED}"
    samples = int(facts(target).get("samples", SAMPLES))
    command = f"python -m genmodels evaluate {shlex.quote(name)}" + (
        f" --samples {samples}" if samples != SAMPLES else ""
    )
    return f"""# {info.title}

{info.description}

![{_caption(info)}]({PREVIEW})
{licence}
| | |
|---|---|
{chr(10).join(f"| {key} | {value} |" for key, value in rows)}

## Measured

`{command}`, on the test split ({spec.data_spec.test_size:,} examples) with fixed seeds and the
stored weights.{note}

| metric | value | expected | key |
|---|---|---|---|
{_metrics(info, expectation)}

{expectation.verdict(info.metrics)}
{_table_over_training(target)}{_table_of_guidance(target)}"""


def _origin(source: dict[str, Any]) -> str:
    commit = f", commit {source['commit'][:7]}" if source.get("commit") else ""
    return f"`{source['name']}` at step {source['step']:,}{commit}; its steps and time are not included here"


def _setting_change(event: dict[str, Any]) -> str:
    field = str(event["path"]).partition(".")[2]
    return f"`{field}` from {event['old']} to {event['new']} at step {event['step']:,}"


def _metrics(info: catalog.CheckpointInfo, expectation: Expectation) -> str:
    def expected(key: str) -> str:
        return range_text(*expectation.bounds[key]) if key in expectation.bounds else ""

    keys = shown(info.metrics)
    return "\n".join(f"| {name_of(key)} | {value_of(info.metrics, key)} | {expected(key)} | `{key}` |" for key in keys)


def _table_over_training(target: Path) -> str:
    rows = facts(target).get("over_training", [])
    keys = [key for key in rows[0] if key not in ("step", "seconds")] if rows else []
    if not keys:
        return ""
    lines = [
        f"| {row['step']:,} | {'{:.0f}'.format(row['seconds']) if 'seconds' in row else ''} | "
        + " | ".join(f"{row.get(key, float('nan')):.4g}" for key in keys)
        + " |"
        for row in rows
    ]
    head = f"| step | seconds | {' | '.join(map(name_of, keys))} |\n|{'---|' * (len(keys) + 2)}"
    return f"\n### Over training\n\n{head}\n" + "\n".join(lines) + "\n"


def _table_of_guidance(target: Path) -> str:
    found = facts(target).get("guidance")
    if not found:
        return ""
    rows = [
        f"| {row['scale']:g} | {row['agreement']:.4g} | {row['precision']:.4g} | {row['recall']:.4g} |"
        for row in found["points"]
    ]
    head = "| guidance scale | class agreement | precision | recall |\n|---|---|---|---|"
    text = f"`python -m genmodels card {target.name} --guidance`, {found['samples']:,} samples per scale."
    return f"\n### Over guidance scales\n\n{text}\n\n{head}\n" + "\n".join(rows) + "\n"


def _limits(info: catalog.CheckpointInfo, spec: Spec) -> str:
    if "painting" in info.capabilities:
        return "It is the result of one optimisation: another image needs another run."
    if "stylizing" in info.capabilities:
        side = max(spec.data_spec.image_shape or (0,))
        return (
            f"It stylises any photograph, in one style only. It was trained on images of {side} pixels. Larger "
            "photographs are reduced to that by default: at their own size the brush strokes are finer."
        )
    return f"Trained on {spec.data_spec.title} only: {_outside(info)}"


def _outside(info: catalog.CheckpointInfo) -> str:
    """What the model does with other inputs, or what it cannot generate."""
    if "translation" in info.capabilities:
        return "it translates every image, whatever it shows, best at about the size it was trained on."
    if "classification" in info.capabilities:
        return "it assigns any other image to one of its classes too, often with high confidence."
    if "codes" in info.capabilities and "sampling" not in info.capabilities:
        return "other images are reconstructed with the same codebook, whatever they show; it generates none."
    if info.condition_names:
        return "samples are plausible at best; they can be conditioned on a class, and on nothing else."
    return "samples are plausible at best, and unconditional."


def _caption(info: catalog.CheckpointInfo) -> str:
    if "classification" in info.capabilities:
        return "Test images, framed green if classified correctly, else red"
    if "painting" in info.capabilities:
        return "The result"
    if "stylizing" in info.capabilities:
        return "Test photographs, each above its stylised version"
    if "translation" in info.capabilities:
        return "Test images, three columns per domain: original, translation, cycle"
    if info.modality == "audio":
        return "Spectrograms of samples, class by class: time to the right, low frequencies at the bottom"
    if info.condition_names:
        below = "; below the grey row test images and their reconstructions" if "codes" in info.capabilities else ""
        return f"Conditional samples: one column per class, one row per seed, 0, 1, 2, ...{below}"
    if "codes" in info.capabilities and "sampling" not in info.capabilities:
        return "Test images, each above its reconstruction"
    if "encoding" in info.capabilities or "codes" in info.capabilities:
        return "Samples from seeds 0, 1, 2, ...; below the grey row test images and their reconstructions"
    return "Samples from seeds 0, 1, 2, ..."
