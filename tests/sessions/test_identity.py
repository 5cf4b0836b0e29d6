"""A session has an id that never touches the training's randomness, and a record that survives reading and writing."""

from __future__ import annotations

import json
import os
import random
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.errors import DamagedCheckpoint, StoreError, UsageError
from colab_resume.sessions.identity import (
    SessionRecord,
    begin_session,
    is_session_id,
    new_session_id,
)
from colab_resume.sessions.machine import Machine, read_boot_id

STARTED = 1795183331.25
RECORD = SessionRecord(
    id="k3f9a2",
    host="vm",
    pid=17,
    boot_id="472b5a3c",
    started=STARTED,
    heartbeat=STARTED + 60,
    step=1240,
    restored="0000001200-abc123",
    versions={"torch": "2.13"},
)

LATER = (
    "number",
    "kernel_started",
    "oom_kills",
    "gpu",
    "place",
    "endpoint",
    "notebook",
    "saves",
    "saving_seconds",
    "error",
    "began_by",
)

TEXTS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)
TIMES = st.floats(0, 2e11)


@st.composite
def records(draw: st.DrawFn) -> SessionRecord:
    started, heartbeat = sorted((draw(TIMES), draw(TIMES)))
    return SessionRecord(
        id=draw(st.text("abc019", min_size=6, max_size=6)),
        host=draw(TEXTS),
        pid=draw(st.integers(0, 2**31)),
        boot_id=draw(st.none() | TEXTS),
        started=started,
        heartbeat=heartbeat,
        step=draw(st.integers(0, 2**40)),
        ended=draw(st.sampled_from([None, "clean", "interrupted", "failed", "exited"])),
        restored=draw(st.none() | TEXTS),
        versions=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)),
        number=draw(st.integers(0, 2**40)),
        kernel_started=draw(st.none() | TIMES),
        oom_kills=draw(st.none() | st.integers(0, 2**40)),
        gpu=draw(TEXTS | st.just("")),
        place=draw(TEXTS | st.just("")),
        endpoint=draw(TEXTS | st.just("")),
        notebook=draw(TEXTS | st.just("")),
        saves=draw(st.integers(0, 2**40)),
        saving_seconds=draw(TIMES),
        error=draw(TEXTS | st.just("")),
        began_by=draw(TEXTS | st.just("")),
    )


def test_ids_are_six_plain_characters_and_differ() -> None:
    """Every id fits a file name, and a thousand of them are a thousand."""
    ids = {new_session_id() for _ in range(1000)}
    assert all(is_session_id(one) for one in ids)
    assert len(ids) == 1000


def test_an_id_does_not_move_the_trainings_randomness() -> None:
    """Bit-exact training would end if the id were drawn from the seeded generator, and ids would collide."""
    random.seed(0)
    before = random.getstate()
    first = new_session_id()
    assert random.getstate() == before
    assert new_session_id() != first


def test_the_choice_can_be_injected() -> None:
    """A test that needs a certain id can have it."""
    letters = iter("k3f9a2")
    assert new_session_id(lambda _: next(letters)) == "k3f9a2"


@pytest.mark.parametrize("value", ["k3f9a", "k3f9a22", "K3F9A2", "k3f9a2\n", "k3f9/2", "", None, 123456, b"k3f9a2"])
def test_what_is_no_id_is_known(value: object) -> None:
    """An id becomes part of paths, so nothing else passes for one."""
    assert not is_session_id(value)


@given(record=records())
def test_a_record_comes_back_as_it_was(record: SessionRecord) -> None:
    """Every record that can be made survives its bytes."""
    assert SessionRecord.from_bytes(record.to_bytes()) == record


def test_the_file_name_says_when_and_who() -> None:
    """Names sort by time, in UTC whatever the machine's zone."""
    assert RECORD.file_name == "20261120T140211Z-k3f9a2.json"


