"""Python's garbage collector, at rest while thousands of objects are made that are all kept.

It walks through what is there whenever enough has been made, so that reading a manifest of thousands of tensors takes
several times as long, and stops a training beside it for as long. What is read here has no cycles to be found.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["at_rest"]


@contextmanager
def at_rest() -> Iterator[None]:
    """Nothing is collected in this block, unless somebody else asks for it."""
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_at_work:
            gc.enable()
