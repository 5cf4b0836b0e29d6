"""Storms: whatever happens to Drive, to the VM and to the sessions, in any order, and then it clears up.

At every moment each checkpoint on Drive is whole, and what was once called safe is found by every restart. When the
faults have gone, a few rounds later all is there, and nothing twice.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from conftest import IN_CI
from drive_server.faults import Fault as Plan
from drive_server.fixtures import NOON
from drive_server.server import DriveServer
from drivefs.mount import DriveFS
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from reliability.api_faults import API_FAULTS, APIFault
from reliability.by_api import APIPlace
from reliability.faults import Fault
from reliability.mount_faults import MOUNT_FAULTS
from reliability.on_mount import MountPlace
from reliability.training import VM, Place
from reliability.truth import check_end, check_valid

from colab_resume.errors import RunInUse
from colab_resume.testing import ManualClock

STORM = settings(  # about a thousand steps of each machine
    max_examples=20,
    stateful_step_count=50,
    deadline=None,
    derandomize=IN_CI,
    # A failure of 50 steps can be read; to find a shorter one takes many minutes.
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


class Storm(RuleBasedStateMachine):
    """What both have in common: one VM that works, and perhaps a session that does not know that it is over.

    Packs go up in threads, so what a fault strikes is not the same twice; a rule that cannot be meant just now does
    nothing, since a precondition would make what is drawn depend on that.
    """

    place: Place

    def __init__(self) -> None:
        super().__init__()
        self._ends = contextlib.ExitStack()
        shared = Path("/dev/shm")
        disks = tempfile.TemporaryDirectory(prefix="storm-", dir=shared if shared.is_dir() else None)
        self._disks = Path(self._ends.enter_context(disks))
        self.place = self.new_place()
        self._sessions = 0
        self._loser: VM | None = None
        self._proved = False
        """Whether the working one has seen that nobody else has the lease."""
        self._vm = self._new_vm()
        self._begin()

    def new_place(self) -> Place:
        raise NotImplementedError

    def clear_up(self) -> None:
        """All faults are gone."""
        raise NotImplementedError

    def mount_first(self) -> None:
        """Whoever begins a session has seen to it that Drive is there, or `setup` would have told him to."""

    def arrive(self) -> None:
        """What was only handed over is on Drive."""

    @rule()
    def train(self) -> None:
        if not self._runs:
            return
        self._vm.train()

    @rule()
    def mirror(self) -> None:
        if not self._runs:
            return
        self.place.clock.advance(20.0)
        self._proved |= self._vm.round() is None

    @rule()
    def run_the_cell_again(self) -> None:
        if self._runs:
            return
        self._runs = self._vm.restore() is None

    @rule()
    def restart_the_kernel(self) -> None:
        self.mount_first()
        self._vm.restart(self._next_session())
        self._begin()

    @rule()
    def new_vm(self) -> None:
        self._vm.close()
        shutil.rmtree(self._vm.disk)
        self._vm = self._new_vm()
        self._begin()

    @rule()
    def another_takes_over(self) -> None:
        if not (self._runs and self._proved):
            return
        if self._loser is not None:
            self._loser.close()
        self._loser, self._vm = self._vm, self._new_vm()
        self._begin()

    @rule()
    def the_other_one_goes_on(self) -> None:
        if self._loser is None or not self._vm.has_lease:
            return
        self._loser.train()
        assert self._loser.round() is not None, "two sessions write at the same time"

    @invariant()
    def every_checkpoint_on_drive_is_whole(self) -> None:
        check_valid(self.place)

    def teardown(self) -> None:
        try:
            self.clear_up()
            self._end()
        finally:
            for vm in (self._vm, self._loser):
                if vm is not None:
                    vm.close()
            self._ends.close()

    def _end(self) -> None:
        if not self._runs:
            assert self._vm.restore() is None
        if not self._vm.store.names():
            self._vm.train()
        self._vm.round()
        assert self._vm.round() is None
        self.arrive()
        assert self._vm.newest.name in check_valid(self.place)
        if self._loser is not None:
            assert isinstance(self._loser.round(), RunInUse)
        self._vm.close()
        check_end(self.place, self._disks / "later")

    def _begin(self) -> None:
        self._proved = False
        self._runs = self._vm.start() is None

    def _new_vm(self) -> VM:
        self.mount_first()
        session = self._next_session()
        return VM(self.place, self._disks / session, session)

    def _next_session(self) -> str:
        self._sessions += 1
        return f"s{self._sessions:05d}"


class OnMount(Storm):
    """One fault at a time, from an operation of the remote on, or from the midst of one."""

    place: MountPlace

    def new_place(self) -> MountPlace:
        folder = Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="storm-")))
        self._fault: Fault[MountPlace] | None = None
        return MountPlace(self._ends.enter_context(DriveFS(folder, held=True)))

    def mount_first(self) -> None:
        if self._fault is not None and self.place.wire.is_struck:
            self.clear_up()

    def arrive(self) -> None:
        """A session that began while no attribute answered waits for nothing."""
        self.place.fs.upload()

    @rule(fault=st.sampled_from(MOUNT_FAULTS), at=st.integers(0, 25), amid=st.booleans())
    def something_will_fail(self, fault: Fault[MountPlace], at: int, amid: bool) -> None:
        if self._fault is not None:
            return
        self._fault = fault
        self.place.wire.lay(lambda: fault.begin(self.place), at=at, amid=amid)

    @rule()
    def clear_up(self) -> None:
        if self._fault is None:
            return
        if self.place.wire.is_struck:
            self._fault.end(self.place)
        self.place.wire.clear()
        self._fault = None


class ByAPI(Storm):
    """Any number of faults at once."""

    place: APIPlace

    def new_place(self) -> APIPlace:
        clock = ManualClock(NOON)
        self._server = self._ends.enter_context(DriveServer(clock=clock, wait=clock.wait))
        return APIPlace(self._server, clock, self._disks)

    @rule(
        fault=st.sampled_from([fault for fault in API_FAULTS if fault.effect is not None and not fault.harms_restore]),
        skip=st.integers(0, 30),
        times=st.integers(1, 30),
    )
    def something_will_fail(self, fault: APIFault, skip: int, times: int) -> None:
        assert fault.effect is not None
        self._server.faults.add(Plan(fault.match, fault.effect, skip, times))

    @rule()
    def clear_up(self) -> None:
        self._server.faults.clear()

    @rule()
    def tokens_expire(self) -> None:
        self._server.expire_tokens()

    def teardown(self) -> None:
        super().teardown()
        assert self._server.violations == []


def storm(machine: Any) -> None:
    run_state_machine_as_test(machine, settings=STORM)


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("machine")
@pytest.mark.usefixtures("needs_fuse")
def test_a_storm_on_a_mount() -> None:
    """Nothing that happens to a mount costs what was safe, or leaves anything but whole checkpoints."""
    storm(OnMount)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_storm_by_the_api() -> None:
    """Nothing that the API answers does."""
    storm(ByAPI)
