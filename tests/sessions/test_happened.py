"""What happened is read from records and traces: every kind by its own evidence, and nothing is stretched."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.sessions.earlier import earlier_sessions
from colab_resume.sessions.happened import Happened, Kind, what_happened
from colab_resume.sessions.identity import Ending, SessionRecord, begin_session
from colab_resume.sessions.kernel_log import Restart
from colab_resume.sessions.liveness import lives_here
from colab_resume.sessions.times import moment, span

LAST_SIGN = 1_795_183_331.0  # 2026-11-20 14:02:11 UTC
NOW = LAST_SIGN + 82 * 60
LAST = SessionRecord(
    id="aaaaaa",
    host="3f9c01",
    pid=17,
    boot_id="boot-1",
    started=LAST_SIGN - 3600,
    heartbeat=LAST_SIGN,
    step=1265,
    versions={},
    number=1,
    kernel_started=50.25,
    oom_kills=0,
    gpu="Tesla T4",
    place="Google Colab",
    endpoint="gpu-t4-s-20b5",
)
SAME_PROCESS = replace(LAST, id="cccccc", started=NOW, heartbeat=NOW)
SAME_MACHINE = replace(SAME_PROCESS, pid=99, kernel_started=4900.5)
NEW_VM = replace(SAME_MACHINE, host="77ab12", boot_id="boot-2", endpoint="gpu-t4-s-99xx", kernel_started=20.0)
LAPTOP = replace(NEW_VM, host="ada", boot_id="boot-3", endpoint="", place="Jupyter", gpu="")


def told(
    last: SessionRecord | None, present: SessionRecord, *more: SessionRecord, now: float = NOW, **options: Any
) -> Happened:
    records = [*more, *([last] if last else [])]
    return what_happened(records, present, **{"now": now, "zone": UTC, "alive": lambda _: False, **options})


def ended(how: Ending, **changed: Any) -> SessionRecord:
    return replace(LAST, ended=how, **changed)


BY_HAND, DIED = Restart(LAST_SIGN + 30, died=False), Restart(LAST_SIGN + 30, died=True)
CASES: dict[str, tuple[Kind, str, Happened]] = {
    "nothing before": ("first start", "first start, nothing to restore", told(None, SAME_PROCESS)),
    "the same process": (
        "cell run again",
        "the cell runs again in the same process; the last step was 1 h 22 min ago",
        told(LAST, SAME_PROCESS),
    ),
    "the same process, as the caller knows": (
        "cell run again",
        "the cell runs again in the same process; the last step was 1 h 22 min ago",
        told(replace(LAST, kernel_started=None), replace(SAME_PROCESS, kernel_started=None), same_process=True),
    ),
    "stopped, and the cell runs again": (
        "stopped by the user",
        "you stopped it at step 1265, 1 h 22 min ago",
        told(ended("interrupted"), SAME_PROCESS),
    ),
    "failed, and the cell runs again": (
        "failed",
        "it failed at step 1265, 1 h 22 min ago: ValueError: loss is {nan} (line 3 of the cell)",
        told(ended("failed", error="ValueError: loss is {nan} (line 3 of the cell)"), SAME_PROCESS),
    ),
    "failed, and then the kernel was restarted": (
        "failed",
        "it failed at step 1265, 1 h 22 min ago",
        told(ended("failed"), SAME_MACHINE, restarts=[BY_HAND]),
    ),
    "finished": ("finished", "it had finished at step 1265, 1 h 22 min ago", told(ended("clean"), SAME_PROCESS)),
    "finished, and then the kernel died": (
        "finished",
        "it had finished at step 1265, 1 h 22 min ago",
        told(ended("clean"), replace(SAME_MACHINE, oom_kills=1), restarts=[DIED]),
    ),
    "another process with the same number": (
        "kernel ended without a word",
        "the kernel ended without a word 1 h 22 min ago: restarted, crashed or killed",
        told(LAST, replace(SAME_PROCESS, kernel_started=900.0)),
    ),
    "another process lives, and nothing was taken over": (
        "new VM after silence",
        "new VM: the last one went silent 15:23:51, 20 s ago",
        told(replace(LAST, heartbeat=NOW - 20), NEW_VM),
    ),
    "restarted by hand": (
        "kernel restarted",
        "the kernel was restarted; the last sign of life was 1 h 22 min ago",
        told(LAST, SAME_MACHINE, restarts=[BY_HAND]),
    ),
    "restarted by hand, in peace": (
        "kernel restarted",
        "the kernel was restarted; the last sign of life was 1 h 22 min ago",
        told(ended("exited"), SAME_MACHINE, restarts=[BY_HAND]),
    ),
    "restarted by hand, long after a worker ran out of memory": (
        "kernel restarted",
        "the kernel was restarted; the last sign of life was 1 h 22 min ago",
        told(LAST, replace(SAME_MACHINE, oom_kills=1), restarts=[BY_HAND]),
    ),
    "died, and later restarted by hand": (
        "kernel crashed",
        "the kernel died 1 h 22 min ago: it crashed, or something killed it",
        told(LAST, SAME_MACHINE, restarts=[DIED, Restart(LAST_SIGN + 900, died=False)]),
    ),
    "killed for want of memory": (
        "out of memory",
        "the kernel ran out of memory 1 h 22 min ago",
        told(LAST, replace(SAME_MACHINE, oom_kills=1), restarts=[DIED]),
    ),
    "killed for want of memory, without a log": (
        "out of memory",
        "the kernel ran out of memory 1 h 22 min ago",
        told(LAST, replace(SAME_MACHINE, oom_kills=2)),
    ),
    "killed for want of memory, again": (
        "out of memory",
        "the kernel ran out of memory 1 h 22 min ago, for the 3rd time in a row",
        told(
            replace(LAST, began_by="out of memory", oom_kills=2),
            replace(SAME_MACHINE, oom_kills=3),
            replace(LAST, id="bbbbbb", started=1e9, heartbeat=2e9, ended="clean", began_by="out of memory"),
            replace(LAST, id="bbbbbc", started=9e8, heartbeat=9e8, began_by="first start"),
        ),
    ),
    "crashed": (
        "kernel crashed",
        "the kernel died 1 h 22 min ago: it crashed, or something killed it",
        told(LAST, SAME_MACHINE, restarts=[DIED]),
    ),
    "no evidence": (
        "kernel ended without a word",
        "the kernel ended without a word 1 h 22 min ago: restarted, crashed or killed",
        told(LAST, SAME_MACHINE),
    ),
    "an old restart is no evidence": (
        "kernel ended without a word",
        "the kernel ended without a word 1 h 22 min ago: restarted, crashed or killed",
        told(LAST, SAME_MACHINE, restarts=[Restart(LAST_SIGN - 60, died=True), Restart(1.0, died=False)]),
    ),
    "a restart that made way for the last one did not end it": (
        "kernel crashed",
        "the kernel died 1 h 22 min ago: it crashed, or something killed it",
        told(
            replace(LAST, started=LAST_SIGN - 1),
            SAME_MACHINE,
            restarts=[Restart(LAST_SIGN - 1.5, died=False), Restart(LAST_SIGN + 1, died=True)],
        ),
    ),
    "the process ended in peace": (
        "process ended",
        "the last process ended without run.finish(), 1 h 22 min ago",
        told(ended("exited"), replace(SAME_MACHINE, oom_kills=1)),
    ),
    "a new VM after silence": (
        "new VM after silence",
        "new VM: the last one went silent 14:02:11, 1 h 22 min ago",
        told(LAST, NEW_VM),
    ),
    "only the VM's assignment is new": (
        "new VM after silence",
        "new VM: the last one went silent 14:02:11, 1 h 22 min ago",
        told(LAST, replace(SAME_MACHINE, endpoint="m-s-1")),
    ),
    "a script on a new VM": (
        "new VM after silence",
        "new VM: the last one went silent 14:02:11, 1 h 22 min ago",
        told(LAST, replace(NEW_VM, place="Google Colab, in a script")),
    ),
    "another container on the same machine": (
        "new VM after silence",
        "new VM: the last one went silent 14:02:11, 1 h 22 min ago",
        told(LAST, replace(SAME_PROCESS, host="another")),
    ),
    "a new VM after a clean end": (
        "new VM after a clean end",
        "new VM: the last one finished 14:02:11, 1 h 22 min ago",
        told(ended("clean"), NEW_VM),
    ),
    "a new VM after an interrupt": (
        "new VM after an interrupt",
        "new VM: the last one was stopped by you 14:02:11, 1 h 22 min ago",
        told(ended("interrupted"), NEW_VM),
    ),
    "a new VM after a failure": (
        "new VM after a failure",
        "new VM: the last one failed 14:02:11, 1 h 22 min ago: OSError: [Errno 28]",
        told(ended("failed", error="OSError: [Errno 28]"), NEW_VM),
    ),
    "a new VM after an exit": (
        "new VM after an exit",
        "new VM: the last one ended without run.finish() 14:02:11, 1 h 22 min ago",
        told(ended("exited"), NEW_VM),
    ),
    "a laptop after Colab": (
        "other machine",
        "now on Jupyter, before on Google Colab: the last one went silent 14:02:11, 1 h 22 min ago",
        told(LAST, LAPTOP),
    ),
    "another machine of one's own": (
        "other machine",
        "now on eve, before on ada: the last one finished 14:02:11, 1 h 22 min ago",
        told(
            replace(LAPTOP, id="aaaaaa", started=1.0, heartbeat=LAST_SIGN, ended="clean"), replace(LAPTOP, host="eve")
        ),
    ),
    "the laptop was switched off and on": (
        "machine restarted",
        "this machine was started again; the last one went silent 14:02:11, 1 h 22 min ago",
        told(replace(LAPTOP, id="aaaaaa", started=1.0, heartbeat=LAST_SIGN), replace(LAPTOP, boot_id="boot-4")),
    ),
    "a second tab was taken over": (
        "taken over",
        "session aaaaaa on 3f9c01 still lived 20 s ago; its right to write was taken over",
        told(replace(LAST, heartbeat=NOW - 20), NEW_VM, takeover=True),
    ),
    "a second kernel of this machine was taken over": (
        "taken over",
        "session aaaaaa on 3f9c01 still lived 1 h 22 min ago; its right to write was taken over",
        told(LAST, SAME_MACHINE, takeover=True, alive=lambda one: one.id == "aaaaaa"),
    ),
    "taking over where nobody lives": (
        "new VM after silence",
        "new VM: the last one went silent 14:02:11, 1 h 22 min ago",
        told(LAST, NEW_VM, takeover=True),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_is_told_by_its_own_evidence(case: str) -> None:
    """The kind, and the line for people."""
    kind, text, happened = CASES[case]
    assert (happened.kind, happened.text) == (kind, text)


def test_every_kind_has_a_case() -> None:
    """No kind is only thought of."""
    assert {kind for kind, _, _ in CASES.values()} == set(get_args(Kind))


def test_the_numbers_are_told_beside_the_words() -> None:
    """Last sign of life and gap are those of the session before; of a first start there are none."""
    happened = CASES["a new VM after silence"][2]
    assert (happened.last_sign, happened.gap) == (LAST_SIGN, 82 * 60)
    first = CASES["nothing before"][2]
    assert (first.last_sign, first.gap, first.advice, first.gpu) == (None, None, "", "")


def test_advice_is_given_where_something_can_be_done() -> None:
    """And nowhere else."""
    advised = {case: happened.advice for case, (_, _, happened) in CASES.items() if happened.advice}
    assert "smaller batch" in advised["killed for want of memory"]
    assert "Runtime > View runtime logs" in advised["crashed"]
    assert "mend" in advised["failed, and the cell runs again"]
    assert "end the other one" in advised["a second tab was taken over"]
    assert "another kind of GPU" in advised["a laptop after Colab"]
    assert not {"a new VM after silence", "finished", "restarted by hand", "the same process"} & advised.keys()
    # Who counts the kills and saw none does not speak of memory; who cannot count does.
    assert "no evidence" not in advised
    assert "memory may have been short" in told(replace(LAST, oom_kills=None), SAME_MACHINE).advice


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        ("Tesla T4", "NVIDIA A100-SXM4-40GB", "T4 -> A100-SXM4-40GB"),
        ("Tesla T4", "", "T4 -> none"),
        ("", "NVIDIA L4", "none -> L4"),
        ("Tesla T4", "Tesla T4", ""),
    ],
)
def test_another_gpu_is_said_with_what_it_means(before: str, now: str, change: str) -> None:
    """As "T4 -> A100"; the same kind is no change."""
    happened = told(replace(LAST, gpu=before), replace(NEW_VM, gpu=now))
    assert happened.gpu == change
    assert bool(happened.advice) == bool(change)
    if change:
        assert happened.advice.startswith(f"GPU {change}: it goes on correctly, but")


def test_a_gpu_that_nobody_knew_has_not_changed() -> None:
    """Records of before said nothing about it, and a caller may not know."""
    unknown = replace(LAST, gpu="", place="")
    assert told(unknown, NEW_VM).gpu == told(LAST, replace(NEW_VM, gpu="", place="")).gpu == ""


# --- against clocks, gaps and hostile records


def test_a_record_of_before_is_classified_by_what_it_has() -> None:
    """Host, boot and process number were always there."""
    old = replace(LAST, kernel_started=None, oom_kills=None, gpu="", place="", endpoint="", number=0)
    assert told(old, NEW_VM).kind == "new VM after silence"
    assert told(old, SAME_MACHINE).kind == "kernel ended without a word"
    assert told(old, SAME_MACHINE, restarts=[DIED]).kind == "kernel crashed"
    # The number alone may have come round again.
    assert told(old, SAME_PROCESS).kind == "kernel ended without a word"


def test_without_a_boot_id_the_host_tells() -> None:
    """A Mac has none."""
    mac = replace(LAPTOP, boot_id=None)
    before = replace(mac, id="aaaaaa", pid=5, started=1.0, heartbeat=LAST_SIGN)
    assert told(before, mac).kind == "kernel ended without a word"
    assert told(before, replace(mac, host="eve")).kind == "other machine"


def test_a_sign_of_life_from_the_future_gives_no_negative_gap() -> None:
    """The other machine's clock was ahead: the gap is nothing, and the moment is now."""
    happened = told(replace(LAST, heartbeat=NOW + 5000), NEW_VM)
    assert (happened.gap, happened.last_sign) == (0.0, NOW)
    assert happened.text == "new VM: the last one went silent 15:24:11, 0 s ago"


