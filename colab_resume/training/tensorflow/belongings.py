"""All that belongs to an object of TensorFlow or Keras, by names that are the same in each process.

Names are those of the attributes that lead there, as in a `tf.train.Checkpoint`. Inside a layer, an optimizer or a
metric of Keras variables have their path instead, without the numbers that depend on what else was made; so the seeds
of `Dropout` and its like are among them, which TensorFlow does not see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from ...errors import UsageError
from ..objects.whose import is_tensorflows, is_tf_dataset, is_tf_iterator

__all__ = ["Belongings", "belongings"]

_Trackable = tf.__internal__.tracking.Trackable


@dataclass
class Belongings:
    """`variables`: what can be read and assigned. `others`: what only TensorFlow can save, such as iterators.
    `optimizers`: those of Keras, which make their variables when they are told what they are to train.
    """

    variables: dict[str, Any] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)
    optimizers: dict[str, Any] = field(default_factory=dict)


def belongings(name: str, thing: Any) -> Belongings:
    """What is there now; `UsageError` for what could not be brought back."""
    found = Belongings()
    met: set[int] = set()
    held: list[Any] = []  # some are made only to be looked at; without this another one would get their identity
    level = [("", thing)]
    while level:
        fresh = []
        for path, node in level:
            if id(node) not in met:
                met.add(id(node))
                held.append(node)
                fresh.append((path, node))
        for path, node in fresh:
            _note(name, path, node, found, met)
        level = [(f"{path}.{key}" if path else key, child) for path, node in fresh for key, child in _children(node)]
    return found


def _note(name: str, path: str, node: Any, found: Belongings, met: set[int]) -> None:
    if _is_variable(node):
        _add(found.variables, path, node)
    elif is_tf_iterator(node):
        _add(found.others, path, node)
    elif is_tf_dataset(node):
        raise UsageError(
            f"{name} has a tf.data.Dataset in it, which has no place that could be kept",
            hint="draw it by run.batches(dataset), or track its iterator: it = iter(dataset), run.track(it=it)",
        )
    elif _is_kerass(node):
        _note_kerass(path, node, found, met)
    elif callable(getattr(node, "get_slot_names", None)):  # an optimizer of TensorFlow 1
        _add_all(found, path, [(variable.name, variable) for variable in node.variables()], met)
    elif isinstance(node, _Trackable) and type(node)._serialize_to_tensors is not _Trackable._serialize_to_tensors:
        _add(found.others, path, node)


def _note_kerass(path: str, node: Any, found: Belongings, met: set[int]) -> None:
    variables = [node.state] if not hasattr(node, "variables") else node.variables
    _add_all(found, path, [(_plain(variable.path), variable) for variable in variables], met)
    if _is_optimizer(node):
        _add(found.optimizers, path, node)


def _add_all(found: Belongings, path: str, named: Iterable[tuple[str, Any]], met: set[int]) -> None:
    for key, variable in named:
        if id(variable) not in met:
            met.add(id(variable))
            _add(found.variables, f"{path}.{key}" if path else key, variable)


def _add(home: dict[str, Any], path: str, node: Any) -> None:
    name = path or "value"
    number = 1
    while (key := name if number == 1 else f"{name}#{number}") in home:
        number += 1
    home[key] = node


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    if _is_variable(node) or is_tf_iterator(node) or _is_optimizer(node):  # what an optimizer trains is not its own
        return
    if isinstance(node, _Trackable):
        yield from tf.train.TrackableView.children(node).items()
    elif isinstance(getattr(node, "_seed_generators", None), list):
        yield from ((str(number), one) for number, one in enumerate(node._seed_generators))


def _is_variable(node: Any) -> bool:
    return is_tensorflows(node) and callable(getattr(node, "assign", None)) and callable(getattr(node, "numpy", None))


def _is_kerass(node: Any) -> bool:
    return any(kind.__module__.partition(".")[0] == "keras" for kind in type(node).__mro__) and (
        hasattr(node, "variables") or hasattr(node, "state")
    )


def _is_optimizer(node: Any) -> bool:
    return _is_kerass(node) and hasattr(node, "apply_gradients") and hasattr(node, "build")


def _plain(path: str) -> str:
    return re.sub(r"_\d+(?=[/_]|$)", "", path)
