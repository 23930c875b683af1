"""`python -m genmodels migrate`: converts run folders of an older format in place. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from genmodels.errors import CheckpointError, ConfigError
from genmodels.runs.folder import CONFIG, FORMAT, MEASURED, read_json, write_json

_FIELDS: dict[str, dict[str, str]] = {
    "wavenet": {"untold": "condition_dropout"},
    "pixelcnn": {"rounding": "quantisation"},
    "gated_pixelcnn": {"rounding": "quantisation"},
    "cyclegan": {"discriminators_first": "discriminator_warmup"},
}
"""Settings of a model family by their names in format 1."""
_VALUES = {("quantisation", "drawn"): "stochastic"}
_METRICS = {
    "classes/min_share": "classes/min_fraction",
    "classes/share_": "classes/fraction_",
    "memory/copied_share": "memory/copied_fraction",
    "kinds/": "domains/",
}
"""Beginnings of metric names in format 1."""
_FACTS = {"turned": "setting_changes"}
"""Entries of metrics.json by their names in format 1."""


def migrate(
    runs: Annotated[Path, typer.Argument(help="A folder of runs, or the folder of one run.")],
) -> None:
    """Convert runs of an older format to the current one; weights stay as they are."""
    if not runs.is_dir():
        raise ConfigError(f"{str(runs)!r} is not a folder; give the folder of your runs")
    folders = [runs] if (runs / CONFIG).is_file() else sorted(path.parent for path in runs.glob(f"[!.]*/{CONFIG}"))
    if not folders:
        raise ConfigError(f"{str(runs)!r} holds no run; give the folder of your runs")
    failed = 0
    for folder in folders:
        try:
            done = migrate_folder(folder)
        except (CheckpointError, OSError) as error:
            failed += 1
            typer.echo(f"{folder.name}: not converted: {error}", err=True)
        else:
            typer.echo(f"{folder.name}: " + (f"converted to format {FORMAT}" if done else f"has format {FORMAT}"))
    if failed:
        raise CheckpointError(f"{failed} of {len(folders)} runs could not be converted")


def migrate_folder(folder: Path) -> bool:
    """Convert one run folder of format 1; False if it has the current format already. Raises CheckpointError."""
    config = read_json(folder / CONFIG)
    version = config.get("format") if isinstance(config, dict) else None
    if version == FORMAT:
        return False
    if version != 1:
        raise CheckpointError(f"{folder / CONFIG} has format version {version!r}, and only version 1 can be converted")
    if (folder / MEASURED).is_file():
        write_json(folder / MEASURED, _converted_facts(read_json(folder / MEASURED)))
    # Last: a conversion that was interrupted before is repeated as a whole.
    write_json(folder / CONFIG, {**config, "format": FORMAT, "spec": _converted_spec(config.get("spec"))})
    return True


def _converted_spec(spec: Any) -> Any:
    if not isinstance(spec, dict):
        return spec
    spec, fields = dict(spec), _FIELDS.get(str(spec.get("model")), {})
    if isinstance(spec.get("config"), dict):
        settings = {fields.get(name, name): value for name, value in spec["config"].items()}
        spec["config"] = {name: _converted_value(name, value) for name, value in settings.items()}
    if isinstance(spec.get("expect"), dict):
        spec["expect"] = _converted_metrics(spec["expect"])
    return spec


def _converted_value(name: str, value: Any) -> Any:
    return _VALUES.get((name, value), value) if isinstance(value, str) else value


def _converted_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {_converted_metric(name): value for name, value in metrics.items()}


def _converted_metric(name: str) -> str:
    old = next((old for old in _METRICS if name.startswith(old)), "")
    return _METRICS[old] + name.removeprefix(old) if old else name


def _converted_facts(facts: Any) -> Any:
    """metrics.json with its metrics renamed, at all levels."""
    if isinstance(facts, list):
        return [_converted_facts(item) for item in facts]
    if not isinstance(facts, dict):
        return facts
    return {_FACTS.get(name, _converted_metric(name)): _converted_facts(value) for name, value in facts.items()}