def test_another_day_is_told_with_its_date() -> None:
    """A time of day alone would be taken for today's; the zone decides what a day is."""
    later = LAST_SIGN + 10 * 86400
    assert "went silent Nov 20, 14:02, 10 days ago" in told(LAST, NEW_VM, now=later).text
    assert "went silent Nov 20, 14:02, 100 days ago" in told(LAST, NEW_VM, now=LAST_SIGN + 100 * 86400).text
    assert "went silent 2026-11-20, 14:02, 400 days ago" in told(LAST, NEW_VM, now=LAST_SIGN + 400 * 86400).text
    east = timezone(timedelta(hours=9, minutes=30))
    assert "went silent 23:32:11, 20 min ago" in told(LAST, NEW_VM, now=LAST_SIGN + 1200, zone=east).text
    assert "went silent Nov 20, 23:32, 30 min ago" in told(LAST, NEW_VM, now=LAST_SIGN + 1800, zone=east).text


def test_what_the_present_session_wrote_itself_is_no_session_before() -> None:
    """Its own claim lies on the remote already."""
    assert told(None, NEW_VM, NEW_VM).kind == "first start"
    assert told(LAST, NEW_VM, NEW_VM).kind == "new VM after silence"


WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20) | st.sampled_from(
    ["{at}", "{0}", "%s", "{", "Google Colab", "a b"]
)
TIMES = st.floats(0, 253402300799, allow_nan=False)


