"""Which operations of a step torch itself calls non-deterministic."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["how_to_repeat", "noted_alerts"]

_ALERT = re.compile(r"(\S+) does not have a deterministic implementation")


@contextmanager
def noted_alerts() -> Iterator[list[str]]:
    """While in this block torch tells; after it, the list has the names of the operations."""
    names: list[str] = []
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield names
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            found = (_ALERT.search(str(warning.message)) for warning in caught)
            names += sorted({match[1] for match in found if match})


def how_to_repeat() -> str:
    """The settings with which the same kernels give the same bits."""
    settings = "torch.use_deterministic_algorithms(True)"
    if not torch.cuda.is_available():
        return settings
    return (
        f"{settings}, torch.backends.cudnn.benchmark = False, "
        'and os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8" before the GPU is first used'
    )
