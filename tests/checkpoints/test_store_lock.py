"""One process has a store at a time, and not longer than it lives."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from checkpoints.drafts import SESSION, commit

from colab_resume.checkpoints.store import Store
from colab_resume.errors import CheckpointError, StoreError


def in_child(work: Callable[[], str]) -> str:
    """What `work` returns, or the error it raises, in a forked process."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writer, work().encode())
        except BaseException as error:  # noqa: BLE001 - the child must not go on as a second test run
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said


def test_a_second_process_is_refused(store: Store) -> None:
    """While one process has the store, another is told so; when the first lets go, it gets it."""

    def attempt() -> str:
        Store(store.root, session="zzzzzz").close()
        return "opened"

    assert "another process is using" in in_child(attempt)
    store.close()
    assert in_child(attempt) == "opened"


def test_a_second_store_in_this_process_is_refused(store: Store) -> None:
    """Two stores on one folder are refused within a process, too, and the attempt does not cost the first its lock."""
    with pytest.raises(StoreError, match="this process is using"):
        Store(store.root, session="zzzzzz")
    assert "another process is using" in in_child(lambda: str(Store(store.root, session="zzzzzz")))
    store.close()
    Store(store.root, session="zzzzzz").close()


def close(store: Store) -> str:
    """Close the store, as a forked process closes all it has inherited."""
    store.close()
    return "closed"


def test_a_forked_worker_neither_holds_nor_breaks_the_lock(store: Store) -> None:
    """A DataLoader worker that closes its copy does not free the store, and one that lives on does not keep it."""
    in_child(partial(close, store))
    assert "another process is using" in in_child(lambda: str(Store(store.root, session="zzzzzz")))
    reader, writer = os.pipe()
    if (orphan := os.fork()) == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    store.close()
    assert in_child(lambda: Store(store.root, session="zzzzzz").session) == "zzzzzz"
    os.close(writer)
    os.close(reader)
    os.waitpid(orphan, 0)


def test_a_closed_store_writes_nothing(store: Store) -> None:
    """After close the folder may be another's; a late commit or sweep is refused."""
    store.close()
    store.close()
    uses: list[Callable[[], object]] = [
        lambda: commit(store, 1),
        lambda: store.sweep([]),
        lambda: store.set_aside("0000000001-zzzzzz", "late"),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="closed"):
            use()


def test_a_folder_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """A run that a later version wrote is not touched, and the lock is free again after the refusal."""
    root = tmp_path / "run"
    Store(root, session=SESSION).close()
    right = (root / "run.json").read_bytes()
    (root / "run.json").write_text('{"format": 2}')
    for _ in range(2):
        with pytest.raises(CheckpointError, match="newer"):
            Store(root, session=SESSION)
    (root / "run.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        Store(root, session=SESSION)
    (root / "run.json").write_bytes(right)
    Store(root, session=SESSION).close()
    assert (root / "run.json").read_bytes() == right


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    """A file where the folder should be is said, not raised as an OSError."""
    (tmp_path / "run").write_text("")
    with pytest.raises(StoreError):
        Store(tmp_path / "run", session=SESSION)
