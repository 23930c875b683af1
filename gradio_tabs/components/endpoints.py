"""Typed functions as endpoints: one function is a REST endpoint, a tool of the MCP server, and what a tab calls.

Names, defaults and types of an endpoint are those of the function; its docstring describes it to clients.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, get_type_hints

import gradio as gr
from gradio.components import Component
from gradio.components.api_component import Api
from gradio_client.utils import python_type_to_json_schema

from gradio_tabs.components.files import Png, Upload, Wav, image_output, read_upload, stored

Lane = Literal["inference", "background"]
_LIMITS: dict[Lane, int] = {"inference": 1, "background": 4}
"""Events of a lane that run at the same time: the inference thread does one thing; background work takes turns."""


def lane(name: Lane) -> dict[str, Any]:
    """The arguments that all events have: `inference` for quick work, `background` for more than about a second."""
    return {"concurrency_id": name, "concurrency_limit": _LIMITS[name], "preprocess": False}


def served(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for an event: uploaded files arrive as their bytes, and a PNG or WAV result leaves as a file."""
    hints = get_type_hints(function)
    names = list(inspect.signature(function).parameters)

    @wraps(function)
    def serve(*values: Any) -> Any:
        arguments = [
            read_upload(value, name) if hints.get(name) is Upload else value
            for name, value in zip(names, values, strict=False)
        ]
        result = function(*arguments)
        return stored(hints["return"], result) if hints["return"] in (Png, Wav) else result

    return serve


def expose(function: Callable[..., Any], *, work: Lane = "inference") -> None:
    """Make a typed function the endpoint and tool of its name; called inside the Blocks.

    The function must check its arguments: any JSON value may arrive.
    """
    hints = get_type_hints(function)
    inputs = [
        _input(parameter, hints[name])
        for name, parameter in inspect.signature(function).parameters.items()
        if not isinstance(parameter.default, gr.Progress)
    ]
    trigger = gr.Button(visible=False)
    trigger.click(served(function), inputs, _output(hints["return"]), api_name=function.__name__, **lane(work))


def _input(parameter: inspect.Parameter, kind: Any) -> Component:
    if kind is Upload:
        return gr.Image(visible=False, label=parameter.name)
    default = None if parameter.default is inspect.Parameter.empty else parameter.default
    return Api(default, python_type_to_json_schema(kind), parameter.name)


def _output(kind: Any) -> Component:
    if kind is Png:
        return image_output(visible=False, label="image")
    if kind is Wav:
        return gr.Audio(visible=False, label="recording", format=None)
    return gr.JSON(visible=False, label="result")
