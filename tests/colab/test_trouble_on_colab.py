"""What goes wrong around a training on Colab: front ends, Drive, the disk, a second tab. It goes on, or is told why."""

from __future__ import annotations

from typing import Any

import pytest

from colab.desk import Desk
from colab.stories import SETUP, records_in
from colab.watching import OPEN, began_by_on_drive, result, steps_on_drive, train, until_at

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

_BY_DEFAULT = 'import colab_resume\nrun = colab_resume.setup("story", every=5)'
_SCRIPT = f"""{_BY_DEFAULT}
print(run.status().place)
for step in run.steps(7):
    run.log(step=step)
print("left to do", [step for step in run.steps(7)])
"""
_GPU = """
import os, pathlib, subprocess, unittest.mock, torch
name = subprocess.check_output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], text=True).strip()
has = dict(is_available=lambda: True, device_count=lambda: 1, get_device_name=lambda *_: name)
with unittest.mock.patch.multiple(torch.cuda, **has):
    SETUP
"""


def test_a_vm_is_asked_for_one_consent(desk: Desk) -> None:
    """However often the cell runs, and after a restart of the kernel not even that; each VM must be asked anew."""
    notebook = desk.boot().open("digits.ipynb")
    notebook.run(_BY_DEFAULT)
    notebook.run(_BY_DEFAULT)
    notebook.restart()
    notebook.run(_BY_DEFAULT)
    assert desk.consents() == ["dfs_ephemeral"]
    desk.boot().open("digits.ipynb").run(_BY_DEFAULT)
    assert desk.consents() == ["dfs_ephemeral"] * 2
    assert desk.misuses == []


def test_where_drive_is_mounted_nobody_is_asked(desk: Desk) -> None:
    """The user's own first cell has asked already."""
    notebook = desk.boot().open("digits.ipynb")
    notebook.run("from google.colab import drive; drive.mount('/content/drive')")
    cell = notebook.run(_BY_DEFAULT)
    assert desk.consents() == ["dfs_ephemeral"]
    assert "being mounted" not in cell.text


@pytest.mark.parametrize("kind", ["silent", "refuses"])
def test_a_front_end_that_does_not_allow_it_ends_setup_with_what_to_do(desk: Desk, kind: Any) -> None:
    """Nothing hangs, nothing has begun; as soon as somebody allows it, the same cell works."""
    vm = desk.boot(front_end=kind)
    notebook = vm.open("digits.ipynb")
    cell = notebook.run(_BY_DEFAULT, check=False)
    assert cell.error is not None
    assert cell.error[0] in ("RemoteUnavailable", "RemoteRefused")
    assert "run the cell again" in cell.error[1]
    assert "allow it" in cell.text
    assert all(asked.seconds is not None for asked in desk.asked)
    vm.front_end = "web"
    notebook.settle()
    notebook.run(_BY_DEFAULT)


@pytest.mark.parametrize("weather", [{"offline": True}, {"held": True}, {"drive_space": 1000}])
def test_a_drive_that_takes_nothing_does_not_hold_up_setup(desk: Desk, weather: dict[str, Any]) -> None:
    """What it holds is read; the training begins, and what it saves waits on the VM's disk."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    notebook.run("from google.colab import drive; drive.mount('/content/drive')")
    vm.weather(**weather)
    notebook.run(_BY_DEFAULT)
    notebook.run("for _ in run.steps(7): pass")
    desk.until(lambda: notebook.value("run.status().saved") == 7, 60, "a save of the last step")
    assert notebook.value("run.status().safe") is None


def test_a_mount_that_breaks_costs_no_step_and_is_mended_by_finish(desk: Desk, undisturbed: dict[str, Any]) -> None:
    """Also if it breaks only while `finish` waits: whoever waits mounts it again."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    cell = train(notebook, meet=[["step", 20]])
    until_at(notebook, "step", 20)
    vm.weather(held=True)
    until_at(notebook, "after the loops", 1)
    desk.wait(lambda: cell.state != "running", 0.5)
    vm.break_drive()
    vm.drive.conditions = type(vm.drive.conditions)()
    cell.wait().result()
    assert result(vm) == undisturbed
    assert steps_on_drive(desk)[-1] == 24
    assert desk.consents() == ["dfs_ephemeral"] * 2