@st.composite
def any_record(draw: st.DrawFn, session: str) -> SessionRecord:
    started, heartbeat = sorted((draw(TIMES), draw(TIMES)))
    return SessionRecord(
        id=session,
        host=draw(st.sampled_from(["a", "b", "{host}"])),
        pid=draw(st.integers(0, 3)),
        boot_id=draw(st.sampled_from([None, "x", "y"])),
        started=started,
        heartbeat=heartbeat,
        step=draw(st.integers(0, 2**62)),
        ended=draw(st.sampled_from([None, *get_args(Ending)])),
        restored=draw(st.sampled_from([None, "0000000001-abcdef", "?"])),
        versions={},
        number=draw(st.integers(0, 2**62)),
        kernel_started=draw(st.none() | st.sampled_from([1.0, 2.0])),
        oom_kills=draw(st.none() | st.integers(0, 2)),
        **{name: draw(WORDS) for name in ("gpu", "place", "endpoint", "error", "began_by")},
    )


@given(
    records=st.tuples(*(st.none() | any_record(f"{number:06}") for number in range(4))),
    present=any_record("dddddd"),
    now=TIMES,
    restarts=st.lists(st.builds(Restart, TIMES, died=st.booleans()), max_size=3),
    options=st.fixed_dictionaries(
        {
            "same_process": st.booleans(),
            "takeover": st.booleans(),
            "zone": st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours))),
        }
    ),
)
def test_whatever_records_say_it_is_one_line_of_a_known_kind(
    records: tuple[SessionRecord | None, ...],
    present: SessionRecord,
    now: float,
    restarts: list[Restart],
    options: dict[str, Any],
) -> None:
    """No record, however forged, raises, breaks the line, or makes time run backwards; their order does not matter."""
    known = [record for record in records if record is not None]
    options |= {"now": now, "restarts": restarts, "alive": lambda _: True}
    happened = what_happened(known, present, **options)
    assert happened.kind in get_args(Kind)
    assert happened.text.isprintable()
    assert happened.text
    assert happened.advice.isprintable()
    assert (happened.kind == "first start") == (not known)
    if known:
        assert happened.gap is not None
        assert happened.gap >= 0
        assert happened.last_sign is not None
        assert happened.last_sign + happened.gap == pytest.approx(now)
    assert what_happened(known[::-1], present, **options) == happened


