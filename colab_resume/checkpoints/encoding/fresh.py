"""Fresh tensors for stored pieces, each with memory of its own, and the memory of tensors as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .layout import STORED_DTYPES

__all__ = ["Bytes", "bytes_of", "fresh", "raw_bytes"]

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def fresh(dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor on the CPU that is still to be filled, whatever torch's defaults are at the moment."""
    return torch.empty(shape, dtype=STORED_DTYPES[dtype], device="cpu", requires_grad=False)


def bytes_of(tensor: torch.Tensor) -> memoryview:
    """The live memory of a contiguous tensor on the CPU."""
    raw = raw_bytes(tensor)
    return memoryview(bytearray()) if raw is None else raw.data


def raw_bytes(tensor: torch.Tensor) -> Bytes | None:
    """The live bytes, where they lie on the CPU in one stretch.

    Not by `Tensor.numpy`: what has been asked for that once can never be resized again, and some modules do so in
    forward (the observers of torch.ao.quantization). Who resizes it takes the memory away from under these bytes.
    """
    if tensor.device.type != "cpu" or not tensor.is_contiguous() or not tensor.numel():
        return None
    return np.asarray(_Memory(tensor))


class _Memory:
    """https://numpy.org/doc/stable/reference/arrays.interface.html"""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (tensor.numel() * tensor.element_size(),),
            "data": (tensor.data_ptr(), False),
        }
