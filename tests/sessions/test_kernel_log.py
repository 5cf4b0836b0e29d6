"""What the notebook server's log says about restarts, as far as it can be read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from colab_resume.sessions.kernel_log import Restart, kernel_restarts

OURS, THEIRS = "3b1e-77", "9c9c-12"
DIED = "KernelRestarter: restarting kernel (1/5), keep random ports"
NOON = 1_795_176_000.0


def line(at: float, text: object) -> str:
    """As Colab writes it."""
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"pid": 7, "type": "jupyter", "level": 30, "msg": text, "time": time, "v": 0}) + "\n"


def test_a_restart_by_hand_is_told_from_one_after_a_death(tmp_path: Path) -> None:
    """Where the manager found it dead, listeners say "restarted", too: then it had died all the same."""
    log = tmp_path / "log"
    log.write_text(
        line(NOON, f"Kernel started: {OURS}")
        + line(NOON + 60, f"Kernel restarted: {OURS}")
        + line(NOON + 120, f"kernel {OURS} restarted")
        + line(NOON + 180, f"kernel {OURS} restarted")
        + line(NOON + 180.5, DIED)
        + line(NOON + 240, f"AsyncIOLoop{DIED}")
    )
    assert kernel_restarts(log) == (
        Restart(NOON + 60, died=False),
        Restart(NOON + 120, died=False),
        Restart(NOON + 180, died=True),
        Restart(NOON + 240, died=True),
    )


def test_another_notebooks_kernel_is_none_of_ours(tmp_path: Path) -> None:
    """Several kernels write into one log; a line without a name may be about any."""
    log = tmp_path / "log"
    log.write_text(
        line(NOON, f"kernel {THEIRS} restarted")
        + line(NOON + 0.1, DIED)
        + line(NOON + 60, f"kernel {OURS} restarted")
        + line(NOON + 120, DIED)
    )
    assert [one.at - NOON for one in kernel_restarts(log, kernel_id=OURS)] == [60, 120]
    assert [one.at - NOON for one in kernel_restarts(log)] == [0, 60, 120]


def test_restarts_that_follow_each_other_at_once_are_several(tmp_path: Path) -> None:
    """A kernel that dies as soon as it is there, and one that is restarted by hand just before and, twice, after."""
    log = tmp_path / "log"
    log.write_text(
        line(NOON, f"Kernel restarted: {OURS}")
        + line(NOON + 1, DIED)
        + line(NOON + 1.1, f"kernel {OURS} restarted")
        + line(NOON + 2, DIED)
        + line(NOON + 2.1, f"kernel {OURS} restarted")
        + line(NOON + 3, f"Kernel restarted: {OURS}")
        + line(NOON + 4, f"Kernel restarted: {OURS}")
    )
    found = [(one.at - NOON, one.died) for one in kernel_restarts(log, kernel_id=OURS)]
    assert found == [(0, False), (1, True), (2, True), (3, False), (4, False)]


def test_a_log_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    """Absent, a folder, empty: no evidence, and no error."""
    (tmp_path / "empty").write_text("")
    for path in (tmp_path / "none", tmp_path, tmp_path / "empty"):
        assert kernel_restarts(path) == ()


@pytest.mark.parametrize(
    "damaged",
    [
        line(NOON, DIED)[:-20],
        line(NOON, DIED).replace("2026", "20x6"),
        line(NOON, [DIED]),
        f'{{"msg": "{DIED}"}}\n',
        f'{{"msg": "{DIED}", "time": null}}\n',
        f'{{"msg": "{DIED}", "time": 1{"0" * 400}}}\n',
        f'{{"msg": "{DIED}", "time": NaN}}\n',
        f'["{DIED}"]\n',
        f"{DIED}\n",
        "[" * 50_000 + "kernel\n",
        "\udcff kernel\n",
    ],
)
def test_what_is_no_line_of_a_log_is_passed_over(tmp_path: Path, damaged: str) -> None:
    """Torn or odd lines say nothing, and hide nothing."""
    log = tmp_path / "log"
    log.write_text(damaged + "\n" + line(NOON + 60, DIED), errors="surrogateescape")
    assert kernel_restarts(log) == (Restart(NOON + 60, died=True),)


def test_of_a_huge_log_only_the_end_is_read(tmp_path: Path) -> None:
    """A gigabyte that is not there: what stands at its end is found at once."""
    log = tmp_path / "log"
    with log.open("wb") as stream:
        stream.write(line(NOON, DIED).encode())
        stream.truncate(1 << 30)
        stream.seek(0, 2)
        stream.write(b"\n" + line(NOON + 60, DIED).encode())
    assert kernel_restarts(log) == (Restart(NOON + 60, died=True),)
