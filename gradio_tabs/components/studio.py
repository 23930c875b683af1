"""The Blocks of the studio: complete argument lists, errors as messages, and one session per visitor."""

from __future__ import annotations

import html
import inspect
import logging
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio_client.utils import is_file_obj, traverse
from pydantic import ValidationError

from genmodels.errors import DataError, GenmodelsError
from genmodels.public import public_mode
from genmodels.service import sessions
from genmodels.service.error_texts import without_commands, without_paths
from genmodels.service.sessions import Session
from gradio_tabs.components.files import check_upload
from gradio_tabs.components.texts import t

_log = logging.getLogger(__name__)


def refusal(text: str) -> gr.Error:
    """An error text as the exception that shows it: without paths, on a public server without commands."""
    text = without_paths(text)
    if public_mode():
        text = without_commands(text) or t("common.error.not_offered")
    return gr.Error(html.escape(text, quote=False), title=t("common.error.title"), print_exception=False)


class Studio(gr.Blocks):
    """Blocks whose functions may raise GenmodelsError; nothing else that is raised reaches a visitor."""

    def validate_inputs(self, block_fn: BlockFunction, inputs: list[Any]) -> None:
        """Append the defaults of missing arguments; raises gr.Error if one has no default, or there are too many."""
        names = _parameters(block_fn)
        if len(inputs) > len(block_fn.inputs):
            raise refusal(t("common.error.many", given=len(inputs), most=len(block_fn.inputs), names=", ".join(names)))
        for name, default in list(names.items())[len(inputs) : len(block_fn.inputs)]:
            if default is inspect.Parameter.empty:
                raise refusal(t("common.error.missing", name=name, names=", ".join(names)))
            inputs.append(default)

    async def preprocess_data(self, block_fn: BlockFunction, inputs: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """The arguments of the function; raises DataError for a file that was not uploaded."""
        inputs = traverse(inputs, check_upload, is_file_obj)
        try:
            return list(await super().preprocess_data(block_fn, inputs, *args, **kwargs))
        except ValidationError as error:
            raise DataError(t("common.error.not_uploaded")) from error

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The results of one event, computed for its visitor's session."""
        request = kwargs.get("request")
        name = getattr(request, "session_hash", None) or getattr(getattr(request, "client", None), "host", None)
        try:
            with sessions.acting_for(Session(f"gradio {name}")):
                return await super().process_api(*args, **kwargs)
        except gr.Error:
            raise
        except GenmodelsError as error:
            raise refusal(str(error)) from error
        except Exception as error:
            _log.exception("an event of the Gradio interface failed")
            raise gr.Error(
                t("common.error.unexpected"), title=t("common.error.title"), print_exception=False
            ) from error


def _parameters(block_fn: BlockFunction) -> dict[str, Any]:
    """The names and defaults of the function's parameters, without the progress."""
    found = inspect.signature(block_fn.fn).parameters if block_fn.fn is not None else {}
    return {name: each.default for name, each in found.items() if not isinstance(each.default, gr.Progress)}
