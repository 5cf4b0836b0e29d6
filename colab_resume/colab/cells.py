"""The cells of a notebook: when one begins, and with what error it ended. Elsewhere there are none.

IPython tells it through its events (https://ipython.readthedocs.io/en/stable/config/callbacks.html), in the main
thread, after the error was shown. IPython is looked for among what is loaded already, and never imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

__all__ = ["has_cells", "watch_cells"]


def has_cells() -> bool:
    """Whether this code runs in the cells of a notebook, or of an IPython terminal."""
    return _shell() is not None


def watch_cells(begins: Callable[[], None], ended: Callable[[BaseException | None], None]) -> Callable[[], None]:
    """Call these around each cell from now on; what it returns ends that, and may be called again."""
    shell = _shell()
    if shell is None:
        return lambda: None

    def before(*_: object) -> None:
        begins()

    def after(result: Any) -> None:
        ended(result.error_in_exec or result.error_before_exec)

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)

    def leave() -> None:
        for name, call in (("pre_run_cell", before), ("post_run_cell", after)):
            if call in shell.events.callbacks[name]:
                shell.events.unregister(name, call)

    return leave


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None