@given(record=records())
def test_the_file_name_is_always_a_plain_name(record: SessionRecord) -> None:
    """No record, however odd its host, leads out of its folder."""
    assert record.file_name.endswith(f"Z-{record.id}.json")
    assert Path(record.file_name).name == record.file_name


def test_a_beat_moves_the_heartbeat_and_the_step() -> None:
    """A sign of life is a new record; the old one stays as it was."""
    later = RECORD.beat(STARTED + 90, 1300)
    assert (later.heartbeat, later.step, later.ended) == (STARTED + 90, 1300, None)
    assert replace(later, heartbeat=RECORD.heartbeat, step=RECORD.step) == RECORD


def test_a_clock_that_goes_back_does_not_take_a_sign_of_life_back() -> None:
    """The heartbeat never gets older."""
    assert RECORD.beat(STARTED - 5, 1300).heartbeat == RECORD.heartbeat
    assert RECORD.end("clean", STARTED - 5).heartbeat == RECORD.heartbeat


def test_an_end_says_how_and_when() -> None:
    """A session that ends leaves how it ended; a session that goes on after an interrupt has not ended."""
    ended = RECORD.end("interrupted", STARTED + 90)
    assert (ended.ended, ended.heartbeat, ended.step) == ("interrupted", STARTED + 90, 1240)
    assert ended.beat(STARTED + 95, 1241).ended is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../x"),
        ("host", ""),
        ("host", "a\nb"),
        ("host", "a" * 201),
        ("pid", -1),
        ("pid", True),
        ("boot_id", ""),
        ("started", -1.0),
        ("started", float("nan")),
        ("started", "now"),
        ("started", 1e12),
        ("heartbeat", float("inf")),
        ("heartbeat", STARTED - 1),
        ("heartbeat", None),
        ("step", -1),
        ("step", 1.0),
        ("ended", "crashed"),
        ("ended", []),
        ("restored", 5),
        ("versions", []),
        ("versions", {"torch": 2.13}),
        ("number", -1),
        ("kernel_started", -0.5),
        ("kernel_started", "1"),
        ("oom_kills", 1.0),
        ("oom_kills", -1),
        ("gpu", None),
        ("place", "a\nb"),
        ("endpoint", "a" * 201),
        ("saves", True),
        ("saving_seconds", float("nan")),
        ("saving_seconds", -1.0),
        ("error", "\x1b[31m"),
        ("began_by", 5),
    ],
)
def test_a_record_that_cannot_be_is_refused(field: str, value: Any) -> None:
    """The same checks stand at construction and before what was read is believed."""
    with pytest.raises(UsageError, match=field):
        replace(RECORD, **{field: value})
    damaged = json.loads(RECORD.to_bytes()) | {field: value}
    with pytest.raises(DamagedCheckpoint):
        SessionRecord.from_bytes(json.dumps(damaged).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"[" * 60_000,
        RECORD.to_bytes()[:-1],
        RECORD.to_bytes().replace(b'"pid"', b'"PID"'),
        RECORD.to_bytes().replace(b'"pid"', b'"more": 1, "pid"'),
        RECORD.to_bytes().replace(b"17", b"9" * 10_000),
        RECORD.to_bytes() + b" " * 100_000,
    ],
)
def test_bytes_that_are_no_record_are_damaged(content: bytes) -> None:
    """Hostile or torn bytes give one kind of error, whatever they are."""
    with pytest.raises(DamagedCheckpoint):
        SessionRecord.from_bytes(content)


@given(content=st.binary(max_size=200))
def test_no_bytes_give_another_error(content: bytes) -> None:
    """Whatever lies in the shared folder, reading it ends in a record or in `DamagedCheckpoint`."""
    with pytest.raises(DamagedCheckpoint):
        SessionRecord.from_bytes(content)


