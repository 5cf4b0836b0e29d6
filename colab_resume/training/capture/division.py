"""Which pieces of a plan are copied at the boundary, and which while the next step computes.

What is immutable, as the arrays of JAX and TensorFlow are, is copied when there is time; no step waits for it.

Late, until the next step, is only what nothing but an optimizer's `step()` changes, as far as can be known: the
parameters and the state of known optimizers, and what has not changed from one capture to the next. Before anything is
late for the first time it is copied at the boundary and, when the step begins, compared in full: so it is seen that
this training does not change it in between, by whatever means. What is seen to change there is never late again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from .spots import Spot, copies
from .watch import Watch

__all__ = ["Division", "Trust", "divide"]

_TINY = 64
"""So many bytes are never late unless an optimizer owns them: what waits to be resized by its first use is such."""


class Trust:
    """What is known of stretches of memory, by address and size."""

    def __init__(self) -> None:
        self._tried: dict[tuple[int, int], bool] = {}
        self.edition = 0
        """Another one whenever something new is known."""

    def is_new(self, spot: Spot) -> bool:
        """Whether it was never tried."""
        return spot.key not in self._tried

    def may_be_late(self, spot: Spot) -> bool:
        """Whether it was seen to keep still until the step."""
        return self._tried.get(spot.key, False)

    def note(self, spots: Iterable[Spot], *, keeps_still: bool) -> None:
        """They were compared; once seen to change is seen for good."""
        for spot in spots:
            self._tried[spot.key] = keeps_still and self._tried.get(spot.key, True)
            self.edition += 1


class Division:
    """One way to divide the spots of a plan; `to_try` are those of `now` that might be late the next time.

    `places`: where the count of each spot stands in `counts`, which are those of the newest boundary.
    """

    def __init__(
        self,
        *,
        now: Sequence[Spot],
        late: Sequence[Spot],
        immutable: Sequence[Spot],
        to_try: Sequence[Spot],
        unmoved: Set[Spot],
        places: Mapping[Spot, int],
    ) -> None:
        self.counts: Sequence[int] = ()
        self.to_try = to_try
        self.immutable = immutable
        self.now, self.now_on_gpu = _on_cpu(now), _on_gpu(now)
        self.late, self.late_on_gpu = _on_cpu(late), _on_gpu(late)
        self.jobs_now = list(copies(self.now, unmoved=unmoved.__contains__))
        self.late_jobs = list(copies(self.late, unmoved=unmoved.__contains__))
        self.watches = tuple(Watch(some, [places[spot] for spot in some]) for some in (self.late, self.late_on_gpu))


def divide(
    spots: Sequence[Spot],
    unmoved: Set[Spot],
    owned: Set[int],
    trust: Trust,
    *,
    step_follows: bool,
    places: Mapping[Spot, int],
) -> Division:
    """`owned`: the addresses that known optimizers change; `unmoved`: what torch has not seen change since the last
    capture; `step_follows`: whether nothing but a step comes next; `places`: see `Division`."""
    mutable = [spot for spot in spots if not spot.piece.immutable]
    unmoved = {spot for spot in unmoved if spot.piece.nbytes > _TINY}
    still = (spot for spot in mutable if spot.source.data_ptr() in owned or spot in unmoved)
    candidates = list(still) if step_follows else []
    late = {spot for spot in candidates if trust.may_be_late(spot)}
    return Division(
        now=[spot for spot in mutable if spot not in late],
        late=[spot for spot in mutable if spot in late],
        immutable=[spot for spot in spots if spot.piece.immutable],
        to_try=[spot for spot in candidates if trust.is_new(spot)],
        unmoved=unmoved,
        places=places,
    )


def _on_cpu(spots: Sequence[Spot]) -> list[Spot]:
    return [spot for spot in spots if not spot.source.is_cuda]


def _on_gpu(spots: Sequence[Spot]) -> list[Spot]:
    return [spot for spot in spots if spot.source.is_cuda]
