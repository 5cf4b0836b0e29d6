"""A tracked object with an optimizer of its own that is none of torch's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

__all__ = ["Stepping"]


class Stepping(ABC):
    """What it owns may be copied while the next step computes, since it says before it changes that."""

    before_step: Callable[[], None] = staticmethod(lambda: None)
    """To be called when the optimizer is about to step; set by whoever tracks it."""

    @abstractmethod
    def owned(self) -> Iterable[torch.Tensor]:
        """The tensors that only a step of the optimizer changes, as far as one can know."""

    def settings(self) -> Mapping[str, Any]:
        """What the optimizer was made with, as far as a saved state overrides it, by how it is written in code."""
        return {}
