"""What a `tf.data` pipeline is made of that another life may make otherwise: the arrays at its source, names, seeds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..data.witness import a_few
from .datasets import nodes

__all__ = ["sources_of"]

_FEW = 1000


def sources_of(dataset: Any) -> Iterator[Any]:
    """Arrays, and lists of numbers, from the last step of the pipeline to its sources."""
    for node in nodes(dataset):
        yield [int(value) for name in ("_seed", "_seed2") if (value := getattr(node, name, None)) is not None]
        for tensor in (*getattr(node, "_tensors", ()), getattr(node, "_filenames", None)):
            if not hasattr(tensor, "numpy"):
                continue
            array = np.asarray(tensor.numpy())
            yield _of_texts(array.reshape(-1)) if array.dtype.hasobject else array


def _of_texts(texts: Any) -> list[int]:
    return [len(texts), zlib.crc32(b"\0".join(text.rpartition(b"/")[2] for text in a_few(texts, _FEW)))]
