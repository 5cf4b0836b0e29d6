"""The journal keeps what was logged, bit by bit, and says how much of it belongs to which checkpoint."""

from __future__ import annotations

import enum
import errno
import hashlib
import math
import os
import resource
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.errors import DamagedCheckpoint, StoreError, UsageError
from colab_resume.training.journal import Journal, Mark, Record, Scalar, history, lost_records

ANY_FLOAT = st.binary(min_size=8, max_size=8).map(lambda raw: struct.unpack(">d", raw)[0])
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | ANY_FLOAT | st.text()
VALUES = st.dictionaries(st.text(), SCALARS, max_size=4)


def losses(records: tuple[Record, ...]) -> list[tuple[int, Scalar]]:
    return [(record.step, record.values["loss"]) for record in records]


def log_losses(journal: Journal, steps: range) -> None:
    for step in steps:
        journal.log(step, {"loss": step / 7})


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """A disk that takes `size` bytes of a file and then refuses, half-way through a line if it comes so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def exact(value: Scalar) -> tuple[type, object]:
    return type(value), struct.pack(">d", value) if isinstance(value, float) else value


@given(logged=st.lists(VALUES, max_size=5))
def test_every_value_comes_back_as_the_same_type_with_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, logged: list[dict[str, Scalar]]
) -> None:
    """Whatever was logged is read back exactly, NaN payloads and -0.0 included, and `log` returns the same."""
    journal = Journal(tmp_path_factory.mktemp("journal"), "aaaaaa", None)
    returned = [journal.log(step, values) for step, values in enumerate(logged)]
    journal.close()
    read = history(journal.path.parent, journal.mark())
    assert read.flaws == ()
    for records in (returned, read.records):
        assert [{n: exact(v) for n, v in record.values.items()} for record in records] == [
            {n: exact(v) for n, v in values.items()} for values in logged
        ]


def test_subclasses_come_back_as_their_plain_type(tmp_path: Path) -> None:
    """A numpy float64 or an enum is stored as the float, int or str that it is, so a replay can be compared."""
    numpy = pytest.importorskip("numpy")
    phase = enum.StrEnum("phase", ["WARM"])
    number = enum.IntEnum("number", ["ONE"])
    record = Journal(tmp_path, "aaaaaa", None).log(
        1, {"loss": numpy.float64(0.1), "phase": phase.WARM, "n": number.ONE}, epoch=2
    )
    assert {name: exact(value) for name, value in record.values.items()} == {
        "loss": exact(0.1),
        "phase": (str, "warm"),
        "n": (int, 1),
    }
    assert record.epoch == 2


@pytest.mark.parametrize("value", [b"0.5", [0.5], {"bits": "7ff0000000000000"}, 1j, object(), 2**64, "\ud800"])
def test_a_value_that_cannot_be_stored_is_refused_by_the_metrics_name(tmp_path: Path, value: object) -> None:
    """A type that is no scalar is refused before a byte is written, and the error names the metric."""
    journal = Journal(tmp_path, "aaaaaa", None)
    before = journal.mark()
    with pytest.raises(UsageError, match="'accuracy'"):
        journal.log(1, {"loss": 0.5, "accuracy": value})  # type: ignore[dict-item]
    assert journal.mark() == before


@pytest.mark.parametrize("step", [-1, 1.0, True, None, 2**63])
def test_a_step_that_is_no_step_is_refused(tmp_path: Path, step: int) -> None:
    """Only whole numbers from 0 on are steps."""
    with pytest.raises(UsageError, match="step is"):
        Journal(tmp_path, "aaaaaa", None).log(step, {"loss": 0.5})


def test_history_has_no_doubled_points_after_three_restarts(tmp_path: Path) -> None:
    """Each session dies some steps after its last mark; the history still has each step exactly once, in order."""
    mark: Mark | None = None
    step = 0
    for session in ("aaaaaa", "bbbbbb", "cccccc"):
        journal = Journal(tmp_path, session, mark)
        log_losses(journal, range(step, step + 10))
        mark = journal.mark()
        step += 10
        log_losses(journal, range(step, step + 5))
    live = Journal(tmp_path, "dddddd", mark)
    log_losses(live, range(step, step + 3))
    read = history(tmp_path, mark, live=live)
    assert losses(read.records) == [(n, n / 7) for n in range(33)]
    assert [record.session for record in read.records[::10]] == ["aaaaaa", "bbbbbb", "cccccc", "dddddd"]
    assert read.flaws == ()


def test_a_new_run_has_only_its_own_records(tmp_path: Path) -> None:
    """Without a checkpoint there is nothing before the live session."""
    live = Journal(tmp_path, "aaaaaa", None)
    log_losses(live, range(2))
    assert losses(history(tmp_path, None, live=live).records) == [(0, 0.0), (1, 1 / 7)]
    assert history(tmp_path, None).records == ()


def test_a_mark_is_exactly_the_bytes_that_were_logged_until_then(tmp_path: Path) -> None:
    """The mark's size and sha256 are those of the file's beginning, whatever is logged later."""
    journal = Journal(tmp_path, "aaaaaa", None)
    log_losses(journal, range(3))
    mark = journal.mark()
    log_losses(journal, range(3, 6))
    content = journal.path.read_bytes()
    assert len(content) > mark.bytes
    assert hashlib.sha256(content[: mark.bytes]).hexdigest() == mark.sha256
    assert content[: mark.bytes].count(b"\n") == 4
    assert Mark.from_json(mark.to_json()) == mark


def test_marks_taken_while_another_thread_logs_are_whole(tmp_path: Path) -> None:
    """A mark never falls inside a line and its hash is always that of its bytes."""
    journal = Journal(tmp_path, "aaaaaa", None)
    marks: dict[int, Mark] = {}
    enough = threading.Event()

    def log_until_enough() -> None:
        step = 0
        while not enough.is_set():
            step += 1
            journal.log(step, {"loss": step / 3})

    logging = threading.Thread(target=log_until_enough)
    logging.start()
    while len(marks) < 50:
        mark = journal.mark()
        marks[mark.bytes] = mark
        journal.sync()
    enough.set()
    logging.join()
    journal.sync()
    content = journal.path.read_bytes()
    for mark in [*marks.values(), journal.mark()]:
        assert content[: mark.bytes].endswith(b"\n")
        assert hashlib.sha256(content[: mark.bytes]).hexdigest() == mark.sha256


def test_a_torn_line_after_the_mark_is_no_flaw(tmp_path: Path) -> None:
    """A kill in the middle of an append harms nothing that a checkpoint counts on."""
    journal = Journal(tmp_path, "aaaaaa", None)
    log_losses(journal, range(3))
    mark = journal.mark()
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"step":3,"val')
    assert losses(history(tmp_path, mark).records) == [(n, n / 7) for n in range(3)]
    assert history(tmp_path, mark).flaws == ()
    assert lost_records(tmp_path, mark) == ()


def test_a_journal_that_ends_before_its_mark_is_reported_and_used(tmp_path: Path) -> None:
    """What arrived of a truncated journal is history; that something is missing is said."""
    journal = Journal(tmp_path, "aaaaaa", None)
    log_losses(journal, range(3))
    mark = journal.mark()
    journal.path.write_bytes(journal.path.read_bytes()[:-5])
    read = history(tmp_path, mark)
    assert losses(read.records) == [(0, 0.0), (1, 1 / 7)]
    assert read.flaws == (
        f"aaaaaa.jsonl ends after {mark.bytes - 5} of {mark.bytes} bytes",
        "aaaaaa.jsonl: 1 of 3 records cannot be read",
    )


def test_a_changed_digit_is_noticed(tmp_path: Path) -> None:
    """A journal with another hash is used, and reported."""
    journal = Journal(tmp_path, "aaaaaa", None)
    journal.log(1, {"loss": 0.25})
    mark = journal.mark()
    journal.path.write_bytes(journal.path.read_bytes().replace(b"0.25", b"0.35"))
    read = history(tmp_path, mark)
    assert losses(read.records) == [(1, 0.35)]
    assert read.flaws == ("aaaaaa.jsonl is not what was written: its sha256 is another",)


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"step":1}',
        b'{"step":-1,"values":{}}',
        b'{"step":true,"values":{}}',
        b'{"step":1,"epoch":null,"values":{}}',
        b'{"step":1,"values":{"loss":NaN}}',
        b'{"step":1,"values":{"loss":[1]}}',
        b'{"step":1,"values":{"loss":{"bits":"7FF0000000000000"}}}',
        b'{"step":1,"values":{"loss":"\\ud800"}}',
        b'{"step":1,"values":{"\\ud800":1}}',
        b'{"step":1,"values":{},"more":1}',
        b'{"step":1,"values":' + b"[" * 100_000,
        b'{"step":1,"values":{"n":' + b"9" * 100_000 + b"}}",
    ],
)
def test_a_line_that_no_journal_writes_is_reported_and_passed_over(tmp_path: Path, line: bytes) -> None:
    """Hostile or damaged lines never raise, and the records around them are kept."""
    journal = Journal(tmp_path, "aaaaaa", None)
    log_losses(journal, range(2))
    header, first, second = journal.path.read_bytes().splitlines()
    content = b"\n".join([header, first, line, second]) + b"\n"
    journal.path.write_bytes(content)
    read = history(tmp_path, Mark("aaaaaa", len(content), hashlib.sha256(content).hexdigest()))
    assert losses(read.records) == [(0, 0.0), (1, 1 / 7)]
    assert read.flaws == ("aaaaaa.jsonl: 1 of 3 records cannot be read",)


def test_a_missing_journal_is_a_flaw_and_not_an_error(tmp_path: Path) -> None:
    """If a parent's journal never reached the remote, the younger records are still there."""
    first = Journal(tmp_path, "aaaaaa", None)
    second = Journal(tmp_path, "bbbbbb", first.mark())
    log_losses(second, range(2))
    first.path.unlink()
    read = history(tmp_path, second.mark())
    assert losses(read.records) == [(0, 0.0), (1, 1 / 7)]
    assert len(read.flaws) == 1
    assert "aaaaaa.jsonl cannot be read" in read.flaws[0]


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b'{"session":"bbbbbb","parent":null}',
        b'{"session":"aaaaaa"}',
        b'{"session":"aaaaaa","parent":{"session":"../../x","bytes":1,"sha256":"' + b"0" * 64 + b'"}}',
        b'{"session":"aaaaaa","parent":{"session":"bbbbbb","bytes":-1,"sha256":"' + b"0" * 64 + b'"}}',
    ],
)
def test_a_damaged_first_line_keeps_the_sessions_own_records(tmp_path: Path, header: bytes) -> None:
    """Without a readable parent the chain ends there, and that is said; no path outside the folder is opened."""
    record = b'{"step":1,"values":{"loss":0.5}}'
    content = header + b"\n" + record + b"\n"
    (tmp_path / "aaaaaa.jsonl").write_bytes(content)
    read = history(tmp_path, Mark("aaaaaa", len(content), hashlib.sha256(content).hexdigest()))
    assert losses(read.records) == [(1, 0.5)]
    assert read.flaws == ("aaaaaa.jsonl has a damaged first line: all records before that session are missing",)


