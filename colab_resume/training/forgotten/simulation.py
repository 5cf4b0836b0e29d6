"""A mark for a simulator, such as an environment of Gymnasium: where its random generators and its episode are."""

from __future__ import annotations

from typing import Any

from ..data.generators import source_of
from ..data.reach import reachable

__all__ = ["Simulation"]


class Simulation:
    """Equal to another one if nothing of it was carried from there to here.

    `env.reset(seed=episode)` gives it another generator, so that all that comes hangs on the seed: that is exact.
    """

    def __init__(self, env: Any) -> None:
        generators = reachable([env], lambda thing: thing if source_of(thing) is not None else None)
        # Held, since the identity of one that is gone may be given out again.
        self._drawn = {id(one): (one, repr(_state(one))) for one in generators}
        self._turns = _turns(env)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Simulation):
            return False
        same = self._drawn.keys() & other._drawn.keys()
        if any(self._drawn[one][1] != other._drawn[one][1] for one in same):
            return False
        return self._drawn.keys() != other._drawn.keys() or self._turns == other._turns

    def __hash__(self) -> int:
        return 0


def _state(generator: Any) -> Any:
    source = source_of(generator)
    return None if source is None else source.get()


def _turns(env: Any) -> list[Any]:
    """How far the episode is, as the wrappers around it count; `env.unwrapped` is at the end of them."""
    found = []
    while env is not None:
        within = getattr(env, "__dict__", {})
        found.append(within.get("_elapsed_steps"))
        env = within.get("env")
    return found
