"""A tracked object of TensorFlow: a variable, a module, a `tf.train.Checkpoint`, an optimizer, an iterator, a metric.

The promise: all that belongs to it is put back before the first step, and nothing later. What TensorFlow makes late,
the moments of a Keras optimizer, is made here for the very variables that it was made for before; what cannot be made
here is refused when the training is back where it was saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from ...checkpoints.encoding import Immutable
from ...errors import UsageError
from ..objects.narrow import as_array, as_stored
from ..objects.whose import is_tensorflows, is_tf_iterator
from . import chance, datasets, files
from .belongings import Belongings, belongings
from .memory import array_of

__all__ = ["TensorFlowPart"]

_SHOWN = 8


class TensorFlowPart:
    """`everything`: all that is tracked, by name; in it lies what an optimizer trains."""

    kind = "tensorflow"

    def __init__(self, name: str, thing: Any, everything: Callable[[], Mapping[str, Any]]) -> None:
        if tf.distribute.has_strategy():
            raise UsageError(f"{name} is tracked inside a tf.distribute strategy", hint="train without a strategy")
        self._name = name
        self._thing = thing
        self._everything = everything
        found = self._found()
        _refuse_unbuilt(name, thing)
        for key, variable in found.variables.items():
            _refuse_spread(f"{name}.{key}", variable)
        for key, other in found.others.items():
            if is_tf_iterator(other):
                datasets.refuse_iterator(f"{name}.{key}", other)
        chance.keep()

    def state(self) -> Any:
        found = self._found()
        return {
            "variables": {key: Immutable(_stored(variable)) for key, variable in found.variables.items()},
            "others": {key: files.written(other) for key, other in found.others.items()},
            "trained": {key: self._trained(optimizer) for key, optimizer in found.optimizers.items()},
        }

    def differences(self, saved: Any) -> list[str]:
        """Of what is there already; what is not may still come."""
        self._make_late(saved)
        found = self._found()
        lines = [f"{key} is not in the checkpoint" for key in found.variables if key not in saved["variables"]]
        lines += [f"{key} is not in the checkpoint" for key in found.others if key not in saved["others"]]
        for key, variable in found.variables.items():
            lines += _difference(key, variable, saved["variables"].get(key))
        return _shortened(lines)

    def differences_at_last(self, saved: Any) -> list[str]:
        """What is still not there when the training goes on."""
        found = self._found()
        missing = [*(saved["variables"].keys() - found.variables), *(saved["others"].keys() - found.others)]
        return _shortened(
            [
                f"{key} is only in the checkpoint; if it is made late, make it before run.track: call the model once, "
                "or optimizer.build(model.trainable_variables)"
                for key in sorted(missing)
            ]
        )

    def load(self, saved: Any) -> None:
        found = self._found()
        for key, variable in found.variables.items():
            variable.assign(_array(saved["variables"][key], variable))
        for key, other in found.others.items():
            files.read(other, saved["others"][key])

    def _found(self) -> Belongings:
        return belongings(self._name, self._thing)

    def _trained(self, optimizer: Any) -> list[str] | None:
        """The names of what it has variables for, in its order; None if it has none yet, or they are nobody's."""
        if not optimizer.built:
            return None
        names: dict[int, str] = {}
        for name, variable in self._all_variables():
            names.setdefault(_identity(variable), name)
        trained = [names.get(_identity(variable)) for variable in optimizer._trainable_variables]
        return None if None in trained else [str(name) for name in trained]

    def _make_late(self, saved: Any) -> None:
        for key, optimizer in self._found().optimizers.items():
            trained = saved["trained"].get(key)
            if optimizer.built or trained is None:
                continue
            known = dict(self._all_variables())
            if all(name in known for name in trained):
                optimizer.build([known[name] for name in trained])

    def _all_variables(self) -> Iterator[tuple[str, Any]]:
        for name, thing in {**self._everything(), self._name: self._thing}.items():
            if is_tensorflows(thing):
                for key, variable in belongings(name, thing).variables.items():
                    yield f"{name}.{key}", variable


def _identity(variable: Any) -> int:
    """Keras wraps variables of TensorFlow; an optimizer may know the one or the other."""
    value = getattr(variable, "value", variable)
    return id(variable if callable(value) else value)


def _refuse_unbuilt(name: str, thing: Any) -> None:
    children = tf.train.TrackableView.children(thing).items() if isinstance(thing, tf.train.Checkpoint) else ()
    for path, node in [(name, thing), *((f"{name}.{key}", child) for key, child in children)]:
        if hasattr(node, "build") and hasattr(node, "call") and not getattr(node, "built", True):
            raise UsageError(
                f"{path} has no variables yet: after a restart nothing could be put into them before the first step",
                hint="call it once on a batch, or model.build((None, ...)), before run.track",
            )


def _refuse_spread(name: str, variable: Any) -> None:
    value = getattr(variable, "value", variable)
    if "tensorflow.python.distribute" in type(variable if callable(value) else value).__module__:
        raise UsageError(f"{name} was made by a tf.distribute strategy", hint="make it outside of the strategy's scope")


def _stored(variable: Any) -> Any:
    return as_stored(array_of(variable))


def _array(saved: Any, variable: Any) -> Any:
    value = getattr(variable, "value", variable)
    return as_array(saved, (variable if callable(value) else value).dtype.as_numpy_dtype)


def _difference(key: str, variable: Any, saved: Any) -> list[str]:
    if saved is None:
        return []
    now = _stored(variable)
    here, there = (f"{str(one.dtype).removeprefix('torch.')}{list(one.shape)}" for one in (now, saved))
    may_change = not tf.TensorShape(variable.shape).is_fully_defined()
    if here == there or (may_change and now.dtype == saved.dtype):
        return []
    return [f"{key} is {there} in the checkpoint, {here} now"]


def _shortened(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _SHOWN else [*lines[:_SHOWN], f"and {len(lines) - _SHOWN} more"]
