"""Stands for `google.colab.output`, as far as that can be done without Colab's front end."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ...errors import UsageError
from ..asking import current

__all__ = [
    "clear",
    "disable_custom_widget_manager",
    "enable_custom_widget_manager",
    "eval_js",
    "no_vertical_scroll",
    "register_callback",
    "temporary",
    "use_tags",
]

_PORT = re.compile(r"google\.colab\.kernel\.proxyPort\(\s*(\d+)")
_callbacks: dict[str, Callable[..., Any]] = {}


def eval_js(script: str, ignore_result: bool = False, timeout_sec: float | None = None) -> Any:  # noqa: ARG001
    """The address of a port, which is what most notebooks ask for; no other script can be run here."""
    if (port := _PORT.search(script)) is not None:
        return f"http://localhost:{port[1]}/"
    if ignore_result:
        current().say("JavaScript is not run here: this is not Colab's front end")
        return None
    raise UsageError(
        "output.eval_js needs Colab's front end: there is no answer to be had here",
        hint="leave this cell out, or guard it with try",
    )


def register_callback(function_name: str, callback: Callable[..., Any]) -> None:
    """Keep it; no JavaScript will call it here."""
    _callbacks[function_name] = callback


def clear(wait: bool = False, output_tags: Any = ()) -> None:
    """Clear the output of the cell; outputs with certain tags cannot be told apart here, so they stay."""
    display = getattr(sys.modules.get("IPython"), "display", None)
    if display is not None and not output_tags:
        display.clear_output(wait=wait)


@contextlib.contextmanager
def temporary() -> Iterator[None]:
    """What is said in the block is cleared at its end."""
    try:
        yield
    finally:
        clear()


@contextlib.contextmanager
def use_tags(tags: Any, append: bool = True) -> Iterator[None]:  # noqa: ARG001 - the signature is Colab's
    """There are no tags here."""
    yield


def no_vertical_scroll() -> None:
    """The front end decides on that."""


def enable_custom_widget_manager(version: str | None = None) -> None:
    """Jupyter's own loads any widget."""


def disable_custom_widget_manager() -> None:
    """The same."""
