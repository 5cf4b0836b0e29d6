"""`doctor`: one page about how things are, in any case, in time, and without secrets."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drivefs.mount import DriveFS
from run_folders import flip, manifests, newest_pack, own_pack, picture

from colab_resume.cli.doctor import asking, here
from colab_resume.cli.doctor.afar import QUESTIONS, Asked
from colab_resume.cli.doctor.findings import Finding, whatever_happens
from colab_resume.remotes.drive_mount import Proof
from colab_resume.sessions.identity import SessionRecord

from .conftest import Call

mounts = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.xdist_group("machine"),
    pytest.mark.usefixtures("home"),
]
SECRETS = {
    "of the environment": "correct horse battery",
    "of a record": "hunter-2-hunter",
    "of a URL": "Wj/alr/XUtnFEMI",
    "of a path": "tok3n-in-a-path",
    "a mail address": "mallory@mail.example.org",
    "a user": "mallory",
    "a known form": "hf_abcdefghijklmnop",
}


def found(question: str, where: Path | str | None) -> list[Finding]:
    """The answer to one question, asked in this process."""
    asked = Asked(where=None if where is None else str(where), credentials=None, seconds=2.0)
    return list(whatever_happens(question, lambda: QUESTIONS[question](asked)))


def about(heading: str, findings: list[Finding]) -> list[tuple[bool, str]]:
    return [(one.wrong, one.text) for one in findings if one.about == heading]


def record(folder: Path, name: str, **more: Any) -> None:
    """Of a session that began after those that are there."""
    known = {"host": "mallorys-laptop", "pid": 1, "boot_id": None, "versions": {}, "place": "Google Colab"}
    times = {"started": time.time() + 2, "heartbeat": time.time() + 62}
    one = SessionRecord(**{"id": name, "step": 15, **known, **times, **more})
    one.save(folder / "sessions")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is kept there, and nothing in the environment says anything."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("CI", "COLAB_RESUME_CREDENTIALS", "USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_a_healthy_run_is_one_page(call: Call, drive: Path) -> None:
    """From the command line, of the runs in a folder that which was used last; nothing is written there."""
    record(drive / "digits", "bbbbbb", began_by="new VM after silence", gpu="Tesla T4", ended="interrupted")
    before = picture(drive)
    answer = call("doctor", drive)
    assert (answer.status, answer.err, answer.lines[-1]) == (0, "", "nothing wrong was found")
    for line in (
        f"  versions     colab_resume {here.__version__}, python ",
        "  packages     extra drive is complete",
        "  place        plain Python",
        f"  remote       {drive} answers in ",
        f"  run          digits, the last used of 2 in {drive}: ",
        f"  checkpoint   {manifests(drive / 'digits')[-1].name}: step 12, ",
        "  checkpoint   every byte of it is as it was written",
        "  session      bbbbbb ",
    ):
        assert [one for one in answer.lines if one.startswith(line)], line
    assert (
        "new VM after silence, Google Colab T4, lived 1 min, steps 0 to 15: stopped by the user; lost 3" in answer.out
    )
    assert picture(drive) == before


@pytest.mark.slow
def test_no_secret_is_on_the_page(call: Call, drive: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from the environment, a path, an error's text or a URL; neither for people nor for programs, on no stream."""
    folder = home.rename(home.with_name("mallory")) / f"token={SECRETS['of a path']}"
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("MY_SECRET", SECRETS["of the environment"])
    monkeypatch.setenv("COLAB_RESUME_CREDENTIALS", f"/data/{SECRETS['of the environment']}.json")
    drive.rename(folder)
    error = f"ValueError: {SECRETS['of the environment']} {SECRETS['a known form']} password={SECRETS['of a record']}"
    more = f"{SECRETS['a mail address']} in /home/mallory/train.py"
    record(folder / "digits", "bbbbbb", ended="failed", error=f"{error} {more}", notebook="of-mallory")
    key = SECRETS["of a URL"]
    pages = [
        call("doctor", folder),
        call("doctor", folder, "--json"),
        call("doctor", f"s3://AKIA:{key}@bucket/runs"),
        call("doctor", f"memory://mallory:{key}@bucket/runs", "--json"),
    ]
    assert [page.status for page in pages] == [1, 1, 1, 1]
    assert "! session      bbbbbb" in pages[0].out
    assert "ValueError: <hidden> <hidden> password=<hidden> <mail> in ~/train.py" in pages[0].out
    for page in pages:
        assert [name for name, secret in SECRETS.items() if secret in page.out + page.err] == []


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_a_server_that_does_not_answer_is_not_waited_for(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a connection and says nothing; all the rest is told."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        begun = time.monotonic()
        answer = call("doctor", "s3://bucket/runs", "--wait", "2")
        assert time.monotonic() - begun < 10
    assert answer.status == 1
    assert "! run          no further answer within 2 s" in answer.lines
    assert answer.lines[1].startswith("  versions     colab_resume ")


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_a_look_that_crashes_is_a_line(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a library ends the process."""
    monkeypatch.setattr(asking, "_PROGRAM", "no_such_module")
    answer = call("doctor")
    assert answer.status == 1
    assert f"! run          this look ended with status 1: {sys.executable}: No module named no_such_module" in (
        answer.lines
    )


def test_no_time_is_a_mistake(call: Call) -> None:
    """And told at once."""
    for wait in ("0", "-1", "nan"):
        answer = call("doctor", "--wait", wait)
        assert (answer.status, answer.out) == (1, "")
        assert "is no time — " in answer.err


def test_where_nothing_is_nothing_is_wrong(home: Path) -> None:
    """Before the first run; but a folder that was named and is not there is told."""
    assert about("run", found("run", None)) == [(False, f"nothing was saved yet: there is no {home / '.colab_resume'}")]
    assert about("run", found("run", home)) == [(True, f"there is no run in {home}")]
    ((wrong, text),) = about("run", found("run", home / "nowhere"))
    assert wrong
    assert text.startswith(f"there is no folder {home / 'nowhere'} — ")


def test_without_a_word_it_looks_where_setup_saves(home: Path, drive: Path) -> None:
    """Outside of Colab that is this machine's disk."""
    shutil.copytree(drive / "digits", home / ".colab_resume" / "digits")
    findings = found("run", None)
    assert about("storage", findings)[0][1].startswith(f"checkpoints stay on this machine's disk ({home}")
    assert about("run", findings)[0][1].startswith("digits: ")


def test_what_is_on_the_disk_is_told_at_once(home: Path, drive: Path) -> None:
    """It may be further than the remote, or the remote may not answer."""
    assert [text for _, text in about("disk", list(here.found_here()))[1:]] == []
    shutil.copytree(drive / "digits", home / ".colab_resume" / "digits")
    (_, (wrong, text)) = about("disk", list(here.found_here()))
    assert not wrong
    assert text.startswith("digits is there up to step 12, saved ")


@pytest.mark.usefixtures("home")
def test_what_would_be_set_aside_is_told(digits: Path) -> None:
    """A broken manifest, a missing pack; and of the newest whole one, whether its bytes are as they were."""
    there = manifests(digits)
    pack, _, _ = newest_pack(digits)
    flip(pack)
    gone = own_pack(digits, 0)
    gone.unlink()
    flip(digits / "checkpoints" / f"{there[1].name}.json")
    _, (damaged, flaw), *aside = about("checkpoint", found("run", digits))
    assert damaged
    assert flaw.startswith("it is damaged: ")
    assert all(wrong for wrong, _ in aside)
    assert [text.split(" would be set aside: ")[0] for _, text in aside] == [there[1].name, there[0].name]


@pytest.mark.usefixtures("home")
def test_a_disk_that_is_nearly_full_is_told(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even one more checkpoint fits."""
    usage = shutil.disk_usage(digits)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert (True, "one more of them does not fit: 1.0 kB are free") in about("checkpoint", found("run", digits))


@pytest.mark.usefixtures("home")
def test_how_the_last_sessions_ended_is_told(digits: Path) -> None:
    """The newest first; only that one's failure is wrong now, and no machine's name is told."""
    for path in (digits / "sessions").iterdir():
        path.unlink()
    now = time.time()
    record(digits, "aaaaaa", started=now - 9000, heartbeat=now - 8000, ended="failed", error="ValueError: loss is nan")
    record(digits, "bbbbbb", started=now - 7000, heartbeat=now - 6000)
    record(digits, "cccccc", ended="failed", error="KeyError: 'x'")
    torn = digits / "sessions" / "20261120T140211Z-dddddd.json"
    torn.write_text("{")
    (bad, *_), *told = about("session", found("run", digits))
    assert bad
    assert [(wrong, text[:6], text.rpartition(": steps")[0] == "") for wrong, text in told] == [
        (True, "cccccc", True),
        (False, "bbbbbb", True),
        (False, "aaaaaa", True),
    ]
    assert "failed: KeyError: 'x'" in told[0][1]
    assert "went silent" in told[1][1]
    assert "failed: ValueError: loss is nan" in told[2][1]
    assert "laptop" not in str(told)


def test_packages_that_lack_are_known_from_the_metadata() -> None:
    """Whatever pyproject.toml says of extras and of what is always needed."""
    told = [
        "numpy",
        "no-such>=2",
        'fsspec; extra == "fsspec"',
        "PyDrive3 ; extra == 'drive'",
        'x[y]>1; extra == "test"',
    ]
    assert here.lacking_packages("", told) == ["no-such"]
    assert here.lacking_packages("drive", told) == ["PyDrive3"]
    assert here.lacking_packages("fsspec", told) == []


def test_a_look_that_fails_is_a_line() -> None:
    """Whatever it is, and what was found before it stays."""

    def look() -> Iterator[Finding]:
        yield Finding(about="x", text="found")
        raise KeyError("why")

    assert list(whatever_happens("x", look)) == [
        Finding(about="x", text="found"),
        Finding(about="x", text="this look failed: KeyError: 'why'", wrong=True),
    ]


class TestOnAMount:
    """With a real one."""

    pytestmark = mounts

    def test_what_answers_is_told(self, new_drive_fs: Callable[..., DriveFS], digits: Path) -> None:
        """The mount, its space, and the attributes that prove what Drive has."""
        fs = new_drive_fs()
        shutil.copytree(digits, fs.drive / "digits")
        fs.settle()
        ((wrong, text),) = about("mount", found("mount", fs.drive / "digits"))
        assert not wrong
        assert text.startswith(f"{fs.mountpoint} is mounted and answers in ")
        findings = found("run", fs.drive / "digits")
        assert about("proof", findings) == [
            (
                False,
                f"user.drive.uncommitted, user.drive.id, user.drive.md5 answered: {Proof.UNCOMMITTED.value}",
            )
        ]
        assert about("checkpoint", findings)[1][1].startswith("all its packs are there, by name and size")

    def test_a_dead_one_is_told(self, new_drive_fs: Callable[..., DriveFS]) -> None:
        """By the mount and by who looks for the run."""
        fs = new_drive_fs()
        fs.die()
        assert about("mount", found("mount", fs.drive)) == [
            (True, f"{fs.mountpoint} is mounted: Drive's program has died")
        ]
        ((wrong, _),) = about("run", found("run", fs.drive))
        assert wrong

    def test_one_that_hangs_is_not_waited_for(self, new_drive_fs: Callable[..., DriveFS]) -> None:
        """A process that holds a call into it cannot end before it answers: that is not the one that makes the page."""
        fs = new_drive_fs()
        fs.change(latency={"getattr": 10.0})
        words = [sys.executable, "-m", "colab_resume", "doctor", str(fs.drive), "--wait", "1", "--json"]
        begun = time.monotonic()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert time.monotonic() - begun < 8
        assert done.returncode == 1
        told = {one["about"]: one["text"] for one in json.loads(done.stdout)["findings"] if one["wrong"]}
        assert told.keys() == {"mount", "run"}
        assert told["run"] == "no further answer within 1 s"
