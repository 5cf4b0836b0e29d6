"""JSON from a place that others can write to: nothing ambiguous, nothing unbounded, nothing that is not JSON.

`parse` accepts a subset of what `json.loads` accepts. It refuses repeated keys, NaN and Infinity, numbers that overflow
a float, integers of absurd length, other encodings than UTF-8 and nesting that would exhaust the stack; always with
`ValueError`, so that a caller has one thing to catch.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

__all__ = ["JSON", "parse"]

JSON: TypeAlias = "Mapping[str, JSON] | Sequence[JSON] | str | int | float | bool | None"

_LONGEST_INTEGER = 4300


def parse(data: bytes) -> Any:
    """The value that `data` spells out; ValueError says why it is not strict JSON."""
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        [(repeated, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {repeated!r:.60} appears twice in one object")
    return members


def _constant(literal: str) -> None:
    raise ValueError(f"{literal} is not JSON")


def _float(literal: str) -> float:
    value = float(literal)
    if math.isinf(value):
        raise ValueError(f"the number {literal:.60} is out of range")
    return value


def _integer(literal: str) -> int:
    # int() has the same limit by default, but a program may have lifted it, and then this would take hours.
    if len(literal) > _LONGEST_INTEGER:
        raise ValueError(f"an integer of {len(literal)} digits is out of range")
    return int(literal)
