"""Life stories of a training, put together by chance: what happens to it, and what must be true whatever happened.

A story begins with an empty Drive and ends when the training has finished. Its seed says all that it does; how much of
a step, an upload or a save is done by then is the machine's affair. What the story did to each session is written down
as a `Fate`, and from that follows what the session after it must say of it (`expected`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colab.cells import Cell
from colab.desk import Desk
from colab.lesson import CELL, TOLD
from colab.memory import why_no_limit
from colab.notebook import Notebook
from colab.vm import Vm
from colab_resume.sessions.identity import SessionRecord

__all__ = ["SETUP", "Fate", "Story", "expected", "records_in"]

_LIMIT = 60.0
"""Seconds for whatever is waited for; nothing takes a tenth of it, on a machine that is not busy."""
_LOOK = 0.02
_STORE = "/content/.colab_resume/story/sessions"

SETUP = """
import os, pathlib
from google.colab import drive
if not os.path.ismount("/content/drive"):
    drive.mount("/content/drive")
if "where" not in globals():
    from colab_resume.remotes.drive_mount import DriveMount
    # The stand-in shows on every VM at once what Drive has, so nobody has to wait until others see a claim.
    where = DriveMount(pathlib.Path("/content/drive/MyDrive/colab_resume"), lag=0.2)
