"""The graph of a training step on TensorFlow, made before the first step and for batches of any size.

TensorFlow makes it for the batch that it meets first, and another one, for any size, when it meets a second size. They
differ in the last bits of what they compute. After a restart the first batch may be the short one at the end of an
epoch; so that one for any size is made in each life, which is what Keras itself gets from its own iterators.
"""

from __future__ import annotations

import inspect
from typing import Any
from weakref import WeakSet

import keras
import tensorflow as tf

from ...display.text import warn
from ...errors import UsageError
from ...training.tensorflow.counted import counting, in_words

__all__ = ["trace"]

_looked_into: WeakSet[Any] = WeakSet()
"""Graphs that an earlier `fit` had, too."""


def trace(train_function: Any, batch: Any) -> None:
    """Let it have a graph for batches that are like this one but for their size."""
    step = inspect.getclosurevars(train_function).nonlocals.get("one_step_on_data")
    if not hasattr(step, "__wrapped__"):
        raise UsageError(f"Keras {keras.__version__} trains in a way that is not known here", hint="use Keras 3.13")
    compiled = step.__wrapped__  # type: ignore[union-attr]
    if hasattr(compiled, "get_concrete_function"):  # not with run_eagerly=True
        made = compiled.get_concrete_function(keras.tree.map_structure(_of_any_size, batch, none_is_leaf=False))
        if made not in _looked_into and (kinds := counting(made)):
            warn(f"a layer, a loss or a train_step {in_words(kinds)}")
        _looked_into.add(made)


def _of_any_size(part: Any) -> Any:
    spec = tf.type_spec_from_value(part)
    return tf.TensorSpec([None, *spec.shape[1:]], spec.dtype) if spec.shape.rank else spec
