"""The fixtures of this folder's own tests."""

from __future__ import annotations

from drivefs.fixtures import needs_fuse

from colab.fixtures import desk, desk_zygote, needs_memory_limit, undisturbed

__all__ = ["desk", "desk_zygote", "needs_fuse", "needs_memory_limit", "undisturbed"]