@given(seconds=st.floats(0, 1e12))
def test_a_span_is_a_few_words(seconds: float) -> None:
    """Two units at most, and never a unit that is full."""
    assert re.fullmatch(r"\d+ s|\d+ min|\d+ h( \d\d min)?|\d+ days( \d+ h)?", span(seconds))
    assert not re.match(r"60 |.* 60 min|.* 24 h$", span(seconds))


def test_spans_read_as_people_say_them() -> None:
    """Rounded to what matters."""
    spans = {
        0.4: "0 s",
        12: "12 s",
        59.6: "1 min",
        180: "3 min",
        4920: "1 h 22 min",
        3599.9: "1 h",
        86400 * 3: "3 days",
    }
    assert {seconds: span(seconds) for seconds in spans} == spans
    assert span(86400 * 3 + 4 * 3600) == "3 days 4 h"
    assert moment(LAST_SIGN, LAST_SIGN + 1, UTC) == "14:02:11"


# --- real processes

CHILD = """
import sys, time
from pathlib import Path
from colab_resume.sessions.identity import begin_session
record = begin_session(session="aaaaaa", now=time.time(), step=0, restored=None, versions={})
record.beat(time.time(), 7).save(Path(sys.argv[1]))
print("there", flush=True)
sys.stdin.read()
"""


