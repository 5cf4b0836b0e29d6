"""What a restart must not take for a damaged checkpoint: one that Drive only did not give, or gave wrongly once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from checkpoints.drafts import commit, slab

from colab_resume.checkpoints.store import Store
from colab_resume.errors import RemoteRefused
from colab_resume.remotes import BytesSource, Remote
from colab_resume.restore import find
from colab_resume.testing import FaultyRemote, MemoryRemote

JOURNAL = {"session": "aaaaaa", "bytes": 30, "sha256": "0" * 64}


@contextmanager
def untold() -> Iterator[object]:
    yield lambda count: None


def two_checkpoints(folder: Path) -> MemoryRemote:
    """Those of steps 1 and 2, on a remote."""
    remote, store = MemoryRemote(), Store(folder, session="aaaaaa")
    for step in (1, 2):
        made = commit(store, step, slab("a", step), journal=JOURNAL, state={})
        for pack in made.packs:
            remote.put(f"packs/{pack}", BytesSource(store.pack_path(pack).read_bytes()))
        remote.put(f"checkpoints/{made.name}.json", BytesSource(store.manifest_path(made.name).read_bytes()))
    store.close()
    return remote


def found(remote: Remote, folder: Path) -> int:
    """The step that a new VM goes on from."""
    store = Store(folder, session="bbbbbb")
    try:
        search = find(store, remote, progress=lambda what, total: untold())
    finally:
        store.close()
    assert search.good is not None
    return search.good.manifest.step


def signed_out_once(number: int, verb: str, name: str) -> Exception | None:
    return RemoteRefused("signed out", hint="authenticate again") if (verb, name[:17]) == ("get", NEWEST) else None


NEWEST = "packs/0000000002-"


def test_a_login_that_ends_in_mid_restore_is_no_damage(tmp_path: Path) -> None:
    """It is said, and nothing older is gone on from: that would set the newest aside, and later delete it on Drive."""
    remote = FaultyRemote(two_checkpoints(tmp_path / "a"), signed_out_once)
    with pytest.raises(RemoteRefused):
        found(remote, tmp_path / "b")


class FlippingOnce(MemoryRemote):
    """One byte of the newest pack's first download is wrong, as a bad line does it; what is stored is right."""

    flips = True

    def get(self, name: str, sink: BytesIO, offset: int = 0) -> None:  # type: ignore[override]
        whole = BytesIO()
        super().get(name, whole, offset)
        data = bytearray(whole.getvalue())
        if name.startswith(NEWEST) and self.flips:
            self.flips = False
            data[-1] ^= 1
        sink.write(bytes(data))


def test_a_byte_that_changed_on_the_way_is_asked_for_again(tmp_path: Path) -> None:
    """The checkpoint on the remote is as good as ever."""
    remote = FlippingOnce()
    remote._objects = two_checkpoints(tmp_path / "a")._objects
    assert found(remote, tmp_path / "b") == 2