def test_saving_replaces_the_record_as_a_whole(tmp_path: Path) -> None:
    """The newest sign of life is the only file, and it is complete; its folder need not be there before."""
    folder = tmp_path / "run" / "sessions"
    RECORD.save(folder)
    later = RECORD.beat(STARTED + 90, 1300)
    later.save(folder)
    assert [path.name for path in folder.iterdir()] == [RECORD.file_name]
    assert SessionRecord.from_bytes((folder / RECORD.file_name).read_bytes()) == later


def test_a_disk_that_refuses_a_record_is_a_store_error(tmp_path: Path) -> None:
    """The caller learns that the sign of life was not written."""
    (tmp_path / "sessions").write_bytes(b"")
    with pytest.raises(StoreError):
        RECORD.save(tmp_path / "sessions")


def test_a_record_of_before_is_still_read() -> None:
    """What records did not have from the beginning may be missing, all of it or any part; what they had may not."""
    members = json.loads(RECORD.to_bytes())
    older = {name: members[name] for name in members if name not in LATER}
    assert SessionRecord.from_bytes(json.dumps(older).encode()) == RECORD
    for name in LATER:
        assert SessionRecord.from_bytes(json.dumps({**older, name: members[name]}).encode()) == RECORD
    for name in older:
        with pytest.raises(DamagedCheckpoint):
            SessionRecord.from_bytes(json.dumps({key: members[key] for key in older if key != name}).encode())


def test_a_beat_tells_what_has_changed_and_keeps_the_rest() -> None:
    """Counters come with the signs of life that know them; an error belongs to an end, and goes with it."""
    busy = RECORD.beat(STARTED + 90, 1300, saves=3, saving_seconds=1.5, oom_kills=2)
    assert (busy.saves, busy.saving_seconds, busy.oom_kills) == (3, 1.5, 2)
    failed = busy.end("failed", STARTED + 95, error="ValueError: no\n\x1b[31m good" + "!" * 300)
    assert failed.error.startswith("ValueError: no [31m good!")
    assert len(failed.error) == 200
    again = failed.beat(STARTED + 96, 1301)
    assert (again.saves, again.saving_seconds, again.oom_kills, again.error) == (3, 1.5, 2, "")


def test_the_first_step_is_that_of_the_checkpoint() -> None:
    """A session without one began at 0; a name that says no step, or an endless one, is unknown."""
    found = {"0000001200-abc123": 1200, None: 0, "best": None, "-abc": None, "9" * 190 + "-abc123": None}
    for restored, step in found.items():
        assert replace(RECORD, restored=restored).first_step == step


def test_a_new_session_knows_its_machine() -> None:
    """Host, process and boot are those of this process, and its first sign of life is its start."""
    record = begin_session(session="k3f9a2", now=STARTED, step=1200, restored="0000001200-abc123", versions={})
    assert (record.host, record.pid, record.boot_id) == (socket.gethostname(), os.getpid(), read_boot_id())
    assert (record.started, record.heartbeat, record.step, record.ended) == (STARTED, STARTED, 1200, None)


def test_a_new_session_takes_over_what_was_looked_up() -> None:
    """What is known of the machine is in the record, member for member."""
    here = Machine(
        host="vm", pid=7, boot_id="472b", kernel_started=8.5, oom_kills=1, gpu="T4", place="Colab", endpoint="m-s-1"
    )
    record = begin_session(session="k3f9a2", now=STARTED, step=0, restored=None, versions={}, machine=here)
    for name in ("host", "pid", "boot_id", "kernel_started", "oom_kills", "gpu", "place", "endpoint"):
        assert getattr(record, name) == getattr(here, name)


def test_the_boot_id_is_read_where_there_is_one(tmp_path: Path) -> None:
    """Linux has one; where the file is missing, empty or odd there is none, and nothing fails."""
    path = tmp_path / "boot_id"
    assert read_boot_id(path) is None
    for content, boot in ((b"472b5a3c\n", "472b5a3c"), (b"", None), (b"\xff", None)):
        path.write_bytes(content)
        assert read_boot_id(path) == boot
