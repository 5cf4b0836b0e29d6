"""Arrays of kinds that numpy has from others only, such as bfloat16: a checkpoint holds them as tensors of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

__all__ = ["as_array", "as_stored"]

_AS_TORCH = {"bfloat16": torch.bfloat16, "float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}


def as_stored(array: np.ndarray[Any, Any]) -> Any:
    """The array itself where numpy knows its kind, else a tensor with the same bits in memory of its own."""
    kind = _AS_TORCH.get(array.dtype.name)
    if kind is None:
        return array
    bits = array.view(np.int16 if kind.itemsize == 2 else np.int8)
    return torch.from_numpy(bits.copy()).view(kind)


def as_array(stored: Any, dtype: Any) -> Any:
    """What was stored, as an array; `dtype`: numpy's name for the kind of a tensor."""
    if not isinstance(stored, torch.Tensor):
        return stored
    return stored.view(torch.int16 if stored.dtype.itemsize == 2 else torch.int8).numpy().view(dtype)
