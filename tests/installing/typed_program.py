"""What a typed program says to the public interface. It is type-checked against the installed package, and never run.

Each `type: ignore` is an expected complaint: mypy complains if there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, assert_type

import colab_resume
from colab_resume import ColabResumeError, Keep, Run, Status, setup
from colab_resume.errors import NotSafe, RemoteUnavailable
from colab_resume.remotes import Entry, Receipt, Remote, Source
from colab_resume.testing import DyingRemote, FaultyRemote, ManualClock, MemoryRemote


class Shelf:
    """A remote of the user's own."""

    confirms = True

    def list(self, folder: str) -> Sequence[Entry]:
        return [Entry(f"{folder}/x", 1)]

    def put(self, name: str, source: Source) -> Receipt:
        return Receipt(name, source.size)

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        sink.write(b"")

    def delete(self, name: str) -> None:
        pass


class Model:
    """Something that can be tracked and attached."""

    def state_dict(self) -> dict[str, float]:
        return {}

    def load_state_dict(self, state: dict[str, float]) -> None:
        pass


def loader() -> Iterator[tuple[str, float]]:
    yield "x", 0.0


def train(remote: Remote) -> Run:
    """Every public name, as it is meant."""
    run = setup("digits", remote=remote, every="5 min", keep=Keep(last=3, hours=6), session_limit="12h")
    assert_type(run, Run)
    model = run.attach(Model())
    assert_type(model, Model)
    run.track(model=model)
    values = run.state(best=0.0)
    values.best = 1.0
    for epoch in run.epochs(10):
        assert_type(epoch, int)
        for name, value in run.batches(loader()):
            assert_type((name, value), tuple[str, float])
            run.log(loss=value)
    for step in run.steps(3):
        assert_type(step, int)
        run.boundary(loss=0.5)
    assert_type(run.folder("runs"), Path)
    assert_type([record.step for record in run.history()], list[int])
    run.best("loss", "min")
    run.save("half")
    run.check(print, [1])
    status = run.status()
    assert_type(status, Status)
    assert_type(status.safe, int | None)
    assert_type(status.problems, tuple[str, ...])
    try:
        run.flush(timeout=3.0)
        run.finish(disconnect=True)
    except (NotSafe, RemoteUnavailable) as error:
        assert_type(error.hint, str)
    except ColabResumeError as error:
        assert_type(error.what, str)
    assert_type(colab_resume.__version__, str)
    return run


def remotes() -> list[Remote]:
    """Whatever has the five members is one."""
    memory = MemoryRemote()
    fault = RemoteUnavailable("it rains", hint="wait")
    return [Shelf(), memory, DyingRemote(memory, 3, when="before"), FaultyRemote(memory, {1: fault})]


def time_passes() -> Sequence[float]:
    clock = ManualClock()
    clock.advance(3.0)
    return clock.waits


def mistakes(run: Run) -> None:
    """What a type checker finds before a run does."""
    setup("digits", remote=3)  # type: ignore[arg-type]
    setup("digits", evry=3)  # type: ignore[call-arg]
    run.best("loss", "least")  # type: ignore[arg-type]
    run.epochs("ten")  # type: ignore[arg-type]
    run.status().step = 3  # type: ignore[misc]
    run.finnish()  # type: ignore[attr-defined]
