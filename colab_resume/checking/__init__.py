"""The self-test before ten hours are spent: does a restart bring back all that a training step depends on?"""

from __future__ import annotations

from .report import Report, Row
from .self_test import check

__all__ = ["Report", "Row", "check"]
