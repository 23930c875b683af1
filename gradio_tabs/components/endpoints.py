"""Typed functions as endpoints: one function is a REST endpoint, a tool of the MCP server, and what a tab calls.

Names, defaults and types of an endpoint are those of the function; its docstring describes it to clients.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, Literal, get_args, get_origin, get_type_hints

import gradio as gr
from gradio.components import Component
from gradio.components.api_component import Api
from gradio_client.utils import python_type_to_json_schema

from gradio_tabs.components.files import Png, Upload, Wav, image_input, image_output, read_upload, stored

Lane = Literal["inference", "background"]
_LIMITS: dict[Lane, int] = {"inference": 1, "background": 4}
"""Events of a lane that run at the same time: the inference thread does one, background work takes turns."""


def expose(function: Callable[..., Any], *, work: Lane = "inference") -> None:
    """Make a typed function the endpoint and tool of its name; called inside the Blocks.

    The function must check its arguments: any JSON value may arrive. `work` says on which threads it computes.
    """
    hints = get_type_hints(function)
    with gr.Column(visible=False):
        inputs = [
            _input(parameter, hints[name])
            for name, parameter in inspect.signature(function).parameters.items()
            if not isinstance(parameter.default, gr.Progress)
        ]
        trigger, output = gr.Button(), _output(hints["return"])
    trigger.click(_served(function), inputs, output, api_name=function.__name__, **_lane(work))


def show(
    triggers: Sequence[Any],
    function: Callable[..., Any],
    inputs: Sequence[Component],
    outputs: Component | Sequence[Component],
    *,
    work: Lane = "inference",
    drag: bool = False,
) -> None:
    """Let events of a tab show what a function returns; of several that wait, only the newest is processed.

    A `drag` sends many values per second: it does not wait in Gradio's queue, because the inference thread has its own.
    """
    gr.on(
        triggers,
        _served(function),
        inputs,
        outputs,
        api_visibility="private",
        trigger_mode="always_last",
        show_progress="hidden" if work == "inference" else "full" if _reports(function) else "minimal",
        queue=not drag,
        **_lane(work),
    )


def _reports(function: Callable[..., Any]) -> bool:
    """Whether a function reports its progress."""
    return any(isinstance(each.default, gr.Progress) for each in inspect.signature(function).parameters.values())


def _lane(name: Lane) -> dict[str, Any]:
    return {"concurrency_id": name, "concurrency_limit": _LIMITS[name], "preprocess": False}


def _served(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for an event: uploaded files arrive as their bytes, PNG and WAV results leave as files."""
    hints = get_type_hints(function)
    names = list(inspect.signature(function).parameters)
    kind = hints["return"]

    def arguments(values: Sequence[Any]) -> list[Any]:
        return [
            read_upload(value, name) if hints.get(name) is Upload else value
            for name, value in zip(names, values, strict=False)
        ] + list(values[len(names) :])

    if get_origin(kind) is Iterator:

        @wraps(function)
        def stream(*values: Any) -> Iterator[Any]:
            for result in function(*arguments(values)):
                yield _sent(get_args(kind)[0], result)

        return stream

    @wraps(function)
    def serve(*values: Any) -> Any:
        return _sent(kind, function(*arguments(values)))

    return serve


def _sent(kind: Any, result: Any) -> Any:
    """A result of this type as Gradio takes it."""
    if kind in (Png, Wav):
        return stored(kind, result)
    if get_origin(kind) is tuple:
        return tuple(_sent(part, value) for part, value in zip(get_args(kind), result, strict=True))
    return result


def _input(parameter: inspect.Parameter, kind: Any) -> Component:
    if kind is Upload:
        return image_input(parameter.name)
    default = None if parameter.default is inspect.Parameter.empty else parameter.default
    return Api(default, python_type_to_json_schema(kind), parameter.name)


def _output(kind: Any) -> Component:
    kind = get_args(kind)[0] if get_origin(kind) is Iterator else kind
    if kind is Png:
        return image_output("image")
    if kind is Wav:
        return gr.Audio(label="recording")
    return gr.JSON(label="result")
