"""What is seen in a folder, and when it counts as settled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from folders.conftest import write
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.folders.kinds import is_log, is_unfinished
from colab_resume.folders.looking import HELD_SECONDS, Look, Seen, Settling, look, open_for_writing

SETTLE, HELD = 3, int(HELD_SECONDS)


def seen(version: int) -> Seen:
    return Seen(size=1, mtime_ns=0, ctime_ns=version, inode=1, mode=0o644)


@given(
    events=st.lists(
        st.tuples(
            st.integers(0, 8),
            st.sampled_from(["look", "look", "look", "write", "begin", "end", "log", "unfinished", "open", "close"]),
        ),
        max_size=60,
    )
)
def test_a_state_is_settled_only_if_nothing_was_written_for_so_long(events: list[tuple[float, str]]) -> None:
    """Whatever is written between two looks, and however they come; and what rests long enough is found to."""
    now, version, log, part, opened = 1000, 0, 0, 0, False
    changed, first_quiet = now, -1
    settling = Settling(Path(), SETTLE, is_open=lambda _: {"a.pt"} if opened else set())

    def see() -> bool:
        files = {"a.pt": seen(version), "train.log": seen(log)}
        return settling.see(Look(files, {"b.tmp": seen(part)} if part else {}, {}, ()), now, known=False)

    for pause, event in events:
        now += pause
        if event == "look":
            if first_quiet < changed:
                first_quiet = now
            settled = see()
            assert not settled or now - changed >= SETTLE
            assert not (settled and opened) or now - changed >= HELD
            assert settled or opened or now - first_quiet < SETTLE
        elif event in ("open", "close"):
            opened = event == "open"
        elif event == "log":
            log += 1
        else:
            version, part, changed = version + (event == "write"), part + (event != "write"), now
            first_quiet = -1
    opened = False
    see()
    now += SETTLE
    assert see()


@given(pauses=st.lists(st.floats(0.1, 10.0), min_size=1, max_size=40))
def test_restlessness_is_counted_from_the_last_rest(pauses: list[float]) -> None:
    """Through whatever looks."""
    settling, now, since, version = Settling(Path(), SETTLE, is_open=lambda _: ()), 0.0, None, 0
    for pause in pauses:
        version += pause < 9.0
        settled = settling.see(Look({"a": seen(version)}, {}, {}, ()), now, known=False)
        since = None if settled else now if since is None else since
        assert settling.restless_for(now) == (0.0 if since is None else now - since)
        now += pause


def test_a_write_that_leaves_size_and_time_as_they_were_is_seen(tmp_path: Path) -> None:
    """A program may set a file's time back, but not the time of that."""
    write(tmp_path / "f", {"a.pt": b"1"})
    times = (tmp_path / "f" / "a.pt").stat()
    before = look(tmp_path / "f")
    while look(tmp_path / "f") == before:
        (tmp_path / "f" / "a.pt").write_bytes(b"2")
        os.utime(tmp_path / "f" / "a.pt", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert look(tmp_path / "f").files["a.pt"].mtime_ns == times.st_mtime_ns


def test_links_are_seen_and_not_followed(tmp_path: Path) -> None:
    """Neither to files nor to folders, and nothing is waited for."""
    write(tmp_path / "outside", {"secret": b"s"})
    write(tmp_path / "f", {"a.pt": b"1"})
    (tmp_path / "f" / "file").symlink_to(tmp_path / "outside" / "secret")
    (tmp_path / "f" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "f" / "round").symlink_to(tmp_path / "f")
    os.mkfifo(tmp_path / "f" / "pipe")
    found = look(tmp_path / "f")
    assert list(found.files) == ["a.pt"]
    assert found.links == ("file", "folder", "round")


def test_another_process_that_has_a_file_open_is_seen(tmp_path: Path) -> None:
    """Most scripts run in a process of their own."""
    write(tmp_path / "f", {"a.pt": b"1", "train.log": b""})
    script = f"a, l = open({str(tmp_path / 'f/a.pt')!r}, 'r+b'), open({str(tmp_path / 'f/train.log')!r}, 'a')\n"
    script += "print(flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        assert open_for_writing(tmp_path / "f") == {"a.pt"}
        process.communicate(b"\\n")
    with (tmp_path / "f" / "a.pt").open("rb"):
        assert open_for_writing(tmp_path / "f") == set()


@pytest.mark.parametrize(
    ("name", "unfinished", "log"),
    [
        ("last.pt", False, False),
        ("model.safetensors", False, False),
        ("checkpoint", False, False),
        ("ckpt-1.data-00000-of-00001", False, False),
        ("temp_scaling.pt", False, False),
        ("template.json", False, False),
        ("poetry.lock", False, False),
        ("attempt.pt", False, False),
        (".metadata", False, False),
        ("events.out.tfevents.1700000000.host.1.0", False, True),
        ("results.csv", False, True),
        ("train.log", False, True),
        ("metrics.jsonl", False, True),
        ("last.pt.tmp", True, False),
        ("checkpoint.tmp1f0c22aa33bb", True, False),
        ("ckpt-1.data-00000-of-00001.tempstate12345", True, False),
        ("variables_temp", True, False),
        ("tmp-checkpoint-500", True, False),
        ("5.orbax-checkpoint-tmp-17", True, False),
        ("model.bin.incomplete", True, False),
        (".~lock", True, False),
        ("notes.txt~", True, False),
        (".fuse_hidden0000a1", True, False),
    ],
)
def test_names_say_what_is_unfinished_and_what_is_a_log(name: str, unfinished: bool, log: bool) -> None:
    """Real names of the frameworks, and some that only look like it."""
    assert (is_unfinished(name), is_log(name)) == (unfinished, log)
