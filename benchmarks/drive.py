"""How long a checkpoint takes from the boundary until Drive has it, and back, over a link of a known speed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import torch

from colab_resume.remotes import Remote
from colab_resume.remotes.drive_api import DriveAPI
from colab_resume.remotes.drive_mount import DriveMount

from .drive_link import DriveLink, mounted_drive, tests_importable, until
from .findings import Findings, Goal, Row, Sample
from .settings import Settings
from .training import Training
from .ways import OURS, LeftOut, RunSaver, new_run

__all__ = ["drives", "measure_drive"]

_LATENCY = 0.05
_RATE = 40e6
_PYDRIVE, _RCLONE, _COPY = "torch.save, PyDrive2's Upload", "torch.save, rclone copyto", "torch.save, shutil.copy"
_API, _MOUNT, _LOST = "by the API", "on the mount", "by the API, the link lost at 90 %"
_BACK = "back on a new VM, by the API"
_SLOWER = 1.1
_RESTORE = 1.15
_AGAIN = 0.15

_Send = Callable[[], None]
_Way = Callable[[Training, Path, "_Place"], AbstractContextManager[_Send]]


class _Place:
    """Where to: one of them is there."""

    def __init__(self, link: DriveLink | None = None, mount: Any = None) -> None:
        self.link = link
        self.mount = mount


def drives(settings: Settings) -> int:
    """How many uploads and downloads will be timed."""
    return settings.rounds * (2 * len(_BY_API) + len(_ON_MOUNT) + 1)


def measure_drive(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Time each in turns, each in a Drive of its own. `tick` is called after each."""
    training = Training.of_megabytes(settings.megabytes)
    training.step()
    found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    notes: dict[str, None] = {}
    for _ in range(settings.rounds):
        for group, ways in ((_API, _BY_API), (_LOST, _BY_API), (_MOUNT, _ON_MOUNT)):
            for name, way in ways.items():
                try:
                    found[group, name].append(_measured(group, way, training, folder / "here"))
                except LeftOut as reason:
                    notes[f"{name} was left out: {reason}."] = None
                tick()
        found[_BACK, OURS].append(_back(training, folder / "back"))
        tick()
    rows = [_row(group, name, timings) for (group, name), timings in found.items()]
    return Findings(rows=rows, goals=list(_goals(rows)), notes=list(notes))


def _measured(group: str, way: _Way, training: Training, folder: Path) -> dict[str, float]:
    """Open it, let it get used to the place, and time what follows a step."""
    link_seconds = training.nbytes / _RATE
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        if group == _MOUNT:
            mount = stack.enter_context(mounted_drive(folder / "drive", rate=_RATE))
            send = stack.enter_context(way(training, folder, _Place(mount=mount)))
            return {"s": _timed(send, training), "link": link_seconds}
        link = stack.enter_context(DriveLink(folder / "server", rate=_RATE, latency=_LATENCY))
        send = stack.enter_context(way(training, folder, _Place(link=link)))
        before = link.carried()["up"]
        if group == _LOST:
            link.lose(int(0.9 * training.nbytes))
        seconds = _timed(send, training)
        return {"s": seconds, "link": link_seconds, "sent": (link.carried()["up"] - before) / training.nbytes}


def _timed(send: _Send, training: Training) -> float:
    training.step()
    os.sync()
    begin = time.perf_counter()
    send()
    return time.perf_counter() - begin


def _saved(training: Training, folder: Path) -> Path:
    path = folder / "checkpoint.pt"
    torch.save(training.state(), path)
    return path


@contextmanager
def _pydrive(training: Training, folder: Path, place: _Place) -> Iterator[_Send]:
    """As its manual has it; after a failure, all over again."""
    with tests_importable():
        from drive_server.google_clients import pydrive  # type: ignore[import-not-found]
    with pydrive(place.link) as drive:

        def send() -> None:
            path = _saved(training, folder)
            for _ in range(3):
                file = drive.CreateFile({"title": path.name})
                file.SetContentFile(str(path))
                with suppress(Exception):  # whatever it raises: a person would run the cell again
                    file.Upload()
                    return
            raise RuntimeError("three uploads have failed")

        yield send


