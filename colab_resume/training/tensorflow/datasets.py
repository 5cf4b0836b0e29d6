"""Which `tf.data` pipelines can be brought back after a restart, by what they are made of; others are refused.

An iterator's state holds its own place, but not what a `shuffle` remembers beside it: each time that it is opened it
gives another order, and how often that was is written down nowhere. It can be counted where every pass opens it just
once. So one shuffle may be in a pipeline, and nothing above it may open it late, again or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import UsageError
from ..data.attached import Attached

__all__ = ["memory_of", "nodes", "refuse_iterator"]

_OPENS_ONCE = {
    "BatchDataset",
    "DenseToRaggedDataset",
    "EnumerateDataset",
    "FilterDataset",
    "FlatMapDataset",
    "InterleaveDataset",
    "MapDataset",
    "ModelDataset",
    "OptionsDataset",
    "PaddedBatchDataset",
    "ParallelBatchDataset",
    "ParallelInterleaveDataset",
    "ParallelMapDataset",
    "PrefetchDataset",
    "ScanDataset",
    "SkipDataset",
    "TakeDataset",
    "UnbatchDataset",
    "ZipDataset",
    "AssertCardinalityDataset",
}
_SEEDED = {"ShuffleDataset", "RandomDataset"}

_first: Attached[Any] = Attached()
"""The iterator that is tracked of each shuffle."""


def memory_of(dataset: Any) -> Any:
    """The shuffle that gives each pass another order; None if all passes are alike. `UsageError` if it is in a place
    where nobody could count how often it was opened, or if the pipeline cannot be saved."""
    _refuse(dataset)
    remembering = list(_remembering(dataset, ()))
    if not remembering:
        return None
    node, above = remembering[0]
    if len(remembering) > 1:
        raise _unknown_order("two places shuffle anew in each pass", "say shuffle(..., reshuffle_each_iteration=False)")
    for kind in map(_kind, above):
        if kind == "RepeatDataset":
            raise _unknown_order("repeat() comes after shuffle()", "say dataset.repeat().shuffle(...), in this order")
        if kind not in _OPENS_ONCE:
            raise _unknown_order(f"{kind} comes after it", "shuffle after that, or with reshuffle_each_iteration=False")
    return node


def refuse_iterator(name: str, iterator: Any) -> None:
    """`UsageError` if an iterator that is tracked by itself could not be brought back."""
    dataset = getattr(iterator, "_dataset", None)
    if dataset is None:
        raise UsageError(f"{name} does not say of which dataset it is", hint="make it by iter(dataset)")
    node = memory_of(dataset)
    if node is None:
        return
    if _first.get(node) not in (None, id(iterator)):
        raise UsageError(
            f"{name} is a second iterator of a shuffled dataset, which knows another order for each",
            hint="draw whole passes by run.batches(dataset), or use one iterator of dataset.repeat().shuffle(...)",
        )
    _first.set(node, id(iterator))


def _refuse(dataset: Any) -> None:
    if getattr(dataset.options(), "deterministic", None) is False:
        raise UsageError("the dataset is told to be nondeterministic", hint="leave out options.deterministic = False")
    for node in nodes(dataset):
        kind = _kind(node)
        if kind == "SnapshotDataset":
            raise UsageError("a pipeline with snapshot() cannot be restored", hint="use dataset.save(path) beforehand")
        if getattr(node, "_deterministic", None) in ("false", False):
            raise UsageError(f"{kind} is told to be nondeterministic", hint="leave out deterministic=False")
        if kind in _SEEDED and not _is_seeded(node):
            raise UsageError(
                f"{kind.removesuffix('Dataset').lower()} has no seed: after a restart it would give another order",
                hint="say tf.random.set_seed(...) before the dataset is made, or give it seed=...",
            )
        if kind == "CacheDataset" and _text(getattr(node, "_filename", None)):
            raise UsageError("cache(file) writes to a disk that goes with the VM", hint="use cache() or dataset.save")
        if any(_captures_a_dataset(function) for function in getattr(node, "_functions", list)()):
            raise UsageError(
                f"a function of {kind} uses another dataset from outside", hint="make that dataset inside the function"
            )


def _remembering(node: Any, above: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    kind = _kind(node)
    anew = kind == "ShuffleDataset" and getattr(node, "_reshuffle_each_iteration", True) is not False
    if anew or (kind == "RandomDataset" and getattr(node, "_rerandomize", False)) or kind == "GlobalShuffleDataset":
        yield node, above
    for child in node._inputs():
        yield from _remembering(child, (*above, node))


def nodes(node: Any) -> Iterator[Any]:
    """Its steps, the last one first."""
    yield node
    for child in node._inputs():
        yield from nodes(child)


def _kind(node: Any) -> str:
    kind = type(node)
    return str(kind.__name__).lstrip("_").removesuffix("V1").removesuffix("V2")


def _is_seeded(node: Any) -> bool:
    return any(int(seed) for seed in (getattr(node, "_seed", 0), getattr(node, "_seed2", 0)))


def _captures_a_dataset(function: Any) -> bool:
    return any(captured.dtype.name == "variant" for captured in function.function.captured_inputs)


def _text(tensor: Any) -> str:
    return "" if tensor is None else str(tensor.numpy().decode())


def _unknown_order(why: str, hint: str) -> UsageError:
    return UsageError(
        f"{why}: after a restart nobody knows how often the shuffle was opened, and its order hangs on that", hint=hint
    )
