"""What a VM is, seen from within, and what is left when it is gone."""

from __future__ import annotations

import json
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from colab.desk import Desk, Hangs
from colab.machine import PROJECT

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

LOOK = """
import os, pathlib, socket, sys
seen = {
    "boot": pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(),
    "host": socket.gethostname(),
    "endpoint": pathlib.Path("/var/colab/hostname").read_text(),
    "content": sorted(os.listdir("/content")),
    "tmp": os.listdir("/tmp"),
    "pids": [int(name) for name in os.listdir("/proc") if name.isdigit()],
    "mounts": pathlib.Path("/proc/mounts").read_text(),
}
"""


def test_each_vm_is_another_one(desk: Desk) -> None:
    """Its own boot id, host name and endpoint, and none of this machine's processes or files beside the software."""
    (desk.place / "note").write_text("on this machine")
    first, second = desk.boot().open(), desk.boot().open()
    for notebook in (first, second):
        notebook.run(LOOK)
    one, other = first.value("seen"), second.value("seen")

    assert all(one[name] != other[name] for name in ("boot", "host", "endpoint"))
    assert one["boot"] != Path("/proc/sys/kernel/random/boot_id").read_text()
    assert one["host"] != socket.gethostname()
    assert one["content"] == [".config", "sample_data"]
    assert one["tmp"] == sorted({path.parts[2] for path in (PROJECT, Path(sys.prefix)) if path.is_relative_to("/tmp")})
    assert len(one["pids"]) < 10
    assert not first.value(f"os.path.exists({str(desk.place)!r})")
    assert "fuse" not in one["mounts"]


def test_a_vm_is_known_by_what_colab_sets(desk: Desk) -> None:
    vm = desk.boot(gpu="T4")
    notebook = vm.open("digits.ipynb")
    environment = notebook.value("dict(os.environ)") if notebook.run("import os") else {}

    assert environment["COLAB_GPU"] == "1"
    assert environment["HOSTNAME"] == notebook.value("os.uname().nodename")
    assert environment["JPY_PARENT_PID"] == str(notebook.value("os.getppid()"))
    assert environment["COLAB_NOTEBOOK_ID"] == environment["JPY_SESSION_NAME"] == "digits.ipynb"
    assert vm.plan.endpoint.startswith("gpu-t4-s-")
    assert vm.plan.endpoint in environment["KMP_EXTRA_ARGS"]
    assert notebook.value("[os.path.exists(p) for p in os.environ['CGROUP_MEMORY_EVENTS'].split()]") == [True, True]
    assert notebook.run("!nvidia-smi --query-gpu=name --format=csv,noheader").text.strip() == "Tesla T4"
    assert not {"CI", "PYTEST_CURRENT_TEST", "VIRTUAL_ENV"} & environment.keys()


def test_a_vm_without_a_gpu_says_so_by_an_empty_text(desk: Desk) -> None:
    notebook = desk.boot().open()
    notebook.run("import os, shutil")
    assert notebook.value("os.environ['COLAB_GPU']") == ""
    assert notebook.value("shutil.which('nvidia-smi')") is None or Path("/usr/bin/nvidia-smi").exists()


def test_what_a_vm_writes_is_gone_with_it(desk: Desk) -> None:
    """Also what it writes over the software of this machine, and into memory that others could share."""
    places = ["/content/a", "/tmp/a", "/root/a", "/usr/share/desk-a", "/dev/shm/desk-a"]
    vm = desk.boot()
    vm.open().run(f"for place in {places}: open(place, 'w').write('x')")
    assert [vm.path(place).read_text() for place in places] == ["x"] * len(places)
    vm.cut()
    again = desk.boot()
    assert not [place for place in places if again.path(place).exists() or Path(place).exists()]


def test_a_cut_takes_everything_at_once(desk: Desk) -> None:
    """A running cell, what the kernel has started, and the way to what is not there any more."""
    vm = desk.boot()
    notebook = vm.open()
    cell = notebook.start(
        "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "print('it runs'); time.sleep(1000)"
    )
    cell.until("it runs")
    inside = _processes_beside(vm.root)
    assert len(inside) >= 4
    vm.cut()
    assert cell.state == "gone"
    assert not [pid for pid in inside if Path(f"/proc/{pid}").exists()]
    with pytest.raises(RuntimeError, match="is gone"):
        vm.path("/content")
    with pytest.raises(RuntimeError, match="not open"):
        notebook.run("1")
    vm.cut()


def test_a_vm_that_waits_for_drive_can_be_cut(desk: Desk) -> None:
    vm = desk.boot()
    notebook = vm.open()
    notebook.run("from google.colab import drive; drive.mount('/content/drive')")
    vm.weather(latency={"create": 600.0})
    cell = notebook.start("import os; print('it waits'); open('/content/drive/MyDrive/a', 'w')").until("it waits")
    asleep = f"/proc/{notebook.pid}/stat"
    desk.until(lambda: vm.path(asleep).read_text().rpartition(")")[2].split()[0] in "SD", 10, "a wait", nudge=0.01)
    vm.cut()
    assert cell.state == "gone"


def _processes_beside(root: str) -> list[int]:
    """All in the same process namespace as the one whose root this is."""
    mine = (Path(root).parent / "ns/pid").readlink()
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "ns/pid").readlink() == mine:
                found.append(int(entry.name))
    return found


def test_the_disk_can_be_filled_and_freed(desk: Desk) -> None:
    vm = desk.boot(disk=32 << 20)
    notebook = vm.open()
    write = "open('/content/big', 'wb').write(bytes(4 << 20))"
    vm.fill_disk(leave=1 << 20)
    assert notebook.value("__import__('shutil').disk_usage('/content').free") <= 1 << 20
    assert notebook.run(write, check=False).error == ("OSError", "[Errno 28] No space left on device")
    vm.free_disk()
    notebook.run(write)


def test_several_vms_live_beside_each_other(desk: Desk) -> None:
    """Two tabs: both train, and one ends without the other's noticing."""
    tabs = [desk.boot().open() for _ in range(2)]
    cells = [tab.start("import time\nfor step in range(10**6): print('step', step); time.sleep(0.01)") for tab in tabs]
    for cell in cells:
        cell.until("step 3")
    tabs[0].vm.cut()
    cells[1].until("step 9")
    assert [cell.state for cell in cells] == ["gone", "running"]


def test_waiting_has_a_limit_and_says_for_what(desk: Desk) -> None:
    cell = desk.boot().open().start("import time; time.sleep(1000)")
    with pytest.raises(Hangs, match=r"no sign of 'never' in Untitled0\.ipynb"):
        cell.until("never", seconds=0.1)


def test_the_server_writes_its_log_as_colab_does(desk: Desk) -> None:
    vm = desk.boot()
    vm.open()
    assert vm.path("/var/log/colab-jupyter.log").read_text() == ""
    vm.notebooks[0].kill()
    lines = [json.loads(line) for line in vm.path("/var/log/colab-jupyter.log").read_text().splitlines()]
    assert [line["msg"] for line in lines] == [
        "KernelRestarter: restarting kernel (1/5), keep random ports",
        f"WARNING:root:kernel {vm.notebooks[0].kernel} restarted",
    ]
    assert {"pid", "type", "level", "msg", "time", "v"} == lines[0].keys()
