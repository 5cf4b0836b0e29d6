"""A capture whose late copies are made when the test says so, and what a snapshot holds."""

from __future__ import annotations

from typing import Any

import torch

from colab_resume.checkpoints.digest import digest_of
from colab_resume.checkpoints.encoding import decode
from colab_resume.checkpoints.encoding.layout import STORED_DTYPES
from colab_resume.checkpoints.pack import Slab
from colab_resume.training.capture.capture import Capture
from colab_resume.training.capture.snapshot import Snapshot
from colab_resume.training.capture.work import Work
from colab_resume.training.objects.plain import copied, same
from colab_resume.training.tracking import Tracking

__all__ = ["PLENTY", "Scene", "is_same"]

PLENTY = 1 << 40


class Scene:
    """Tracked objects, a capture of them, and the late copies that nobody has made yet."""

    def __init__(self, **things: Any) -> None:
        self.tracking = Tracking()
        self.tracking.add(things)
        self.work: list[Work] = []
        self.stored: dict[str, bytes] = {}
        self.capture = Capture(self.tracking.owned, room=lambda: PLENTY, hand_on=self.work.append)
        self.tracking.before_step = self.capture.settle

    def truth(self) -> dict[str, Any]:
        """The state now, in memory of its own."""
        return {name: _plain(state) for name, _, state in self.tracking.states()}

    def take(self, *, step_follows: bool = True) -> Snapshot:
        """Capture, as at a boundary."""
        return self.capture.take(self.tracking.live(), step_follows=step_follows)

    def copy_one(self) -> bool:
        """The copier gets to its next piece; whether there was one."""
        return any(work.do_one() for work in self.work)

    def copy_all(self) -> None:
        """The copier comes to an end."""
        for work in self.work:
            work.finish()
        self.work.clear()

    def held(self, snapshot: Snapshot) -> dict[str, Any] | None:
        """Store the snapshot: its state as a restore would see it; None if it is void."""
        self.copy_all()
        slabs = snapshot.slabs()
        if slabs is None:
            self.capture.forget()
            return None
        # Only what is stored can be referenced.
        self.stored = {slab.digest: _content(slab, self.stored) for slab in slabs}
        found = {}
        for name, part in snapshot.state.items():
            own = slabs[part["first"] : part["first"] + part["count"]]
            read = [_tensor(slab, self.stored[slab.digest]) for slab in own].__getitem__
            found[name] = decode(part["tree"], [(slab.dtype, slab.shape) for slab in own], read)[name]
        return found


def _content(slab: Slab, stored: dict[str, bytes]) -> bytes:
    if slab.data is None:
        return stored[slab.digest]
    content = b"".join(slab.views())
    assert digest_of(content) == slab.digest
    return content


def _tensor(slab: Slab, content: bytes) -> torch.Tensor:
    return torch.tensor(list(content), dtype=torch.uint8).view(STORED_DTYPES[slab.dtype]).view(slab.shape)


def is_same(one: Any, other: Any) -> bool:
    """Whether two states are equal to the bit."""
    return same(_plain(one), _plain(other))


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return copied(value)