def test_journals_that_name_each_other_as_parents_are_read_once(tmp_path: Path) -> None:
    """A cycle, which only a forged file can make, ends the chain and is reported."""
    for session, parent in (("aaaaaa", "bbbbbb"), ("bbbbbb", "aaaaaa")):
        Journal(tmp_path, session, Mark(parent, 10**18, "0" * 64)).log(1, {"loss": 0.5})
    read = history(tmp_path, Mark("aaaaaa", 10**18, "0" * 64))
    assert [record.session for record in read.records] == ["bbbbbb", "aaaaaa"]
    assert read.flaws[-1] == "aaaaaa.jsonl goes on from itself: older records are left out"


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"session": "aaaaaa", "bytes": 1},
        {"session": "AAAAAA", "bytes": 1, "sha256": "0" * 64},
        {"session": "aaaaaa\n", "bytes": 1, "sha256": "0" * 64},
        {"session": "aaaaaa", "bytes": True, "sha256": "0" * 64},
        {"session": "aaaaaa", "bytes": 1.0, "sha256": "0" * 64},
        {"session": "aaaaaa", "bytes": 1, "sha256": "0" * 63},
        {"session": "aaaaaa", "bytes": 1, "sha256": "0" * 64, "more": 1},
    ],
)
def test_a_mark_that_is_none_is_damaged(content: object) -> None:
    """What a manifest says about its journal is checked before a file is opened by that name."""
    with pytest.raises(DamagedCheckpoint):
        Mark.from_json(content)


