"""Finding the newest good checkpoint: every byte is read once, and lands where it is used."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from reads import Reads
from torch import nn

import colab_resume
from colab_resume.checkpoints.digest import digest_of
from colab_resume.checkpoints.encoding import encode
from colab_resume.checkpoints.encoding.fresh import bytes_of
from colab_resume.checkpoints.manifest import Manifest
from colab_resume.checkpoints.memory_room import LAST
from colab_resume.checkpoints.pack import Slab
from colab_resume.checkpoints.store import Store
from colab_resume.errors import DamagedCheckpoint, NoGoodCheckpoint, RemoteUnavailable
from colab_resume.remotes import BytesSource
from colab_resume.restore import Restored, Search, find
from colab_resume.testing import FaultyRemote, MemoryRemote

MB = 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with packs of 3 MB."""
    opened = Store(tmp_path / "run", session="aaaaaa", pack_bytes=3 * MB)
    yield opened
    opened.close()


def save(store: Store, step: int, **parts: tuple[str, Any]) -> Manifest:
    """A checkpoint with parts of these kinds and states."""
    state: dict[str, Any] = {}
    slabs: list[Slab] = []
    for name, (kind, live) in parts.items():
        with torch.no_grad():
            encoded = encode({name: live})
        state[name] = {"kind": kind, "first": len(slabs), "count": len(encoded.pieces), "tree": encoded.tree}
        for piece in encoded.pieces:
            data = bytes_of(piece.source.contiguous()).tobytes()
            slabs.append(Slab(f"{name}.{piece.key}", piece.dtype, piece.shape, data, digest_of(data)))
    journal = {"session": "aaaaaa", "bytes": 30, "sha256": "0" * 64}
    facts: Any = {"generation": 1, "parent": None, "created": 1.0, "position": {}, "provenance": {}, "journal": journal}
    return store.commit(slabs=slabs, step=step, state=state, **facts)


def values(seed: int) -> dict[str, torch.Tensor]:
    """8 MB in three tensors, so in three packs; other ones for another seed."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(2 * MB // 3, generator=generator) for name in "abc"}


@contextmanager
def told() -> Iterator[Callable[[int], None]]:
    """A progress that nobody looks at."""
    yield lambda count: None


def look(store: Store, remote: Any = None, **options: Any) -> Search:
    """What a restart finds."""
    return find(store, remote, progress=lambda what, total: told(), **options)


def good(store: Store, remote: Any = None, **options: Any) -> Restored:
    """The checkpoint that a restart goes on from."""
    found = look(store, remote, **options).good
    assert found is not None
    return found


def test_every_byte_is_read_once(store: Store) -> None:
    """To prove it, to give it out, and to give it out for good."""
    expected = values(1)
    made = save(store, 1, v=("values", expected))
    size = sum(info.size for info in made.packs.values())
    assert len(made.packs) == 3
    reads = Reads()
    restored = good(store)
    for again in (False, True):
        found = restored.part("v", again=again)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert size <= reads.bytes < size + MB // 10


def sent(store: Store, manifest: Manifest, remote: MemoryRemote | None = None) -> MemoryRemote:
    """A remote that has this checkpoint, or this one by now."""
    remote = remote or MemoryRemote()
    for pack in manifest.packs:
        remote.put(f"packs/{pack}", BytesSource(store.pack_path(pack).read_bytes()))
    data = store.manifest_path(manifest.name).read_bytes()
    remote.put(f"checkpoints/{manifest.name}.json", BytesSource(data))
    return remote


@pytest.fixture
def new_vm(tmp_path: Path) -> Iterator[Store]:
    """A store with nothing in it."""
    opened = Store(tmp_path / "new", session="bbbbbb")
    yield opened
    opened.close()


class Moving(MemoryRemote):
    """Another session still works on the run: when this of a checkpoint is asked for, it has made way for a newer one;
    the manifest counts when it is asked for to be kept."""

    def __init__(self, store: Store, old: Manifest, new: Manifest, at: str) -> None:
        super().__init__()
        self._at = at
        self._fetches = False
        self._store = store
        self._old = old
        self._new = new
        self.moves = 1

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        self._fetches |= name.startswith("packs/")
        if self.moves and self._fetches and name.startswith(self._at):
            self.moves -= 1
            for gone in (f"checkpoints/{self._old.name}.json", *(f"packs/{pack}" for pack in self._old.packs)):
                self.delete(gone)
            sent(self._store, self._new, self)
        super().get(name, sink, offset)


@pytest.mark.parametrize("at", ["packs/", "checkpoints/"])
def test_what_is_let_go_meanwhile_is_not_taken_for_damaged(at: str, store: Store, new_vm: Store) -> None:
    """The newest is looked for once more; an older one that stays for good is not what the training was at."""
    tagged, old, new = (save(store, step, v=("values", values(step))) for step in (1, 2, 3))
    remote = Moving(store, old, new, at)
    sent(store, tagged, remote)
    sent(store, old, remote)
    found = look(new_vm, remote)
    assert not remote.moves
    assert found.set_aside == {}
    assert found.good is not None
    assert found.good.manifest.step == 3


def test_what_is_downloaded_is_not_read_back(store: Store, new_vm: Store) -> None:
    """It is proved, written to the disk and put into its place while it comes; what lay there already is read once."""
    expected = values(1)
    made = save(store, 1, v=("values", expected))
    remote = sent(store, made)
    half = next(iter(made.packs))
    with pytest.raises(ConnectionError), new_vm.receive(half) as (sink, _):
        sink.write(store.pack_path(half).read_bytes()[:MB])
        raise ConnectionError
    reads = Reads()
    found = good(new_vm, remote).part("v")
    assert MB <= reads.bytes < MB + MB // 10
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    new_vm.verify(made)


def test_the_memory_that_was_read_into_is_that_of_the_state(store: Store) -> None:
    """An optimizer takes the moments as they are: nothing of them is copied."""
    net = nn.Linear(500, 500)
    opt = torch.optim.AdamW(net.parameters())
    net(torch.randn(3, 500)).sum().backward()
    opt.step()
    save(store, 1, opt=("optimizer", opt.state_dict()))
    restored = good(store)
    state = restored.part("opt")
    again = torch.optim.AdamW(net.parameters())
    again.load_state_dict(state)
    moments = again.state[net.weight]["exp_avg"]
    assert moments.data_ptr() == state["state"][0]["exp_avg"].data_ptr()
    assert torch.equal(moments, opt.state[net.weight]["exp_avg"])
    assert moments.untyped_storage().nbytes() == moments.nbytes


def train(folder: Path, steps: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A model and an optimizer of 2 MB together, after so many steps."""
    torch.manual_seed(0)
    run = colab_resume.setup("r", store=folder, every=1)
    net = nn.Linear(500, 500)
    opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    run.track(net=net, opt=opt)
    for step in run.steps(steps):
        net(torch.full((3, 500), float(step))).sum().backward()
        opt.step()
        opt.zero_grad()
    run.finish()
    return net, opt