@contextmanager
def _rclone(training: Training, folder: Path, place: _Place) -> Iterator[_Send]:
    if shutil.which("rclone") is None:
        raise LeftOut("it is not installed")
    with tests_importable():
        from drive_server.tls_proxy import TlsProxy  # type: ignore[import-not-found]
    assert place.link is not None
    config = folder / "rclone.conf"
    config.write_text(f"[drive]\ntype = drive\nscope = drive\nservice_account_file = {place.link.key}\n", "utf-8")
    with TlsProxy(place.link.url, folder) as proxy:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **proxy.environment}

        def send() -> None:
            command = ["rclone", "--config", str(config), "copyto", str(_saved(training, folder)), "drive:new.pt"]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"rclone: {done.stderr[-1000:]}")

        yield send


@contextmanager
def _copied(training: Training, folder: Path, place: _Place) -> Iterator[_Send]:
    """... and nobody knows when it has arrived, but for the stand-in."""

    def send() -> None:
        shutil.copy(_saved(training, folder), place.mount.drive / "checkpoint.pt")
        until(lambda: not place.mount.pending())

    yield send


@contextmanager
def _ours_by_api(training: Training, folder: Path, place: _Place) -> Iterator[_Send]:
    assert place.link is not None
    with _safe(training, folder, _api(place.link, folder)) as send:
        yield send


@contextmanager
def _ours_on_mount(training: Training, folder: Path, place: _Place) -> Iterator[_Send]:
    with _safe(training, folder, DriveMount(place.mount.drive / "colab_resume")) as send:
        yield send


def _api(link: DriveLink, folder: Path) -> DriveAPI:
    return DriveAPI("colab_resume", credentials=link.own_key, root_url=link.url, sessions=folder / "sessions")


@contextmanager
def _safe(training: Training, folder: Path, remote: Remote) -> Iterator[_Send]:
    """A run of which one checkpoint is there; it sends the next, and ends when that is called safe."""
    run = new_run(folder / "store", remote)
    try:
        saver = RunSaver(training, folder, run)
        next(saver.turns)
        until(lambda: run.status().safe == 0)
        numbers = count()

        def send() -> None:
            saver.save(next(numbers))
            next(saver.turns)
            until(lambda: run.status().safe == 1)

        yield send
    finally:
        run.finish()


def _back(training: Training, folder: Path) -> dict[str, float]:
    with ExitStack() as stack:
        link = stack.enter_context(DriveLink(folder / "server", rate=_RATE, latency=_LATENCY))
        with _ours_by_api(training, folder, _Place(link=link)):
            pass
        before = link.carried()["down"]
        begin = time.perf_counter()
        run = new_run(folder / "another", _api(link, folder / "other"))
        seconds = time.perf_counter() - begin
        sent = link.carried()["down"] - before
        run.finish()
    shutil.rmtree(folder)
    return {"s": seconds, "link": training.nbytes / _RATE, "sent": sent / training.nbytes}


_BY_API: Mapping[str, _Way] = {_PYDRIVE: _pydrive, _RCLONE: _rclone, OURS: _ours_by_api}
_ON_MOUNT: Mapping[str, _Way] = {_COPY: _copied, OURS: _ours_on_mount}


def _row(group: str, name: str, timings: list[dict[str, float]]) -> Row:
    values = {
        "until it is there, s": Sample.of(one["s"] for one in timings),
        "÷ the time that the link needs for the bytes": Sample.of(one["s"] / one["link"] for one in timings),
    }
    if "sent" in timings[0]:
        values["bytes on the link, ÷ the state"] = Sample.of(one["sent"] for one in timings)
    return Row(group=group, name=name, values=values)


def _goals(rows: list[Row]) -> Iterator[Goal]:
    ours = {row.group: row for row in rows if row.name == OURS}
    for group, most in ((_API, _SLOWER), (_MOUNT, _SLOWER), (_BACK, _RESTORE)):
        if group in ours:
            ratio = ours[group].values["÷ the time that the link needs for the bytes"].median
            yield Goal.at_most(most, ratio, f"{group}: until it is there, ÷ the link's own time")
    for row in rows:
        if row.name != OURS and row.group in ours and row.group != _LOST:
            mine = ours[row.group].values["until it is there, s"].median
            yield Goal.at_most(1.0, mine / row.values["until it is there, s"].median, f"{row.group}: ÷ {row.name}")
    if _LOST in ours:
        again = ours[_LOST].values["bytes on the link, ÷ the state"].median - 1
        yield Goal.at_most(_AGAIN, again, "sent again after the link was lost at 90 %, parts of the state")