run = colab_resume.setup("story", remote=where, every={every}, takeover={takeover})
"""

_ENDED = {"clean": "finished", "interrupted": "stopped by the user", "failed": "failed"}
_AFTER = {
    None: "new VM after silence",
    "clean": "new VM after a clean end",
    "interrupted": "new VM after an interrupt",
    "failed": "new VM after a failure",
    "exited": "new VM after an exit",
}
_DEATHS = {"restart": "kernel restarted", "kill": "kernel crashed", "out of memory": "out of memory"}
_LAST = ["after the loops", 1]
_IN_A_LOOP = frozenset({"step", "stepped", "validation"})
_TROUBLES: dict[str, dict[str, Any]] = {
    "held": {"held": True},
    "offline": {"offline": True},
    "full": {"drive_space": 1000},
    "slow": {"rate": 20_000.0, "latency": {"create": 0.05, "rename": 0.05}},
}
_PASSING = ["browser", "trouble", "trouble", "full disk", "broken mount", "refused tab"]
_ENDING = [
    *("interrupt", "interrupt twice", "fail", "restart", "kill", "crash", "run out of memory"),
    *("cut", "cut", "takeover"),
]
_CALM = {"held": False, "offline": False, "drive_space": None, "rate": None, "latency": {}}


@dataclass(kw_only=True)
class Fate:
    """What became of a session: where it lived, how it may have said that it ended, and how its process died."""

    vm: str
    pid: int
    ends: set[str | None] = field(default_factory=lambda: {None})
    death: str = ""
    unlogged: bool = False
    """Whether the notebook server had no disk left to write its death down."""
    unwritten: bool = False
    """Whether it had itself no disk left to write its end down."""


def expected(fate: Fate | None, *, vm: str, pid: int, on_drive: SessionRecord | None) -> set[str]:
    """The kinds that a session in this process may tell of the one before it; `on_drive`: what Drive has of that."""
    if fate is None:
        return {"first start"}
    if (fate.vm, fate.pid) == (vm, pid):
        # Whoever runs the cell again has left the session before, if nothing else had ended it: that is an interrupt.
        kinds = {_ENDED.get(str(end), "stopped by the user") for end in fate.ends}
        return kinds | {"cell run again"} if fate.unwritten else kinds
    if fate.vm == vm:
        kinds = {_ENDED.get(str(end), _DEATHS[fate.death]) for end in fate.ends}
        return kinds | {"kernel ended without a word"} if fate.unlogged and "kernel crashed" in kinds else kinds
    # How it ended may not have reached Drive any more; then nobody can know it.
    if on_drive is None or on_drive.ended is None:
        return {"new VM after silence"}
    assert on_drive.ended in fate.ends, (on_drive, fate)
    return {_AFTER[on_drive.ended]}


def records_in(folder: Path) -> dict[str, SessionRecord]:
    """The session records in a folder, by their ids."""
    found = (SessionRecord.from_bytes(path.read_bytes()) for path in folder.glob("[0-9]*Z-*.json"))
    return {record.id: record for record in found}


class Story:
    """`tell` it once. `said` is what happened, for whoever must find out why it went wrong."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.said: list[str] = []
        self.result: dict[str, Any] | None = None
        self._desk = desk
        self._chance = random.Random(seed)
        self._name = "lesson.ipynb"
        self._fates: dict[str, Fate] = {}
        self._told_of: dict[str, str] = {}
        self._trouble = ""
        self._read = 0
        self._acts_left = self._chance.randint(2, 6)
        self._pace = self._chance.choice([0.0, 0.01, 0.03])
        self._workers = self._chance.choice([0, 0, 0, 0, 2])
        self._every = self._chance.choice([1, 2, 3, 5, 100, None])
        self._acts: dict[str, Callable[[Cell, list[Any]], None]] = {
            "broken mount": self._broken_mount,
            "browser": self._browser,
            "crash": self._crash,
            "cut": self._cut,
            "fail": self._fail,
            "full disk": self._full_disk,
            "interrupt": self._interrupt,
            "interrupt twice": self._interrupt_twice,
            "kill": self._kill,
            "refused tab": self._refused_tab,
            "restart": self._restart,
            "run out of memory": self._run_out_of_memory,
            "takeover": self._takeover,
            "trouble": self._drive_trouble,
        }
        self._boot()

    def tell(self) -> None:
        """The whole of it; raises whatever is not as promised."""
        with self._explained():
            while self.result is None:
                self._attempt()
            if self._chance.random() < 0.3:
                self._once_more()
            self._look_at_the_records()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            error.add_note("\n".join(self.said))
            raise

    def _boot(self, notebook: str | None = None) -> None:
        self._name = notebook or self._name
        self._vm: Vm = self._desk.boot(gpu=self._chance.choice([None, "T4"]))
        self._notebook: Notebook = self._vm.open(self._name)
        self._read = self._begun = 0
        self._trouble = ""
        self.said.append(f"boot {self._vm.plan.name}")

    def _attempt(self) -> None:
        """Run the cell, and let something happen to it."""
        self._calm_down()
        acts = self._draw_acts()
        meetings = [self._draw_place(number) for number in range(len(acts))]
        if acts and self._chance.random() < 0.1:
            meetings[-1] = _LAST
        fail = [meetings[-1]] if acts and acts[-1] == "fail" else []
        before = self._newest()
        self.said.append(f"run, and then {list(zip(acts, meetings, strict=True))}; before: {before}")
        self._begun = len(self._lines())
        cell = self._notebook.start(self._code(meet=meetings, fail=fail))
        for act, place in zip(acts, meetings, strict=True):
            if not self._met(place, cell):
                break
            self._acts_left -= 1
            self._check_told(before)
            self._acts[act](cell, place)
            if cell.state != "running" or self._vm.is_gone:
                break
        self._let_it_end(cell)
        self._check_told(before)
        if cell.error and any(f"a mistake of the user's at ['{place}'" in cell.error[1] for place in _IN_A_LOOP):
            self._ends("failed")  # also if something else was to happen first, and came too late

    def _code(self, *, takeover: bool = False, **plan: Any) -> str:
        plan = {"workers": self._workers, "pace": self._pace} | plan
        return CELL.format(plan=plan, setup=SETUP.format(every=self._every, takeover=takeover))

    def _draw_acts(self) -> list[str]:
        if self._acts_left <= 0:
            return []
        number = min(self._acts_left, self._chance.choice([1, 1, 2, 2, 3]))
        ending = [act for act in _ENDING if act != "run out of memory" or why_no_limit() is None]
        return [self._chance.choice(_PASSING) for _ in range(number - 1)] + [self._chance.choice(ending)]

    def _draw_place(self, number: int) -> list[Any]:
        """In the order in which the cell comes by."""
        if number == 0 and self._chance.random() < 0.2:
            return [self._chance.choice(["before setup", "set up", "tracked"]), 1]
        if self._chance.random() < 0.15:
            return ["validation", 1 + number]
        return [self._chance.choice(["step", "stepped"]), self._chance.randint(1, 5) + 5 * number]

    def _told(self) -> list[dict[str, Any]]:
        """What the cell has written down since this was asked last, or what it had when its VM was cut."""
        if self._vm.is_gone:
            return []
        lines = self._lines()[self._read :]
        self._read += len(lines)
        return [json.loads(line) for line in lines]

    def _lines(self) -> list[str]:
        """The last one may be half written."""
        told = self._vm.path(TOLD)
        return told.read_text().split("\n")[:-1] if told.exists() else []

    def _met(self, place: list[Any], cell: Cell) -> bool:
        """Wait until the cell comes by there; whether it did, and still runs."""
        signs = [f'"at": {json.dumps(where)}' for where in (place, _LAST)]
        self._desk.until(
            lambda: any(map(self._has_told, signs)) or cell.state != "running", _LIMIT, f"{place}", nudge=_LOOK
        )
        fails = cell.error is not None and cell.error[0] == "RuntimeError"
        return (cell.state == "running" or fails) and self._has_told(signs[0])

    def _has_told(self, sign: str) -> bool:
        return any(sign in line for line in self._lines()[self._begun :])

    def _newest(self) -> str | None:
        """The session that the next one will find to be the last before it."""
        if self._vm.drive.answers:
            self._vm.drive.settle(_LIMIT)
        seen = self._on_drive()
        if not self._vm.is_gone and self._vm.path(_STORE).is_dir():
            seen = seen | records_in(self._vm.path(_STORE))
        return max(seen.values(), key=lambda one: (one.started, one.id)).id if seen else None

    def _on_drive(self) -> dict[str, SessionRecord]:
        return records_in(self._desk.cloud / "colab_resume" / "story" / "sessions")

    def _check_told(self, before: str | None) -> None:
        """Each new session says of the one before it what the story knows."""
        for line in self._told():
            self._take_result(line)
            if (session := line.get("session")) is None or session in self._told_of:
                continue
            here = [name for name, fate in self._fates.items() if (fate.vm, fate.pid) == self._home(line)]
            last = here[-1] if here else before
            fate = self._fates[last] if last else None
            kinds = expected(fate, vm=self._vm.plan.name, pid=line["pid"], on_drive=self._on_drive().get(last or ""))
            self.said.append(f"session {session} after {last}: {line['kind']}")
            assert line["kind"] in kinds, f"{session} says {line['kind']!r} of {last}, and it should be one of {kinds}"
            self._meet_session(line)

    def _home(self, line: dict[str, Any]) -> tuple[str, int]:
        return self._vm.plan.name, line["pid"]

    def _meet_session(self, line: dict[str, Any]) -> None:
        self._told_of[line["session"]] = line["kind"]
        self._fates[line["session"]] = Fate(vm=self._vm.plan.name, pid=line["pid"])

    def _take_result(self, line: dict[str, Any]) -> None:
        if "result" in line:
            self.result = line["result"]
            self._here()[-1].ends = {"clean"}
            assert (line["threads"], line["children"]) == ([], []), {**line, "result": ""}

    def _here(self) -> list[Fate]:
        """Sessions of the kernel that runs now."""
        return [
            fate for fate in self._fates.values() if (fate.vm, fate.pid) == (self._vm.plan.name, self._notebook.pid)
        ]

    def _ends(self, *ends: str | None) -> None:
        """The present session may have ended so, unless it had ended before."""
        for fate in self._here()[-1:]:
            if fate.ends == {None}:
                fate.ends = set(ends)
        self.said.append(f"ends {ends}")

    def _dies(self, how: str, *ends: str | None) -> None:
        for fate in self._here():
            fate.death = how
            fate.unlogged = self._trouble == "full disk"
        # After the loops, `finish` may have said that it is over just before: nobody can tell who was first.
        over = self._has_told(f'"at": {json.dumps(_LAST)}')
        self._ends(*ends, *(["clean"] if over else []))

    def _let_it_end(self, cell: Cell) -> None:
        """Whatever still goes on comes to its end; where `finish` waits for Drive, Drive comes back."""
        if self._vm.is_gone:
            return
        sign = f'"at": {json.dumps(_LAST)}'
        self._desk.until(lambda: self._has_told(sign) or cell.state != "running", _LIMIT, "the loops' end", nudge=_LOOK)
        self._notebook.reconnect()
        self._calm_down()
        cell.wait(_LIMIT)
        self.said.append(f"the cell: {cell.state} {cell.error or ''}")
        if cell.error and cell.error[0] == "NotSafe":
            # What the disk did not take was not saved; what Drive did not take was. Where only the record of the end
            # did not fit, the next session finds the one of the cell's own end, or none.
            lost, untold = "could not be saved" in cell.error[1], "session's record" in cell.error[1]
            ends = ["failed", "clean", None] if untold else ["clean"]
            self._ends(*(["failed"] if lost else ends))
            for fate in self._here()[-1:]:
                fate.unwritten = untold
        # IPython 7 fails itself when it is interrupted while it shows an interrupt.
        elif cell.error and "IPython/core/ultratb.py" not in cell.traceback:
            assert cell.error[0] in ("KeyboardInterrupt", "RuntimeError"), cell.report()

    def _calm_down(self) -> None:
        """What was wrong with Drive or the disk is mended; a mount that has died is not, that is the cell's affair."""
        if self._trouble and not self._vm.is_gone:
            self.said.append(f"no {self._trouble} any more")
            if self._trouble == "full disk":
                self._vm.free_disk()
            elif self._vm.drive.answers:
                self._vm.weather(**_CALM)
        self._trouble = ""

    def _drive_trouble(self, cell: Cell, place: list[Any]) -> None:
        name = self._chance.choice(list(_TROUBLES))
        self._begin_trouble(name, lambda: self._vm.weather(**_TROUBLES[name]))

    def _begin_trouble(self, name: str, begin: Callable[[], None]) -> None:
        if not self._trouble and self._vm.drive.answers:
            begin()
            self._trouble = name
            self.said.append(f"from now on: {name}")

    def _browser(self, cell: Cell, place: list[Any]) -> None:
        """Closed, until something else happens or the cell has ended; not before somebody could allow the mount."""
        if place[0] != "before setup":
            self._notebook.disconnect()

    def _full_disk(self, cell: Cell, place: list[Any]) -> None:
        self._begin_trouble("full disk", lambda: self._vm.fill_disk(leave=32 << 10))

    def _broken_mount(self, cell: Cell, place: list[Any]) -> None:
        self._begin_trouble("broken mount", self._vm.break_drive)

    def _interrupt(self, cell: Cell, place: list[Any]) -> None:
        self._notebook.reconnect()
        self._notebook.interrupt()
        self._skip_waiting(cell)
        self._left(place, "interrupted")

    def _interrupt_twice(self, cell: Cell, place: list[Any]) -> None:
        self._notebook.reconnect()
        self._notebook.interrupt()
        self._notebook.interrupt()
        self._desk.until(lambda: cell.state != "running" or cell.is_idle or bool(self._trouble), _LIMIT, "a rest")
        if cell.is_idle:
            # The second one may have met the kernel itself on its way to the answer, which is never sent then.
            self._notebook.settle()
            cell.end_as("unseen")
        self._skip_waiting(cell)
        self._left(place, "interrupted")

    def _fail(self, cell: Cell, place: list[Any]) -> None:
        self._notebook.reconnect()
        self._skip_waiting(cell)
        self._left(place, "failed")

    def _skip_waiting(self, cell: Cell) -> None:
        """Where Drive does not answer, nobody waits the twenty seconds that are waited for it."""
        while self._trouble and not self._desk.wait(lambda: cell.state != "running", 2.0):
            if "(stop: skip)" in cell.text:
                self._notebook.interrupt()
        cell.wait(_LIMIT)

    def _left(self, place: list[Any], how: str) -> None:
        """Outside of the loops nothing of the training is left: the session goes on, or `finish` has ended it."""
        self._check_told(None)
        if self._has_told(f'"at": {json.dumps(_LAST)}'):
            self._ends(None, "clean")
        elif place[0] in _IN_A_LOOP:
            self._ends(how, *(["failed"] if self._workers else []))

    def _restart(self, cell: Cell, place: list[Any]) -> None:
        self._notebook.reconnect()
        # It is interrupted first: whether that comes to a boundary before the kernel goes is chance. Workers of a
        # loader are interrupted, too, and if that shows first, it is an error.
        self._dies("restart", None, "exited", "interrupted", *(["failed"] if self._workers else []))
        if self._trouble == "full disk":
            self._calm_down()  # a kernel needs some bytes of it to begin
        self._notebook.restart()

    def _kill(self, cell: Cell, place: list[Any]) -> None:
        self._dies("kill", None)
        self._notebook.kill()

    def _crash(self, cell: Cell, place: list[Any]) -> None:
        self._dies("kill", None)
        self._notebook.crash()

    def _run_out_of_memory(self, cell: Cell, place: list[Any]) -> None:
        self._dies("out of memory", None)
        self._notebook.run_out_of_memory()

    def _cut(self, cell: Cell, place: list[Any]) -> None:
        self._dies("cut", None)
        self._vm.cut()
        self._boot()

    def _refused_tab(self, cell: Cell, place: list[Any]) -> None:
        """Another notebook on the same VM is told that the run is in use; only a Drive that answers can tell it."""
        if self._trouble or not self._vm.drive.answers or place[0] == "before setup":
            return
        other = self._vm.open("copy.ipynb")
        tried = other.run("import colab_resume" + SETUP.format(every=self._every, takeover=False), check=False)
        if cell.state == "running":
            assert tried.error is not None, tried.report()
            assert tried.error[0] in ("RunInUse", "StoreError"), tried.report()
        elif tried.error is None:
            # It came too late: the first one had ended, and so this is simply the next session.
            session, kind = other.value("[run.status().session, run.status().lives[-1].why]")
            other.run("run.finish()")
            self._told_of[session] = kind
            self._fates[session] = Fate(vm=self._vm.plan.name, pid=other.pid, ends={"clean"})

    def _takeover(self, cell: Cell, place: list[Any]) -> None:
        """Another notebook, on a VM of its own, goes on with the run; the first one writes nothing any more."""
        if not self._here() or place[0] == "before setup":
            self._kill(cell, place)
            return
        self._notebook.reconnect()
        self._calm_down()
        self._ends(None, "interrupted", "failed", "clean")
        first, before = self._vm, self._newest()
        seen = bool(self._on_drive())
        self._boot("copy.ipynb")
        other = self._notebook.start(self._code(takeover=True))
        self._desk.until(
            lambda: len(self._lines()) > 1 or other.state != "running", _LIMIT, "the takeover", nudge=_LOOK
        )
        assert any(map(self._has_told, ['"session"'])), other.report()
        self._taken_over_from(before, seen=seen)
        cell.wait(_LIMIT)
        self.said.append(f"the first one: {cell.state} {cell.error or ''}")
        assert cell.error is None or cell.error[0] in ("RunInUse", "NotSafe"), cell.report()
        first.cut()
        if self._chance.random() < 0.5:
            self._let_it_end(other)
        self._check_told(None)
        if self.result is None:
            self._cut(other, place)

    def _taken_over_from(self, before: str | None, *, seen: bool) -> None:
        """It may have come to its end just before."""
        [line, *_] = [line for line in self._told() if "session" in line]
        ends = {record.ended for record in self._on_drive().values()} | (self._fates[before].ends if before else set())
        kinds = {"taken over", *(_AFTER[end] for end in ends - {None}), *(() if seen else ("first start",))}
        self.said.append(f"session {line['session']} takes over from {before}: {line['kind']}")
        assert line["kind"] in kinds, line
        self._meet_session(line)

    def _once_more(self) -> None:
        """The run is complete: who runs the cell again trains nothing."""
        first, self.result = self.result, None
        if self._chance.random() < 0.5:
            self._dies("cut")
            self._vm.cut()
            self._boot()
        self._acts_left = 0
        self._attempt()
        assert self.result == first

    def _look_at_the_records(self) -> None:
        """What sessions said when they began stands in their records, as far as these have reached Drive."""
        kinds = {name: record.began_by for name, record in self._on_drive().items() if record.began_by}
        assert kinds.items() <= self._told_of.items()
        assert self._desk.misuses == []
        assert self._desk.given_back == []
