"""The copies that are made after the boundary, and the proof that they show the boundary's state.

Torch's count of changes and the samples are held against those of the boundary once the last copy is made, and before
the step that waits for it goes on. So whatever has changed a tensor before its copy was made is noticed then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .division import Division
from .gpu import SideStreams
from .spots import Spot
from .work import Work

__all__ = ["Late"]


class Late:
    """One boundary's. `hand_on` gives the copies that the CPU makes to somebody who begins with them."""

    def __init__(self, divisions: Sequence[Division], streams: SideStreams, hand_on: Callable[[Work], None]) -> None:
        self._cpu = [division.watches[0] for division in divisions]
        self._gpu = [division.watches[1] for division in divisions]
        for division in divisions:
            for watch in division.watches:
                watch.begin(division.counts)
        self._streams = streams
        on_gpu = [spot for division in divisions for spot in division.late_on_gpu]
        self._held = not on_gpu
        if on_gpu:
            streams.begin(on_gpu)
        jobs = [job for division in divisions for job in division.late_jobs]
        self._work = Work(jobs, at_last=self._look_at_cpu) if jobs else None
        if self._work is not None:
            hand_on(self._work)

    def settle(self) -> None:
        """The step begins: what the CPU has not copied is copied now, and the GPU's work waits for its copies."""
        if self._work is not None:
            self._work.finish()
        if not self._held:
            self._look_at_gpu()
            self._streams.hold_training()
            self._held = True

    def changed(self) -> list[Spot]:
        """Wait for the copies; those that do not show the boundary's state. Raises what kept one from being made."""
        if self._work is not None:
            self._work.wait()
            if self._work.error is not None:
                raise self._work.error
        self._streams.wait()
        if not self._held:
            self._look_at_gpu()
        for watch in self._gpu:
            watch.look_at_samples()
        return [spot for watch in (*self._cpu, *self._gpu) for spot in watch.changed]

    def _look_at_cpu(self) -> None:
        for watch in self._cpu:
            watch.look_at_versions()
            watch.look_at_samples()

    def _look_at_gpu(self) -> None:
        for watch in self._gpu:
            watch.look_at_versions()
