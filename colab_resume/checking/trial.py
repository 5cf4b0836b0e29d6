"""Runs of a few steps from different beginnings, and what can be compared of them, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..training.data import randomness
from ..training.tracking import RNG, Tracking
from .fingerprint import fingerprint
from .photo import Photo
from .reach import Root
from .report import joined

__all__ = ["Given", "Trace", "Trial"]


class Given(NamedTuple):
    """What a step gave out: it `returns` or `logs` something, or several things with names."""

    how: str
    name: str


@dataclass(frozen=True)
class Trace:
    """A run as fingerprints: what each step gave, and the tracked state after the last one, part by part."""

    given: tuple[Mapping[Given, str], ...]
    parts: Mapping[str, Mapping[str, str]]

    def difference(self, other: Trace) -> str:
        """The first thing in which the other run differs, in words; nothing if it does not."""
        for step, (mine, others) in enumerate(zip(self.given, other.given, strict=True), 1):
            for given, text in mine.items():
                if others.get(given) != text:
                    return f"step {step} {given.how} another {given.name or 'value'}"
        names = self._differing_parts(other)
        return f"{joined(names)} differ{'s' * (len(names) == 1)} after step {len(self.given)}" if names else ""

    def beside_the_point(self, other: Trace) -> frozenset[Given]:
        """What is given otherwise although the state is the same to the bit: the time that a step took, say."""
        if self._differing_parts(other):
            return frozenset()
        pairs = zip(self.given, other.given, strict=True)
        return frozenset(given for mine, others in pairs for given in mine if others.get(given) != mine[given])

    def without(self, left_out: Collection[Given]) -> Trace:
        """The same trace, in which these things do not count."""
        given = tuple({one: text for one, text in step.items() if one not in left_out} for step in self.given)
        return Trace(given, self.parts)

    def _differing_parts(self, other: Trace) -> list[str]:
        names = [name for name, part in self.parts.items() if _differ(part, other.parts.get(name, {}))]
        # The objects are what a user knows; where they differ, the generators may, too.
        return [name for name in names if name != RNG] or names


def _differ(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    # An optimizer keeps gradients for as long as it does not know whether they live on.
    optional = {"gradients"} & (one.keys() ^ other.keys())
    keys = (one.keys() | other.keys()) - optional
    return any(one.get(key) != other.get(key) for key in keys)


class Trial:
    """One step function and its batches; each run gets the very same ones."""

    def __init__(
        self,
        tracking: Tracking,
        step: Callable[..., Any],
        batches: Sequence[tuple[Any, ...]],
        log: Callable[[], list[Any]],
    ) -> None:
        self._tracking = tracking
        self._step = step
        self._batches = batches
        # A step may change its batch in place.
        self._photo = Photo([Root("batches", batches)])
        self._log = log

    @property
    def steps(self) -> int:
        return len(self._batches)

    def run(self) -> Trace:
        """All steps, from how things are now."""
        self._photo.put_back_things()
        self._log()
        given = []
        for batch in self._batches:
            returned = _by_name(self._step(*batch))
            logged = [_by_name(one) for one in self._log()]
            given.append(
                {Given("returns", name): text for name, text in returned.items()}
                | {Given("logs", name): text for one in logged for name, text in one.items()}
            )
        return Trace(tuple(given), self._parts())

    def one_step(self) -> None:
        """The first step alone."""
        self._photo.put_back_things()
        self._step(*self._batches[0])

    def _parts(self) -> dict[str, dict[str, str]]:
        states = {name: state for name, _, state in self._tracking.states()} | {RNG: randomness.capture()}
        return {name: _by_name(state) for name, state in states.items()}


def _by_name(state: Any) -> dict[str, str]:
    if isinstance(state, dict) and all(isinstance(key, str) for key in state):
        return {key: fingerprint(value) for key, value in state.items()}
    return {"": fingerprint(state)}