@pytest.mark.parametrize("trouble", ["full", "offline", "disk"])
def test_trouble_costs_no_step_and_is_told(desk: Desk, undisturbed: dict[str, Any], trouble: str) -> None:
    """It comes, it is a problem of the status, it goes, and everything is where it belongs."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    cell = train(notebook, meet=[["step", 8]], fail=[["after the loops", 1]])
    until_at(notebook, "step", 8)
    match trouble:
        case "full":
            vm.weather(drive_space=1000)
        case "offline":
            vm.weather(offline=True)
        case "disk":
            vm.fill_disk(leave=8 << 10)
    cell.wait(90)
    assert cell.error is not None
    assert cell.error[0] == "RuntimeError"
    notebook.settle()
    if trouble == "offline":
        assert notebook.value("(run.status().safe or 0) < run.status().step")
    else:
        assert any("full" in problem or "space" in problem for problem in notebook.value("run.status().problems"))
    vm.weather(drive_space=None, offline=False)
    vm.free_disk()
    train(notebook, meet=[]).wait().result()
    assert result(vm) == undisturbed
    assert steps_on_drive(desk)[-1] == 24


@pytest.mark.parametrize("mounted", [True, False])
def test_a_script_uses_what_is_mounted_and_cannot_mount(desk: Desk, mounted: bool) -> None:
    """`!python train.py`: where nothing is mounted it says in which cell to do that."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    vm.path("/content/train.py").write_text(_SCRIPT)
    if mounted:
        notebook.run("from google.colab import drive; drive.mount('/content/drive')")
    cell = notebook.run("!python train.py")
    if not mounted:
        assert "Google Drive is not mounted, and a script cannot mount it" in cell.text
        assert "in a cell first" in cell.text
        assert desk.consents() == []
        return
    assert "checkpoints go to Google Drive" in cell.text
    assert "left to do []" in cell.text
    assert steps_on_drive(desk)[-1] == 7
    [record] = records_in(desk.cloud / "colab_resume" / "story" / "sessions").values()
    assert record.ended == "exited"


def test_another_gpu_is_told_with_what_it_means(desk: Desk) -> None:
    """From a T4 to an A100 it goes on, and not bit for bit."""
    for gpu in ("T4", "A100"):
        vm = desk.boot(gpu=gpu)
        notebook = vm.open("digits.ipynb")
        notebook.run(
            "import colab_resume\n"
            + _GPU.replace("SETUP", SETUP.format(every=5, takeover=False).replace("\n", "\n    "))
        )
        notebook.run("for _ in run.steps(3): pass")
        notebook.run("run.flush()")
        advice = notebook.value("run.status().advice")
        kind = notebook.value("run.status().lives[-1].why")
        vm.cut()
    assert kind == "new VM after silence"
    assert "GPU T4 -> A100" in advice
    assert "not promised to be bit for bit" in advice


def test_a_second_tab_on_the_same_vm_is_refused(desk: Desk, undisturbed: dict[str, Any]) -> None:
    """The first one does not notice."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    cell = train(notebook, meet=[], pace=0.2)
    until_at(notebook, "step", 8)
    other = vm.open("copy.ipynb").run(OPEN, check=False)
    assert other.error is not None
    assert "Stop the other notebook" in other.error[1]
    cell.wait().result()
    assert result(vm) == undisturbed


def test_a_second_tab_on_another_vm_waits_for_a_sign_of_life_and_is_refused(desk: Desk) -> None:
    """The first one has trouble with Drive for a moment, and then says at once that it lives."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    cell = train(notebook, meet=[], pace=1.0)
    began_by_on_drive(desk, "first start")
    other = desk.boot().open("copy.ipynb")
    tried = other.start(OPEN)
    tried.until("waiting up to")
    vm.weather(eio={"create", "readdir", "open"})
    desk.wait(lambda: "remote is behind" in cell.text, 60, nudge=0.05)
    vm.weather(eio=())
    tried.wait(100)
    assert tried.error is not None
    assert tried.error[0] == "RunInUse"
    assert "takeover=True" in tried.error[1]
    assert cell.state == "running"


def test_a_second_tab_that_takes_over_goes_on_alone(desk: Desk, undisturbed: dict[str, Any]) -> None:
    """At once; the first one is told, and nothing that it saves from now on reaches Drive."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    first = train(notebook, meet=[], pace=0.2)
    until_at(notebook, "step", 8)
    other = desk.boot().open("copy.ipynb")
    second = train(other, meet=[], pace=0.0, takeover=True)
    second.wait().result()
    assert "waiting up to" not in second.text
    assert result(other.vm) == undisturbed
    first.wait()
    assert first.error is not None
    assert first.error[0] in ("NotSafe", "RunInUse")
    assert "another session has taken over" in first.error[1]
    assert sorted(one.began_by for one in records_in(desk.cloud / "colab_resume" / "story" / "sessions").values()) == [
        "first start",
        "taken over",
    ]


def test_signs_of_life_cost_one_small_write_a_minute(desk: Desk) -> None:
    """However often is saved and sent meanwhile: two when it begins, then none before a minute is over."""
    notebook = desk.boot().open("digits.ipynb")
    notebook.run("import time\nbegan = time.monotonic()")
    counting = """
class Counted(DriveMount):
    written = []
    def put(self, name, source):
        self.written.append(name)
        return super().put(name, source)
DriveMount = Counted
"""
    setup = SETUP.replace("    # The", "    exec(COUNTING)\n    # The")
    notebook.run(f"COUNTING = {counting!r}\nimport colab_resume" + setup.format(every=1, takeover=False))
    notebook.run("for _ in run.steps(40):\n    run.flush()")
    written = notebook.value("where.written")
    assert sum("/checkpoints/" in name for name in written) >= 30
    signs = [name for name in written if "/sessions/" in name]
    minutes = notebook.value("(time.monotonic() - began) / 60")  # a busy machine takes more than one
    assert len(signs) <= 2 + int(minutes)
    assert all(len(path.read_bytes()) < 4096 for path in (desk.cloud / "colab_resume/story/sessions").iterdir())
    assert notebook.value("run.status().saves") >= 30
