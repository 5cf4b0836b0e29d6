"""Two finished trainings, held against each other bit by bit.

Tensors are identical if dtype, shape and bytes are, so NaN is identical to the same NaN only, and 0.0 is not -0.0.
Points of a history are identical if their lines are: a float is written with all the digits that make it this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import ndarray

__all__ = ["Comparison", "compare_histories", "compare_weights"]

_NOTHING = "nothing"


@dataclass(frozen=True)
class Comparison:
    """How many things were compared, and one line for each that differs."""

    what: str
    unit: str
    count: int
    differences: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Nothing at all is no proof."""
        return self.count > 0 and not self.differences

    @property
    def line(self) -> str:
        if self.identical:
            return f"{self.what}: bit-identical ({self.count} {self.unit})"
        found = self.differences or (_NOTHING,)
        rest = f", and {len(found) - 1} more" if len(found) > 1 else ""
        return (
            f"{self.what}: NOT identical: {len(self.differences)} of {self.count} {self.unit} differ: {found[0]}{rest}"
        )


def compare_weights(reference: Path, other: Path) -> Comparison:
    """Two safetensors files."""
    from safetensors.numpy import load_file

    expected, found = load_file(reference), load_file(other)
    names = sorted(expected.keys() | found.keys())
    differences = tuple(_differing(names, expected, found))
    return Comparison("weights", "tensors", len(names), differences)


def _differing(names: list[str], expected: dict[str, ndarray], found: dict[str, ndarray]) -> Iterator[str]:
    for name in names:
        if name not in expected or name not in found:
            yield f"{name} is only in {'the reference' if name in expected else 'the other'}"
        elif (kinds := (_kind(expected[name]), _kind(found[name])))[0] != kinds[1]:
            yield f"{name} is {kinds[1]}, not {kinds[0]}"
        elif unequal := _unequal_bytes(expected[name], found[name]):
            yield f"{name} in {unequal} of {expected[name].nbytes} bytes"


def _kind(array: ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}"


def _unequal_bytes(one: ndarray, other: ndarray) -> int:
    return sum(a != b for a, b in zip(one.tobytes(), other.tobytes(), strict=True))


def compare_histories(reference: Path, other: Path) -> Comparison:
    """Two files with one JSON line for each point."""
    pairs = list(
        zip_longest(*(path.read_text("utf-8").splitlines() for path in (reference, other)), fillvalue=_NOTHING)
    )
    differences = tuple(f"{found} instead of {expected}" for expected, found in pairs if expected != found)
    return Comparison("history", "points", len(pairs), differences)