@pytest.mark.parametrize("changed", [False, True])
def test_the_arrival_needs_no_disk_unless_something_was_changed(tmp_path: Path, changed: bool) -> None:
    """What the code on the way has adopted and left alone is put back as it is, what it has changed as it was."""
    net, opt = train(tmp_path, 2)
    run = colab_resume.setup("r", store=tmp_path, every=1)
    found = nn.Linear(500, 500)
    found_opt = torch.optim.SGD(found.parameters(), 0.1, momentum=0.9)
    run.track(net=found, opt=found_opt)
    adopted = found_opt.state[found.weight]["momentum_buffer"]
    if changed:
        adopted.mul_(2)
        found.weight.data.zero_()
    reads = Reads()
    next(iter(run.steps(3)))
    assert (reads.bytes > MB) is changed
    now = found_opt.state[found.weight]["momentum_buffer"]
    assert (now.data_ptr() != adopted.data_ptr()) is changed
    assert torch.equal(now, opt.state[net.weight]["momentum_buffer"])
    assert torch.equal(found.weight, net.weight)
    run.finish()


def test_past_the_restored_position_nothing_is_kept(tmp_path: Path) -> None:
    """What the objects have not adopted is freed for the first step: whoever would ask now had to wait for the disk."""
    train(tmp_path, 2)
    run = colab_resume.setup("r", store=tmp_path, every=1)
    net = nn.Linear(500, 500)
    run.track(net=net, opt=torch.optim.SGD(net.parameters(), 0.1, momentum=0.9))
    found = run._saving.found.search.good
    assert found is not None
    reads = Reads()
    found.part("net", again=True)
    assert reads.bytes < MB
    for _ in run.steps(4):
        reads = Reads()
        found.part("net", again=True)
        assert reads.bytes > MB
    run.finish()


def test_a_loop_of_ones_own_needs_no_disk_to_track_more(tmp_path: Path) -> None:
    """It is at its position at once, and all is put back with whatever is tracked there; the first step frees it."""
    nets: list[list[nn.Module]] = []
    for _ in range(2):
        run = colab_resume.setup("r", store=tmp_path, every=1)
        nets.append([nn.Linear(500, 500), nn.Linear(500, 500)])
        reads = Reads()
        run.track(net=nets[-1][0])
        run.track(late=nets[-1][1])
        assert reads.bytes < MB
        run.boundary()
        run.boundary()
        found = run._saving.found.search.good
        if found is not None:
            reads = Reads()
            found.part("late", again=True)
            assert reads.bytes > MB
        run.finish()
    (net, late), (net_again, late_again) = nets
    assert torch.equal(net.weight, net_again.weight)
    assert torch.equal(late.weight, late_again.weight)


