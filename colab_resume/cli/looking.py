"""The questions that tell what runs there are: names and sizes first, and then the manifests of all of them.

Over a network each answer takes a while, so several questions are asked at a time. No pack is read.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ..checkpoints.abreast import Tell, abreast
from ..checkpoints.catalog import read_manifest
from ..checkpoints.collector import at_rest
from ..checkpoints.damage import damaged
from ..checkpoints.manifest import NAME, PACK, Manifest
from ..checkpoints.names import whole_journals
from ..errors import CheckpointError, RemoteUnavailable
from ..remotes import Entry, Remote
from .places import Place

__all__ = ["Listed", "checkpoints_on", "journals_on", "listed", "manifests_of", "of_each"]

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, eq=False)
class Listed:
    """What lies in a run's folder: manifests by the names of their checkpoints, sizes of packs, records by time."""

    place: Place
    checkpoints: Mapping[str, Entry]
    packs: Mapping[str, int]
    sessions: tuple[str, ...]


def listed(places: Sequence[Place]) -> list[Listed]:
    """Those of the places that are runs."""
    return [found for found in of_each(places, _look, at_a_time=_at_a_time(places)) if found is not None]


@at_rest()
def manifests_of(runs: Sequence[Listed]) -> list[dict[str, Manifest | CheckpointError]]:
    """For each run its manifests by name, or why one cannot be read."""
    asked = [(run.place.remote, entry, name) for run in runs for name, entry in run.checkpoints.items()]
    answers = iter(of_each(asked, _manifest, at_a_time=_at_a_time([run.place for run in runs])))
    return [{name: next(answers) for name in run.checkpoints} for run in runs]


def checkpoints_on(remote: Remote) -> dict[str, Entry]:
    """The manifests that are there now, by the names of their checkpoints."""
    files = {_base(entry): entry for entry in remote.list("checkpoints") if entry.name.endswith(".json")}
    found = {name.removesuffix(".json"): entry for name, entry in files.items()}
    return {name: entry for name, entry in found.items() if NAME.fullmatch(name)}


def journals_on(remote: Remote) -> dict[str, tuple[int, str]]:
    """The length and the file name of each session's journal."""
    return whole_journals((_base(entry), entry.size) for entry in remote.list("journal"))


def of_each(things: Sequence[_Asked], ask: Callable[[_Asked], _Answer], *, at_a_time: int) -> list[_Answer]:
    """The answers, in the order of what was asked; the first error ends it."""
    if at_a_time == 1:
        return [ask(thing) for thing in things]
    answers: dict[int, _Answer] = {}

    def job(number: int, tell: Tell) -> None:
        tell(0)  # ends this thread if the user has interrupted
        answers[number] = ask(things[number])

    jobs = [partial(job, number) for number in range(len(things))]
    abreast(jobs, _unheard, what="look", at_a_time=at_a_time)
    return [answers[number] for number in range(len(things))]


def _base(entry: Entry) -> str:
    """The last part of its name."""
    return entry.name.rpartition("/")[2]


def _look(place: Place) -> Listed | None:
    """Packs are listed after the manifests, since they arrive before them."""
    remote = place.remote
    begun = any(entry.name == "run.json" for entry in remote.list(""))
    checkpoints = checkpoints_on(remote)
    if not begun and not checkpoints:
        return None
    packs = {_base(entry): entry.size for entry in remote.list("packs")}
    sessions = sorted(_base(entry) for entry in remote.list("sessions") if entry.name.endswith(".json"))
    there = {name: size for name, size in packs.items() if PACK.fullmatch(name)}
    return Listed(place, checkpoints, there, tuple(sessions))


def _manifest(asked: tuple[Remote, Entry, str]) -> Manifest | CheckpointError:
    try:
        return read_manifest(*asked)
    except CheckpointError as error:
        return error
    except RemoteUnavailable as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EIO:
            return damaged(f"The manifest of {asked[2]}", "the disk cannot read it any more")
        raise


def _at_a_time(places: Sequence[Place]) -> int:
    return max((place.at_a_time for place in places), default=1)


def _unheard(count: int) -> None:
    """Questions are too short for a bar."""
