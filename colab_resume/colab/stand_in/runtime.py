"""Stands for `google.colab.runtime`."""

from __future__ import annotations

from ..asking import current

__all__ = ["unassign"]


def unassign() -> None:
    """There is no VM of Colab's to give back; this process goes on."""
    current().say("this is no Colab VM, so there is none to give back")
