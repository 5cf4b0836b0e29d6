"""Fresh tensors for stored pieces, each with memory of its own, and that memory as bytes."""

from __future__ import annotations

import torch

from .layout import STORED_DTYPES

__all__ = ["bytes_of", "fresh"]


def fresh(dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor on the CPU that is still to be filled, whatever torch's defaults are at the moment."""
    return torch.empty(shape, dtype=STORED_DTYPES[dtype], device="cpu", requires_grad=False)


def bytes_of(tensor: torch.Tensor) -> memoryview:
    """The live memory of a contiguous tensor on the CPU."""
    flat: memoryview = tensor.detach().reshape(-1).view(torch.uint8).numpy().data
    return flat if flat.nbytes else memoryview(bytearray())
