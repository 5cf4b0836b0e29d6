"""Copies from GPUs, on a stream of their own: the training's stream waits for them before the optimizer steps, the CPU
does not.

The staging is pinned, so that the copies run by themselves; nothing is taken on the device.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from .spots import Spot

__all__ = ["SideStreams"]


class SideStreams:
    """One for each GPU that was ever copied from."""

    def __init__(self) -> None:
        self._streams: dict[torch.device, torch.cuda.Stream] = {}
        self._ends: dict[torch.device, torch.cuda.Event] = {}

    def begin(self, spots: Iterable[Spot]) -> None:
        """Copy these as they are once the work that was queued until now is done."""
        for device, group in _by_device(spots).items():
            stream = self._streams.setdefault(device, torch.cuda.Stream(device))
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream), torch.no_grad():
                for spot in group:
                    spot.fresh = True
                    spot.target.copy_(spot.source, non_blocking=True)
            self._ends[device] = stream.record_event()

    def hold_training(self) -> None:
        """Let what is queued from now on wait for the copies."""
        for device, end in self._ends.items():
            torch.cuda.current_stream(device).wait_event(end)

    def wait(self) -> None:
        """Wait, on the CPU, until the copies are there."""
        for end in self._ends.values():
            end.synchronize()


def _by_device(spots: Iterable[Spot]) -> dict[torch.device, list[Spot]]:
    groups: dict[torch.device, list[Spot]] = {}
    for spot in spots:
        groups.setdefault(spot.source.device, []).append(spot)
    return groups