def test_lost_records_are_the_whole_lines_after_the_mark(tmp_path: Path) -> None:
    """What the dead session logged after its last checkpoint can be read for the replay proof."""
    journal = Journal(tmp_path, "aaaaaa", None)
    log_losses(journal, range(3))
    mark = journal.mark()
    log_losses(journal, range(3, 6))
    journal.path.write_bytes(journal.path.read_bytes()[:-1])
    assert losses(lost_records(tmp_path, mark)) == [(3, 3 / 7), (4, 4 / 7)]
    journal.path.unlink()
    assert lost_records(tmp_path, mark) == ()


@pytest.mark.parametrize("room", range(0, 60, 7))
def test_a_full_disk_neither_stops_the_loop_nor_loses_a_record(tmp_path: Path, room: int) -> None:
    """While the disk refuses, records wait in memory and marks count them; the next sync that works writes them all."""
    journal = Journal(tmp_path, "aaaaaa", None)
    log_losses(journal, range(3))
    with no_file_larger_than(journal.mark().bytes + room):
        log_losses(journal, range(3, 20))
        assert journal.error is not None
        assert losses(history(tmp_path, None, live=journal).records) == [(n, n / 7) for n in range(20)]
        mark = journal.mark()
        with pytest.raises(StoreError):
            journal.sync()
    journal.sync()
    assert journal.error is None
    log_losses(journal, range(20, 22))
    journal.close()
    assert losses(history(tmp_path, mark).records) == [(n, n / 7) for n in range(20)]
    assert history(tmp_path, mark).flaws == ()
    assert losses(history(tmp_path, journal.mark()).records) == [(n, n / 7) for n in range(22)]
    assert history(tmp_path, journal.mark()).flaws == ()