def child(folder: Path) -> subprocess.Popen[str]:
    """A process that has left its record, and lives."""
    started = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "there\n"
    return started


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
def test_a_real_process_that_lives_dies_and_is_missed(tmp_path: Path) -> None:
    """While it lives it is another tab; killed, it ended without a word; and we are none of its kind."""
    with child(tmp_path) as process:
        (path,) = tmp_path.iterdir()
        record = SessionRecord.from_bytes(path.read_bytes())
        ours = begin_session(session="bbbbbb", now=record.heartbeat + 5, step=0, restored=None, versions={})
        options: dict[str, Any] = {"now": record.heartbeat + 5, "zone": UTC}
        assert lives_here(record)
        assert what_happened([record], ours, takeover=True, **options).kind == "taken over"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert what_happened([record], ours, takeover=True, **options).kind == "kernel ended without a word"
    again = replace(ours, id="cccccc")
    assert what_happened([ours], again, **options).kind == "cell run again"
    assert ours.pid == os.getpid()


def test_a_torn_record_is_passed_over(tmp_path: Path) -> None:
    """The line is about the newest one that can be read."""
    LAST.save(tmp_path)
    torn = tmp_path / replace(LAST, id="bbbbbb", started=NOW - 1, heartbeat=NOW - 1).file_name
    torn.write_bytes(LAST.to_bytes()[:-5])
    happened = told(None, NEW_VM, *earlier_sessions(tmp_path, None, but=NEW_VM.id))
    assert happened.text == "new VM: the last one went silent 14:02:11, 1 h 22 min ago"
