"""A desk with Colab's VMs for the notebooks, as tests/colab has it."""

from __future__ import annotations

from colab.fixtures import desk, desk_zygote
from drivefs.fixtures import needs_fuse

__all__ = ["desk", "desk_zygote", "needs_fuse"]