def test_a_disk_that_refused_is_not_asked_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full or slow disk is tried again by `sync`, in the background, and not by the loop."""
    asked: list[int] = []

    def refuse(descriptor: int, data: memoryview, offset: int) -> int:
        asked.append(offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    journal = Journal(tmp_path, "aaaaaa", None)
    monkeypatch.setattr(os, "pwrite", refuse)
    log_losses(journal, range(50))
    assert len(asked) == 1
    with pytest.raises(StoreError):
        journal.sync()
    assert len(asked) == 2


def test_an_interrupt_in_the_middle_of_a_write_tears_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A KeyboardInterrupt after the bytes went to the system, or after half of them, leaves a journal that is whole."""
    journal = Journal(tmp_path, "aaaaaa", None)
    write = os.pwrite
    for step, part in enumerate((0, 5, None)):

        def interrupted(descriptor: int, data: memoryview, offset: int, part: int | None = part) -> int:
            write(descriptor, data[:part], offset)
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "pwrite", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.log(step, {"loss": step / 7})
        monkeypatch.setattr(os, "pwrite", write)
    journal.log(3, {"loss": 3 / 7})
    journal.close()
    read = history(tmp_path, journal.mark())
    assert losses(read.records) == [(n, n / 7) for n in range(4)]
    assert read.flaws == ()


def test_sync_flushes_the_file_and_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `sync` the bytes are on the disk, and so is the folder's entry, which is synced once."""
    synced: list[bool] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve().is_dir())
        fsync(descriptor)

    journal = Journal(tmp_path, "aaaaaa", None)
    monkeypatch.setattr(os, "fsync", watched)
    journal.sync()
    journal.sync()
    assert synced == [False, True, False]


def test_a_session_has_one_journal(tmp_path: Path) -> None:
    """An existing journal is never written over, and an id that is none never becomes a path."""
    Journal(tmp_path, "aaaaaa", None).close()
    with pytest.raises(UsageError, match="already"):
        Journal(tmp_path, "aaaaaa", None)
    for session in ("../aaa", "AAAAAA", "aaaaa", ""):
        with pytest.raises(UsageError, match="session id"):
            Journal(tmp_path, session, None)


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    """Whatever is wrong when the journal is opened is said at once."""
    (tmp_path / "journal").write_bytes(b"")
    with pytest.raises(StoreError):
        Journal(tmp_path / "journal", "aaaaaa", None)


def test_a_closed_journal_takes_no_more_records(tmp_path: Path) -> None:
    """Logging after the end is a mistake that is named; closing or syncing again is none."""
    journal = Journal(tmp_path, "aaaaaa", None)
    journal.close()
    journal.close()
    journal.sync()
    with pytest.raises(UsageError, match="closed"):
        journal.log(1, {"loss": math.pi})
