"""Giving the VM back. Nothing is flushed by it."""

from __future__ import annotations

import os

from google.colab import _message, errors, output

__all__ = ["unassign"]


def unassign() -> None:
    """Instruct Colab to unassign the currently assigned runtime."""
    if not os.environ.get("TBE_RUNTIME_ADDR"):
        raise errors.RuntimeManagementError("Unable to find the runtime management service.")
    if "error" in _message.ask_desk("unassign"):
        raise errors.RuntimeManagementError("Unable to request VM unassignment.")
    output.eval_js("google.colab.kernel.disconnect();", ignore_result=True)
