"""Folders that other frameworks write their checkpoints to: mirrored as consistent sets, and brought back."""

from __future__ import annotations

from .tracked import Folders

__all__ = ["Folders"]
