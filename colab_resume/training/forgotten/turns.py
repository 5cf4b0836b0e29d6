"""What a loop sets in some of its turns only, by following its byte code along every way through a turn."""

from __future__ import annotations

import dis
from bisect import bisect_left
from collections.abc import Sequence, Set

__all__ = ["made_in_some_turns"]

_LEAVES = ("RETURN", "RAISE", "RERAISE")


def made_in_some_turns(loop: Sequence[dis.Instruction], written: Sequence[Set[str]]) -> frozenset[str]:
    """`loop`: the instructions from the head of a loop to its last jump back; `written`: what each of them sets.

    An inner loop counts as entered: what it sets is there behind it.
    """
    kept = [place for place, step in enumerate(loop) if step.opname != "EXTENDED_ARG"]
    # A jump goes to what extends the argument of an instruction, which lies before it.
    places = {step.offset: bisect_left(kept, place) for place, step in enumerate(loop)}
    always = _set_on_every_way([loop[place] for place in kept], places, [written[place] for place in kept])
    return frozenset().union(*written) - always


def _set_on_every_way(
    loop: Sequence[dis.Instruction], places: dict[int, int], written: Sequence[Set[str]]
) -> frozenset[str]:
    """What is set whichever way leads back to the head."""
    known: dict[int, frozenset[str]] = {}
    turns: list[frozenset[str]] = []
    todo: list[tuple[int, int, frozenset[str]]] = [(-1, 0, frozenset())]
    while todo:
        before, place, found = todo.pop()
        if place == 0 and before >= 0:
            turns.append(found)
            continue
        step, comes_back = loop[place], before > place
        merged = found & known.get(place, found)
        # The way out of an inner loop is followed where one of its turns has ended.
        if step.opname == "FOR_ITER" and place and comes_back:
            todo += [(place, to, found) for to in _ways(loop, places, place)[1:]]
            continue
        if known.get(place) == merged:
            continue
        known[place] = merged
        ways = _ways(loop, places, place)
        todo += [(place, to, merged | written[place]) for to in (ways[:1] if step.opname == "FOR_ITER" else ways)]
    return frozenset.intersection(*turns) if turns else frozenset()


def _ways(loop: Sequence[dis.Instruction], places: dict[int, int], place: int) -> list[int]:
    """Where it goes on from here, inside the loop: the next instruction first."""
    step = loop[place]
    if step.opname.startswith(_LEAVES):
        return []
    jumps = "JUMP" in step.opname or step.opname == "FOR_ITER"
    falls = not jumps or "_IF_" in step.opname or step.opname == "FOR_ITER"
    ways = [place + 1] if falls and place + 1 < len(loop) else []
    return ways + ([places[step.argval]] if jumps and step.argval in places else [])
