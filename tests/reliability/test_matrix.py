"""Every fault of Drive in every operation of a run, at its first, a middle and its last request.

Of each: nothing but a state comes of it, what the user reads can be understood and acted on, it goes on as the table in
docs/reliability.md says, and what is on Drive in the end is whole, not doubled, and what a new VM goes on from.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from drive_server.faults import Fault as Plan
from drive_server.faults import Match
from drive_server.server import DriveServer
from drivefs.mount import DriveFS
from reliability.api_faults import API_FAULTS, APIFault
from reliability.by_api import APIPlace
from reliability.faults import Fault
from reliability.mount_faults import MOUNT_FAULTS
from reliability.on_mount import MountPlace
from reliability.operations import FIRST_START, OPERATIONS, TAKE_OVER, Done, Scene
from reliability.table import DOCUMENT, page
from reliability.training import Place
from reliability.truth import check_end, check_valid

from colab_resume.errors import ColabResumeError, RunInUse
from colab_resume.testing import ManualClock

HOUR = 3600.0
LONG = 20
"""So many requests in a row fail: for all but uploads more than one round asks."""
ROUNDS = LONG + 1
"""So many rounds outlast them."""
COUNTS: dict[object, int] = {}
"""How many requests of a kind an operation has that nothing disturbs."""

MOUNT_CELLS = [(fault, name) for fault in MOUNT_FAULTS for name in OPERATIONS if name != TAKE_OVER]
API_CELLS = [(fault, name) for fault in API_FAULTS for name in OPERATIONS]


def cells(found: list[tuple[Fault, str]]) -> list[object]:
    """As parameters with readable names."""
    return [pytest.param(fault, operation, id=f"{fault.id} / {operation}") for fault, operation in found]


def rounds(done: Done, place: Place, *, at_most: int) -> list[ColabResumeError]:
    """One after the other until it is done, an hour apart; what was in the way."""
    errors: list[ColabResumeError] = []
    while len(errors) < at_most and (error := done()) is not None:
        errors.append(error)
        place.clock.advance(HOUR)
    return errors


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.xdist_group("machine")
@pytest.mark.parametrize(("fault", "operation"), cells(MOUNT_CELLS))
def test_on_a_mount(fault: Fault[MountPlace], operation: str, mounted: DriveFS, disks: Path) -> None:
    """While it lasts training goes on; when it has gone, whatever it took, all is on Drive."""
    count = COUNTS.get(operation) or COUNTS.setdefault(operation, operations(operation, mounted, disks / "count"))
    moments = [(0, False), (count // 2, True), (count - 1, False)]
    felt = False
    scene = Scene(MountPlace(mounted), disks / "0")
    for number, (at, amid) in enumerate(moments[:2] if fault.name else moments):
        if operation == FIRST_START and number:
            scene.close()
            check_end(scene.place, disks / f"later {number}")
            scene = Scene(MountPlace(mounted), disks / str(number))
        felt |= strike_mount(fault, scene, OPERATIONS[operation](scene), at=at, amid=amid)
        check_valid(scene.place)
    assert felt or operation != fault.felt_in
    scene.close()
    check_end(scene.place, disks / "later")


def operations(operation: str, fs: DriveFS, disks: Path) -> int:
    """How often the remote is asked for something."""
    place = MountPlace(fs)
    scene = Scene(place, disks)
    done = OPERATIONS[operation](scene)
    place.wire.calls = 0
    assert done() is None
    scene.close()
    return place.wire.calls


def strike_mount(fault: Fault[MountPlace], scene: Scene, done: Done, *, at: int, amid: bool) -> bool:
    """Whether it was felt. While it lasts each round tells of it; after it one round does all that is left."""
    place = scene.place
    assert isinstance(place, MountPlace)
    place.wire.lay(lambda: fault.begin(place), at=at, amid=amid)
    at_most = 2 if fault.until else 1
    errors = rounds(done, place, at_most=at_most)
    if place.wire.is_struck:
        assert all(fault.fits(error) for error in errors), errors
        assert len(errors) in (0, at_most)
        fault.end(place)
    place.wire.clear()
    if errors:
        assert rounds(done, place, at_most=1) == []
    return bool(errors)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "operation"), cells(API_CELLS))
def test_by_the_api(
    fault: APIFault, operation: str, drive_server: DriveServer, drive_clock: ManualClock, disks: Path
) -> None:
    """The same. What passes comes once at the first, a middle and the last request, and then for long."""
    count = COUNTS.get((operation, fault.match))
    place = APIPlace(drive_server, drive_clock, disks)
    scene = Scene(place, disks)
    if count is None:
        count = COUNTS[operation, fault.match] = asked(drive_server, fault.match, OPERATIONS[operation](scene))
    places = (0, count // 2, count - 1)
    plans = [[(skip, None)] for skip in places] if fault.until else [[(skip, 1) for skip in places], [(1, LONG)]]
    felt = False
    for plan in plans:
        felt |= strike_api(fault, scene, OPERATIONS[operation](scene), plan)
        check_valid(place)
    assert felt or operation != fault.felt_in
    if operation == TAKE_OVER:
        assert isinstance(scene.vm.round(), RunInUse)
    scene.close()
    check_end(place, disks / "later")


def asked(server: DriveServer, match: Match, done: Done) -> int:
    """How many requests are of this kind; what is begun here is done, too."""
    seen: list[str] = []

    def note(call: object) -> bool:
        if match(call):  # type: ignore[arg-type]
            seen.append("")
        return False

    server.faults.add(Plan(Match(where=note), API_FAULTS[0].effect))  # type: ignore[arg-type]
    assert done() is None
    server.faults.clear()
    return len(seen)


def strike_api(fault: APIFault, scene: Scene, done: Done, plan: list[tuple[int, int | None]]) -> bool:
    """Whether it was met. What passes is not helped: rounds alone must come to their end."""
    place = scene.place
    assert isinstance(place, APIPlace)
    server = place.server
    fault.begin(place)
    plans = [Plan(fault.match, fault.effect, skip, times) for skip, times in plan if fault.effect is not None]
    for one in plans:
        server.faults.add(one)
    at_most = 2 if fault.until else ROUNDS
    errors = rounds(done, place, at_most=at_most)
    struck = fault.effect is None or server.faults.pending != plans or bool(errors)
    if fault.until:
        assert all(fault.fits(error) for error in errors), errors
        assert len(errors) in (0, at_most)
        fault.end(place)
        assert not errors or rounds(done, place, at_most=1) == []
    else:
        assert len(errors) < at_most, "it did not recover by itself"
    server.faults.clear()
    return struck


def test_the_table_says_what_the_matrix_says() -> None:
    """docs/reliability.md is what `python -m reliability --write` writes."""
    assert DOCUMENT.read_text() == page()
