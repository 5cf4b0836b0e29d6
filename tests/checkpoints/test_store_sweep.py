"""What leaves the store: all that is not kept, and nothing else."""

from __future__ import annotations

import threading
from pathlib import Path

from checkpoints.drafts import SESSION, commit, files, sent, slab

from colab_resume.checkpoints.store import Store


def test_a_sweep_deletes_what_is_not_kept(store: Store) -> None:
    """Checkpoints that are not kept go with the packs that nobody else refers to; shared packs stay."""
    made = [commit(store, 0, slab("frozen", 1, 5_000), slab("head", 100))]
    for step in range(1, 5):
        made.append(commit(store, step, slab("frozen", 1, 5_000), slab("head", 100 + step), parent=made[-1].name))
    names = [manifest.name for manifest in made]
    assert store.sweep(names[3:]) == names[:3]
    assert store.names() == names[3:]
    assert files(store) == {f"{name}.json" for name in names[3:]} | made[3].packs.keys() | made[4].packs.keys()
    for left in made[3:]:
        store.verify(left)
    assert store.sweep(names[3:]) == []


def test_a_pinned_checkpoint_is_not_swept(store: Store) -> None:
    """What is being uploaded stays until the upload has let go of it."""
    made = [commit(store, step) for step in range(3)]
    with store.pinned(made[0].name), store.pinned(made[0].name):
        assert store.sweep([made[2].name]) == [made[1].name]
        store.verify(made[0])
    assert store.sweep([made[2].name]) == [made[0].name]


def test_a_checkpoint_newer_than_all_that_are_kept_is_not_swept(store: Store) -> None:
    """One that was committed while the caller was deciding is not in its choice, and stays all the same."""
    made = [commit(store, step) for step in range(3)]
    late = commit(store, 3)
    assert store.sweep([made[2].name]) == [made[0].name, made[1].name]
    assert store.names() == [made[2].name, late.name]


def test_an_unreadable_manifest_is_set_aside_by_a_sweep(store: Store) -> None:
    """A damaged checkpoint neither stops the sweep nor disappears without a trace, and its packs go."""
    bad, good = commit(store, 1), commit(store, 2)
    store.manifest_path(bad.name).write_bytes(b"{}")
    assert store.sweep([good.name]) == []
    assert store.names() == [good.name]
    assert (store.aside / f"{bad.name}.reason.txt").exists()
    assert files(store) == {f"{good.name}.json", *good.packs}


def test_what_a_crash_left_is_removed(tmp_path: Path) -> None:
    """Unfinished files go when the store is opened, packs and downloads without a manifest with the next sweep."""
    root = tmp_path / "run"
    store = Store(root, session=SESSION)
    whole = commit(store, 1)
    orphan = commit(store, 2)
    store.manifest_path(orphan.name).unlink()
    store.close()
    for folder in (store.root, store.checkpoints, store.packs, store.sessions, store.journals, store.aside):
        (folder / "tmp-1234-x").write_bytes(b"half")
    part = store.packs / "0000000003-k3f9a2-0.safetensors.part"
    part.write_bytes(b"half")
    (store.packs / "mine.txt").write_text("not ours")
    store = Store(root, session=SESSION)
    assert not list(root.rglob("tmp-*"))
    assert store.missing(orphan) == []
    assert part.exists()
    store.sweep([whole.name])
    assert files(store) == {f"{whole.name}.json", *whole.packs, "mine.txt"}
    store.close()


def test_what_is_being_received_is_not_swept(store: Store, tmp_path: Path) -> None:
    """Packs on their way, and those that came and wait for their manifest, survive a sweep; a commit ends the wait."""
    [(name, content)] = sent(tmp_path)[2].items()
    with store.receive(name) as (sink, _):
        sink.write(content)
        store.sweep([])
    store.sweep([])
    assert files(store) == {name}
    written = commit(store, 1)
    store.sweep([written.name])
    assert name not in files(store)


def test_commits_and_sweeps_of_two_threads_do_not_harm_each_other(store: Store) -> None:
    """While one thread commits and another sweeps, every checkpoint that is there is whole."""
    done = threading.Event()
    troubles: list[BaseException] = []

    def sweep() -> None:
        try:
            while not done.is_set():
                store.sweep(store.names()[-2:])
        except BaseException as error:  # noqa: BLE001 - handed to the test
            troubles.append(error)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        last = commit(store, 0, slab("frozen", 1, 5_000), slab("head", 0))
        for step in range(1, 60):
            last = commit(store, step, slab("frozen", 1, 5_000), slab("head", step + 1), parent=last.name)
            store.verify(last)
    finally:
        done.set()
        sweeper.join()
    assert troubles == []
    for name in store.names():
        store.verify(store.read(name))
