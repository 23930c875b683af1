"""`python -m genmodels migrate`: converts run folders of an older format in place. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from genmodels.errors import CheckpointError, ConfigError
from genmodels.runs.files import JSON_BYTES, read_json, read_lines, write_json, write_lines
from genmodels.runs.folder import CONFIG, EVENTS, FORMAT, MEASURED

_NAMES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("renamed.yaml").read_text(encoding="utf-8"))
"""What formats 2 and 3 renamed."""


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
    """Convert one run folder of format 1 or 2; False if it has the current format already. Raises CheckpointError."""
    config = read_json(folder / CONFIG)
    version = config.get("format") if isinstance(config, dict) else None
    if version == FORMAT:
        return False
    if version not in (1, 2):
        raise CheckpointError(
            f"{folder / CONFIG} has format version {version!r}, and only versions 1 and 2 can be converted"
        )
    if (folder / MEASURED).is_file():
        write_json(folder / MEASURED, _converted_facts(read_json(folder / MEASURED)))
    if (folder / EVENTS).is_file():
        events, _ = read_lines(folder / EVENTS, most=JSON_BYTES)
        write_lines(folder / EVENTS, map(_converted_event, events))
    converted = {**config, "format": FORMAT, "spec": _converted_spec(config.get("spec"))}
    if "conv_products" in config.get("runtime", {}):
        converted["runtime"] = _converted_runtime(config["runtime"])
    # Last: a conversion that was interrupted before is repeated as a whole.
    write_json(folder / CONFIG, converted)
    return True


def _converted_spec(spec: Any) -> Any:
    if not isinstance(spec, dict):
        return spec
    spec = {_NAMES["spec"].get(name, name): value for name, value in spec.items()}
    if isinstance(spec.get("model"), dict):
        fields = _NAMES["settings"].get(str(spec.get("family")), {})
        settings = {fields.get(name, name): value for name, value in spec["model"].items()}
        spec["model"] = {name: _converted_value(name, value) for name, value in settings.items()}
    if isinstance(spec.get("expect"), dict):
        spec["expect"] = _converted_metrics(spec["expect"])
    return spec


def _converted_runtime(runtime: Mapping[str, Any]) -> dict[str, Any]:
    """The runtime with the kernels of formats 1 and 2: two always, convolution as products if the tuner chose it."""
    others = {name: value for name, value in runtime.items() if name != "conv_products"}
    return {**others, "kernels": ["convolution"] * runtime["conv_products"] + ["dropout", "penalised_critic"]}


def _converted_value(name: str, value: Any) -> Any:
    return _NAMES["values"].get(name, {}).get(value, value) if isinstance(value, str) else value


def _converted_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {_converted_metric(name): value for name, value in metrics.items()}


def _converted_metric(name: str) -> str:
    renamed: dict[str, str] = _NAMES["metrics"]
    old = next((old for old in renamed if name.startswith(old)), "")
    return renamed[old] + name.removeprefix(old) if old else name


def _converted_facts(facts: Any) -> Any:
    """metrics.json with its metrics renamed, at all levels."""
    if isinstance(facts, list):
        return [_converted_facts(item) for item in facts]
    if not isinstance(facts, dict):
        return facts
    return {
        _NAMES["facts"].get(name, _converted_metric(name)): _converted_facts(value) for name, value in facts.items()
    }


def _converted_event(event: Mapping[str, Any]) -> dict[str, Any]:
    fields = {_NAMES["event_fields"].get(name, name): value for name, value in event.items()}
    return {**fields, "kind": _NAMES["events"].get(str(event.get("kind")), event.get("kind"))}
