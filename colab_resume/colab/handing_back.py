"""Giving the VM back, so that it costs nothing any more. Whatever is only on its disk is lost: check before."""

from __future__ import annotations

from ..errors import RemoteUnavailable
from .place import Kind, Place, find_place

__all__ = ["give_back_vm"]


def give_back_vm(place: Place | None = None) -> bool:
    """Let Colab end this VM; False elsewhere, where there is none to give back.

    True means that it was asked for: this process ends in a moment. Raises `RemoteUnavailable` if Colab refuses.
    """
    if (place or find_place()).kind is not Kind.COLAB:
        return False
    try:
        from google.colab import runtime
    except ImportError:
        return False
    try:
        runtime.unassign()
    except Exception as error:
        raise RemoteUnavailable(
            f"Colab did not take the VM back ({type(error).__name__}: {error})",
            hint="disconnect and delete the runtime by hand (menu Runtime)",
        ) from error
    return True
