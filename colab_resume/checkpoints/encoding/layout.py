"""How an n-dimensional value lies in memory, in bytes; and the element types by the names that a file gives them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch

__all__ = ["ARRAY_NAMES", "Layout", "STORED_DTYPES", "TENSOR_DTYPES", "TENSOR_NAMES", "row_major"]

# Quantized tensors carry scales beside their bytes.
TENSOR_DTYPES: dict[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in vars(torch).values()
    if isinstance(dtype, torch.dtype) and not str(dtype).startswith(("torch.qint", "torch.quint"))
}
"""The element types of tensors by torch's own name."""

STORED_DTYPES: dict[str, torch.dtype] = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
"""The element types of stored pieces by safetensors' name; every other one is stored as U8."""

TENSOR_NAMES: dict[torch.dtype, str] = {dtype: name for name, dtype in STORED_DTYPES.items()}

ARRAY_NAMES: dict[str, str] = {
    "|b1": "BOOL",
    "|u1": "U8",
    "|i1": "I8",
    "<i2": "I16",
    "<i4": "I32",
    "<i8": "I64",
    "<f2": "F16",
    "<f4": "F32",
    "<f8": "F64",
}
"""safetensors' names by numpy's."""


def row_major(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """The strides of a contiguous value as torch counts them: an empty dimension counts as one element."""
    strides: list[int] = []
    step = itemsize
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


@dataclass(frozen=True)
class Layout:
    """Shape, strides and item size in bytes; offsets count from the first element."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int

    @cached_property
    def nbytes(self) -> int:
        """Bytes of the content: an element counts once for each index that leads to it."""
        return math.prod(self.shape) * self.itemsize

    @cached_property
    def low(self) -> int:
        """Where the lowest byte lies; never above 0."""
        return sum(min((size - 1) * stride, 0) for stride, size in self._steps()) if self.nbytes else 0

    @cached_property
    def high(self) -> int:
        """One past where the highest byte lies."""
        return sum(max((size - 1) * stride, 0) for stride, size in self._steps()) + self.itemsize if self.nbytes else 0

    @property
    def is_dense(self) -> bool:
        """Whether each byte from the first to the last belongs to exactly one element."""
        step = self.itemsize
        for stride, size in sorted(self._steps()):
            if size > 1 and stride != step and self.nbytes:
                return False
            step *= max(size, 1)
        return True

    @property
    def is_countable(self) -> bool:
        """Whether torch and numpy can count its bytes."""
        return math.prod(max(size, 1) for size in self.shape) * max(self.itemsize, 1) < 2**63

    def _steps(self) -> Iterator[tuple[int, int]]:
        return zip(self.strides, self.shape, strict=True)
