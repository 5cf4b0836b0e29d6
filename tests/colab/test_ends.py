"""Whatever happens to a test, nothing of its desk is left: no process, no mount, no cgroup."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colab.desk import Desk

__all__: list[str] = []

pytestmark = [
    pytest.mark.usefixtures("needs_fuse"),
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.xdist_group("machine"),
]

TEST = """
import signal, sys
from pathlib import Path
from colab.desk import Desk
with Desk(Path(sys.argv[1])) as desk:
    notebook = desk.boot().open()
    notebook.run("from google.colab import drive; drive.mount('/content/drive')")
    notebook.start("while True: pass")
    desk.boot()
    print(desk.zygote.pid, flush=True)
    signal.pause()
"""


def traces_of(place: Path, zygote: int) -> list[str]:
    """Processes that name this place, mounts below it, this zygote and its cgroups."""
    named = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line, roots = (entry / "cmdline").read_bytes(), (entry / "mountinfo").read_bytes()
            except OSError:
                continue
            if os.fsencode(place) in line + roots:
                named.append(f"process {entry.name}: {line!r}")
    others = [Path(f"/proc/{zygote}"), *Path("/sys/fs/cgroup/memory").glob(f"colab-{zygote}-*")]
    return [*named, *(str(path) for path in others if path.exists())]


def in_another_process(place: Path) -> subprocess.Popen[str]:
    paths = os.pathsep.join(str(path) for path in (Path(__file__).parents[2], Path(__file__).parents[1]))
    return subprocess.Popen(
        [sys.executable, "-c", TEST, str(place)], env=os.environ | {"PYTHONPATH": paths}, stdout=-1, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_test_that_is_killed(tmp_path: Path, number: int) -> None:
    with in_another_process(tmp_path / "desk") as process:
        assert process.stdout is not None
        zygote = int(process.stdout.readline())
        before = traces_of(tmp_path / "desk", zygote)
        process.send_signal(number)
        process.communicate()
    assert len(before) > 6
    assert left_after_a_while(tmp_path / "desk", zygote) == []


def left_after_a_while(place: Path, zygote: int) -> list[str]:
    """A killed process cleans nothing up itself, and those that do it for it need a moment."""
    end = time.monotonic() + 20
    while (found := traces_of(place, zygote)) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def test_a_desk_is_closed_whatever_its_vms_have_come_to(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="given up"), Desk(tmp_path / "desk") as desk:
        dead, broken, cut = desk.boot(), desk.boot(), desk.boot()
        for vm in (dead, broken, cut):
            vm.open().run("from google.colab import drive; drive.mount('/content/drive')")
        dead.notebooks[0].start("import os; os.kill(os.getpid(), 9)")
        broken.break_drive()
        cut.cut()
        raise RuntimeError("given up")
    assert traces_of(tmp_path / "desk", desk.zygote.pid) == []
    assert sorted(path.name for path in (tmp_path / "desk").iterdir()) == ["account", "log"]
