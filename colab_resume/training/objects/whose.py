"""Whose an object is, told by the modules that its class and those above it come from; nothing is imported for it."""

from __future__ import annotations

from typing import Any

__all__ = [
    "has_kerass_optimizer",
    "is_tensorflows",
    "is_tf_dataset",
    "is_tf_function",
    "is_tf_generator",
    "is_tf_iterator",
]

_DATASET, _ITERATOR = "tensorflow.python.data.ops.dataset_ops", "tensorflow.python.data.ops.iterator_ops"
_GENERATOR = "tensorflow.python.ops.stateful_random_ops"


def is_tensorflows(thing: Any) -> bool:
    """Whether TensorFlow, or Keras on TensorFlow, knows what is in it."""
    if any(kind.__module__.partition(".")[0] == "tensorflow" for kind in type(thing).__mro__):
        return True
    parts = getattr(thing, "variables", None) if _is_kerass(thing) else None
    if isinstance(parts, list):  # a metric
        return any(map(is_tensorflows, parts))
    return _is_kerass(thing) and is_tensorflows(getattr(thing, "state", None))


def has_kerass_optimizer(thing: Any) -> bool:
    """Whether this is a model of Keras that was compiled with an optimizer of Keras."""
    return _is_kerass(thing) and _is_kerass(getattr(thing, "optimizer", None))


def is_tf_dataset(thing: Any) -> bool:
    """Whether this is a `tf.data.Dataset`."""
    return any(kind.__module__ == _DATASET and kind.__name__ == "DatasetV2" for kind in type(thing).__mro__)


def is_tf_iterator(thing: Any) -> bool:
    """Whether this is what `iter` of a `tf.data.Dataset` gives."""
    return any(kind.__module__ == _ITERATOR and kind.__name__ == "IteratorBase" for kind in type(thing).__mro__)


def is_tf_generator(thing: Any) -> bool:
    """Whether this is a `tf.random.Generator`."""
    return any(kind.__module__ == _GENERATOR and kind.__name__ == "Generator" for kind in type(thing).__mro__)


def is_tf_function(thing: Any) -> bool:
    """Whether this is what `tf.function` makes."""
    kind = type(thing)
    return kind.__module__.startswith("tensorflow.python.eager.") and hasattr(kind, "get_concrete_function")


def _is_kerass(thing: Any) -> bool:
    return any(kind.__module__.partition(".")[0] == "keras" for kind in type(thing).__mro__)
