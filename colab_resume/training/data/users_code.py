"""Whose code something is: the user's own, in the notebook or in a file beside it, or that of something installed."""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["is_users_file", "is_users_module", "is_users_own"]

_INSTALLED = {"site-packages", "dist-packages"}
_PYTHON = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
_THIS_PACKAGE = str(Path(__file__).parents[2])
_THIS_NAME = __name__.partition(".")[0]


def is_users_own(kind: type[Any]) -> bool:
    """Whether the user wrote this class."""
    return is_users_module(kind.__module__)


def is_users_module(name: Any) -> bool:
    """Whether the user wrote the module of this name."""
    if not isinstance(name, str) or (top := name.partition(".")[0]) == _THIS_NAME:
        return False
    if (file := getattr(sys.modules.get(name), "__file__", None)) is not None:
        return is_users_file(file)
    # Cython keeps the types of all that it compiles in a module without a file.
    return name == "__main__" or not (top in sys.stdlib_module_names or top.startswith("_cython_"))


@cache
def is_users_file(file: str) -> bool:
    """Whether the user wrote this file; a cell of a notebook has a name of its own."""
    if file.startswith(("<frozen ", _THIS_PACKAGE)) or _INSTALLED & set(Path(file).parts):
        return False
    return not file.startswith(_PYTHON)
