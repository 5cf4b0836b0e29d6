"""A training that saves to Drive is killed again and again, with its VM or without, and ends as if nothing had been."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from drive_server.server import DriveServer
from drivefs.fixtures import needs_fuse
from drivefs.mount import DriveFS
from kills.ambush import Death, Moment
from kills.conftest import Reference
from kills.folders import unreadable
from kills.training import NAME, STEPS
from kills.zygote import Life, Zygote

from colab_resume.remotes.drive_api import DriveAPI

__all__ = ["needs_fuse"]

_KILLS: list[Moment] = ["anywhere", "upload", "anywhere", "upload", "anywhere", "upload"]


@pytest.fixture
def server() -> Iterator[DriveServer]:
    """With the real time, which is that of the processes."""
    with DriveServer() as made:
        yield made
    assert made.violations == []


@pytest.fixture
def api_zygote(server: DriveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zygote]:
    """A warm process that knows the way to the server."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps(server.service_account()))
    monkeypatch.setenv("COLAB_RESUME_CREDENTIALS", str(key))
    monkeypatch.setenv("COLAB_RESUME_DRIVE_URL", server.url)
    warm = Zygote()
    yield warm
    warm.close()


def _killed(zygote: Zygote, life: Life, seed: int, lose_vm: Callable[[], None]) -> None:
    """Let the training be killed at each moment; sometimes all of the VM goes with it."""
    choose, step = random.Random(seed), 0
    for moment in _KILLS:
        if choose.random() < 0.5:
            lose_vm()
        hold = min(step + 12, STEPS)
        death = Death(moment=moment, nth=choose.randint(1, 8), hold=hold, delay=choose.uniform(0.0, 0.05))
        end = zygote.live(Life(**{**vars(life), "death": death}))
        assert end.how == "killed", end.text
        assert end.told is not None
        assert "Traceback" not in end.text, end.text
        step = max(step, end.told.step)


def _check_end(zygote: Zygote, life: Life, reference: Reference) -> None:
    end = zygote.live(life)
    assert end.how == "complete", end.text
    assert end.result is not None
    assert (end.result.digest, end.result.history) == (reference.result.digest, reference.result.history)
    assert (end.result.safe, end.result.problems) == (STEPS, [])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_by_the_api_it_ends_bit_exactly_and_nothing_is_there_twice(
    server: DriveServer, api_zygote: Zygote, reference: Reference, tmp_path: Path, seed: int
) -> None:
    """Whatever was interrupted goes on or begins anew; what is on Drive in the end can be read by anybody."""
    store = tmp_path / "disk"
    life = Life(store=str(store), remote="drive:runs", every=3, expected=str(reference.steps))
    _killed(api_zygote, life, seed, lambda: shutil.rmtree(store, ignore_errors=True))
    _check_end(api_zygote, life, reference)
    for name in ("packs", "checkpoints", "sessions", "journal"):
        [folder] = server.account.find(f"runs/{NAME}/{name}")
        titles = [item.name for item in server.account.children(folder.id)]
        assert len(titles) == len(set(titles)), name
    assert server.account.trash == []
    copy = tmp_path / "copy" / NAME
    remote = DriveAPI("runs", credentials=tmp_path / "key.json", root_url=server.url)
    for folder_name in ("packs", "checkpoints"):
        for entry in remote.list(f"{NAME}/{folder_name}"):
            path = copy.parent / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as sink:
                remote.get(entry.name, sink)
    assert len(list((copy / "checkpoints").iterdir())) == 3
    assert unreadable(copy.parent) == []


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.xdist_group("machine")
@pytest.mark.parametrize("seed", range(2))
def test_on_the_mount_it_ends_bit_exactly(
    needs_fuse: None, zygote: Zygote, reference: Reference, tmp_path: Path, seed: int
) -> None:
    """A new VM has a new mount, without what the old one had not uploaded."""
    store = tmp_path / "disk"
    with ExitStack() as stack:
        drive = stack.enter_context(DriveFS(tmp_path / "drive", rate=20e6))

        def lose_vm() -> None:
            shutil.rmtree(store, ignore_errors=True)
            drive.die()
            drive.revive(fresh=True)

        life = Life(
            store=str(store), remote=str(drive.drive / "runs"), every=3, expected=str(reference.steps), mounted=True
        )
        _killed(zygote, life, seed, lose_vm)
        _check_end(zygote, life, reference)
        drive.settle()
        assert unreadable(drive.cloud / "runs") == []
