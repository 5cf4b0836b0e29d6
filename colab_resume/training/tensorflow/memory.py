"""The memory of TensorFlow's variables, looked at and not copied.

A value that was read stays what it is: a step that finds somebody holding it writes to memory of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["array_of"]


def array_of(variable: Any) -> np.ndarray[Any, Any]:
    """The value now, read-only and for good; a copy where TensorFlow cannot show it (bfloat16, text)."""
    value = tf.convert_to_tensor(variable)
    try:
        return np.asarray(memoryview(value))
    except (TypeError, ValueError, BufferError):
        return np.asarray(value.numpy())
