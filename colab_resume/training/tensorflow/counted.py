"""Random operations that count their draws for themselves, in a place that nobody can read.

`tf.random.uniform` and its like inside a `tf.function` are such. A new process begins to count anew: a training that
goes on after a restart gets other numbers than without it, and nothing of TensorFlow says so.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from tensorflow.python.framework import op_def_registry

__all__ = ["counting", "counting_now", "in_words"]

_seen: WeakKeyDictionary[Any, list[str]] = WeakKeyDictionary()


def counting(concrete: Any) -> list[str]:
    """The kinds of these operations in the graph of a function and of all that it calls."""
    graph = concrete.graph.as_graph_def()
    bodies = (graph.node, *(function.node_def for function in graph.library.function))
    kinds = {node.op for nodes in bodies for node in nodes}
    return sorted(kind for kind in kinds if _counts(kind))


def counting_now(function: Any) -> list[str]:
    """The same of all graphs that a `tf.function` has by now; each is looked at once."""
    found: set[str] = set()
    for concrete in getattr(function, "_list_all_concrete_functions", list)():
        if concrete not in _seen:
            _seen[concrete] = counting(concrete)
        found.update(_seen[concrete])
    return sorted(found)


def in_words(kinds: list[str]) -> str:
    """What that means, and what to do; the name of what draws comes before it."""
    return (
        f"draws by {', '.join(kinds)}, which counts its draws where nobody can read them: after a restart it begins "
        "anew, and the training would be another one; draw by keras.random, or by a tf.random.Generator that is tracked"
    )


def _counts(kind: str) -> bool:
    known = op_def_registry.get(kind)
    if known is None or not known.is_stateful or kind.endswith(("Dataset", "DatasetV2", "DatasetV3")):
        return False
    return {"seed", "seed2"} <= {attribute.name for attribute in known.attr}
