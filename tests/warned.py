"""What colab_resume warns of, also in a process of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["warned"]


@contextmanager
def warned() -> Iterator[list[str]]:
    """The warnings from here on, as they come."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("colab_resume")
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
