"""What a run does with Drive. Each is made ready while all is well, and then done until it has succeeded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from reliability.training import VM, Place

from colab_resume.errors import ColabResumeError

__all__ = ["FIRST_START", "OPERATIONS", "RESTORE", "TAKE_OVER", "Done", "Operation", "Scene"]

FIRST_START, RESTORE, TAKE_OVER = "first start", "restore on a new VM", "take over"
_HOUR = 3600.0

Done = Callable[[], ColabResumeError | None]
"""Does it, or goes on with it; what is in its way, or None when all of it is done."""


class Scene:
    """A place, and the disks of the VMs that work there."""

    def __init__(self, place: Place, disks: Path) -> None:
        self.place = place
        self._disks = disks
        self._vms: list[VM] = []

    def new_vm(self) -> VM:
        """With an empty disk, and nobody has looked at Drive yet."""
        number = len(self._vms) + 1
        vm = VM(self.place, self._disks / f"vm{number}", f"s{number:05d}")
        self._vms.append(vm)
        return vm

    @property
    def vm(self) -> VM:
        """The one that works: started if need be."""
        if not self._vms:
            assert self.new_vm().start() is None
        return self._vms[0]

    def close(self) -> None:
        for vm in self._vms:
            vm.close()


Operation = Callable[[Scene], Done]


def _first_start(scene: Scene) -> Done:
    vm = scene.new_vm()
    started = False

    def start() -> ColabResumeError | None:
        nonlocal started
        if not started:
            if (error := vm.start()) is not None:
                return error
            vm.train()
            started = True
        return vm.round()

    return start


def _several_packs(scene: Scene) -> Done:
    scene.vm.newest = None  # nothing of the one before is referenced
    assert len(scene.vm.train().packs) == 3
    return scene.vm.round


def _next_one(scene: Scene) -> Done:
    if scene.vm.newest is None:
        scene.vm.train()
        assert scene.vm.round() is None
    assert len(scene.vm.train().packs) == 3  # one of them is there already
    return scene.vm.round


def _record(scene: Scene) -> Done:
    scene.place.clock.advance(_HOUR)
    return scene.vm.round


def _delete(scene: Scene) -> Done:
    scene.vm.keep(9)
    assert scene.vm.store is not None
    while len(scene.vm.store.names()) < 3:
        scene.vm.train(keep_all=True)
    assert scene.vm.round() is None
    scene.vm.keep(2)
    return scene.vm.round


def _list(scene: Scene) -> Done:
    if scene.vm.newest is None:
        scene.vm.train()
        assert scene.vm.round() is None
    scene.vm.replica.forget()
    return scene.vm.round


def _restore(scene: Scene) -> Done:
    while scene.vm.store is not None and len(scene.vm.store.names()) < 2:
        scene.vm.train()
        assert scene.vm.round() is None
    return scene.new_vm().restore


def _take_over(scene: Scene) -> Done:
    if scene.vm.newest is None:
        scene.vm.train()
        assert scene.vm.round() is None
    return scene.new_vm().claim


OPERATIONS: Mapping[str, Operation] = {
    FIRST_START: _first_start,
    "several packs": _several_packs,
    "the next one": _next_one,
    "session record": _record,
    "delete an old one": _delete,
    "list": _list,
    RESTORE: _restore,
    TAKE_OVER: _take_over,
}
