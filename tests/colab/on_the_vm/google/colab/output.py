"""What Python and the page of a notebook have to say to each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from google.colab import _message

__all__ = ["clear", "disable_custom_widget_manager", "enable_custom_widget_manager", "eval_js", "register_callback"]

_functions: dict[str, Callable[..., Any]] = {}


def eval_js(script: str, ignore_result: bool = False, timeout_sec: float | None = None) -> Any:
    """Evaluates the Javascript within the context of the current cell."""
    if ignore_result:
        _message.ask_desk("request", kind="cell_javascript_eval", body={"script": script}, seconds=0)
        return None
    return _message.blocking_request("cell_javascript_eval", request={"script": script}, timeout_sec=timeout_sec)


def register_callback(function_name: str, callback: Callable[..., Any]) -> None:
    """Registers a function as a target invokable by Javascript in outputs."""
    _functions[function_name] = callback


def _invoke_function(function_name: str, json_args: str, json_kwargs: str) -> Any:
    if function_name not in _functions:
        raise ValueError(f"Function not found: {function_name}")
    return _functions[function_name](*json.loads(json_args), **json.loads(json_kwargs))


def enable_custom_widget_manager(version: str = "5.0.0a") -> None:
    """Enables a Jupyter widget manager which renders third-party widgets."""


def disable_custom_widget_manager() -> None:
    """Disables it."""


def clear(wait: bool = False, output_tags: Any = ()) -> None:
    """Clears the cell's output."""
    from IPython.display import clear_output

    clear_output(wait)
