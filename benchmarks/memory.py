"""How much memory saving takes above what training takes anyway; each way in processes of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from .findings import Findings, Goal, Row, Sample
from .memory_limit import memory_group
from .process import answer_of
from .settings import Settings
from .ways import DCP_ASYNCHRONOUS, DCP_CACHED, DCP_THREAD, OURS, TORCH_SAVE, LeftOut

__all__ = ["measure_memory", "peaks"]

_WAYS = (TORCH_SAVE, DCP_THREAD, DCP_CACHED, DCP_ASYNCHRONOUS, OURS)
_ROOMS = (0.5, 0.25)
_AMPLE = "RAM is ample"
_GIVEN_BACK = "RAM is ample, and large blocks that are freed go back to the system"
# With a threshold of its own glibc does not raise it to the size of what was freed, as it does by default.
# https://man7.org/linux/man-pages/man3/mallopt.3.html
_GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "131072"}
_GOAL = 1.05


def peaks(settings: Settings) -> int:
    """How many processes will be started."""
    return settings.processes * (2 * len(_WAYS) + len(_ROOMS))


def measure_memory(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Start them in turns; `tick` is called after each."""
    found: dict[tuple[str, str], list[dict[str, int]]] = defaultdict(list)
    notes: dict[str, None] = {}
    for _ in range(settings.processes):
        for group, environment in ((_AMPLE, {}), (_GIVEN_BACK, _GIVE_BACK)):
            for name in _WAYS:
                found[group, name].append(_peak(name, settings, folder, environment=environment))
                tick()
        for room in _ROOMS:
            try:
                with memory_group() as group:
                    options = ["--group", str(group), "--room", str(room)]
                    found[_short(room), OURS].append(_peak(OURS, settings, folder, options))
            except LeftOut as reason:
                notes[f"RAM that is short was left out: {reason}."] = None
            tick()
    rows = [_row(group, name, one) for (group, name), one in found.items()]
    goals = [
        Goal.at_most(_GOAL, row.values["parts of the state"].median, f"memory above training, {row.group}, ÷ the state")
        for row in rows
        if row.name == OURS
    ]
    return Findings(rows=rows, goals=goals, notes=list(notes))


def _short(room: float) -> str:
    return f"RAM for {room:.0%} of the state is left"


def _peak(
    name: str,
    settings: Settings,
    folder: Path,
    options: Sequence[str] = (),
    *,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, int]:
    found: dict[str, int] = answer_of("peak", name, settings.megabytes, folder, *options, environment=environment)
    return found


def _row(group: str, name: str, found: Sequence[dict[str, int]]) -> Row:
    values = {
        "above training, MB": Sample.of(one["above"] / 1e6 for one in found),
        "parts of the state": Sample.of(one["above"] / one["state"] for one in found),
    }
    return Row(group=group, name=name, values=values)