def test_what_is_tracked_in_the_first_step_needs_no_disk(tmp_path: Path) -> None:
    """Nobody has asked for it before, so it is still at hand; what was given out is not."""
    weights: list[torch.Tensor] = []
    for steps in (2, 4):
        run = colab_resume.setup("r", store=tmp_path, every=1)
        net, late = nn.Linear(500, 500), nn.Linear(500, 500)
        run.track(net=net)
        for step in run.steps(steps):
            if step == steps - 2:
                reads = Reads()
                run.track(late=late)
                assert reads.bytes < MB
                weights.append(late.weight.detach().clone())
        run.finish()
    assert torch.equal(*weights)


def test_nothing_is_kept_where_memory_is_short(store: Store) -> None:
    """The packs are proved, and what is asked for is read then, and proved once more."""
    expected = values(1)
    made = save(store, 1, v=("values", expected))
    size = sum(info.size for info in made.packs.values())
    restored = good(store, room=lambda: LAST + 15 * MB)
    reads = Reads()
    found = restored.part("v")
    assert reads.bytes > 0.99 * size
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    for pack in made.packs:
        path = store.pack_path(pack)
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(DamagedCheckpoint):
        restored.part("v")


def test_what_is_let_go_of_is_freed(store: Store) -> None:
    """Only what somebody has taken stays in memory."""
    save(store, 1, v=("values", values(1)))
    restored = good(store)
    found = restored.part("v")
    restored.let_go()
    assert torch.equal(found["a"], values(1)["a"])
    assert restored.part("v", again=True)["a"].data_ptr() != found["a"].data_ptr()


def flip(path: Path) -> None:
    """Change one bit somewhere."""
    data = bytearray(path.read_bytes())
    data[random.Random(0).randrange(len(data))] ^= 1
    path.write_bytes(data)


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_given_out(store: Store) -> None:
    """Nothing of what was read of the damaged one is."""
    older = save(store, 1, v=("values", values(1)))
    newer = save(store, 2, v=("values", values(2)))
    flip(store.pack_path(list(newer.packs)[1]))
    found = look(store)
    assert found.good is not None
    assert found.good.manifest == older
    assert found.set_aside.keys() == {newer.name}
    assert torch.equal(found.good.part("v")["a"], values(1)["a"])


def test_a_damaged_pack_comes_from_the_remote(store: Store) -> None:
    """What was read of the damaged one is written over by what comes."""
    made = save(store, 1, v=("values", values(1)))
    remote = sent(store, made)
    for pack in made.packs:
        flip(store.pack_path(pack))
    found = good(store, remote).part("v")
    assert all(torch.equal(found[name], values(1)[name]) for name in "abc")
    store.verify(made)


def test_a_manifest_that_means_other_tensors_is_no_good_checkpoint(store: Store) -> None:
    """Its packs are what was written, and lack what it says: that is found now, and not when the state is asked for."""
    older = save(store, 1, v=("values", values(1)))
    newer = save(store, 2, v=("values", values(2)))
    lying = replace(newer, tensors=(replace(newer.tensors[0], digest="0" * 32), *newer.tensors[1:]))
    store.manifest_path(newer.name).write_bytes(lying.to_bytes())
    found = look(store)
    assert found.good is not None
    assert found.good.manifest == older
    assert "not the tensor that the manifest means" in found.set_aside[newer.name]


def test_without_a_good_one_it_is_an_error(store: Store) -> None:
    """Never a silent start from nothing."""
    made = save(store, 1, v=("values", values(1)))
    flip(store.pack_path(list(made.packs)[-1]))
    with pytest.raises(NoGoodCheckpoint):
        look(store)


def test_a_connection_that_is_lost_comes_out(store: Store, new_vm: Store) -> None:
    """From whatever thread it was lost in; what came is kept, and nothing is set aside."""
    made = save(store, 1, v=("values", values(1)))
    remote = sent(store, made)
    lost = RemoteUnavailable("the connection is lost", hint="try again")

    def lose(number: int, verb: str, name: str) -> Exception | None:
        return lost if name == f"packs/{list(made.packs)[1]}" else None

    with pytest.raises(RemoteUnavailable, match="is lost"):
        look(new_vm, FaultyRemote(remote, lose))
    assert list(new_vm.aside.iterdir()) == []
    assert torch.equal(good(new_vm, remote).part("v")["b"], values(1)["b"])


def test_progress_is_told_of_every_byte_once(store: Store, new_vm: Store) -> None:
    """Whether it lies there or has to come."""
    made = save(store, 1, v=("values", values(1)))
    size = sum(info.size for info in made.packs.values())
    for there, remote in ((store, None), (new_vm, sent(store, made))):
        counts: list[int] = []
        totals: list[int] = []

        @contextmanager
        def counted(what: str, total: int) -> Iterator[Callable[[int], None]]:
            totals.append(total)  # noqa: B023 - used in this turn only
            yield counts.append  # noqa: B023 - the same

        find(there, remote, progress=counted)
        assert sum(counts) == sum(totals) == size
