"""What the data of a loop are made of: a few numbers of the arrays, lists and tables that its loaders draw from.

A split that is drawn before `setup`, or from a generator without a seed, comes out otherwise in each life. Where the
restart leads to the end of an epoch no batch could tell, and what was held back for validation is trained on.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..data.reach import parts
from ..data.witness import a_few
from .carried import body_at, carried
from .changes import variables
from .heads import looked_at
from .texts import total

__all__ = ["data_of"]

_DEEP = 8
"""A loader, a subset, the dataset, its class, a method, an array that this names."""
_THINGS, _LEAVES, _ROWS, _TEXTS = 2000, 16, 16, 100_000


def data_of(frame: FrameType, kept: Iterable[torch.nn.Module], covered: Collection[int]) -> dict[str, Any]:
    """By the names of the loaders that the loop in `frame` reads: some numbers of what they draw from.

    `kept`: the modules that are tracked, whose weights are no data; `covered`: the identities of what is tracked.
    """
    if (body := body_at(frame)) is None:
        return {}
    read = (one for name, thing in carried(frame, body).items() for one in variables(name, thing, covered))
    loaders = {id(thing): (name, thing) for name, thing in reversed([*read]) if isinstance(thing, DataLoader)}
    return looked_at({name: list(islice(_held(one, covered), _LEAVES)) for name, one in loaders.values()}, kept)


def _held(loader: DataLoader[Any], covered: Collection[int]) -> Iterator[Any]:
    """From the nearest on, in an order that depends on the code alone."""
    met, level = set(covered), [loader.dataset, loader.batch_sampler or loader.sampler, loader.collate_fn]
    for _ in range(_DEEP):
        things, level = level, []
        for thing in things:
            if id(thing) in met or isinstance(thing, torch.nn.Module) or len(met) > _THINGS + len(covered):
                continue
            met.add(id(thing))
            if isinstance(thing, torch.Tensor | np.ndarray):
                yield thing
            elif (table := _of_table(thing)) is not None:
                yield table
            elif isinstance(thing, Mapping) and not all(isinstance(key, str) for key in thing):
                continue  # what was made so far, by its index: a cache
            else:
                if isinstance(thing, list | tuple):
                    yield [len(thing), total(a_few(thing, _TEXTS))] if set(map(type, thing)) == {str} else thing
                level += parts(thing)


def _of_table(thing: Any) -> list[int] | None:
    """Of a frame of pandas, or a dataset of Hugging Face: its length and a few of its rows."""
    package = type(thing).__module__.partition(".")[0]
    with suppress(Exception):  # other versions have it elsewhere
        if package == "pandas" and hasattr(thing, "iloc"):
            places = a_few(range(len(thing)), _ROWS)
            return [len(thing), zlib.crc32(thing.iloc[places].to_csv().encode())]
        if package == "datasets" and hasattr(thing, "data"):
            places = a_few(range(len(thing)), _ROWS)
            where = places if thing._indices is None else thing._indices.column(0).take(places).to_pylist()
            return [len(thing), zlib.crc32(repr([thing.data.slice(row, 1).to_pylist() for row in where]).encode())]
    return None
